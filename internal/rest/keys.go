package rest

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type jwks struct {
	CacheControl string `header:"Cache-Control"`
	Body         json.RawMessage
}

// keys publishes the public keys, for programs that verify tokens themselves. They learn from a token who somebody was, not whether the
// session still stands.
func (d *Door) keys(api huma.API) {
	op := operation(http.MethodGet, "/.well-known/jwks.json", "jwks", "Public keys of access tokens, as a JWK set (RFC 7517)", "Keys")
	huma.Register(api, op, func(ctx context.Context, _ *none) (*jwks, error) {
		set, err := d.Keys.JWKS(ctx)
		if err != nil {
			return nil, d.problem(ctx, err)
		}
		return &jwks{CacheControl: "public, max-age=60", Body: set}, nil
	})
}
