package rest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
)

// cast is who knocks at the door in these tests.
type cast struct {
	*apptest.Server
	user, moderator apptest.Person
	admin           string
}

func play(t *testing.T, s *apptest.Server) *cast {
	t.Helper()
	return &cast{Server: s, user: s.Register("Anna"), moderator: s.WithRole("Max", "moderator"), admin: s.Admin()}
}

// endpoint is one operation and how it answers to everybody. The right caller's body and path come from functions, because they name
// people who exist only once the server runs.
type endpoint struct {
	method, path string
	body         func(c *cast) any
	// status is the answer to the right caller.
	status int
	// needs is "" for public, "user" for signed in, "moderator" or "admin".
	needs string
	// bad are inputs that must be refused: body → the location that the answer must name.
	bad map[string]string
}

func endpoints() []endpoint {
	victim := func(c *cast) string { return c.Register("Victim").UserID }
	return []endpoint{
		{
			method: "POST", path: "/api/users/register", status: 201,
			body: func(*cast) any {
				return map[string]string{"name": "New", "last_name": "Comer", "email": "new@example.org", "password": apptest.Password}
			},
			bad: map[string]string{
				`{"name":"N","email":"nobody","password":"long enough really"}`:                       "body.email",
				`{"name":"","email":"n@example.org","password":"long enough really"}`:                 "body.name",
				`{"name":"N","email":"n@example.org","password":"short"}`:                             "body.password",
				`{"name":"N","email":"n@example.org","password":"password1"}`:                         "body.password",
				`{"name":"N","email":"n@example.org"}`:                                                "body.password",
				`{"name":"N","email":"n@example.org","password":"long enough really","role":"admin"}`: "body.role",
				`{"name":"N","name":"M","email":"n@example.org","password":"long enough really"}`:     "body",
				`{"name":"N","NAME":"M","email":"n@example.org","password":"long enough really"}`:     "body.NAME",
				`{"name":7,"email":"n@example.org","password":"long enough really"}`:                  "body.name",
				`{"name":"a\u0000b","email":"n@example.org","password":"long enough really"}`:         "body.name",
				`{"name":"N","email":"n@example.org","password":"long enough really"} {}`:             "body",
				`[]`:       "body",
				`{"name":`: "body",
				`{"name":"` + strings.Repeat("x", 101) + `","email":"n@example.org","password":"long enough really"}`: "body.name",
			},
		},
		{
			method: "POST", path: "/api/users/login", status: 200,
			body: func(c *cast) any { return map[string]string{"email": c.user.Email, "password": apptest.Password} },
			bad: map[string]string{
				`{"email":"a@example.org"}`: "body.password", `{"password":"x"}`: "body.email",
				`{"email":"a@example.org","password":["x"]}`: "body.password",
			},
		},
		{method: "GET", path: "/api/users/me", status: 200, needs: "user"},
		{
			method: "POST", path: "/api/users/edit", status: 200, needs: "user",
			body: func(*cast) any { return map[string]string{"name": "Анна", "last_name": "Смирнова"} },
			bad:  map[string]string{`{"name":"Anna"}`: "body.last_name", `{"name":" ","last_name":""}`: "body.name"},
		},
		{
			method: "PATCH", path: "/api/users/me", status: 200, needs: "user",
			body: func(*cast) any { return map[string]string{"slug": "anna-the-first"} },
			bad:  map[string]string{`{"slug":"Not A Slug"}`: "body.slug", `{"role":"admin"}`: "body.role", `{"slug":""}`: "body.slug"},
		},
		{
			method: "POST", path: "/api/users/change-password", status: 200, needs: "user",
			body: func(*cast) any {
				return map[string]string{"current_password": apptest.Password, "new_password": "another ordinary sentence"}
			},
			bad: map[string]string{
				`{"current_password":"` + apptest.Password + `","new_password":"short"}`: "body.new_password",
				`{"new_password":"another ordinary sentence"}`:                           "body.current_password",
			},
		},
		{method: "GET", path: "/api/users/logout", status: 200, needs: "user"},
		{method: "POST", path: "/api/users/logout", status: 200, needs: "user"},
		{method: "POST", path: "/api/users/logout-all", status: 200, needs: "user"},
		{
			method: "POST", path: "/api/users/refresh", status: 200,
			body: func(c *cast) any {
				in := c.Call("POST", "/api/users/login", "", map[string]string{"email": c.user.Email, "password": apptest.Password})
				return map[string]string{"refresh_token": in.Text("refresh_token")}
			},
			bad: map[string]string{`{}`: "body.refresh_token", `{"refresh_token":7}`: "body.refresh_token"},
		},
		{method: "GET", path: "/api/users/sessions", status: 200, needs: "user"},
		{method: "DELETE", path: "/api/users/sessions/{session}", status: 200, needs: "user"},
		{method: "DELETE", path: "/api/users/", status: 200, needs: "user"},
		{method: "DELETE", path: "/api/users/me", status: 200, needs: "user"},
		{
			method: "GET", path: "/api/admin/users?search=anna&role=user&active=true&page=1&limit=10", status: 200, needs: "moderator",
			bad: map[string]string{
				"?limit=0": "query.limit", "?limit=101": "query.limit", "?page=0": "query.page", "?page=x": "query.page",
				"?active=maybe": "query.active", "?role=king": "query.role", "?colour=red": "query.colour",
				"?page=1&page=2": "query.page", "?search=a%00b": "query", "?search=%ff": "query", "?search=%zz": "query",
			},
		},
		{
			method: "POST", path: "/api/admin/change-role", status: 200, needs: "admin",
			body: func(c *cast) any { return map[string]string{"user_id": victim(c), "role": "moderator"} },
			bad: map[string]string{
				`{"user_id":"7","role":"moderator"}`: "body.user_id",
				`{"role":"moderator"}`:               "body.user_id",
			},
		},
		{method: "PUT", path: "/api/admin/block/{victim}", status: 200, needs: "moderator"},
		{method: "PUT", path: "/api/admin/unblock/{victim}", status: 200, needs: "moderator"},
		{
			method: "GET", path: "/api/admin/audit?action=user.change_role&page=1&limit=10", status: 200, needs: "admin",
			bad: map[string]string{"?limit=0": "query.limit", "?who=me": "query.who"},
		},
		{method: "GET", path: "/.well-known/jwks.json", status: 200},
		{method: "GET", path: "/metrics", status: 200},
		{method: "GET", path: "/healthz", status: 200},
		{method: "GET", path: "/readyz", status: 200},
	}
}

