package forum_test

import (
	_ "example.net/compare/deeply"

	_ "example.org/forum"
	_ "example.org/forum/internal/sqlstore"
)
