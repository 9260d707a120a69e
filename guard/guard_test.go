package guard_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/guard"
	"github.com/propusk/propusk/rbac"
)

// magazine is the roles of a community that these tests speak of.
func magazine() rbac.Policy {
	return rbac.Policy{
		Scope: rbac.ScopeCommunity, CreatorRole: "admin", DefaultRoles: []string{"reader"},
		AvailableRoles: []string{"reader", "author", "artist", "expert", "editor", "admin"},
		Content:        []string{"shout:create", "shout:read", "shout:update_own", "shout:update_any", "topic:merge"},
		Roles: []rbac.Role{
			{ID: "reader", Permissions: []string{"*:read"}},
			{ID: "author", Inherits: []string{"reader"}, Permissions: []string{"*:create", "*:update_own"}},
			{ID: "artist", Inherits: []string{"author"}},
			{ID: "expert", Inherits: []string{"artist"}},
			{ID: "editor", Inherits: []string{"expert"}, Permissions: []string{"*:update_any", "topic:merge"}},
			{ID: "admin", Inherits: []string{"editor"}, Permissions: []string{"*"}},
		},
	}
}

// platform is the roles above all communities.
func platform() rbac.Policy {
	return rbac.Policy{
		Scope: rbac.ScopePlatform, AvailableRoles: []string{"user", "moderator", "admin"}, DefaultRoles: []string{"user"}, Reserved: []string{"user:block"},
		Roles: []rbac.Role{
			{ID: "user"}, {ID: "moderator", Inherits: []string{"user"}, Permissions: []string{"user:block"}},
			{ID: "admin", Inherits: []string{"moderator"}, Permissions: []string{"*"}},
		},
	}
}

// compiled is a policy made ready. Policies are written out here, and not read from files, because whoever imports this package has the modules
// of its tests in go.sum.
func compiled(t testing.TB, p rbac.Policy) *rbac.Grants {
	t.Helper()
	grants, err := rbac.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return grants
}

// register is an Inspector of people who are named by their token: "reader", "reader+expert", "root" (a platform admin), "moderator" (of the platform)
// and "blocked". They are members of community 1 with the roles of their name.
type register struct {
	platform, community *rbac.Grants
	// asked counts the questions.
	asked int
	fails error
}

func newRegister(t testing.TB) *register {
	return &register{platform: compiled(t, platform()), community: compiled(t, magazine())}
}

func (r *register) Inspect(_ context.Context, bearer string, communityID int64) (propusk.Pass, error) {
	r.asked++
	switch {
	case r.fails != nil:
		return propusk.Pass{User: propusk.User{IsActive: true}, PlatformAdmin: true}, r.fails
	case bearer == "forged":
		return propusk.Pass{}, &propusk.Error{Kind: propusk.Unauthenticated, Code: "invalid_token", Message: "no"}
	}
	return r.pass(bearer, communityID), nil
}

func (r *register) pass(who string, communityID int64) propusk.Pass {
	role := map[string]string{"root": "admin", "moderator": "moderator"}[who]
	if role == "" {
		role = "user"
	}
	pass := propusk.Pass{
		User: propusk.User{ID: 7, UserID: "id-of-" + who, Role: role, IsActive: who != "blocked"}, Named: communityID != 0,
		Platform: propusk.Standing{Roles: []string{role}, Grants: r.platform}, PlatformAdmin: who == "root",
	}
	if communityID == 1 {
		pass.Community = propusk.Community{ID: 1, Slug: "owls"}
		pass.Local.Grants = r.community
		if who != "root" && who != "moderator" && who != "stranger" {
			pass.Member = true
			pass.Local.Roles = strings.Split(who, "+")
			for _, role := range pass.Local.Roles {
				pass.Ranks = append(pass.Ranks, magazine().Ancestors(role)...)
			}
		}
	}
	return pass
}

// site is a mux behind the middleware.
type site struct {
	t *testing.T
	*register
	*http.ServeMux
	handler http.Handler
}

func newSite(t *testing.T, options ...guard.Option) *site {
	s := &site{t: t, register: newRegister(t), ServeMux: http.NewServeMux()}
	s.handler = guard.New(s.register, options...).Middleware(s.ServeMux)
	return s
}

