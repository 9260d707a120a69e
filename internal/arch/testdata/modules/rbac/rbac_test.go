package rbac_test

import (
	_ "example.net/compare"
	_ "example.net/driver"
)
