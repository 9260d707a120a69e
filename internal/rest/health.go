package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/propusk/propusk"
)

// Health is a word for load balancers.
type Health struct {
	Status string `json:"status" enum:"ok"`
}

const readyWithin = time.Second

func (d *Door) health(api huma.API) {
	const tag = "Health"
	huma.Register(api, operation(http.MethodGet, "/healthz", "healthz", "Is the process alive?", tag),
		answer(d, func(context.Context, propusk.Pass, *none) (Health, error) { return Health{"ok"}, nil }))
	huma.Register(api, operation(http.MethodGet, "/readyz", "readyz", "Can it serve requests now?", tag),
		answer(d, func(ctx context.Context, _ propusk.Pass, _ *none) (Health, error) {
			ctx, cancel := context.WithTimeout(ctx, readyWithin)
			defer cancel()
			if err := d.Ready(ctx); err != nil {
				return Health{}, &propusk.Error{
					Kind: propusk.Unavailable, Code: "not_ready", Message: "the database does not answer", RetryAfter: time.Second, Cause: err,
				}
			}
			return Health{"ok"}, nil
		}))
}
