package rbac

import "sort"

var _ = sort.Strings
