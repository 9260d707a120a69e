package rbac

import (
	"C"

	_ "example.net/compare"
	_ "golang.org/x/text/unicode/norm"
)
