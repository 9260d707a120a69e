package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/rbac"
)

func TestMain(m *testing.M) { apptest.Main(m, func() error { return goleak.Find() }) }

const password = "a perfectly ordinary sentence"

// open opens a Propusk for one test.
func open(t *testing.T, options ...func(*Config)) *Propusk {
	t.Helper()
	c := Config{Database: "sqlite:" + filepath.Join(t.TempDir(), "propusk.db"), PasswordMemoryKiB: 64, PasswordIterations: 1}
	for _, option := range options {
		option(&c)
	}
	p, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// person makes an account and logs it in.
func person(t *testing.T, p *Propusk, name string) (user propusk.User, token string) {
	t.Helper()
	email := strings.ToLower(name) + "@example.org"
	user, err := p.Register(t.Context(), Registration{Name: name, Email: email, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	if token, err = p.Login(t.Context(), email, password); err != nil {
		t.Fatal(err)
	}
	return user, token
}

func found(t *testing.T, p *Propusk, founder propusk.User, slug string) propusk.Community {
	t.Helper()
	made, err := p.Found(t.Context(), founder.UserID, slug, slug)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// ask sends a request to a handler and returns status and body.
func ask(handler http.Handler, method, path, token, body string) (status int, answer string) {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Code, recorder.Body.String()
}

func refused(t *testing.T, err error, kind propusk.Kind, code string) {
	t.Helper()
	if propusk.KindOf(err) != kind || !errors.Is(err, &propusk.Error{Code: code}) {
		t.Errorf("%v, want kind %d and code %s", err, kind, code)
	}
}

func TestTheZeroConfigIsTheProgramsDefault(t *testing.T) {
	t.Parallel()
	got, err := Config{}.settings()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Default(), got, cmp.AllowUnexported(config.Choice{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("settings (-program +here):\n%s", diff)
	}
}

func TestAWrongFieldIsNamed(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(broken, []byte("version: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]Config{
		"embedded: Config.Database must be sqlite:PATH or": {Database: "mysql://x"},
		"embedded: Config.Policy open " + missing:          {Policy: missing},
		broken + ":1:": {Policy: broken},
		"embedded: Config.Redis must be redis://HOST":                           {Redis: "localhost:6379"},
		"embedded: Config.DefaultCommunity must be":                             {DefaultCommunity: -1},
		"embedded: Config.AdminEmail and AdminPassword must be set together":    {AdminEmail: "root@example.org"},
		"embedded: Config.SecretKey must have at least 32 bytes":                {SecretKey: "short"},
		"embedded: Config.Issuer must have":                                     {Issuer: strings.Repeat("a", 201)},
		"embedded: Config.TokenLifetime must be from 1m to 24h":                 {TokenLifetime: time.Second},
		"embedded: Config.SessionIdle must be at least 5m and at most SessionA": {SessionAbsolute: time.Hour},
		"embedded: Config.SessionAbsolute must be at most":                      {SessionAbsolute: 401 * 24 * time.Hour},
		"embedded: Config.TrustedProxies must be networks":                      {TrustedProxies: []string{"everybody"}},
		"embedded: Config.CORSOrigins must be exact origins":                    {CORSOrigins: []string{"*"}},
		"password: MemoryKiB is 7":                                              {PasswordMemoryKiB: 7},
		"password: Iterations is 17":                                            {PasswordIterations: 17},
	} {
		if c.Database == "" {
			c.Database = "sqlite:" + filepath.Join(t.TempDir(), "propusk.db")
		}
		p, err := Open(t.Context(), c)
		if p != nil || err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	_, err := Open(t.Context(), Config{Policy: missing, Database: "sqlite:" + filepath.Join(t.TempDir(), "propusk.db")})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the cause of %v is lost", err)
	}
}

func TestNobodyIsMadeUnasked(t *testing.T) {
	t.Parallel()
	p := open(t)
	handler := p.Handler()
	_, err := p.Login(t.Context(), "admin@propusk.local", "admin")
	refused(t, err, propusk.Unauthenticated, "invalid_credentials")
	refused(t, p.FirstAdmin(t.Context(), "", ""), propusk.Invalid, "invalid_input")
	refused(t, p.FirstAdmin(t.Context(), "root@example.org", "short"), propusk.Invalid, "invalid_input")
	for range 2 { // again changes nothing
		if err := p.FirstAdmin(t.Context(), "root@example.org", password); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.FirstAdmin(t.Context(), "other@example.org", password); err != nil {
		t.Fatal(err)
	}
	token, err := p.Login(t.Context(), "root@example.org", password)
	if err != nil {
		t.Fatal(err)
	}
	if status, said := ask(handler, "GET", "/api/admin/users", token, ""); status != http.StatusOK || strings.Count(said, `"user_id"`) != 1 {
		t.Errorf("accounts: %d %s", status, said)
	}
}

func TestTheConfiguredAdmin(t *testing.T) {
	t.Parallel()
	database := "sqlite:" + filepath.Join(t.TempDir(), "propusk.db")
	on := func(c *Config) { c.Database = database }
	anna, _ := person(t, open(t, on), "Anna")
	_, err := Open(t.Context(), Config{Database: database, AdminEmail: anna.Email, AdminPassword: password, PasswordMemoryKiB: 64})
	refused(t, err, propusk.Conflict, "admin_email_taken")
	p := open(t, on, func(c *Config) { c.AdminEmail, c.AdminPassword = "root@example.org", password })
	token, err := p.Login(t.Context(), "root@example.org", password)
	if err != nil {
		t.Fatal(err)
	}
	if pass, err := p.Inspect(t.Context(), token, 0); err != nil || !pass.PlatformAdmin {
		t.Errorf("%+v %v", pass, err)
	}
}

// TestBelowAPrefix mounts the API in a mux of one's own.
func TestBelowAPrefix(t *testing.T) {
	t.Parallel()
	p := open(t)
	_, token := person(t, p, "Anna")
	mux := http.NewServeMux()
	mux.Handle("/auth/", http.StripPrefix("/auth", p.Handler()))
	for path, want := range map[string]int{
		"/auth/api/users/me": http.StatusOK, "/auth/api/pass": http.StatusOK, "/auth/openapi.json": http.StatusOK, "/auth/docs": http.StatusOK,
		"/auth/healthz": http.StatusOK, "/auth/readyz": http.StatusOK, "/api/pass": http.StatusNotFound, "/auth/api/nothing": http.StatusNotFound,
		"/auth/metrics": http.StatusNotFound, // for callers on this machine only
	} {
		status, said := ask(mux, "GET", path, token, "")
		// The database has a second to say that it is ready, which may be too short for a busy machine.
		for start := time.Now(); path == "/auth/readyz" && status == http.StatusServiceUnavailable && time.Since(start) < time.Minute; {
			status, said = ask(mux, "GET", path, token, "")
		}
		if status != want {
			t.Errorf("%s: %d, want %d: %.200s", path, status, want, said)
		}
	}
	body := `{"name":"Boris","email":"boris@example.org","password":"` + password + `"}`
	if status, said := ask(mux, "POST", "/auth/api/users/register", "", body); status != http.StatusCreated {
		t.Errorf("register: %d %s", status, said)
	}
	if _, err := p.Login(t.Context(), "boris@example.org", password); err != nil {
		t.Error(err)
	}
}

func TestClosedRegistrationIsClosedToStrangersOnly(t *testing.T) {
	t.Parallel()
	p := open(t, func(c *Config) { c.ClosedRegistration = true })
	body := `{"name":"Boris","email":"boris@example.org","password":"` + password + `"}`
	if status, said := ask(p.Handler(), "POST", "/api/users/register", "", body); status != http.StatusForbidden {
		t.Errorf("a stranger registers: %d %s", status, said)
	}
	person(t, p, "Anna")
	_, err := p.Register(t.Context(), Registration{Name: "Anna", Email: "ANNA@example.org", Password: password})
	refused(t, err, propusk.Conflict, "email_taken")
	_, err = p.Register(t.Context(), Registration{Email: "x", Password: "y"})
	refused(t, err, propusk.Invalid, "invalid_input")
}

// TestTheAuditNamesWhoDidIt tells the operator, who is the code of this process, from somebody whose pass it acted with.
func TestTheAuditNamesWhoDidIt(t *testing.T) {
	t.Parallel()
	p := open(t, func(c *Config) { c.AdminEmail, c.AdminPassword = "root@example.org", password })
	root, err := p.Login(t.Context(), "root@example.org", password)
	if err != nil {
		t.Fatal(err)
	}
	anna, token := person(t, p, "Anna")
	boris, _ := person(t, p, "Boris")
	owls := found(t, p, anna, "owls")
	if owls.MemberCount != 1 || owls.CreatorID != anna.ID {
		t.Errorf("founded: %+v", owls)
	}
	pass, err := p.Inspect(t.Context(), token, owls.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.AddRole(t.Context(), owls.ID, boris.UserID, "author"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.As(pass).AddRole(t.Context(), owls.ID, boris.UserID, "expert"); err != nil {
		t.Fatal(err)
	}
	status, said := ask(p.Handler(), "GET", "/api/admin/audit?action=member.add_role", root, "")
	var audit struct {
		Events []struct{ Actor, Target string }
	}
	if err := json.Unmarshal([]byte(said), &audit); status != http.StatusOK || err != nil {
		t.Fatalf("%d %v %s", status, err, said)
	}
	got := []string{}
	for _, e := range audit.Events {
		got = append(got, e.Actor+" to "+e.Target)
	}
	if diff := cmp.Diff([]string{anna.UserID + " to " + boris.UserID, "operator to " + boris.UserID}, got); diff != "" {
		t.Errorf("audit, the latest first (-want +got):\n%s", diff)
	}
}

// TestAPassIsNotKept is the attack of code that keeps a pass beyond its request.
func TestAPassIsNotKept(t *testing.T) {
	t.Parallel()
	p := open(t)
	anna, token := person(t, p, "Anna")
	boris, _ := person(t, p, "Boris")
	owls := found(t, p, anna, "owls")
	pass, err := p.Inspect(t.Context(), token, owls.ID)
	if err != nil {
		t.Fatal(err)
	}
	kept := p.As(pass)
	for _, roles := range [][]string{{"admin"}, {"reader"}} {
		if _, err := p.SetRoles(t.Context(), owls.ID, boris.UserID, []string{"admin"}); err != nil {
			t.Fatal(err)
		}
		if _, err := p.SetRoles(t.Context(), owls.ID, anna.UserID, roles); err != nil {
			t.Fatal(err)
		}
	}
	_, err = kept.SetRoles(t.Context(), owls.ID, anna.UserID, []string{"admin"}) // by now a reader
	refused(t, err, propusk.Forbidden, "missing_permission")
	if status, said := ask(p.Handler(), "POST", "/api/users/logout", token, ""); status != http.StatusOK {
		t.Fatalf("%d %s", status, said)
	}
	_, err = kept.RolesOf(t.Context(), owls.ID, anna.UserID)
	refused(t, err, propusk.Unauthenticated, "session_ended")
	_, err = p.As(propusk.Pass{}).AddRole(t.Context(), owls.ID, boris.UserID, "author")
	refused(t, err, propusk.Unauthenticated, "session_ended")
	decision, err := p.As(propusk.Pass{}).Check(t.Context(), propusk.Question{Permission: "shout:read", CommunityID: owls.ID})
	if err != nil || decision.Allowed || decision.Reason != rbac.ReasonInactive {
		t.Errorf("nobody: %+v %v", decision, err)
	}
}

// TestAPassIsItsHoldersOnly: what is remembered is shared by all who have the same roles, and a handler may do with the lists in a Pass what
// it likes.
func TestAPassIsItsHoldersOnly(t *testing.T) {
	t.Parallel()
	p := open(t)
	anna, _ := person(t, p, "Anna")
	boris, token := person(t, p, "Boris")
	clara, other := person(t, p, "Clara")
	owls := found(t, p, anna, "owls")
	for _, userID := range []string{boris.UserID, clara.UserID} {
		if _, err := p.SetRoles(t.Context(), owls.ID, userID, []string{"reader", "author"}); err != nil {
			t.Fatal(err)
		}
	}
	inspect := func(bearer string) propusk.Pass {
		t.Helper()
		pass, err := p.Inspect(t.Context(), bearer, owls.ID)
		if err != nil {
			t.Fatal(err)
		}
		return pass
	}
	lists := func(pass propusk.Pass) [][]string {
		return [][]string{pass.Platform.Roles, pass.Local.Roles, pass.Ranks, pass.Community.AvailableRoles, pass.Community.DefaultRoles}
	}
	before := lists(inspect(other))
	for range 3 { // the first may not have been remembered yet
		for _, list := range lists(inspect(token)) {
			_ = append(list, "admin") // must not reach the next list either
			for i := range list {
				list[i] = "admin"
			}
		}
	}
	for name, bearer := range map[string]string{"the same": token, "another": other} {
		pass := inspect(bearer)
		if pass.PlatformAdmin || pass.May(rbac.MustPermission("topic:merge"), rbac.OwnerUnknown).Allowed {
			t.Errorf("%s has become an admin", name)
		}
		decision, err := p.May(t.Context(), bearer, owls.ID, rbac.MustPermission("topic:merge"), rbac.OwnerUnknown)
		if err != nil || decision.Allowed {
			t.Errorf("%s: %+v %v", name, decision, err)
		}
	}
	if diff := cmp.Diff(before, lists(inspect(other))); diff != "" {
		t.Errorf("another's lists (-before +after):\n%s", diff)
	}
}

func TestClosedItRefuses(t *testing.T) {
	t.Parallel()
	opening, cancel := context.WithCancel(t.Context())
	p, err := Open(opening, Config{
		Database: "sqlite:" + filepath.Join(t.TempDir(), "propusk.db"), PasswordMemoryKiB: 64, PasswordIterations: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	cancel() // was for opening only
	anna, token := person(t, p, "Anna")
	owls := found(t, p, anna, "owls")
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if pass, err := p.Inspect(t.Context(), token, owls.ID); propusk.KindOf(err) != propusk.Unavailable || pass.User.ID != 0 {
		t.Errorf("inspect: %v", err)
	}
	decision, err := p.Check(t.Context(), propusk.Question{Permission: "shout:read", CommunityID: owls.ID})
	if propusk.KindOf(err) != propusk.Unavailable || decision.Allowed {
		t.Errorf("check: %+v %v", decision, err)
	}
	if _, err := p.AddRole(t.Context(), owls.ID, anna.UserID, "reader"); propusk.KindOf(err) != propusk.Unavailable {
		t.Errorf("add role: %v", err)
	}
	if status, _ := ask(p.Handler(), "GET", "/api/pass", token, ""); status != http.StatusServiceUnavailable {
		t.Errorf("the handler answers %d", status)
	}
}

// TestWhatIsKept opens the database again: tokens are good still.
func TestWhatIsKept(t *testing.T) {
	t.Parallel()
	database := "sqlite:" + filepath.Join(t.TempDir(), "propusk.db")
	on := func(c *Config) { c.Database = database }
	first := open(t, on)
	anna, token := person(t, first, "Anna")
	owls := found(t, first, anna, "owls")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	pass, err := open(t, on).Inspect(t.Context(), token, owls.ID)
	if err != nil || pass.User.UserID != anna.UserID || !pass.Member {
		t.Errorf("%+v %v", pass, err)
	}
}

func TestThePolicyAndTheLogAreMine(t *testing.T) {
	t.Parallel()
	policy := filepath.Join(t.TempDir(), "school.yaml")
	text := "version: 1\nscope: community\navailable_roles: [pupil, admin]\ndefault_roles: [pupil]\ncreator_role: admin\n" +
		"catalogue: {content: {lesson: [read]}}\nroles:\n" +
		"  pupil: {name: Pupil, permissions: [\"lesson:read\"]}\n  admin: {name: Admin, permissions: [\"*\"]}\n"
	if err := os.WriteFile(policy, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var log apptest.Buffer
	p := open(t, func(c *Config) { c.Policy, c.Logger = policy, slog.New(slog.NewTextHandler(io.Writer(&log), nil)) })
	anna, token := person(t, p, "Anna")
	school := found(t, p, anna, "school")
	lists, err := p.RolePermissions(t.Context(), school.ID)
	if diff := cmp.Diff(map[string][]string{"pupil": {"lesson:read"}, "admin": {"*", "lesson:read"}}, lists); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	ask(p.Handler(), "GET", "/api/pass", token, "")
	if !strings.Contains(log.String(), "route=/api/pass") {
		t.Errorf("log: %s", log.String())
	}
}
