// Package guard lets handlers and functions run only for those who may: the decorators of a community platform.
//
// A [Guard] stands at the entrance: its Middleware finds out who asks, in which community, and puts the [propusk.Pass] into the request's
// context. A [Rule] stands before each handler or function and looks at that Pass:
//
//	who := guard.New(inspector)
//	mux.Handle("POST /communities/{community_id}/shouts", guard.Permission("shout:create").HandlerFunc(createShout))
//	http.ListenAndServe(":8080", who.Middleware(mux))
//
// Everything denies by default: without Middleware, without a token, without a community where one is needed, and when the server that knows
// cannot be asked. A Pass is good for one request.
package guard

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/propusk/propusk"
)

// Header names the community of a request where the path does not.
const Header = "X-Community-ID"

// canonical is Header as net/http keeps it; any other spelling is put into this one at each look-up.
const canonical = "X-Community-Id"

// PathValue is the wildcard of a route that names the community, as in "/communities/{community_id}/shouts".
const PathValue = "community_id"

// Guard finds out who asks. Make one with [New]; it is safe for concurrent use.
type Guard struct {
	inspector propusk.Inspector
	community func(*http.Request) (int64, error)
	refuse    func(http.ResponseWriter, *http.Request, error)
}

// Option changes how a Guard works.
type Option func(*Guard)

// CommunityFrom says in which community a request acts, instead of path and header. 0 is the default community. An error refuses the request.
func CommunityFrom(find func(*http.Request) (int64, error)) Option {
	return func(g *Guard) { g.community = find }
}

// OnRefusal answers refused requests, instead of [WriteProblem].
func OnRefusal(write func(http.ResponseWriter, *http.Request, error)) Option {
	return func(g *Guard) { g.refuse = write }
}

// New makes a Guard that asks inspector, which package embedded or client has.
func New(inspector propusk.Inspector, options ...Option) *Guard {
	g := &Guard{inspector: inspector, community: Community, refuse: WriteProblem}
	for _, option := range options {
		option(g)
	}
	return g
}

// Community is where a request acts: the path value community_id, else the header X-Community-ID, else 0 for the default community. Invalid when it
// is no number of a community.
func Community(r *http.Request) (int64, error) {
	text, field := r.PathValue(PathValue), PathValue
	if text == "" {
		text, field = r.Header.Get(canonical), Header
	}
	if text == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, propusk.InvalidField(field, "must be the id of a community")
	}
	return id, nil
}

// Middleware lets the rules before next know who asks. It refuses nobody by itself, and asks nobody until a rule, or PassFrom, wants to know;
// then once per request and community.
func (g *Guard) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{guard: g, request: r}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, v)))
	})
}

type visitKey struct{}

// visit is one request on its way through the guard.
type visit struct {
	guard   *Guard
	request *http.Request

	mu   sync.Mutex
	held *held
}

// held is a pass for a community.
type held struct {
	community int64
	pass      propusk.Pass
	err       error
}

// in is the pass in a community.
func (v *visit) in(ctx context.Context, community int64) *held {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.held == nil || v.held.community != community {
		v.held = v.guard.ask(ctx, v.request, community)
	}
	return v.held
}

func (g *Guard) ask(ctx context.Context, r *http.Request, community int64) *held {
	bearer, ok := bearerOf(r)
	if !ok {
		return &held{community: community, err: notSignedIn()}
	}
	pass, err := g.inspector.Inspect(ctx, bearer, community)
	if err != nil {
		pass = propusk.Pass{}
	}
	return &held{community: community, pass: pass, err: err}
}

// bearerOf takes the token out of the header (RFC 6750, 2.1; the scheme's case does not matter).
func bearerOf(r *http.Request) (token string, ok bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}

func notSignedIn() error {
	return &propusk.Error{
		Kind: propusk.Unauthenticated, Code: "not_signed_in", Message: "this needs the header Authorization: Bearer with an access token",
	}
}

// errNoGuard denies where the guard was forgotten.
var errNoGuard = errors.New("guard: the context holds no Pass: wrap the handler in Guard.Middleware, or use guard.WithPass")

type passKey struct{}

// WithPass puts a Pass into a context, for functions that are called outside of a request, and for tests. Without Middleware a rule refuses
// requests that name another community than the Pass is for.
func WithPass(ctx context.Context, pass propusk.Pass) context.Context {
	return context.WithValue(ctx, passKey{}, &held{pass: pass, community: pass.Community.ID})
}

// PassFrom is who asks, in the community that path, header or default name; the path counts only within a handler behind a rule. An error means that nobody is known to ask, and that nothing is allowed.
func PassFrom(ctx context.Context) (propusk.Pass, error) {
	h, err := heldIn(ctx)
	if err != nil {
		return propusk.Pass{}, err
	}
	return h.pass, h.err
}

// RolesFrom is get_user_roles_from_context of the seed: the roles of who asks, in the community of the request; none when nobody is known.
func RolesFrom(ctx context.Context) []string {
	h, err := heldIn(ctx)
	if err != nil || h.err != nil {
		return nil
	}
	return h.pass.Local.Roles
}

func heldIn(ctx context.Context) (*held, error) {
	if h, ok := ctx.Value(passKey{}).(*held); ok {
		return h, nil
	}
	v, ok := ctx.Value(visitKey{}).(*visit)
	if !ok {
		return nil, errNoGuard
	}
	community, err := v.guard.community(v.request)
	if err != nil {
		return nil, err
	}
	return v.in(ctx, community), nil
}