func (s *site) get(path, token string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

var ok = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

func TestRules(t *testing.T) {
	t.Parallel()
	mine := func(_ context.Context, r *http.Request) (guard.Object, error) {
		return guard.Object{CommunityID: 1, OwnerID: "id-of-author"}, nil
	}
	for name, tt := range map[string]struct {
		rule guard.Rule
		// allowed are who passes in community 1; everybody else of the cast does not.
		allowed string
	}{
		"a permission":                   {guard.Permission("shout:create"), "author artist expert editor admin author+expert root"},
		"a permission of the platform":   {guard.Permission("user:block"), "root moderator"},
		"one of two":                     {guard.AnyPermission("shout:update_own", "shout:update_any"), "author artist expert editor admin author+expert root"},
		"both":                           {guard.AllPermissions("shout:update_own", "shout:update_any"), "editor admin root"},
		"none of none":                   {guard.AnyPermission(), ""},
		"all of none":                    {guard.AllPermissions(), ""},
		"a role, literally":              {guard.Role("expert"), "expert author+expert root"},
		"a role or more":                 {guard.RoleAtLeast("expert"), "expert editor admin author+expert root"},
		"admins":                         {guard.AdminOnly(), "admin root"},
		"everybody who is known":         {guard.Authenticated(), "reader author artist expert editor admin author+expert root moderator stranger"},
		"the owner, and those above":     {guard.Own("shout:update", mine), "author editor admin root"},
		"the owner, named as own":        {guard.Own("shout:update_own", mine), "author editor admin root"},
		"a permission that is in no one": {guard.Permission("spaceship:launch"), "admin root"},
		"the zero rule":                  {guard.Rule{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.Handle("/c/{community_id}", tt.rule.Handler(ok))
			for who := range strings.FieldsSeq("reader author artist expert editor admin author+expert root moderator stranger blocked") {
				want := strings.Contains(" "+tt.allowed+" ", " "+who+" ")
				got := s.get("/c/1", who)
				if (got.Code == http.StatusOK) != want {
					t.Errorf("%s: %d %s, want allowed %t", who, got.Code, got.Body, want)
				}
				direct := tt.rule.Check(guard.WithPass(t.Context(), s.pass(who, 1)))
				if (direct == nil) != want {
					t.Errorf("%s, outside of a request: %v, want allowed %t", who, direct, want)
				}
			}
			for what, got := range map[string]*httptest.ResponseRecorder{"nobody": s.get("/c/1", ""), "somebody with a forged token": s.get("/c/1", "forged")} {
				if got.Code != http.StatusUnauthorized {
					t.Errorf("%s: %d", what, got.Code)
				}
			}
		})
	}
}

// TestNobodyOwnsWhatIsNowhere: an object without an owner or a community belongs to nobody, not to a user without an id.
func TestNobodyOwnsWhatIsNowhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for path, object := range map[string]guard.Object{"/unowned": {CommunityID: 1}, "/nowhere": {OwnerID: "id-of-author"}, "/nothing": {}, "/minus": {CommunityID: -1}} {
		s.Handle(path, guard.Own("shout:update", func(context.Context, *http.Request) (guard.Object, error) { return object, nil }).Handler(ok))
		if got := s.get(path, "author", guard.Header, "1"); got.Code != http.StatusForbidden {
			t.Errorf("%s: %d", path, got.Code)
		}
	}
	pass := s.pass("author", 1)
	pass.User.UserID = ""
	rule := guard.Own("shout:update", func(context.Context, *http.Request) (guard.Object, error) { return guard.Object{CommunityID: 1}, nil })
	if rule.Check(guard.WithPass(t.Context(), pass)) == nil {
		t.Error("somebody without an id owns what nobody owns")
	}
}

// TestTheObjectDecidesTheCommunity: the client names a community in which it may, and an object of another.
func TestTheObjectDecidesTheCommunity(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Handle("/c/{community_id}/shout", guard.Own("shout:update", func(context.Context, *http.Request) (guard.Object, error) {
		return guard.Object{CommunityID: 2, OwnerID: "id-of-editor"}, nil
	}).Handler(ok))
	if got := s.get("/c/1/shout", "editor"); got.Code != http.StatusForbidden || !strings.Contains(got.Body.String(), "not_member") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	gone := &propusk.Error{Kind: propusk.NotFound, Code: "no_shout", Message: "there is no such shout"}
	s.Handle("/gone", guard.Own("shout:update", func(context.Context, *http.Request) (guard.Object, error) { return guard.Object{}, gone }).Handler(ok))
	if got := s.get("/gone", "admin", guard.Header, "1"); got.Code != http.StatusNotFound {
		t.Errorf("an object that is not there: %d", got.Code)
	}
	s.Handle("/broken", guard.Own("shout:update", func(context.Context, *http.Request) (guard.Object, error) {
		return guard.Object{}, errors.New("secret of the database")
	}).Handler(ok))
	if got := s.get("/broken", "root", guard.Header, "1"); got.Code != http.StatusInternalServerError || strings.Contains(got.Body.String(), "secret") {
		t.Errorf("a store that fails: %d %s", got.Code, got.Body)
	}
}

