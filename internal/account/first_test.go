package account_test

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/account"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/store"
)

// open gives the services over a fresh database, or over the one at path.
func open(t *testing.T, path string) *app.App {
	t.Helper()
	c := config.Default()
	c.Database = "sqlite:" + path
	apptest.Cheap(c)
	a, err := app.Open(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func fresh(t *testing.T) *app.App {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "propusk.db"))
}

func code(err error) string {
	var e *propusk.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func admins(t *testing.T, a *app.App) int {
	t.Helper()
	_, total, err := a.Accounts.List(t.Context(), a.Access.Operator(), store.UserFilter{Role: "admin", Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

func TestVeryFirstStartMakesAnAdminWithAPasswordShownOnce(t *testing.T) {
	t.Parallel()
	a := fresh(t)
	password, err := a.Accounts.EnsureFirstAdmin(t.Context(), account.First{})
	if err != nil || len(password) < 20 {
		t.Fatalf("password of %d characters, %v", len(password), err)
	}
	if again, err := a.Accounts.EnsureFirstAdmin(t.Context(), account.First{}); again != "" || err != nil {
		t.Errorf("the second start: %q, %v", again, err)
	}
	if admins(t, a) != 1 {
		t.Errorf("%d admins", admins(t, a))
	}
}

func TestConfiguredAdminIsLookedAtOnlyWhileThereIsNone(t *testing.T) {
	t.Parallel()
	a := fresh(t)
	for _, first := range []account.First{
		{Email: "ada@example.org", Password: "a perfectly ordinary sentence"},
		{Email: "eve@example.org", Password: "short"},
		{},
	} {
		if password, err := a.Accounts.EnsureFirstAdmin(t.Context(), first); err != nil || password != "" {
			t.Errorf("%s: %q, %v", first.Email, password, err)
		}
	}
	if admins(t, a) != 1 {
		t.Errorf("%d admins", admins(t, a))
	}
}

func TestConfiguredAdminMustHaveADecentPassword(t *testing.T) {
	t.Parallel()
	a := fresh(t)
	_, err := a.Accounts.EnsureFirstAdmin(t.Context(), account.First{Email: "ada@example.org", Password: "short"})
	if code(err) != "invalid_input" || admins(t, a) != 0 {
		t.Errorf("%v, %d admins", err, admins(t, a))
	}
}

// An attacker who registers the configured address before the first start must not become the administrator.
func TestConfiguredAddressOfAnOrdinaryAccountStopsTheStart(t *testing.T) {
	t.Parallel()
	a := fresh(t)
	in := account.Registration{Name: "Eve", Email: "ada@example.org", Password: "a perfectly ordinary sentence"}
	if _, err := a.Accounts.Register(t.Context(), propusk.Origin{}, in); err != nil {
		t.Fatal(err)
	}
	_, err := a.Accounts.EnsureFirstAdmin(t.Context(), account.First{Email: "Ada@Example.org", Password: "another ordinary sentence"})
	if code(err) != "admin_email_taken" || !strings.Contains(err.Error(), "propusk user change-role") || admins(t, a) != 0 {
		t.Errorf("%v, %d admins", err, admins(t, a))
	}
}

// With accounts but no administrator nobody gets a default one: those accounts were not made by a newcomer.
func TestNoDefaultAdminBesideExistingAccounts(t *testing.T) {
	t.Parallel()
	a := fresh(t)
	in := account.Registration{Name: "Anna", Email: "anna@example.org", Password: "a perfectly ordinary sentence"}
	if _, err := a.Accounts.Register(t.Context(), propusk.Origin{}, in); err != nil {
		t.Fatal(err)
	}
	if password, err := a.Accounts.EnsureFirstAdmin(t.Context(), account.First{}); password != "" || err != nil || admins(t, a) != 0 {
		t.Errorf("%q, %v, %d admins", password, err, admins(t, a))
	}
}

func TestNodesStartingAtOnceMakeOneAdmin(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "propusk.db")
	nodes := []*app.App{open(t, path), open(t, path), open(t, path)}
	var shown sync.Map
	var all sync.WaitGroup
	for i, node := range nodes {
		all.Go(func() {
			password, err := node.Accounts.EnsureFirstAdmin(t.Context(), account.First{})
			if err != nil {
				t.Error(err)
			}
			if password != "" {
				shown.Store(i, password)
			}
		})
	}
	all.Wait()
	count := 0
	shown.Range(func(_, _ any) bool { count++; return true })
	if count != 1 || admins(t, nodes[0]) != 1 {
		t.Errorf("%d nodes showed a password, %d admins", count, admins(t, nodes[0]))
	}
}

func TestClosedRegistration(t *testing.T) {
	t.Parallel()
	a := fresh(t)
	a.Accounts.Open = false
	in := account.Registration{Name: "Anna", Email: "anna@example.org", Password: "a perfectly ordinary sentence"}
	if _, err := a.Accounts.Register(t.Context(), propusk.Origin{}, in); code(err) != "registration_closed" {
		t.Errorf("%v", err)
	}
	if _, err := a.Accounts.CreateAdmin(t.Context(), a.Access.Operator(), in); err != nil {
		t.Errorf("the operator: %v", err)
	}
}

// The zero Pass is what a forgotten check hands over. It must get nowhere.
func TestZeroPassMayNothing(t *testing.T) {
	t.Parallel()
	a := fresh(t)
	in := account.Registration{Name: "Anna", Email: "anna@example.org", Password: "a perfectly ordinary sentence"}
	anna, err := a.Accounts.Register(t.Context(), propusk.Origin{}, in)
	if err != nil {
		t.Fatal(err)
	}
	var nobody propusk.Pass
	name := "Eve"
	for what, err := range map[string]error{
		"list":        second(a.Accounts.List(t.Context(), nobody, store.UserFilter{Limit: 1})),
		"find":        first(a.Accounts.Find(t.Context(), nobody, anna.UserID)),
		"change role": first(a.Accounts.ChangeRole(t.Context(), nobody, anna.UserID, "admin")),
		"block":       first(a.Accounts.Block(t.Context(), nobody, anna.UserID)),
		"unblock":     first(a.Accounts.Unblock(t.Context(), nobody, anna.UserID)),
		"password":    first(a.Accounts.SetPassword(t.Context(), nobody, anna.UserID, "a perfectly ordinary sentence")),
		"admin":       first(a.Accounts.CreateAdmin(t.Context(), nobody, account.Registration{Name: "E", Email: "e@example.org", Password: in.Password})),
		"edit":        first(a.Accounts.Edit(t.Context(), nobody, account.Edit{Name: &name})),
		"delete":      a.Accounts.Delete(t.Context(), nobody),
		"logout all":  first(a.Sessions.LogoutAll(t.Context(), nobody)),
	} {
		if propusk.KindOf(err) != propusk.Unauthenticated {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func first[T any](_ T, err error) error          { return err }
func second[T, U any](_ T, _ U, err error) error { return err }
