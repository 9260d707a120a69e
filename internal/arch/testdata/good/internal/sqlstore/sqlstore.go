package sqlstore

import (
	_ "example.net/driver"
	_ "example.net/driver/errors"

	_ "example.org/forum/internal/store"
)
