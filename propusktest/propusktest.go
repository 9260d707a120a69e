// Package propusktest is for the tests of programs that use Propusk.
//
// [Start] runs a real server over a temporary database, in one call and in some milliseconds:
//
//	func TestPublishing(t *testing.T) {
//		s := propusktest.Start(t)
//		anna, boris := s.Person("Anna"), s.Person("Boris")
//		owls := s.Community(anna, "owls")
//		s.Give(owls, boris, "author")
//		forum := newForum(guard.New(s.Propusk)) // or a client of s.URL
//		…
//	}
//
// [Pass] and [Caller] make passes to order,
// for code behind package guard that needs no server at all.
package propusktest

import (
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/embedded"
)

// Password is that of every account that this package makes.
const Password = "a perfectly ordinary sentence"

// adminEmail is the administrator's, unless an option says another.
const adminEmail = "platform-admin@example.org"

// Server is a running Propusk with an administrator of the platform and nobody else. Its helpers end the test when they fail.
type Server struct {
	// URL is where it answers over HTTP, without a slash at the end. Propusk is the same server in this process.
	URL     string
	Propusk *embedded.Propusk

	t                         testing.TB
	adminEmail, adminPassword string
	people                    atomic.Int64
}

// Start runs a server until the test ends. Options change its configuration, which is a new SQLite database in a directory of the test and
// passwords that cost nothing to hash. An option that names a Database names one that nobody else uses.
func Start(t testing.TB, options ...func(*embedded.Config)) *Server {
	t.Helper()
	c := embedded.Config{
		Database:   "sqlite:" + filepath.Join(t.TempDir(), "propusk.db"),
		AdminEmail: adminEmail, AdminPassword: Password,
		PasswordMemoryKiB: 64, PasswordIterations: 1,
	}
	for _, option := range options {
		option(&c)
	}
	p, err := embedded.Open(t.Context(), c)
	must(t, err)
	server := httptest.NewServer(p.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := p.Close(); err != nil {
			t.Errorf("the server of the test did not close well: %v", err)
		}
	})
	return &Server{URL: server.URL, Propusk: p, t: t, adminEmail: c.AdminEmail, adminPassword: c.AdminPassword}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("propusktest: %v", err)
	}
}

// Person is an account and an access token of it.
type Person struct {
	UserID, Email, Token string
}

// Person makes an ordinary account and logs it in.
func (s *Server) Person(name string) Person {
	s.t.Helper()
	email := fmt.Sprintf("person-%d@example.org", s.people.Add(1))
	_, err := s.Propusk.Register(s.t.Context(), embedded.Registration{Name: name, Email: email, Password: Password})
	must(s.t, err)
	return s.logIn(email, Password)
}

// PlatformAdmin logs the administrator of the platform in.
func (s *Server) PlatformAdmin() Person {
	s.t.Helper()
	return s.logIn(s.adminEmail, s.adminPassword)
}

func (s *Server) logIn(email, password string) Person {
	s.t.Helper()
	token, err := s.Propusk.Login(s.t.Context(), email, password)
	must(s.t, err)
	pass, err := s.Propusk.Inspect(s.t.Context(), token, 0)
	must(s.t, err)
	return Person{UserID: pass.User.UserID, Email: email, Token: token}
}

// Community founds a community, whose admin the founder becomes.
func (s *Server) Community(founder Person, slug string) propusk.Community {
	s.t.Helper()
	made, err := s.Propusk.Found(s.t.Context(), founder.UserID, slug, slug)
	must(s.t, err)
	return made
}

// Give makes somebody a member of a community with exactly those roles.
func (s *Server) Give(in propusk.Community, whom Person, roles ...string) {
	s.t.Helper()
	_, err := s.Propusk.SetRoles(s.t.Context(), in.ID, whom.UserID, roles)
	must(s.t, err)
}

// Pass is what a person may do in a community now, as the server says it. A community without an id, such as propusk.Community{}, is none.
func (s *Server) Pass(whom Person, in propusk.Community) propusk.Pass {
	s.t.Helper()
	pass, err := s.Propusk.Inspect(s.t.Context(), whom.Token, in.ID)
	must(s.t, err)
	return pass
}
