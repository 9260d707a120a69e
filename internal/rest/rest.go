// Package rest is the REST door: typed handlers over the services, described by OpenAPI.
package rest

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/account"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/community"
	"github.com/propusk/propusk/internal/graph/graphiql"
	"github.com/propusk/propusk/internal/rest/docs"
	"github.com/propusk/propusk/internal/session"
)

// Door is what the handlers work with.
type Door struct {
	Accounts    *account.Service
	Sessions    *session.Service
	Communities *community.Service
	Access      *access.Service
	Keys        *session.Keys
	Audit       *audit.Trail
	Metrics     *Metrics
	// Ready reports whether requests can be served now.
	Ready func(context.Context) error
	// Remembering, when set, tells whether answers may come from memory now, and how many nodes of the database there are.
	Remembering func() (now bool, nodes int64)
	// FrozenClock is the name of this machine's source of time if that is one to warn of.
	FrozenClock string
	// Stopping, when set, reports whether this node takes its leave: it answers on, but is not to be sent more.
	Stopping func() bool
	// Replication, when set, says whether a standby has what is answered.
	Replication func() string
	Log         *slog.Logger
	// AccessLog writes a line for every request.
	AccessLog bool
	// CORSOrigins are the exact origins whose pages may call.
	CORSOrigins []string
	// TrustedProxies are networks whose X-Forwarded-For counts.
	TrustedProxies []netip.Prefix
	// GraphQL, when set, answers POST /graphql.
	GraphQL http.Handler
	// GraphiQL serves a page at GET /graphql on which people write queries.
	GraphiQL bool
	// ShowMetrics serves /metrics here, to callers on this machine.
	ShowMetrics bool

	bulks bulks
}

const (
	maxBodyBytes    = 1 << 20
	bodyReadTimeout = 10 * time.Second
)

// useStrictHuma sets huma's package-wide switches: no key in another case, no list that is null, no error that repeats a value.
var useStrictHuma = sync.OnceFunc(func() {
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
	huma.NewErrorWithContext = newProblemOf
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return newProblemOf(nil, status, message, errs...)
	}
})

// Handler serves the whole API, its description at /openapi.json and its documentation at /docs.
func (d *Door) Handler() http.Handler {
	mux := http.NewServeMux()
	api := d.api(exactMux{mux, d.quickly})
	docs.Register(mux, "/openapi.json")
	mux.HandleFunc("/", d.unknownRoute(mux))
	mux.HandleFunc("HEAD /api/users/logout", d.unknownRoute(mux)) // GET would take it, and log out whoever only looks
	if d.ShowMetrics {
		mux.Handle("GET /metrics", loopbackOnly(d.Metrics.Handler()))
	}
	if d.GraphQL != nil {
		mux.Handle("POST /graphql", d.GraphQL)
	}
	if d.GraphiQL {
		graphiql.Register(mux)
	}
	spec, err := api.OpenAPI().MarshalJSON()
	if err != nil {
		panic("the API cannot be described: " + err.Error())
	}
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(spec)
	})
	return d.around(exactly(mux, d.unknownRoute(mux)))
}

// exactly keeps the mux from redirecting to a cleaned path or to one with a slash at its end: a client that follows, as many do, would
// send DELETE /api/users/sessions/.. to where accounts are deleted.
func exactly(mux *http.ServeMux, unknown http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		clean := path.Clean(r.URL.Path)
		if strings.HasSuffix(r.URL.Path, "/") && clean != "/" {
			clean += "/"
		}
		handler, pattern := mux.Handler(r)
		switch {
		case clean != r.URL.Path || !strings.HasPrefix(clean, "/") || (strings.HasSuffix(pattern, "/{$}") && !strings.HasSuffix(r.URL.Path, "/")):
			unknown(w, r)
		case strings.Contains(pattern, "{"):
			mux.ServeHTTP(w, r) // which matches once more, for the values in the path
		default:
			r.Pattern = pattern
			handler.ServeHTTP(w, r)
		}
	})
}

// OpenAPI is the description of the API, as served.
func (d *Door) OpenAPI() *huma.OpenAPI {
	return d.api(exactMux{http.NewServeMux(), d.quickly}).OpenAPI()
}