// patience is for what has to come about in the end, on however busy a machine.
const patience = time.Minute

func TestEveryEndpoint(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		for _, e := range endpoints() {
			t.Run(e.method+" "+e.path, func(t *testing.T) {
				t.Parallel()
				c := play(t, s.For(t))
				var body any
				if e.body != nil {
					body = e.body(c)
				}
				path := e.path
				if strings.Contains(path, "{victim}") {
					path = strings.ReplaceAll(path, "{victim}", c.Register("Victim").UserID)
				}
				if strings.Contains(path, "{session}") {
					list := c.Call("GET", "/api/users/sessions", c.user.Token, nil).Body["sessions"].([]any)
					path = strings.ReplaceAll(path, "{session}", list[0].(map[string]any)["id"].(string))
				}
				e.refusesStrangers(t, c, path, body)
				e.refusesLesserRoles(t, c, path, body)
				e.refusesBadInput(t, c)
				got := c.Call(e.method, path, c.holder(e.needs), body)
				// What has a second for the database, on a busy machine may need to be asked again.
				for start := time.Now(); path == "/readyz" && got.Status == http.StatusServiceUnavailable && time.Since(start) < patience; {
					got = c.Call(e.method, path, c.holder(e.needs), body)
				}
				if got.Status != e.status {
					t.Errorf("the right caller got %d, not %d: %s", got.Status, e.status, got.Raw)
				}
			})
		}
	})
}

// holder is a token of somebody with exactly the role that is needed.
func (c *cast) holder(needs string) string {
	return map[string]string{"": "", "user": c.user.Token, "moderator": c.moderator.Token, "admin": c.admin}[needs]
}

func (e endpoint) refusesStrangers(t *testing.T, c *cast, path string, body any) {
	if e.needs == "" {
		return
	}
	for who, token := range map[string]string{"anonymous": "", "with a forged token": "eyJhbGciOiJub25lIn0.e30.", "with nonsense": "x"} {
		got := c.Call(e.method, path, token, body)
		if got.Status != http.StatusUnauthorized || got.Header.Get("WWW-Authenticate") == "" || got.Text("code") == "" {
			t.Errorf("a stranger %s got %d %q", who, got.Status, got.Raw)
		}
	}
}

