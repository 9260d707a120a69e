package forum

import (
	"context"

	_ "example.org/forum/rbac"
)

type _ = context.Context
