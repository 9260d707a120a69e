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
	"slices"
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

// New makes a Guard that asks inspector, which package embedded or client has. It panics when that, or what an option gives, is nil: that is a
// mistake in the program.
func New(inspector propusk.Inspector, options ...Option) *Guard {
	g := &Guard{inspector: inspector, community: Community, refuse: WriteProblem}
	for _, option := range options {
		option(g)
	}
	if g.inspector == nil || g.community == nil || g.refuse == nil {
		panic("guard: New needs an inspector, and functions that are not nil")
	}
	return g
}

// Community is where a request acts: the path value community_id, else the header X-Community-ID, else 0 for the default community. Invalid when it
// is no number of a community, and when the header is there more than once: whoever else reads it might take another of them.
func Community(r *http.Request) (int64, error) {
	text, field := r.PathValue(PathValue), PathValue
	if text == "" {
		text, field = r.Header.Get(canonical), Header
		if len(r.Header[canonical]) > 1 {
			return 0, propusk.InvalidField(field, "must be there once")
		}
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
// then once per request and community. What a Middleware before it has found out does not count any more: a handler may serve a request of
// its own making, and of somebody else, in the context of the one that it has got.
func (g *Guard) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if before, ok := ctx.Value(visitKey{}).(*visit); ok && before.knows(present(ctx)) {
			ctx = context.WithValue(ctx, passKey{}, nil)
		}
		v := &visit{guard: g}
		v.request = r.WithContext(context.WithValue(ctx, visitKey{}, v))
		next.ServeHTTP(w, v.request)
	})
}

type visitKey struct{}

// visit is one request on its way through the guard.
type visit struct {
	guard *Guard
	// request is the one that Middleware passes on: a mux behind it writes the path values into it.
	request *http.Request
	// fixed says that the visit acts in this community, whatever the request names.
	fixed     bool
	community int64

	mu sync.Mutex
	// first is the only one in most requests, others are by community.
	first  *held
	others map[int64]*held
}

// held is a pass for a community.
type held struct {
	// visit is the one that has asked for it, and nil of a pass that was put in by hand.
	visit     *visit
	community int64
	ask       sync.Once
	pass      propusk.Pass
	err       error
	// cut says that there was no answer because the context of who asked had ended: it denies there, and says nothing to others.
	cut bool
}

// in is the pass in a community. Whoever comes while it is being asked for waits for that answer; other communities do not.
func (v *visit) in(ctx context.Context, community int64) *held {
	for {
		h := v.place(community)
		h.ask.Do(func() {
			h.pass, h.err = v.guard.ask(ctx, v.request, community)
			if h.cut = h.err != nil && ctx.Err() != nil; h.cut {
				v.forget(h)
			}
		})
		if !h.cut || ctx.Err() != nil {
			return h
		}
	}
}

// place is where the pass for a community is kept. It denies until it was asked for, and when the inspector panics.
func (v *visit) place(community int64) *held {
	v.mu.Lock()
	defer v.mu.Unlock()
	if h := v.known(community); h != nil {
		return h
	}
	h := &held{visit: v, community: community, err: errNotAsked}
	switch {
	case v.first == nil:
		v.first = h
	case v.others == nil:
		v.others = map[int64]*held{community: h}
	default:
		v.others[community] = h
	}
	return h
}

// forget makes room for another answer.
func (v *visit) forget(h *held) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.first == h {
		v.first = nil
		return
	}
	delete(v.others, h.community)
}

// known is nil for a community that nobody has asked about. The caller holds the mutex.
func (v *visit) known(community int64) *held {
	if v.first != nil && v.first.community == community {
		return v.first
	}
	return v.others[community]
}

