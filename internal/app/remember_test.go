package app_test

import (
	"context"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/community"
	"github.com/propusk/propusk/internal/config"
)

// rounds is how often each act is tried.
const rounds = 10

// town is two servers over one file, and a command beside them.
type town struct {
	servers []*apptest.Server
	command *app.App
	// home is a community.
	home int64
}

func settle(t *testing.T) *town {
	t.Helper()
	path := filepath.Join(t.TempDir(), "propusk.db")
	on := func(c *config.Config) { c.Database = "sqlite:" + path }
	w := &town{servers: []*apptest.Server{apptest.Start(t, on), apptest.Start(t, on)}}
	c := config.Default()
	on(c)
	apptest.Cheap(c)
	command, err := app.Open(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Close() })
	w.command = command
	founder := w.servers[0].Register("Founder")
	founded, err := command.Communities.CreateFor(t.Context(), command.Operator(), founder.UserID, community.Founding{Name: "Home"})
	if err != nil {
		t.Fatal(err)
	}
	w.home = founded.ID
	for _, s := range w.servers {
		for began := time.Now(); s.Call("GET", "/readyz", "", nil).Body["remembers"] != true; {
			if time.Since(began) > 10*time.Second {
				t.Fatal("a server does not begin to remember")
			}
		}
	}
	return w
}

// allowed asks a server whether somebody may write in the community.
func (w *town) allowed(s *apptest.Server, token string) bool {
	a := s.Call("POST", "/api/check", token, map[string]any{"permission": "shout:create", "community_id": w.home})
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
	t.Parallel()
	w := settle(t)
	for _, name := range slices.Sorted(maps.Keys(revocations)) {
		var took []time.Duration
		for range rounds {
			who := w.servers[0].Register(strings.ReplaceAll(name, " ", ""))
			if _, err := w.command.Communities.Admit(t.Context(), w.command.Operator(), w.home, who.UserID, []string{"author"}); err != nil {
				t.Fatal(err)
			}
			for _, s := range w.servers {
				for range 2 { // the second time from memory
					if !w.allowed(s, who.Token) {
						t.Fatal("not allowed to begin with")
					}
				}
			}
			begun := time.Now()
			if err := revocations[name](t.Context(), w, who); err != nil {
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

// What one server changes the other one forgets as well.
func TestServersForgetWhatTheOtherChanges(t *testing.T) {
	t.Parallel()
	w := settle(t)
	admin := w.servers[0].Admin()
	for range rounds {
		who := w.servers[1].Register("Anna")
		for _, s := range w.servers {
			if s.Call("GET", "/api/users/me", who.Token, nil).Status != 200 {
				t.Fatal("not logged in to begin with")
			}
		}
		if a := w.servers[0].Call("PUT", "/api/admin/block/"+who.UserID, admin, nil); a.Status != 200 {
			t.Fatal(a.Status, a.Raw)
		}
		if a := w.servers[1].Call("GET", "/api/users/me", who.Token, nil); a.Status != 401 {
			t.Errorf("the other server answers %d", a.Status)
		}
	}
}
