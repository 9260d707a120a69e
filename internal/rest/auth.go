package rest

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
)

// The two things that Authorization: Bearer may carry.
const (
	bearerScheme = "bearer"
	keyScheme    = "api_key"
)

// passOf is the caller. It is there in every operation made with signedIn; elsewhere it is a zero Pass, which may nothing.
func passOf(ctx context.Context) propusk.Pass { return recordOf(ctx).pass }

// authenticate lets only holders of a live session through to operations that ask for one. Elsewhere the Authorization header is not
// even looked at, so that a dead token does not keep anybody from logging in.
func (d *Door) authenticate(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		asked := ctx.Operation().Security
		if len(asked) == 0 {
			next(ctx)
			return
		}
		pass, err := d.inspect(ctx)
		if takes(asked, "") && propusk.KindOf(err) == propusk.Unauthenticated {
			next(ctx)
			return
		}
		if err == nil && pass.KeyID != "" && !takes(asked, keyScheme) {
			err = access.SessionRequired()
		}
		d.Metrics.check(err)
		if err != nil {
			p := d.problem(ctx.Context(), err)
			for name, values := range p.header {
				ctx.SetHeader(name, values[0])
			}
			ctx.SetHeader("Content-Type", p.ContentType(""))
			ctx.SetStatus(p.Status)
			if err := api.Marshal(ctx.BodyWriter(), "application/json", p); err != nil {
				d.Log.Warn("answer not written", "error", err)
			}
			return
		}
		rec := recordOf(ctx.Context())
		rec.userID, rec.pass = pass.User.UserID, pass
		next(ctx)
	}
}

// takes reports whether one of the ways to be let in is that scheme; "" is none at all.
func takes(asked []map[string][]string, scheme string) bool {
	return slices.ContainsFunc(asked, func(way map[string][]string) bool {
		_, named := way[scheme]
		return named || (scheme == "" && len(way) == 0)
	})
}

func (d *Door) inspect(ctx huma.Context) (propusk.Pass, error) {
	return d.inspected(ctx.Context(), ctx.Header("Authorization"))
}

func (d *Door) inspected(ctx context.Context, authorization string) (propusk.Pass, error) {
	token, ok := bearer(authorization)
	if !ok {
		return propusk.Pass{}, notSignedIn()
	}
	pass, err := d.Access.Inspect(ctx, token)
	pass.Origin = recordOf(ctx).origin()
	if err == nil && !pass.User.IsActive {
		err = errors.New("a pass was made for an inactive account")
	}
	return pass, err
}

func notSignedIn() error {
	return &propusk.Error{
		Kind: propusk.Unauthenticated, Code: "not_signed_in",
		Message: "this needs the header Authorization: Bearer with the access_token of POST /api/users/login",
	}
}

// bearer takes the token out of the header (RFC 6750, 2.1; the scheme's case does not matter).
func bearer(header string) (token string, ok bool) {
	scheme, token, ok := strings.Cut(header, " ")
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != ""
}
