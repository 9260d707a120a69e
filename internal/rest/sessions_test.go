package rest_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
)

// login logs in and returns the whole answer.
func login(s *apptest.Server, email string) apptest.Answer {
	return s.Call("POST", "/api/users/login", "", map[string]string{"email": email, "password": apptest.Password})
}

func TestRefreshGivesTheShapeOfALogin(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		in := login(s, s.Register("Anna").Email)
		again := s.Call("POST", "/api/users/refresh", "", map[string]string{"refresh_token": in.Text("refresh_token")})
		if again.Status != 200 || again.Text("token_type") != "bearer" || again.Body["expires_in"] != 3600.0 || again.Text("refresh_token") == "" {
			t.Fatalf("%d %s", again.Status, again.Raw)
		}
		// At once: ten seconds later it would end the session.
		second := s.Call("POST", "/api/users/refresh", "", map[string]string{"refresh_token": in.Text("refresh_token")})
		if second.Status != 409 || second.Text("code") != "refresh_superseded" {
			t.Errorf("the second use: %d %s", second.Status, second.Raw)
		}
		if me := s.Call("GET", "/api/users/me", again.Text("access_token"), nil); me.Status != 200 {
			t.Errorf("the new access token: %d", me.Status)
		}
		if never := s.Call("POST", "/api/users/refresh", "", map[string]string{"refresh_token": "never given"}); never.Status != 401 {
			t.Errorf("one never given: %d %s", never.Status, never.Raw)
		}
	})
}

func TestLogoutWithARefreshToken(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		email := s.Register("Anna").Email
		for name, token := range map[string]string{"without an access token": "", "with a dead one": "dead"} {
			in := login(s, email)
			out := s.Call("POST", "/api/users/logout", token, map[string]string{"refresh_token": in.Text("refresh_token")})
			if out.Status != 200 {
				t.Errorf("%s: %d %s", name, out.Status, out.Raw)
			}
			if me := s.Call("GET", "/api/users/me", in.Text("access_token"), nil); me.Status != 401 {
				t.Errorf("%s: afterwards %d", name, me.Status)
			}
		}
		if out := s.Call("POST", "/api/users/logout", "", nil); out.Status != 401 {
			t.Errorf("with nothing: %d", out.Status)
		}
	})
}

// Whoever hands in tokens to log out wants them dead, both of them.
func TestLogoutEndsWhateverIsHandedIn(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		email := s.Register("Anna").Email
		for name, body := range map[string]func(other apptest.Answer) any{
			"an empty object":             func(apptest.Answer) any { return map[string]string{} },
			"another session's refresh":   func(other apptest.Answer) any { return map[string]string{"refresh_token": other.Text("refresh_token")} },
			"a refresh token of nonsense": func(apptest.Answer) any { return map[string]string{"refresh_token": "nonsense"} },
		} {
			mine, other := login(s, email), login(s, email)
			if out := s.Call("POST", "/api/users/logout", mine.Text("access_token"), body(other)); out.Status != 200 {
				t.Errorf("%s: %d %s", name, out.Status, out.Raw)
			}
			if me := s.Call("GET", "/api/users/me", mine.Text("access_token"), nil); me.Status != 401 {
				t.Errorf("%s: the session answers %d", name, me.Status)
			}
			if me := s.Call("GET", "/api/users/me", other.Text("access_token"), nil); (me.Status == 401) != strings.HasPrefix(name, "another") {
				t.Errorf("%s: the other session answers %d", name, me.Status)
			}
		}
	})
}

