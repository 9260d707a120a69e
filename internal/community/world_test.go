package community_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/account"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/community"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/session"
)

// world is the services over one database, and people in it.
type world struct {
	*app.App
	t      *testing.T
	people int
}

// onEngines tells a story on each engine, in a world of its own.
func onEngines(t *testing.T, story func(w *world), options ...func(*config.Config)) {
	t.Helper()
	for engine, fresh := range map[string]func(*testing.T) string{
		"sqlite": sqliteFile, "postgres": func(t *testing.T) string { return pgtest.Patient(t) },
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			story(newWorld(t, fresh(t), options...))
		})
	}
}

func sqliteFile(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "propusk.db") }

func newWorld(t *testing.T, database string, options ...func(*config.Config)) *world {
	t.Helper()
	c := config.Default()
	c.Database = database
	apptest.Cheap(c)
	c.PasswordQueue = 1000
	for _, option := range options {
		option(c)
	}
	a, err := app.Open(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(withCause(err))
	}
	t.Cleanup(func() { _ = a.Close() })
	if err := a.Keys.Load(t.Context()); err != nil {
		t.Fatal(withCause(err))
	}
	return &world{App: a, t: t}
}

func (w *world) ctx() context.Context { return w.t.Context() }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(withCause(err))
	}
}

// withCause tells what an error answers, and why: a database that cannot be used says so to clients, and the rest to the log.
func withCause(err error) string {
	if refused := (*propusk.Error)(nil); errors.As(err, &refused) && refused.Cause != nil {
		return fmt.Sprintf("%v (%v)", err, refused.Cause)
	}
	return fmt.Sprint(err)
}

// person registers somebody and logs them in.
func (w *world) person(name string) propusk.Pass {
	w.t.Helper()
	w.people++
	address := fmt.Sprintf("%s%d@example.org", name, w.people)
	_, err := w.Accounts.Register(w.ctx(), propusk.Origin{}, account.Registration{Name: name, Email: address, Password: apptest.Password})
	w.must(err)
	tokens, err := w.Sessions.Login(w.ctx(), session.Login{Email: address, Password: apptest.Password})
	w.must(err)
	pass, err := w.Access.Inspect(w.ctx(), tokens.Access)
	w.must(err)
	return pass
}

// promoted is a person with a platform role.
func (w *world) promoted(name, role string) propusk.Pass {
	w.t.Helper()
	p := w.person(name)
	_, err := w.Accounts.ChangeRole(w.ctx(), w.Operator(), p.User.UserID, role)
	w.must(err)
	return p
}

// founds makes a community of which the person is the admin.
func (w *world) founds(creator propusk.Pass, slug string) int64 {
	w.t.Helper()
	c, err := w.Communities.CreateFor(w.ctx(), w.Operator(), creator.User.UserID, community.Founding{Slug: slug, Name: slug})
	w.must(err)
	return c.ID
}

// give sets somebody's roles by the power of the operator.
func (w *world) give(id int64, p propusk.Pass, roles ...string) {
	w.t.Helper()
	_, err := w.Communities.SetRoles(w.ctx(), w.Operator(), id, p.User.UserID, roles)
	w.must(err)
}

// rolesOf is what the database says, "-" for no member.
func (w *world) rolesOf(id int64, p propusk.Pass) string {
	w.t.Helper()
	place, err := w.Store.Now(w.ctx()).Place(id, p.User.ID)
	w.must(err)
	if !place.Member {
		return "-"
	}
	return fmt.Sprint(place.Roles)
}

// refused checks that something was refused with that code.
func (w *world) refused(err error, code string) {
	w.t.Helper()
	if !errors.Is(err, &propusk.Error{Code: code}) {
		w.t.Errorf("answered %s, want %s", withCause(err), code)
	}
}

// withPolicy is a server with a policy of its own.
func withPolicy(t *testing.T, text string) func(*config.Config) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(c *config.Config) { c.Policy = file }
}