const description = `Accounts, sessions and roles for community platforms.

Log in with **POST /api/users/login** and send the token as ` + "`Authorization: Bearer …`" + `. Errors are
[RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problems with a stable ` + "`code`" + `; bad input names its fields under ` + "`errors`" + `.`

func (d *Door) api(mux humago.Mux) huma.API {
	useStrictHuma()
	config := huma.DefaultConfig("Propusk", apiVersion)
	config.Info.Description = description
	config.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	config.OpenAPIPath, config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", "", nil
	config.Formats = map[string]huma.Format{"application/json": strictJSON, "json": strictJSON}
	config.DefaultFormat = "application/json"
	config.RejectUnknownQueryParameters = true
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		bearerScheme: {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "the access_token of a login"},
		keyScheme:    {Type: "http", Scheme: "bearer", BearerFormat: "propusk_…", Description: "an API key, for services"},
	}
	api := humago.New(mux, config)
	api.UseMiddleware(d.authenticate(api))
	d.users(api)
	d.logins(api)
	d.sessions(api)
	d.admin(api)
	d.audit(api)
	d.communities(api)
	d.members(api)
	d.bulk(api)
	d.roles(api)
	d.checks(api)
	d.apiKeys(api)
	d.keys(api)
	d.health(api)
	return api
}

// apiVersion is the version of the API, not of the program: it changes when an answer does.
const apiVersion = "1.0.0"

// exactMux makes a pattern that ends in a slash match that path alone. Otherwise DELETE /api/users/ would also answer
// DELETE /api/users/somebody-else, and delete the caller.
type exactMux struct {
	*http.ServeMux
	// quickly stands before what answers checks.
	quickly func(http.HandlerFunc) http.HandlerFunc
}

func (m exactMux) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	if strings.HasSuffix(pattern, "/") {
		pattern += "{$}"
	}
	if pattern == http.MethodPost+" "+checkPath {
		handler = m.quickly(handler)
	}
	m.ServeMux.HandleFunc(pattern, handler)
}

// operation is what all operations have in common; needs are those it has beyond being signed in.
func operation(method, path, id, summary, tag string) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{tag},
		MaxBodyBytes: maxBodyBytes, BodyReadTimeout: bodyReadTimeout,
		Errors: []int{http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}
}

// signedIn marks an operation that needs a valid token.
func signedIn(op huma.Operation) huma.Operation {
	op.Security = []map[string][]string{{bearerScheme: {}}}
	op.Errors = append(op.Errors, http.StatusUnauthorized)
	return op
}

// signedInOrKey marks an operation that needs a valid token or an API key.
func signedInOrKey(op huma.Operation) huma.Operation {
	op = signedIn(op)
	op.Security = append(op.Security, map[string][]string{keyScheme: {}})
	return op
}

// maybeSignedIn marks an operation that takes a valid token, and does something sensible without.
func maybeSignedIn(op huma.Operation) huma.Operation {
	op = signedIn(op)
	op.Security = append(op.Security, map[string][]string{})
	return op
}

// unknownRoute answers what no route takes: 405 where another method would do, 404 otherwise.
func (d *Door) unknownRoute(mux *http.ServeMux) http.HandlerFunc {
	methods := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	return func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, method := range methods {
			probe := &http.Request{Method: method, URL: r.URL, Host: r.Host}
			_, pattern := mux.Handler(probe)
			if pattern != "/" && strings.HasSuffix(pattern, "{$}") == strings.HasSuffix(r.URL.Path, "/") && path.Clean(r.URL.Path) == strings.TrimSuffix(r.URL.Path, "/") {
				allowed = append(allowed, method)
			}
		}
		if len(allowed) == 0 {
			writeProblem(w, r, &Problem{Status: http.StatusNotFound, Code: "no_such_route", Detail: "there is nothing at this path: see /docs"})
			return
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		writeProblem(w, r, &Problem{
			Status: http.StatusMethodNotAllowed, Code: "method_not_allowed",
			Detail: "this path takes " + strings.Join(allowed, ", "),
		})
	}
}