func TestMySessionsAreMine(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		anna, eve := s.Register("Anna"), s.Register("Eve")
		request, _ := http.NewRequest("POST", s.URL+"/api/users/login", strings.NewReader(`{"email":"`+anna.Email+`","password":"`+apptest.Password+`"}`))
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("User-Agent", "Anna's phone")
		phone := s.Send(request).Text("access_token")

		list := s.Call("GET", "/api/users/sessions", anna.Token, nil)
		seen := map[string]bool{}
		var phoneID string
		for _, one := range list.Body["sessions"].([]any) {
			session := one.(map[string]any)
			seen[session["device"].(string)] = session["current"].(bool)
			if session["device"] == "Anna's phone" {
				phoneID = session["id"].(string)
			}
			if session["address"] != "127.0.0.1" {
				t.Errorf("address %v", session["address"])
			}
		}
		if diff := cmp.Diff(map[string]bool{"Anna's phone": false, "Go-http-client/1.1": true}, seen); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		theirs := s.Call("DELETE", "/api/users/sessions/"+phoneID, eve.Token, nil)
		nobodys := s.Call("DELETE", "/api/users/sessions/00000000-0000-4000-8000-000000000000", eve.Token, nil)
		delete(theirs.Body, "request_id")
		delete(nobodys.Body, "request_id")
		if theirs.Status != 404 || !cmp.Equal(theirs.Body, nobodys.Body) {
			t.Errorf("somebody else's session answers %s, an unknown one %s", theirs.Raw, nobodys.Raw)
		}
		if ended := s.Call("DELETE", "/api/users/sessions/"+phoneID, anna.Token, nil); ended.Status != 200 {
			t.Errorf("my own: %d %s", ended.Status, ended.Raw)
		}
		for name, want := range map[string]struct {
			token  string
			status int
		}{"the phone": {phone, 401}, "this one": {anna.Token, 200}} {
			if got := s.Call("GET", "/api/users/me", want.token, nil).Status; got != want.status {
				t.Errorf("%s: %d", name, got)
			}
		}
	})
}

func TestTooManyFailedLoginsAnswer429(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		anna := s.Register("Anna")
		limited := func(email string) {
			t.Helper()
			for n := range 10 {
				if got := s.Call("POST", "/api/users/login", "", map[string]string{"email": email, "password": "wrong"}); got.Status != 401 {
					t.Fatalf("failure %d: %d %s", n+1, got.Status, got.Raw)
				}
			}
			got := s.Call("POST", "/api/users/login", "", map[string]string{"email": email, "password": "wrong"})
			wait, _ := strconv.Atoi(got.Header.Get("Retry-After"))
			if got.Status != 429 || wait < 30 || wait > 60 || got.Text("code") != "too_many_attempts" {
				t.Errorf("%s: %d %s, Retry-After %q", email, got.Status, got.Raw, got.Header.Get("Retry-After"))
			}
		}
		limited("nobody@example.org")
		limited(anna.Email)
		// The guesses at the current password go by the same count: a stolen token is no way around it.
		change := map[string]string{"current_password": apptest.Password, "new_password": "another ordinary sentence"}
		if got := s.Call("POST", "/api/users/change-password", anna.Token, change); got.Status != 429 {
			t.Errorf("change-password: %d %s", got.Status, got.Raw)
		}
	})
}

