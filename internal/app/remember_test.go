package app_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/community"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/sqlstore"
	"github.com/propusk/propusk/internal/store"
)

// rounds is how often each act is tried, and patience is for what happens for sure, on however busy a machine.
const (
	rounds   = 10
	patience = 2 * time.Minute
)

// steady does something again for as long as a busy machine refuses it, undone.
func steady(do func() error) error {
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		err := do()
		var refused *propusk.Error
		if !errors.As(err, &refused) || refused.Code != "database_unavailable" || time.Since(begun) > patience {
			return err
		}
	}
}

// call is Call with steady.
func call(s *apptest.Server, method, path, token string, body any) (a apptest.Answer) {
	_ = steady(func() error {
		a = s.Call(method, path, token, body)
		if a.Status == http.StatusServiceUnavailable {
			return &propusk.Error{Code: a.Text("code")}
		}
		return nil
	})
	return a
}

// town is two servers over one database, and a command beside them.
type town struct {
	servers []*apptest.Server
	command *app.App
	// dead is the database as a node has it that is killed after each of its commits: nobody is waited for or told.
	dead *sqlstore.Store
	// home is a community.
	home int64
}

// towns tells a story on each engine.
func towns(t *testing.T, tell func(t *testing.T, w *town)) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		c := config.Default()
		on(c)
		tell(t, settle(t, c.Database))
	})
}

func settle(t *testing.T, url string) *town {
	t.Helper()
	on := func(c *config.Config) { c.Database = url }
	w := &town{servers: []*apptest.Server{apptest.Start(t, on), apptest.Start(t, on)}}
	w.command = w.open(t)
	var err error
	if w.dead, err = sqlstore.Open(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.dead.Close() })
	founder := w.servers[0].Register("Founder")
	founded, err := w.command.Communities.CreateFor(t.Context(), w.command.Operator(), founder.UserID, community.Founding{Name: "Home"})
	if err != nil {
		t.Fatal(err)
	}
	w.home = founded.ID
	for _, s := range w.servers {
		for began := time.Now(); s.Call("GET", "/readyz", "", nil).Body["remembers"] != true; {
			if time.Since(began) > patience {
				t.Fatal("a server does not begin to remember")
			}
		}
	}
	return w
}

