// Package storetest is what every adapter of package store must do, told as stories. A story gets a database of its own, and all
// run in parallel. No story allows one engine what it refuses another.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

// Fresh makes an empty database for one test and returns how to open it. Opening it again, after Close, finds what was committed.
type Fresh func(t *testing.T) (open func() (store.Store, error))

// Run tells all stories to the databases that fresh makes.
func Run(t *testing.T, fresh Fresh) {
	for _, chapter := range [][]story{
		users, sessions, renewals, keys, counters, audits, communities, members, memberSearches, bulks, apiKeys, imports, transactions,
	} {
		for _, s := range chapter {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				s.tell(start(t, fresh(t)))
			})
		}
	}
	t.Run("dumps", func(t *testing.T) { runDumps(t, fresh) })
}

type story struct {
	name string
	tell func(*database)
}

// database is an open store with shortcuts that fail the test.
type database struct {
	store.Store
	t    *testing.T
	open func() (store.Store, error)
}

func start(t *testing.T, open func() (store.Store, error)) *database {
	d := &database{t: t, open: open}
	d.reopen()
	t.Cleanup(func() { d.must(d.Close()) })
	return d
}

func (d *database) reopen() {
	d.t.Helper()
	s, err := d.open()
	d.must(err)
	d.Store = s
}

func (d *database) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// check is must for goroutines other than the test's own.
func (d *database) check(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Error(err)
	}
}

// now reads without a transaction.
func (d *database) now() store.Reader { return d.Now(d.t.Context()) }

// update runs fn in a transaction that must succeed.
func (d *database) update(fn func(store.Tx) error) {
	d.t.Helper()
	d.must(d.Update(d.t.Context(), fn))
}

// refuse runs fn in a transaction that must fail with want.
func (d *database) refuse(want error, fn func(store.Tx) error) {
	d.t.Helper()
	if err := d.Update(d.t.Context(), fn); !errors.Is(err, want) {
		d.t.Errorf("Update answered %v, want %v", err, want)
	}
}

// insert adds the accounts and returns them as the database did.
func (d *database) insert(rows ...store.UserRow) []propusk.User {
	d.t.Helper()
	inserted := make([]propusk.User, len(rows))
	d.update(func(tx store.Tx) (err error) {
		for i, row := range rows {
			if inserted[i], err = tx.InsertUser(row); err != nil {
				return err
			}
		}
		return nil
	})
	return inserted
}

// user reads the account of a row.
func (d *database) user(row store.UserRow) propusk.User {
	d.t.Helper()
	u, err := d.now().UserByUserID(row.UserID)
	d.must(err)
	return u
}

// absent checks that the account of a row is not there.
func (d *database) absent(row store.UserRow) {
	d.t.Helper()
	if _, err := d.now().UserByUserID(row.UserID); !errors.Is(err, store.ErrNotFound) {
		d.t.Errorf("looking for %s gave %v, want ErrNotFound", row.Email, err)
	}
}

func same[T any](d *database, what string, got, want T) {
	d.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		d.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// noon is the moment at which the stories begin.
var noon = time.Date(2026, 5, 9, 12, 0, 0, 0, time.UTC)

// person is the n-th account: person3@example.org.
func person(n int) store.UserRow {
	name := fmt.Sprintf("person%d", n)
	return store.UserRow{
		User: propusk.User{
			UserID: fmt.Sprintf("%08d-0000-4000-8000-00000000abcd", n), Name: "Person", LastName: fmt.Sprint(n), Slug: name,
			Email: name + "@Example.org", Role: "user", IsActive: true, CreatedAt: noon, UpdatedAt: noon,
		},
		EmailKey:     name + "@example.org",
		PasswordHash: "hash of " + name,
	}
}

// login is the n-th session of the account.
func login(userID int64, n int) store.SessionRow {
	return store.SessionRow{
		Session: propusk.Session{
			ID: fmt.Sprintf("%08d-0000-4000-8000-%012d", n, userID), Device: "Почтальон/1.0", Address: "2001:db8::1",
			CreatedAt: noon, LastSeen: noon, ExpiresAt: noon.Add(30 * 24 * time.Hour),
		},
		UserID:     userID,
		SecretHash: store.SecretHash{byte(n), byte(userID), 0, 0xff},
	}
}

// cancelled is a context of a caller that has gone.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
