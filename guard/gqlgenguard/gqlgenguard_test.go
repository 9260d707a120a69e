package gqlgenguard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/99designs/gqlgen/graphql"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/guard"
	"github.com/propusk/propusk/guard/gqlgenguard"
	"github.com/propusk/propusk/rbac"
)

// register is an Inspector of people who are named by the role that they have in community 1, and of "root", a platform admin.
type register struct {
	platform, community *rbac.Grants

	mu    sync.Mutex
	asked map[int64]int
	fails error
}

func newRegister(t testing.TB) *register {
	compile := func(p rbac.Policy) *rbac.Grants {
		grants, err := rbac.Compile(p)
		if err != nil {
			t.Fatal(err)
		}
		return grants
	}
	return &register{asked: map[int64]int{}, platform: compile(rbac.Policy{
		Scope: rbac.ScopePlatform, AvailableRoles: []string{"user", "admin"}, DefaultRoles: []string{"user"},
		Reserved: []string{"user:block"},
		Roles:    []rbac.Role{{ID: "user"}, {ID: "admin", Permissions: []string{"*"}}},
	}), community: compile(rbac.Policy{
		Scope: rbac.ScopeCommunity, CreatorRole: "admin", DefaultRoles: []string{"reader"},
		AvailableRoles: []string{"reader", "author", "editor", "admin"},
		Content:        []string{"shout:create", "shout:update_own", "shout:update_any"},
		Roles: []rbac.Role{
			{ID: "reader"}, {ID: "author", Permissions: []string{"shout:create", "shout:update_own"}},
			{ID: "editor", Permissions: []string{"shout:*"}}, {ID: "admin", Permissions: []string{"*"}},
		},
	})}
}

func (r *register) Inspect(_ context.Context, bearer string, communityID int64) (propusk.Pass, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked[communityID]++
	return r.pass(bearer, communityID), r.fails
}

func (r *register) pass(who string, communityID int64) propusk.Pass {
	pass := propusk.Pass{
		User: propusk.User{UserID: "id-of-" + who, IsActive: who != "blocked"}, Named: communityID != 0, PlatformAdmin: who == "root",
		Platform: propusk.Standing{Roles: []string{map[bool]string{true: "admin", false: "user"}[who == "root"]}, Grants: r.platform},
	}
	if communityID == 1 {
		pass.Community, pass.Local.Grants = propusk.Community{ID: 1, Slug: "owls"}, r.community
		if pass.Member = r.community.Has(who); pass.Member {
			pass.Local.Roles = []string{who}
		}
	}
	return pass
}

// visit runs what a server does in one request of somebody.
func (r *register) visit(as string, do func(context.Context)) {
	request := httptest.NewRequest(http.MethodPost, "/graphql", nil)
	if as != "" {
		request.Header.Set("Authorization", "Bearer "+as)
	}
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { do(r.Context()) })
	guard.New(r).Middleware(handler).ServeHTTP(httptest.NewRecorder(), request)
}

// shout is what the directives are asked about.
type shout struct{ community int64 }

func directives() *gqlgenguard.Directives {
	find := func(_ context.Context, arg any) (guard.Object, error) {
		switch arg {
		case 1, 2:
			return guard.Object{CommunityID: int64(arg.(int)), OwnerID: "id-of-author"}, nil
		case 3:
			return guard.Object{}, errors.New("secret of the database")
		}
		return guard.Object{}, &propusk.Error{Kind: propusk.NotFound, Code: "no_shout", Message: "there is no such shout"}
	}
	return gqlgenguard.New(gqlgenguard.Objects(map[string]gqlgenguard.Finder{"shout": find}),
		gqlgenguard.CommunityOf(func(_ context.Context, obj any) (int64, bool) {
			s, ok := obj.(*shout)
			return s.id(), ok
		}))
}

func (s *shout) id() int64 {
	if s == nil {
		return 0
	}
	return s.community
}

// args are the arguments of a field.
type args = map[string]any

// field is a context within a field, and those around it before it.
func field(ctx context.Context, around ...args) context.Context {
	for _, a := range around {
		ctx = graphql.WithFieldContext(ctx, &graphql.FieldContext{Args: a})
	}
	return ctx
}

// directive runs one, and tells where its resolver acted.
type directive func(g *gqlgenguard.Directives, ctx context.Context, obj any, next graphql.Resolver) (any, error)

