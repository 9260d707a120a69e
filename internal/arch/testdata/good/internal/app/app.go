package app

import (
	_ "example.org/forum"
	_ "example.org/forum/internal/rest"
	_ "example.org/forum/internal/sqlstore"
)
