// Package graph is the GraphQL door: the fields of api/schema.graphql over the services, under limits of what one request may ask.
package graph

//go:generate go tool -modfile=../../tools/go.mod gqlgen generate

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"

	"github.com/99designs/gqlgen/graphql/executor"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/account"
	"github.com/propusk/propusk/internal/community"
	"github.com/propusk/propusk/internal/session"
)

// Door is what the fields work with. All of it must be set.
type Door struct {
	Accounts    *account.Service
	Sessions    *session.Service
	Communities *community.Service
	Access      *access.Service

	// Inspect tells who sends a request. Unauthenticated.
	Inspect func(*http.Request) (propusk.Pass, error)
	// Origin is where a request came from.
	Origin func(context.Context) propusk.Origin
	// Refusal is what of an error may be shown. It logs the rest.
	Refusal func(context.Context, error) *propusk.Error
	// LoggedIn is told how each login ended, and whose it was.
	LoggedIn func(context.Context, propusk.User, error)
	// Introspection lets clients read the schema.
	Introspection bool
}

// request is what the fields of one request share.
type request struct {
	// pass looks who asks, once, and only when a field wants to know: a dead token keeps nobody from logging in.
	pass   func() (propusk.Pass, error)
	device string
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r
	}
	return &request{pass: func() (propusk.Pass, error) { return propusk.Pass{}, nil }}
}

// passOf is the caller of a field with @authenticated; elsewhere it may be a zero Pass, which may nothing.
func passOf(ctx context.Context) propusk.Pass {
	pass, _ := requestOf(ctx).pass()
	return pass
}

// Handler answers POST /graphql. The mux above it has seen to the method.
func (d *Door) Handler() http.Handler {
	schema := NewExecutableSchema(Config{Resolvers: resolvers{d}, Directives: DirectiveRoot{Authenticated: d.authenticated}})
	exec := executor.New(schema)
	known := &documents{}
	exec.Use(limits{introspection: d.Introspection, known: known})
	exec.SetParserTokenLimit(maxTokens)
	exec.SetQueryCache(known)
	exec.SetErrorPresenter(d.present)
	exec.SetDisableSuggestion(!d.Introspection)
	exec.SetRecoverFunc(func(_ context.Context, fault any) error {
		return fmt.Errorf("graph: panic: %v\n%s", fault, debug.Stack())
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), maxTime)
		defer cancel()
		r = r.WithContext(ctx)
		asked := &request{device: r.UserAgent(), pass: sync.OnceValues(func() (propusk.Pass, error) { return d.Inspect(r) })}
		d.answer(w, r.WithContext(context.WithValue(ctx, requestKey{}, asked)), exec)
	})
}

// resolvers are the roots of the schema.
type resolvers struct{ d *Door }

// Query implements ResolverRoot.
func (r resolvers) Query() QueryResolver { return query(r) }

// Mutation implements ResolverRoot.
func (r resolvers) Mutation() MutationResolver { return mutation(r) }

type (
	query    struct{ d *Door }
	mutation struct{ d *Door }
)