func TestWhereARequestActs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	create := guard.Permission("shout:create").Handler(ok)
	s.Handle("/c/{community_id}", create)
	s.Handle("/shouts", create)
	for _, tt := range []struct {
		path, header string
		want         int
		code         string
	}{
		{"/c/1", "", 200, ""},
		{"/c/2", "", 403, "not_member"},
		{"/c/2", "1", 403, "not_member"}, // the path goes before the header
		{"/c/x", "1", 422, "invalid_input"},
		{"/c/0", "1", 422, "invalid_input"},
		{"/c/-1", "", 422, "invalid_input"},
		{"/shouts", "1", 200, ""},
		{"/shouts", "2", 403, "not_member"},
		{"/shouts", "", 403, "community_required"},
		{"/shouts", "1,2", 422, "invalid_input"},
	} {
		var header []string
		if tt.header != "" {
			header = []string{guard.Header, tt.header}
		}
		got := s.get(tt.path, "author", header...)
		if got.Code != tt.want || !strings.Contains(got.Body.String(), tt.code) {
			t.Errorf("%s %q: %d %s", tt.path, tt.header, got.Code, got.Body)
		}
	}
}

// TestAFailedInspectionAllowsNothing, whatever pass comes with the error.
func TestAFailedInspectionAllowsNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fails = &propusk.Error{Kind: propusk.Unavailable, Code: "database_unavailable", Message: "try again"}
	s.Handle("/c/{community_id}", guard.AdminOnly().HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") }))
	if got := s.get("/c/1", "root"); got.Code != http.StatusServiceUnavailable {
		t.Errorf("%d", got.Code)
	}
	s.Handle("/who", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if pass, err := guard.PassFrom(r.Context()); err == nil || pass.PlatformAdmin || pass.User.IsActive {
			t.Errorf("%+v %v", pass, err)
		}
	}))
	s.get("/who", "root")
	s.fails = errors.New("a secret")
	if got := s.get("/c/1", "root"); got.Code != http.StatusInternalServerError || strings.Contains(got.Body.String(), "secret") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

// TestAPassIsForItsCommunity: one that was put into the context by hand opens no other.
func TestAPassIsForItsCommunity(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("/c/{community_id}", guard.Permission("shout:create").Handler(ok))
	for path, want := range map[string]int{"/c/1": http.StatusOK, "/c/2": http.StatusForbidden, "/c/x": http.StatusUnprocessableEntity} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, path, nil)
		mux.ServeHTTP(w, r.WithContext(guard.WithPass(r.Context(), newRegister(t).pass("author", 1))))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

func TestAForgottenMiddlewareDenies(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	guard.Authenticated().Handler(ok).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusInternalServerError {
		t.Errorf("%d", w.Code)
	}
	if guard.Authenticated().Check(t.Context()) == nil || guard.RolesFrom(t.Context()) != nil {
		t.Error("a bare context is somebody")
	}
	if err := guard.Authenticated().Check(guard.WithPass(t.Context(), propusk.Pass{})); propusk.KindOf(err) != propusk.Unauthenticated {
		t.Errorf("the zero Pass: %v", err)
	}
}

// TestWhoAsksIsAskedOnce for one request, also behind several rules.
func TestWhoAsksIsAskedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	inner := guard.Do[string]
	s.Handle("/c/{community_id}", guard.Authenticated().Handler(guard.Permission("shout:create").HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got, err := inner(r.Context(), guard.Role("author"), func(ctx context.Context) (string, error) { return strings.Join(guard.RolesFrom(ctx), ","), nil })
		if err != nil || got != "author" {
			t.Errorf("%q %v", got, err)
		}
		_, err = inner(r.Context(), guard.Role("editor"), func(context.Context) (string, error) { return "", errors.New("ran") })
		if !errors.Is(err, &propusk.Error{Code: "missing_role"}) {
			t.Errorf("%v", err)
		}
	})))
	if got := s.get("/c/1", "author"); got.Code != http.StatusOK || s.asked != 1 {
		t.Errorf("%d, asked %d times", got.Code, s.asked)
	}
	s.Handle("/open", ok)
	if s.get("/open", "author"); s.asked != 1 {
		t.Error("a page without a rule asked who it is")
	}
}