func (g *Guard) ask(ctx context.Context, r *http.Request, community int64) (propusk.Pass, error) {
	bearer, ok := bearerOf(r)
	if !ok {
		return propusk.Pass{}, notSignedIn()
	}
	pass, err := g.inspector.Inspect(ctx, bearer, community)
	if err != nil {
		return propusk.Pass{}, err
	}
	return pass, nil
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

// errNotAsked denies where nothing was answered.
var errNotAsked = errors.New("guard: the inspector gave no answer")

// passKey is the key of a *held that In or WithPass has put into a context, or of the *routed of a rule.
type passKey struct{}

// routed is the pass of a request that a rule has let through.
type routed struct {
	*held
	request *http.Request
	// pattern is the route by which request had come then. A mux behind the rule writes another into it, and may name another community.
	pattern string
}

// where is the community that the request names now.
func (p *routed) where(g *Guard) (int64, error) {
	if p.request.Pattern == p.pattern {
		return p.community, nil
	}
	return g.community(p.request)
}

// present is the pass that ctx holds, or nil.
func present(ctx context.Context) *held {
	switch p := ctx.Value(passKey{}).(type) {
	case *held:
		return p
	case *routed:
		return p.held
	}
	return nil
}

// WithPass puts a Pass into a context, for functions that are called outside of a request, and for tests. Without Middleware a rule refuses
// requests that name another community than the Pass is for. Behind Middleware the Pass stands in its community, whoever's token the
// request shows.
func WithPass(ctx context.Context, pass propusk.Pass) context.Context {
	return context.WithValue(ctx, passKey{}, &held{pass: pass, community: pass.Community.ID})
}

// PassFrom is who asks, in the community of [In], or else the one that path, header or default name. An error means that nobody is known to
// ask, and that nothing is allowed. The lists in the Pass are what the rules of this request look at: leave them as they are.
//
// The path is known behind a rule, and behind an http.ServeMux that Middleware or a rule hands the request to. If something between makes a
// copy of the request, as http.StripPrefix does, put a rule before the handler, or say by In where it acts: else it acts where the header says.
func PassFrom(ctx context.Context) (propusk.Pass, error) {
	h, err := heldIn(ctx)
	if err != nil {
		return propusk.Pass{}, err
	}
	return h.pass, h.err
}

// In is ctx with the Pass of who asks in the community of that id, for all that is done in that community within one request: one field
// of a GraphQL query, say. It asks once per request and community, also when it is called concurrently, and again only when there was no
// answer because ctx had ended. Nobody is a member of a community that does not exist; the Pass then permits nothing in it. Errors: Invalid
// for an id below 1, those of the Inspector, and Forbidden when ctx holds a Pass of [WithPass] for another community and no Middleware that
// could ask.
func In(ctx context.Context, communityID int64) (context.Context, error) {
	if communityID < 1 {
		return ctx, propusk.InvalidField(PathValue, "must be the id of a community")
	}
	h, put := ctx.Value(passKey{}).(*held)
	if put && h.community == communityID && !h.cut {
		return ctx, h.err
	}
	v, ok := ctx.Value(visitKey{}).(*visit)
	switch {
	case ok:
		h := v.in(ctx, communityID)
		return context.WithValue(ctx, passKey{}, h), h.err
	case put:
		return ctx, nowhere(&propusk.Pass{Named: true})
	}
	return ctx, errNoGuard
}

// Anew is ctx in which nothing is known yet of who asks, so that the next rule asks again. It is for connections that live on: each
// message on a websocket, which is a single request to net/http, must not be judged by what was true when it was opened. The community
// stays the same, and so does a Pass of [WithPass].
func Anew(ctx context.Context) context.Context {
	v, ok := ctx.Value(visitKey{}).(*visit)
	if !ok {
		return ctx
	}
	again := &visit{guard: v.guard, request: v.request, fixed: v.fixed, community: v.community}
	h := present(ctx)
	if !v.knows(h) {
		return context.WithValue(ctx, visitKey{}, again)
	}
	again.fixed, again.community = true, h.community
	if p, ok := ctx.Value(passKey{}).(*routed); ok {
		community, err := p.where(v.guard)
		again.request, again.fixed, again.community = p.request, err == nil, community
	}
	return context.WithValue(context.WithValue(ctx, visitKey{}, again), passKey{}, nil)
}

// knows reports whether h is an answer to this visit, and not a Pass put in by hand, or none.
func (v *visit) knows(h *held) bool {
	return h != nil && h.visit == v
}

// RolesFrom is get_user_roles_from_context of the seed: the roles of who asks, in the community of the request; none when nobody is known.
// The list is the caller's to change.
func RolesFrom(ctx context.Context) []string {
	h, err := heldIn(ctx)
	if err != nil || h.err != nil {
		return nil
	}
	return slices.Clone(h.pass.Local.Roles)
}

// heldIn is the pass where ctx is: where In says, else where the request names a community now.
func heldIn(ctx context.Context) (*held, error) {
	v, ok := ctx.Value(visitKey{}).(*visit)
	switch p := ctx.Value(passKey{}).(type) {
	case *held:
		return p, nil
	case *routed:
		return v.at(ctx, p)
	}
	switch {
	case !ok:
		return nil, errNoGuard
	case v.fixed:
		return v.in(ctx, v.community), nil
	}
	community, err := v.guard.community(v.request)
	if err != nil {
		return nil, err
	}
	return v.in(ctx, community), nil
}

// at is p, unless a mux has found another community in the path since.
func (v *visit) at(ctx context.Context, p *routed) (*held, error) {
	community, err := p.where(v.guard)
	switch {
	case err != nil:
		return nil, err
	case community == p.community:
		return p.held, nil
	}
	return v.in(ctx, community), nil
}
