package rest

import (
	"context"
	"net/http"

	"github.com/propusk/propusk"
)

// Inspect tells who sends a request, for a handler that this door has taken in. Unauthenticated.
func (d *Door) Inspect(r *http.Request) (propusk.Pass, error) {
	pass, err := d.inspected(r.Context(), r.Header.Get("Authorization"))
	d.Metrics.check(err)
	if err == nil {
		recordOf(r.Context()).userID = pass.User.UserID
	}
	return pass, err
}

// Origin is where the request came from that the context belongs to.
func (d *Door) Origin(ctx context.Context) propusk.Origin { return recordOf(ctx).origin() }

// Refusal is what of an error may be shown; the rest is logged.
func (d *Door) Refusal(ctx context.Context, err error) *propusk.Error { return d.classify(ctx, err) }

// LoggedIn takes note of how a login ended, and whose it was.
func (d *Door) LoggedIn(ctx context.Context, user propusk.User, err error) {
	d.Metrics.login(err)
	if err == nil {
		recordOf(ctx).userID = user.UserID
	}
}