func (e endpoint) refusesLesserRoles(t *testing.T, c *cast, path string, body any) {
	lesser := map[string][]string{"moderator": {"user"}, "admin": {"user", "moderator"}}[e.needs]
	for _, role := range lesser {
		got := c.Call(e.method, path, c.holder(role), body)
		if got.Status != http.StatusForbidden || got.Text("permission") == "" {
			t.Errorf("a %s got %d %s", role, got.Status, got.Raw)
		}
	}
}

func (e endpoint) refusesBadInput(t *testing.T, c *cast) {
	for bad, location := range e.bad {
		path, body := e.path, any(bad)
		if strings.HasPrefix(bad, "?") {
			path, body = strings.Split(e.path, "?")[0]+bad, nil
		}
		got := c.Call(e.method, path, c.holder(e.needs), body)
		if got.Status < 400 || got.Status > 499 {
			t.Errorf("%s was answered with %d", bad, got.Status)
		}
		if !strings.Contains(got.Raw, `"location":"`+location+`"`) {
			t.Errorf("%s: the answer does not name %s: %s", bad, location, got.Raw)
		}
		if strings.Contains(got.Raw, "long enough really") || strings.Contains(got.Raw, `short"`) {
			t.Errorf("%s: the answer repeats the password: %s", bad, got.Raw)
		}
	}
}

func TestUnknownRoutes(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	for _, tt := range []struct {
		method, path string
		status       int
		code, allow  string
	}{
		{"GET", "/nowhere", 404, "no_such_route", ""},
		{"POST", "/", 404, "no_such_route", ""},
		{"PUT", "/api/users/me", 405, "method_not_allowed", "GET, PATCH, DELETE"},
		{"GET", "/api/users/register", 405, "method_not_allowed", "POST"},
		{"DELETE", "/api/users/somebody-else", 404, "no_such_route", ""},
	} {
		got := s.Call(tt.method, tt.path, "", nil)
		if got.Status != tt.status || got.Text("code") != tt.code || got.Header.Get("Allow") != tt.allow {
			t.Errorf("%s %s: %d %s, Allow %q", tt.method, tt.path, got.Status, got.Raw, got.Header.Get("Allow"))
		}
	}
}

// Nothing deletes the caller but the two paths that say so, and no path leads there by a redirect that clients follow.
func TestNoOtherPathDeletesTheCaller(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		anna := s.Register("Anna")
		for _, path := range []string{
			"/api/users/" + anna.UserID, "/api/users", "/api/users//", "//api/users/", "/api//users/", "/api/users/sessions/..", "/api/users/sessions/../",
			"/api/users/.", "/api/./users/", "/api/users/%2e",
		} {
			request, _ := http.NewRequest("DELETE", s.URL, nil)
			request.URL.Opaque = path
			request.Header.Set("Authorization", "Bearer "+anna.Token)
			if got := s.Send(request); got.Status != 404 && got.Status != 405 {
				t.Errorf("DELETE %s: %d", path, got.Status)
			}
			if got := s.Call("GET", "/api/users/me", anna.Token, nil); got.Status != 200 {
				t.Fatalf("after DELETE %s the caller gets %d", path, got.Status)
			}
		}
	})
}

// A link checker or a preview sends HEAD. It must not log anybody out.
func TestLookingAtLogoutDoesNotLogOut(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		anna := s.Register("Anna")
		if got := s.Call("HEAD", "/api/users/logout", anna.Token, nil); got.Status != 405 {
			t.Errorf("HEAD: %d", got.Status)
		}
		if got := s.Call("GET", "/api/users/me", anna.Token, nil); got.Status != 200 {
			t.Errorf("afterwards: %d", got.Status)
		}
	})
}

// The request id ties the audit to the log; only a proxy of ours may choose it.
func TestClientsDoNotChooseTheRequestID(t *testing.T) {
	t.Parallel()
	for trusted, want := range map[string]bool{"10.0.0.0/8": false, "127.0.0.1": true} {
		s := apptest.Start(t, func(c *config.Config) { c.TrustedProxies = []string{trusted} })
		request, _ := http.NewRequest("GET", s.URL+"/healthz", nil)
		request.Header.Set("X-Request-ID", "chosen-by-me")
		if got := s.Send(request).Header.Get("X-Request-ID"); (got == "chosen-by-me") != want {
			t.Errorf("with %s trusted the id is %q", trusted, got)
		}
	}
}