// TestAnAPIKeyWithALimitHasNoRoles: it may what its list says, and role checks do not look at its issuer.
func TestAnAPIKeyWithALimitHasNoRoles(t *testing.T) {
	t.Parallel()
	r := newRegister(t)
	limit, err := (*rbac.Grants)(nil).With("key", []rbac.Permission{rbac.MustPermission("shout:read")})
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"admin", "root"} {
		pass := r.pass(who, 1)
		pass.PlatformAdmin = false
		pass.Platform.Limit, pass.Local.Limit = limit, limit
		ctx := guard.WithPass(t.Context(), pass)
		for name, rule := range map[string]guard.Rule{
			"admins": guard.AdminOnly(), "a role": guard.Role("admin"), "a role or more": guard.RoleAtLeast("reader"), "another permission": guard.Permission("shout:create"),
			"one of the platform": guard.Permission("user:block"),
		} {
			if rule.Check(ctx) == nil {
				t.Errorf("a key of %s passes: %s", who, name)
			}
		}
		if err := guard.Permission("shout:read").Check(ctx); err != nil {
			t.Errorf("a key of %s may not what it says: %v", who, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newSite(t, guard.OnRefusal(guard.WriteResult))
	s.Handle("/c/{community_id}", guard.Permission("topic:merge").Handler(ok))
	got := s.get("/c/1", "author")
	var body struct {
		Success bool
		Error   string
	}
	if err := json.Unmarshal(got.Body.Bytes(), &body); err != nil || body.Success || !strings.Contains(body.Error, "topic:merge") || got.Code != http.StatusForbidden {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	w := httptest.NewRecorder()
	guard.WriteProblem(w, nil, &propusk.Error{Kind: propusk.RateLimited, Code: "slow_down", RetryAfter: 1200 * time.Millisecond})
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "2" || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	for kind, status := range map[propusk.Kind]int{
		propusk.Internal: 500, propusk.Invalid: 422, propusk.Unauthenticated: 401, propusk.Forbidden: 403, propusk.NotFound: 404, propusk.Conflict: 409,
		propusk.RateLimited: 429, propusk.Unavailable: 503,
	} {
		if got := guard.Status(&propusk.Error{Kind: kind}); got != status {
			t.Errorf("%v: %d", kind, got)
		}
	}
}

func TestMistakesInTheProgramPanic(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(){
		"a wildcard": func() { guard.Permission("shout:*") }, "everything": func() { guard.AnyPermission("shout:read", "*") }, "no permission": func() { guard.AllPermissions("") },
		"no role": func() { guard.Role("") }, "a role in capitals": func() { guard.RoleAtLeast("Editor") },
		"nobody to ask": func() { guard.New(nil) }, "no community": func() { guard.New(panicking{}, guard.CommunityFrom(nil)) },
		"no refusal": func() { guard.New(panicking{}, guard.OnRefusal(nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			make()
		})
	}
}

// TestARuleAllocatesNothing when the Pass is in the context, be it by hand or by a rule before it.
func TestARuleAllocatesNothing(t *testing.T) {
	s, rule := newSite(t), guard.Permission("shout:create")
	handler := rule.Handler(ok)
	byHand := httptest.NewRequest(http.MethodGet, "/", nil)
	byHand = byHand.WithContext(guard.WithPass(byHand.Context(), s.pass("editor", 1)))
	var byRule *http.Request
	s.Handle("/c/{community_id}", guard.Authenticated().HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { byRule = r }))
	s.get("/c/1", "editor")
	w := httptest.NewRecorder()
	for name, r := range map[string]*http.Request{"by hand": byHand, "by a rule": byRule} {
		ctx := r.Context()
		allocations := testing.AllocsPerRun(100, func() {
			handler.ServeHTTP(w, r)
			_, err := guard.Do(ctx, rule, func(context.Context) (int, error) { return 1, nil })
			if err != nil || w.Code != http.StatusOK {
				t.Fatalf("%s: %d %v", name, w.Code, err)
			}
		})
		if allocations != 0 {
			t.Errorf("%s: %v allocations", name, allocations)
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	r := newRegister(b)
	handler := guard.Permission("shout:create").Handler(ok)
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request = request.WithContext(guard.WithPass(request.Context(), r.pass("editor", 1)))
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		handler.ServeHTTP(w, request)
	}
}

func BenchmarkDo(b *testing.B) {
	r := newRegister(b)
	rule := guard.Permission("shout:create")
	ctx := guard.WithPass(b.Context(), r.pass("editor", 1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := guard.Do(ctx, rule, func(context.Context) (int, error) { return 1, nil }); err != nil {
			b.Fatal(err)
		}
	}
}
