package gen_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/email"
	"github.com/propusk/propusk/internal/field"
	"github.com/propusk/propusk/internal/gen"
	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/store"
)

func open(t *testing.T, database string) *app.App {
	t.Helper()
	c := config.Default()
	c.Database, c.PasswordMemory, c.PasswordIterations = database, 64, 1
	a, err := app.Open(t.Context(), c, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func onSQLite(t *testing.T) *app.App {
	return open(t, "sqlite:"+filepath.Join(t.TempDir(), "propusk.db"))
}

// some are few enough for a test, and enough for several blocks, and for three batches of accounts.
func some(seed uint64) gen.Options {
	return gen.Options{Users: 600, Communities: 20, Memberships: 3000, Seed: seed}
}

func generate(t *testing.T, a *app.App, o gen.Options) gen.Report {
	t.Helper()
	r, err := a.Generator().Run(t.Context(), a.Operator(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// told is all rows of a database that hang on the seed, without user_ids and hashes.
func told(t *testing.T, a *app.App) string {
	t.Helper()
	hash := sha256.New()
	err := a.Store.Dump(t.Context(), func(int) error { return nil }, func(row store.DumpRow) error {
		table := store.DumpTables()[row.Table]
		if table.Name == "audit_event" {
			return nil
		}
		for i, column := range table.Columns {
			if column.Name == "user_id" || column.Name == "password" {
				continue
			}
			fmt.Fprintf(hash, "%v|", row.Values[i])
		}
		fmt.Fprintln(hash, table.Name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", hash.Sum(nil))
}

func TestTheSameSeedGivesTheSameData(t *testing.T) {
	t.Parallel()
	one, again, other := onSQLite(t), onSQLite(t), onSQLite(t)
	first, second := generate(t, one, some(1)), generate(t, again, some(1))
	is := told(t, one)
	if first != second || told(t, again) != is {
		t.Errorf("the same seed gives other data: %v and %v", first, second)
	}
	if generate(t, other, some(2)); told(t, other) == is {
		t.Error("another seed gives the same data")
	}
	t.Run("postgres", func(t *testing.T) {
		there := open(t, pgtest.Patient(t))
		if r := generate(t, there, some(1)); r != first || told(t, there) != is {
			t.Error("PostgreSQL holds other data than SQLite")
		}
	})
}

// What comes is what was asked for, and such as Propusk itself could have written.
func TestDataAreSound(t *testing.T) {
	t.Parallel()
	a, o := onSQLite(t), some(4)
	r := generate(t, a, o)
	reader := a.Store.Now(t.Context())
	people, total, err := reader.Users(store.UserFilter{Limit: o.Users})
	if err != nil || total != o.Users || r.Accounts != o.Users {
		t.Fatalf("%d accounts, %v; the report says %d", total, err, r.Accounts)
	}
	byID, inactive := map[int64]propusk.User{}, 0
	for _, u := range people {
		byID[u.ID] = u
		checkPerson(t, u)
		if !u.IsActive {
			inactive++
		}
	}
	if inactive != r.Inactive || inactive == 0 || inactive > o.Users/20 {
		t.Errorf("%d accounts are inactive; the report says %d", inactive, r.Inactive)
	}
	places, total, err := reader.Communities(store.CommunityFilter{Limit: o.Communities})
	if err != nil || total != o.Communities || r.Communities != o.Communities {
		t.Fatalf("%d communities, %v; the report says %d", total, err, r.Communities)
	}
	members := 0
	for _, p := range places {
		members += checkCommunity(t, reader, p.Community, byID)
	}
	if members != o.Memberships || r.Members != o.Memberships || r.Followers == 0 || r.CustomRoles == 0 {
		t.Errorf("%d memberships; the report says %+v", members, r)
	}
	checkRoles(t, reader, o)
}

func checkPerson(t *testing.T, u propusk.User) {
	t.Helper()
	var bad field.Faults
	bad.Name("name", u.Name, 1)
	bad.Name("last_name", u.LastName, 0)
	bad.Add("slug", field.CheckSlug(u.Slug))
	address, err := email.Parse(u.Email)
	bad.Add("email", err)
	if len(bad) > 0 || address.Key != u.Email || !strings.HasSuffix(u.Email, "@example.org") || u.Role != "user" ||
		!u.LastSeen.IsZero() && u.LastSeen.Before(u.CreatedAt) || u.UpdatedAt.Before(u.CreatedAt) || u.IsActive && u.DeletedByOwner {
		t.Errorf("%+v: %v", u, bad)
	}
}

// checkCommunity counts the members.
func checkCommunity(t *testing.T, r store.Reader, c propusk.Community, people map[int64]propusk.User) int {
	t.Helper()
	page, total, err := r.Members(store.MemberFilter{CommunityID: c.ID, Limit: len(people)})
	if err != nil || total != len(page) || total != c.MemberCount || field.CheckSlug(c.Slug) != nil {
		t.Errorf("community %+v: %d members, %v", c, total, err)
	}
	admins, founder := 0, false
	last := c.CreatedAt
	for _, m := range page {
		if slices.Contains(m.Roles, "admin") {
			admins++
		}
		if m.User.ID == c.CreatorID {
			founder = slices.Equal(m.Roles, []string{"admin"}) && m.User.IsActive && m.JoinedAt.Equal(c.CreatedAt) &&
				!m.JoinedAt.Before(people[m.User.ID].CreatedAt)
			continue
		}
		if m.JoinedAt.Before(last) || m.JoinedAt.Before(people[m.User.ID].CreatedAt) {
			t.Errorf("%s joined %s out of turn", m.User.Email, c.Slug)
		}
		last = m.JoinedAt
		for _, role := range m.Roles {
			if !slices.Contains(c.AvailableRoles, role) {
				t.Errorf("%s is %s in %s, which has no such role", m.User.Email, role, c.Slug)
			}
		}
	}
	if admins < 1 || admins > 2 || !founder {
		t.Errorf("%s has %d admins; its founder is one: %v", c.Slug, admins, founder)
	}
	return total
}

// checkRoles counts who holds what. Most are readers, some authors and few editors; some have two roles, and some one that the community made
// for itself.
func checkRoles(t *testing.T, r store.Reader, o gen.Options) {
	t.Helper()
	counts, two := map[string]int{}, 0
	for id := int64(1); id <= int64(o.Communities); id++ {
		lists, err := r.RoleLists(id)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lists {
			for _, role := range l.Roles {
				counts[role] += l.Members
			}
			if len(l.Roles) == 2 {
				two += l.Members
			}
		}
	}
	// within is about so many of a thousand.
	within := func(n, least, most int) bool { return n >= o.Memberships*least/1000 && n <= o.Memberships*most/1000 }
	if !within(counts["reader"], 770, 950) || !within(counts["author"], 80, 280) || !within(counts["editor"], 5, 55) || !within(two, 22, 200) {
		t.Errorf("of %d: %v, %d with two", o.Memberships, counts, two)
	}
	if counts["curator"]+counts["translator"]+counts["host"] == 0 {
		t.Errorf("nobody has a role of a community's own: %v", counts)
	}
}

func TestOnlyIntoAnEmptyDatabaseUnlessToldSo(t *testing.T) {
	t.Parallel()
	a := onSQLite(t)
	generate(t, a, gen.Options{Users: 50, Communities: 3, Memberships: 60, Seed: 5})
	before := told(t, a)
	o := gen.Options{Users: 50, Communities: 3, Memberships: 60, Seed: 5}
	if _, err := a.Generator().Run(t.Context(), a.Operator(), o); propusk.KindOf(err) != propusk.Conflict || told(t, a) != before {
		t.Errorf("into a database that is not empty it goes with %v", err)
	}
	o.Add = true
	r := generate(t, a, o)
	_, total, err := a.Store.Now(t.Context()).Users(store.UserFilter{Limit: 1})
	if err != nil || total != 100 || r.Accounts != 50 {
		t.Errorf("with --add there are %d accounts, %v", total, err)
	}
	for id := int64(1); id <= 6; id++ {
		page, _, err := a.Store.Now(t.Context()).Members(store.MemberFilter{CommunityID: id, Limit: 100})
		if err != nil || len(page) == 0 {
			t.Errorf("community %d has %d members, %v", id, len(page), err)
		}
		for _, m := range page {
			if (m.User.ID > 50) != (id > 3) {
				t.Errorf("account %d is in community %d", m.User.ID, id)
			}
		}
	}
}

func TestNumbersThatCannotBe(t *testing.T) {
	t.Parallel()
	a := onSQLite(t)
	for _, o := range []gen.Options{
		{}, {Users: -1}, {Users: 10, Communities: -1}, {Users: 10, Communities: 2, Memberships: 1}, {Users: 10, Communities: 2, Memberships: 21},
		{Users: 10, Memberships: 1}, {Users: math.MaxInt32}, {Users: 10, Communities: 1, Memberships: 1, Password: strings.Repeat("x", 5000)},
	} {
		if r, err := a.Generator().Run(t.Context(), a.Operator(), o); propusk.KindOf(err) != propusk.Invalid {
			t.Errorf("%+v is taken: %v, %v", o, r, err)
		}
	}
	if _, err := a.Generator().Run(t.Context(), propusk.Pass{}, some(1)); propusk.KindOf(err) != propusk.Forbidden {
		t.Errorf("somebody who is not the operator gets %v", err)
	}
	if empty, err := a.Store.Empty(t.Context()); err != nil || !empty {
		t.Errorf("something was written: %v", err)
	}
	for _, o := range []gen.Options{{Users: 1}, {Users: 1, Communities: 3, Memberships: 3}, {Users: 70, Communities: 2, Memberships: 140}} {
		o.Add = true
		if r := generate(t, a, o); r.Members != o.Memberships {
			t.Errorf("%+v gives %+v", o, r)
		}
	}
}

// Everybody has the password that was said; without one nobody can log in.
func TestPasswords(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"", "a perfectly ordinary sentence"} {
		a := onSQLite(t)
		generate(t, a, gen.Options{Users: 3, Password: word})
		for id := int64(1); id <= 3; id++ {
			hash, err := a.Store.Now(t.Context()).PasswordHash(id)
			if err != nil {
				t.Fatal(err)
			}
			is, err := a.Hasher.Verify(t.Context(), hash, word)
			if err != nil || is.OK != (word != "") {
				t.Errorf("with %q account %d: %v, %v", word, id, is.OK, err)
			}
		}
	}
}

func TestProgressIsTold(t *testing.T) {
	t.Parallel()
	a, o := onSQLite(t), gen.Options{Users: 300, Communities: 3, Memberships: 300, Seed: 6} // two batches of accounts
	last := map[string][2]int{}
	o.Progress = func(stage string, done, total int) { last[stage] = [2]int{done, total} }
	generate(t, a, o)
	for stage, want := range map[string]int{"accounts": o.Users, "communities": o.Communities, "members": o.Memberships} {
		if last[stage] != [2]int{want, want} {
			t.Errorf("%s end at %v", stage, last[stage])
		}
	}
}

func TestAnInterruptionStopsIt(t *testing.T) {
	t.Parallel()
	a, o := onSQLite(t), some(7)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	o.Progress = func(string, int, int) { stop() }
	if r, err := a.Generator().Run(ctx, a.Operator(), o); err == nil || r.Accounts == 0 || r.Members > 0 {
		t.Errorf("it goes on: %+v, %v", r, err)
	}
}
