package rest

import (
	"net/http"

	_ "example.org/forum"
	_ "example.org/forum/internal/sqlstore"
	. "example.org/forum/internal/store"
)

var _ http.Handler