func TestOnlyATrustedProxyNamesTheClient(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		trusted   []string
		forwarded []string
		want      string
	}{
		"nobody is trusted":                   {nil, []string{"203.0.113.9"}, "127.0.0.1"},
		"the proxy is":                        {[]string{"127.0.0.0/8"}, []string{"203.0.113.9"}, "203.0.113.9"},
		"what the client wrote itself":        {[]string{"127.0.0.1"}, []string{"198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		"two proxies":                         {[]string{"127.0.0.1", "10.0.0.0/8"}, []string{"203.0.113.9, 10.1.2.3"}, "203.0.113.9"},
		"two headers":                         {[]string{"127.0.0.1"}, []string{"198.51.100.1", "203.0.113.9"}, "203.0.113.9"},
		"nonsense":                            {[]string{"127.0.0.1"}, []string{"203.0.113.9, <script>"}, "127.0.0.1"},
		"no header":                           {[]string{"127.0.0.1"}, nil, "127.0.0.1"},
		"IPv6, written as IPv4 in disguise":   {[]string{"127.0.0.1"}, []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		"another network's proxy is not ours": {[]string{"10.0.0.0/8"}, []string{"203.0.113.9"}, "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t, func(c *config.Config) { c.TrustedProxies = tt.trusted })
			request, _ := http.NewRequest("GET", s.URL+"/healthz", nil)
			request.Header["X-Forwarded-For"] = tt.forwarded
			s.Send(request)
			s.Stop()
			if !strings.Contains(s.Log.String(), `"address":"`+tt.want+`"`) {
				t.Errorf("the client is not %s:\n%s", tt.want, s.Log)
			}
		})
	}
}

func TestTheAuditTellsTheStory(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		anna := s.Register("Anna")
		root := s.Admin()
		rootID := s.Call("GET", "/api/users/me", root, nil).Text("user_id")
		s.Call("PATCH", "/api/users/me", anna.Token, map[string]string{"name": "Анна"})
		s.Call("POST", "/api/admin/change-role", root, map[string]string{"user_id": anna.UserID, "role": "moderator"})
		s.Call("PUT", "/api/admin/block/"+anna.UserID, root, nil)
		s.Call("PUT", "/api/admin/block/"+anna.UserID, anna.Token, nil)

		got := s.Call("GET", "/api/admin/audit?target="+anna.UserID, root, nil)
		type line struct {
			Action, Actor string
			Before, After map[string]any
		}
		var lines []line
		for _, one := range got.Body["events"].([]any) {
			e := one.(map[string]any)
			if e["address"] != "127.0.0.1" || e["request_id"] == "" {
				t.Errorf("where from? %v", e)
			}
			l := line{e["action"].(string), e["actor"].(string), e["before"].(map[string]any), e["after"].(map[string]any)}
			delete(l.After, "session")
			lines = append(lines, l)
		}
		want := []line{
			{"user.block", rootID, map[string]any{"is_active": true}, map[string]any{"is_active": false, "sessions_ended": 1.0}},
			{"user.change_role", rootID, map[string]any{"role": "user"}, map[string]any{"role": "moderator"}},
			{"user.edit", anna.UserID, map[string]any{"name": "Anna"}, map[string]any{"name": "Анна"}},
			{"session.open", anna.UserID, map[string]any{}, map[string]any{"device": "Go-http-client/1.1"}},
			{"user.register", anna.UserID, map[string]any{}, map[string]any{"email": anna.Email, "name": "Anna", "role": "user"}},
		}
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if strings.Contains(got.Raw, apptest.Password) || strings.Contains(got.Raw, "argon2") {
			t.Error("the audit holds a secret")
		}
	})
}

func TestMetricsAreForThisMachineOnly(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		s.Register("Anna")
		s.Call("POST", "/api/users/login", "", map[string]string{"email": "nobody@example.org", "password": "x"})
		shown := s.Call("GET", "/metrics", "", nil)
		// Sessions are counted in a second or not at all.
		for start := time.Now(); strings.Contains(shown.Raw, "propusk_sessions -1\n") && time.Since(start) < patience; {
			shown = s.Call("GET", "/metrics", "", nil)
		}
		for _, want := range []string{
			`propusk_http_requests_total{method="POST",route="/api/users/register",status="201"} 1`,
			`propusk_logins_total{outcome="ok"} 1`, `propusk_logins_total{outcome="refused"} 1`, "propusk_sessions 1",
			"propusk_hashing_slots_busy 0", "propusk_sql_commits_total", "go_goroutines",
		} {
			if !strings.Contains(shown.Raw, want) {
				t.Errorf("no %s in\n%s", want, shown.Raw)
			}
		}
		for _, mark := range []string{"X-Forwarded-For", "X-Real-IP", "Via", "Forwarded"} {
			request, _ := http.NewRequest("GET", s.URL+"/metrics", nil)
			request.Header.Set(mark, "203.0.113.9")
			if got := s.Send(request); got.Status != 404 {
				t.Errorf("through a proxy that sends %s: %d", mark, got.Status)
			}
		}
		request, _ := http.NewRequest("GET", s.URL+"/metrics", nil)
		request.Host = "auth.example.org"
		if got := s.Send(request); got.Status != 404 {
			t.Errorf("for the world's name of this machine: %d", got.Status)
		}
	})
}