func resolved(ctx context.Context) (any, error) {
	pass, err := guard.PassFrom(ctx)
	return pass.Community.ID, err
}

func hasPermission(name string) directive {
	return func(g *gqlgenguard.Directives, ctx context.Context, obj any, next graphql.Resolver) (any, error) {
		return g.HasPermission(ctx, obj, next, name)
	}
}

func owns(permission, arg string) directive {
	return func(g *gqlgenguard.Directives, ctx context.Context, obj any, next graphql.Resolver) (any, error) {
		return g.Owns(ctx, obj, next, permission, arg)
	}
}

func anyOf(names ...string) directive {
	return func(g *gqlgenguard.Directives, ctx context.Context, obj any, next graphql.Resolver) (any, error) {
		return g.HasAnyPermission(ctx, obj, next, names)
	}
}

func allOf(names ...string) directive {
	return func(g *gqlgenguard.Directives, ctx context.Context, obj any, next graphql.Resolver) (any, error) {
		return g.HasAllPermissions(ctx, obj, next, names)
	}
}

func hasRole(name string) directive {
	return func(g *gqlgenguard.Directives, ctx context.Context, obj any, next graphql.Resolver) (any, error) {
		return g.HasRole(ctx, obj, next, name)
	}
}

func TestDirectives(t *testing.T) {
	t.Parallel()
	g := directives()
	for name, tt := range map[string]struct {
		directive directive
		// allowed are who passes in community 1; everybody else of the cast does not.
		allowed string
	}{
		"a permission":                 {hasPermission("shout:create"), "author editor admin root"},
		"a permission of the platform": {hasPermission("user:block"), "root"},
		"one of two":                   {anyOf("shout:update_own", "shout:update_any"), "author editor admin root"},
		"both":                         {allOf("shout:update_own", "shout:update_any"), "editor admin root"},
		"one of none":                  {anyOf(), ""},
		"all of none":                  {allOf(), ""},
		"a role":                       {hasRole("editor"), "editor root"},
		"admins":                       {(*gqlgenguard.Directives).AdminOnly, "admin root"},
		"everybody who is known":       {(*gqlgenguard.Directives).Authenticated, "reader author editor admin root stranger"},
		"the owner, and those above":   {owns("shout:update", "id"), "author editor admin root"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRegister(t)
			for who := range strings.FieldsSeq("reader author editor admin root stranger blocked") {
				want := strings.Contains(" "+tt.allowed+" ", " "+who+" ")
				judge := func(where string, ctx context.Context) {
					got, err := tt.directive(g, field(ctx, args{"community_id": 1, "id": 1}), nil, resolved)
					if (err == nil) != want || err == nil && got != int64(1) || err != nil && got != nil {
						t.Errorf("%s, %s: %v %v, want allowed %t", who, where, got, err, want)
					}
				}
				r.visit(who, func(ctx context.Context) { judge("in a request", ctx) })
				judge("with a Pass", guard.WithPass(t.Context(), r.pass(who, 1)))
			}
			r.visit("", func(ctx context.Context) {
				if err := refused(t, g, tt.directive, field(ctx, args{"community_id": 1, "id": 4})); err.Kind != propusk.Unauthenticated {
					t.Errorf("nobody: %v", err)
				}
			})
			if err := refused(t, g, tt.directive, field(t.Context(), args{"community_id": 1, "id": 1})); err.Kind != propusk.Internal {
				t.Errorf("a forgotten middleware: %v", err)
			}
		})
	}
}

// refused runs a directive that must not let anything be resolved.
func refused(t *testing.T, g *gqlgenguard.Directives, d directive, ctx context.Context) *propusk.Error {
	t.Helper()
	_, err := d(g, ctx, nil, func(context.Context) (any, error) {
		t.Error("it was resolved")
		return nil, nil
	})
	refusal, ok := err.(*propusk.Error)
	if !ok {
		t.Fatalf("%T %v", err, err)
	}
	return refusal
}