// open opens the database of the servers in one more process, as far as that can tell.
func (w *town) open(t *testing.T) *app.App {
	t.Helper()
	c := config.Default()
	c.Database = w.servers[0].Config.Database
	apptest.Cheap(c)
	opened, err := app.Open(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	return opened
}

// admit makes somebody an author at home.
func (w *town) admit(t *testing.T, who apptest.Person) {
	t.Helper()
	err := steady(func() error {
		_, err := w.command.Communities.Admit(t.Context(), w.command.Operator(), w.home, who.UserID, []string{"author"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// allowed asks a server whether somebody may write in the community.
func (w *town) allowed(s *apptest.Server, token string) bool {
	a := call(s, "POST", "/api/check", token, map[string]any{"permission": "shout:create", "community_id": w.home})
	return a.Status == 200 && a.Body["allowed"] == true
}

// revocations are what takes the right to write from somebody who is an author at home.
var revocations = map[string]func(ctx context.Context, w *town, who apptest.Person) error{
	"role removed": func(ctx context.Context, w *town, who apptest.Person) error {
		_, err := w.command.Communities.RemoveRole(ctx, w.command.Operator(), w.home, who.UserID, "author")
		return err
	},
	"member removed": func(ctx context.Context, w *town, who apptest.Person) error {
		return w.command.Communities.Remove(ctx, w.command.Operator(), w.home, who.UserID)
	},
	"blocked": func(ctx context.Context, w *town, who apptest.Person) error {
		_, err := w.command.Accounts.Block(ctx, w.command.Operator(), who.UserID)
		return err
	},
	"password set": func(ctx context.Context, w *town, who apptest.Person) error {
		_, err := w.command.Accounts.SetPassword(ctx, w.command.Operator(), who.UserID, "another ordinary sentence")
		return err
	},
	"bulk": func(ctx context.Context, w *town, who apptest.Person) error {
		_, err := w.command.Communities.Bulk(ctx, w.command.Operator(), w.home, propusk.ModeReplace,
			[]propusk.Assignment{{UserID: who.UserID, Roles: []string{"reader"}}})
		return err
	},
}

// When a command has answered, no server that runs beside it decides on what was before, though all of them answer from memory.
func TestNoServerRemembersWhatACommandHasChanged(t *testing.T) {
	towns(t, noServerRemembersWhatACommandHasChanged)
}

func noServerRemembersWhatACommandHasChanged(t *testing.T, w *town) {
	for _, name := range slices.Sorted(maps.Keys(revocations)) {
		var took []time.Duration
		for range rounds {
			who := w.servers[0].Register(strings.ReplaceAll(name, " ", ""))
			w.admit(t, who)
			for _, s := range w.servers {
				for range 2 { // the second time from memory
					if !w.allowed(s, who.Token) {
						t.Fatal("not allowed to begin with")
					}
				}
			}
			begun := time.Now()
			if err := steady(func() error { return revocations[name](t.Context(), w, who) }); err != nil {
				t.Fatal(name, err)
			}
			took = append(took, time.Since(begun))
			for i, s := range w.servers {
				if w.allowed(s, who.Token) {
					t.Errorf("%s: server %d allows it afterwards", name, i)
				}
			}
		}
		slices.Sort(took)
		t.Logf("%-15s median %v, longest %v", name, took[rounds/2], took[rounds-1])
	}
}

// A node is killed after its commit, its client is told nothing and tries again on another one, which finds nothing to do: from that answer on
// that node acts by the change as well.
func TestWhatADeadNodeHasChangedIsInForceWhenTheNextOneSaysSo(t *testing.T) {
	towns(t, whatADeadNodeHasChangedIsInForceWhenTheNextOneSaysSo)
}

func whatADeadNodeHasChangedIsInForceWhenTheNextOneSaysSo(t *testing.T, w *town) {
	s, admin := w.servers[0], w.servers[0].Admin()
	for range rounds {
		who := s.Register("Egor")
		w.admit(t, who)
		for range 2 {
			if !w.allowed(s, who.Token) {
				t.Fatal("not allowed to begin with")
			}
		}
		u, err := w.dead.Now(t.Context()).UserByUserID(who.UserID)
		if err != nil {
			t.Fatal(err)
		}
		err = steady(func() error {
			return w.dead.Update(t.Context(), func(tx store.Tx) error { return tx.SetMemberRoles(w.home, u.ID, []string{"reader"}) })
		})
		if err != nil {
			t.Fatal(err)
		}
		again := call(s, "POST", fmt.Sprintf("/api/communities/%d/members/bulk", w.home), admin, map[string]any{
			"mode": "replace", "members": []any{map[string]any{"user_id": who.UserID, "roles": []string{"reader"}}},
		})
		if again.Status != 200 || !strings.Contains(again.Raw, "unchanged") {
			t.Fatal(again.Status, again.Raw)
		}
		if w.allowed(s, who.Token) {
			t.Error("it still acts by what was before")
		}
	}
}

// What one server changes the other one forgets as well.
func TestServersForgetWhatTheOtherChanges(t *testing.T) {
	towns(t, serversForgetWhatTheOtherChanges)
}

func serversForgetWhatTheOtherChanges(t *testing.T, w *town) {
	admin := w.servers[0].Admin()
	for range rounds {
		who := w.servers[1].Register("Anna")
		for _, s := range w.servers {
			if call(s, "GET", "/api/users/me", who.Token, nil).Status != 200 {
				t.Fatal("not logged in to begin with")
			}
		}
		if a := call(w.servers[0], "PUT", "/api/admin/block/"+who.UserID, admin, nil); a.Status != 200 {
			t.Fatal(a.Status, a.Raw)
		}
		if a := call(w.servers[1], "GET", "/api/users/me", who.Token, nil); a.Status != 401 {
			t.Errorf("the other server answers %d", a.Status)
		}
	}
}

// counting counts who reads by single statements.
type counting struct {
	store.Store
	reads atomic.Int64
}

func (c *counting) Now(ctx context.Context) store.Reader {
	c.reads.Add(1)
	return c.Store.Now(ctx)
}

// Under a lease a request that is warm sends no statement, and without one at most two, whatever the database is.
func TestAWarmRequestSendsNoStatementToAnyDatabase(t *testing.T) {
	towns(t, func(t *testing.T, w *town) {
		who := w.servers[0].Register("Anna")
		w.admit(t, who)
		// This one is to hold its lease however slow the machine is, and reads how long that is when it is opened.
		driver, name := "pgx", w.servers[0].Config.Database
		if path, file := strings.CutPrefix(name, "sqlite:"); file {
			driver, name = "sqlite", path
		}
		db, err := sql.Open(driver, name)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(t.Context(), "UPDATE cache_state SET hold_ms = 60000, wait_ms = 80000"); err != nil {
			t.Fatal(err)
		}
		a := w.open(t)
		if err := a.Keys.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		counted := &counting{Store: a.Store}
		a.Access.Store, a.Sessions.Store = counted, counted
		reads := func() int64 {
			before := counted.reads.Load()
			if _, err := a.Access.InspectIn(t.Context(), who.Token, w.home); err != nil {
				t.Fatal(err)
			}
			return counted.reads.Load() - before
		}
		reads() // who signs and what roles permit is known from here on, with or without a lease
		if n := reads(); n > 2 {
			t.Errorf("without a lease a request takes %d statements", n)
		}
		defer a.Start(t.Context())()
		a.Node.Await(t.Context(), patience)
		reads()
		if n := reads(); n != 0 {
			t.Errorf("a warm request takes %d statements", n)
		}
	})
}

// How a node does is told to whoever may ask.
func TestNodesAreCounted(t *testing.T) {
	towns(t, func(t *testing.T, w *town) {
		a := w.servers[0].Call("GET", "/readyz", "", nil)
		for began := time.Now(); a.Body["nodes"] != 2.0; a = w.servers[0].Call("GET", "/readyz", "", nil) {
			if time.Since(began) > patience {
				t.Fatalf("readyz: %v", a.Raw)
			}
			w.servers[0].Call("PUT", "/api/admin/block/nobody", w.servers[0].Admin(), nil)
			time.Sleep(50 * time.Millisecond)
		}
		missing := func() (lines []string) {
			told := w.servers[0].Call("GET", "/metrics", "", nil).Raw
			for _, line := range []string{"propusk_lease_held 1", "propusk_lease_nodes 2", "propusk_lease_wait_seconds_count", "propusk_lease_renewals_total"} {
				if !strings.Contains(told, line) {
					lines = append(lines, line)
				}
			}
			return lines
		}
		for began := time.Now(); len(missing()) > 0; time.Sleep(50 * time.Millisecond) { // a machine that stands still loses a lease for a moment
			if time.Since(began) > patience {
				t.Fatalf("metrics do not tell %q", missing())
			}
		}
	})
}