func TestWhereAFieldActs(t *testing.T) {
	t.Parallel()
	type number int32
	one, two, none, text := 1, int64(2), (*int)(nil), "1"
	in := func(value any) []args { return []args{{"community_id": value}} }
	for name, tt := range map[string]struct {
		around []args
		obj    any
		// want is the community where it is resolved, 0 for a refusal with that code.
		want int64
		code string
	}{
		"an int":                                 {around: in(1), want: 1},
		"an int32":                               {around: in(int32(1)), want: 1},
		"an int64":                               {around: in(int64(1)), want: 1},
		"an unsigned one":                        {around: in(uint8(1)), want: 1},
		"a type of one's own":                    {around: in(number(1)), want: 1},
		"a pointer":                              {around: in(&one), want: 1},
		"an ID":                                  {around: in("1"), want: 1},
		"a pointer to an ID":                     {around: in(&text), want: 1},
		"a JSON number":                          {around: in(json.Number("1")), want: 1},
		"another community":                      {around: in(2), code: "not_member"},
		"another community, pointed at":          {around: in(&two), code: "not_member"},
		"zero":                                   {around: in(0), code: "invalid_input"},
		"below zero":                             {around: in(-1), code: "invalid_input"},
		"beyond all numbers":                     {around: in(uint64(1 << 63)), code: "invalid_input"},
		"a fraction":                             {around: in(json.Number("1.5")), code: "invalid_input"},
		"a float":                                {around: in(1.0), code: "invalid_input"},
		"words":                                  {around: in("owls"), code: "invalid_input"},
		"an empty text":                          {around: in(""), code: "invalid_input"},
		"a list":                                 {around: in([]int{1}), code: "invalid_input"},
		"null, and none in the request":          {around: in(nil), code: "community_required"},
		"a pointer to nothing":                   {around: in(none), code: "community_required"},
		"left out":                               {around: []args{{}}, code: "community_required"},
		"outside of a field":                     {code: "community_required"},
		"the field around it":                    {around: []args{{"community_id": 1}, {}}, want: 1},
		"the nearest field around it":            {around: []args{{"community_id": 1}, {"community_id": 2}, {}}, code: "not_member"},
		"an invalid field around it":             {around: []args{{"community_id": "owls"}, {}}, code: "invalid_input"},
		"its own argument, not the one around":   {around: []args{{"community_id": 2}, {"community_id": 1}}, want: 1},
		"the object":                             {around: []args{{}}, obj: &shout{1}, want: 1},
		"the object, not the one around":         {around: []args{{"community_id": 1}, {}}, obj: &shout{2}, code: "not_member"},
		"its own argument, not the object":       {around: in(1), obj: &shout{2}, want: 1},
		"an object that is nowhere":              {around: []args{{}}, obj: &shout{}, code: "invalid_input"},
		"an object that does not know, and none": {around: []args{{}}, obj: "a text", code: "community_required"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newRegister(t).visit("author", func(ctx context.Context) {
				got, err := directives().HasPermission(field(ctx, tt.around...), tt.obj, resolved, "shout:create")
				if tt.want != 0 && (err != nil || got != tt.want) || tt.want == 0 && !errors.Is(err, &propusk.Error{Code: tt.code}) {
					t.Errorf("%v %v", got, err)
				}
			})
		})
	}
}

// TestAPassIsForItsCommunity: one that was put into the context by hand opens no other.
func TestAPassIsForItsCommunity(t *testing.T) {
	t.Parallel()
	ctx := guard.WithPass(t.Context(), newRegister(t).pass("admin", 1))
	err := refused(t, directives(), (*gqlgenguard.Directives).Authenticated, field(ctx, args{"community_id": 2}))
	if err.Kind != propusk.Forbidden {
		t.Error(err)
	}
	if err := refused(t, directives(), owns("shout:update", "id"), field(ctx, args{"id": 2})); err.Kind != propusk.Forbidden {
		t.Error(err)
	}
}

func TestOwns(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		directive directive
		args      args
		kind      propusk.Kind
	}{
		"where one is not, naming where one is": {owns("shout:update", "id"), args{"id": 2, "community_id": 1}, propusk.Forbidden},
		"what is not there":                     {owns("shout:update", "id"), args{"id": 4}, propusk.NotFound},
		"a store that fails":                    {owns("shout:update", "id"), args{"id": 3}, propusk.Internal},
		"an argument that is null":              {owns("shout:update", "id"), args{"id": nil}, propusk.Invalid},
		"an argument that there is not":         {owns("shout:update", "shout_id"), args{"id": 1}, propusk.Internal},
		"an entity that nobody looks up":        {owns("topic:update", "id"), args{"id": 1}, propusk.Internal},
		"no permission":                         {owns("shout", "id"), args{"id": 1}, propusk.Internal},
		"a wildcard":                            {hasPermission("shout:*"), args{"community_id": 1}, propusk.Internal},
		"a malformed permission among some":     {anyOf("shout:create", "Shout"), args{"community_id": 1}, propusk.Internal},
		"a malformed permission among all":      {allOf("shout:create", ""), args{"community_id": 1}, propusk.Internal},
		"no role":                               {hasRole("Editor"), args{"community_id": 1}, propusk.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newRegister(t).visit("author", func(ctx context.Context) {
				err := refused(t, directives(), tt.directive, field(ctx, tt.args))
				if err.Kind != tt.kind || strings.Contains(err.Error(), "secret") {
					t.Errorf("kind %v: %v", err.Kind, err)
				}
			})
		})
	}
	r := newRegister(t)
	r.visit("author", func(ctx context.Context) {
		got, err := directives().Owns(field(ctx, args{"id": 1}), nil, resolved, "shout:update", "id")
		if err != nil || got != int64(1) {
			t.Errorf("the resolver of one's own shout acts in %v: %v", got, err)
		}
	})
}

// TestAFailedInspectionAllowsNothing, whatever pass comes with the error.
func TestAFailedInspectionAllowsNothing(t *testing.T) {
	t.Parallel()
	r := newRegister(t)
	r.fails = errors.New("secret of the network")
	r.visit("root", func(ctx context.Context) {
		for _, a := range []args{{"community_id": 1}, {}} {
			if err := refused(t, directives(), (*gqlgenguard.Directives).AdminOnly, field(ctx, a)); err.Kind != propusk.Internal {
				t.Error(err)
			}
		}
	})
}

// TestTheZeroDirectivesDeny where they do not know, and look at the argument all the same.
func TestTheZeroDirectivesDeny(t *testing.T) {
	t.Parallel()
	var g gqlgenguard.Directives
	newRegister(t).visit("author", func(ctx context.Context) {
		if err := refused(t, &g, hasPermission("shout:create"), field(ctx, args{"community_id": 2})); err.Kind != propusk.Forbidden {
			t.Error(err)
		}
		if err := refused(t, &g, owns("shout:update", "id"), field(ctx, args{"id": 1})); err.Kind != propusk.Internal {
			t.Error(err)
		}
	})
}

// TestManyFieldsAtOnce: gqlgen resolves the fields of one request concurrently. Each is judged in its own community, and each community
// is asked for once.
func TestManyFieldsAtOnce(t *testing.T) {
	t.Parallel()
	r, g := newRegister(t), directives()
	r.visit("author", func(ctx context.Context) {
		var all sync.WaitGroup
		for i := range 400 {
			all.Go(func() {
				id := 1 + i%5
				got, err := g.HasPermission(field(ctx, args{"community_id": id}), nil, resolved, "shout:create")
				if (err == nil) != (id == 1) || err == nil && got != int64(1) {
					t.Errorf("community %d: %v %v", id, got, err)
				}
			})
		}
		all.Wait()
	})
	if want := fmt.Sprint(map[int64]int{1: 1, 2: 1, 3: 1, 4: 1, 5: 1}); fmt.Sprint(r.asked) != want {
		t.Errorf("asked %v, want %s", r.asked, want)
	}
}

// TestEachOperationAsksAnew: a websocket is one request, and lives longer than a role.
func TestEachOperationAsksAnew(t *testing.T) {
	t.Parallel()
	r, g := newRegister(t), directives()
	r.visit("author", func(connection context.Context) {
		for range 3 {
			g.Operation(connection, func(ctx context.Context) graphql.ResponseHandler {
				for range 2 {
					if _, err := g.Authenticated(field(ctx, args{"community_id": 1}), nil, resolved); err != nil {
						t.Error(err)
					}
				}
				return nil
			})
		}
	})
	if r.asked[1] != 3 {
		t.Errorf("asked %d times in three operations", r.asked[1])
	}
}

func BenchmarkHasPermission(b *testing.B) {
	r, g := newRegister(b), directives()
	next := func(context.Context) (any, error) { return nil, nil }
	pass := guard.WithPass(b.Context(), r.pass("editor", 1))
	for name, ctx := range map[string]context.Context{"argument": field(pass, args{"community_id": 1}), "context": field(pass, args{})} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := g.HasPermission(ctx, nil, next, "shout:create"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("owns", func(b *testing.B) {
		ctx := field(pass, args{"id": 1})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := g.Owns(ctx, nil, next, "shout:update", "id"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
