package importer_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/account"
	"github.com/propusk/propusk/internal/importer"
	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/internal/password"
)

func (w *world) registers(name string) {
	w.t.Helper()
	in := account.Registration{Name: name, Email: strings.ToLower(name) + "@example.org", Password: ordinary}
	if _, err := w.Accounts.CreateAdmin(w.t.Context(), w.Operator(), in); err != nil {
		w.t.Fatal(err)
	}
}

// named is a seat of somebody who is told by address.
func named(communityID, accountID int64, address string, roles ...string) source.Member {
	m := seat(communityID, accountID, roles...)
	m.Account = source.Ref{Name: address}
	return m
}

// Vera's address was registered by somebody before she came over. Her memberships wait with her account, also where they name the address only.
func TestAContestedAddressGivesNothing(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, fresh func() *world) {
		w := fresh()
		w.registers("Vera")
		anna, vera, eve := somebody(5, "Anna"), somebody(6, "Vera"), somebody(7, "Eve")
		vera.Password.Hash, vera.Role, vera.Inactive = ordinaryHash, "moderator", true
		eve.Refused = "no person"
		owls := place(1, "owls")
		owls.Creator = source.Ref{Key: "5"}
		follows := fan(1, 6)
		follows.Account = source.Ref{Name: "Vera@example.org"}
		larks := place(2, "larks")
		larks.Creator = source.Ref{Name: "vera@example.org"}
		m := &magazine{
			accounts: []source.Account{anna, vera, eve}, communities: []source.Community{owls, larks},
			members:   []source.Member{named(1, 5, "anna@example.org", "admin"), named(1, 6, "VERA@example.org", "admin"), named(1, 7, "eve@example.org", "admin")},
			followers: []source.Follower{follows},
		}
		w.run(m, importer.Options{})
		w.expect("author 7: no person", "author 6: an account of Propusk has the address", "community 2: it has no founder",
			"seat 1:6: its account VERA@example.org did not come over", "seat 1:7: its account eve@example.org did not", "fan 1:6: its account Vera@example.org did not")
		if got := w.members(1); !slices.Equal(got, []string{"anna@example.org: admin"}) {
			t.Errorf("members: %q", got)
		}
		// Somebody registers Eve's address before the next run, and Vera turns out to be the same person.
		w.registers("Eve")
		w.run(m, importer.Options{LinkByAddress: true})
		w.expect("author 7: no person", "author 6, password: the account was there already", "author 6, role: the account was there already",
			"author 6, inactive: the account was there", "seat 1:7: its account eve@example.org did not come over")
		if got := w.members(1); !slices.Equal(got, []string{"anna@example.org: admin", "vera@example.org: admin"}) {
			t.Errorf("members: %q", got)
		}
	})
}

// A key that comes twice is the second row's fault, wherever it comes.
func TestAKeyThatComesTwice(t *testing.T) {
	t.Parallel()
	for name, people := range map[string]int{"in one transaction": 5, "in another": 110} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := sqlite(t)
			m := crowd(people)
			twin, nest, elsewhere, again := somebody(int64(people+1), "Twin"), place(9, "nest"), seat(7, 1, "reader"), fan(7, 1)
			twin.Key, nest.Key, elsewhere.Key, again.Key = "1", "5", "5:1", "5:1"
			m.accounts, m.communities = append(m.accounts, twin), append(m.communities, nest)
			m.members, m.followers = append(m.members, elsewhere), append(m.followers, again)
			for range 2 {
				report := w.run(m, importer.Options{})
				w.expect(fmt.Sprintf(`author %d: a row before it has the key "1" too`, people+1), "community 9: a row before it has the key",
					"seat 7:1: a row before it has the key", "fan 7:1: a row before it has the key")
				if report.Accounts.Added+report.Accounts.There != people || report.Quarantined() != 4 {
					t.Errorf("report:\n%v", report)
				}
			}
		})
	}
}

// Two sites number their authors from 1. The second one under the name of the first would give its roles to the wrong people.
func TestAnotherInstallationUnderTheSameName(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, fresh func() *world) {
		w := fresh()
		first := crowd(6)
		w.run(first, importer.Options{})
		before := w.dump()
		second := crowd(9)
		for i := range second.accounts {
			second.accounts[i].Email, second.accounts[i].CreatedAt = fmt.Sprintf("q%d@example.com", i), day(40)
		}
		_, err := w.attempt(t.Context(), second, importer.Options{})
		if propusk.KindOf(err) != propusk.Conflict || !strings.Contains(err.Error(), "--as NAME") || w.dump() != before {
			t.Errorf("%v", err)
		}
		if report := w.run(second, importer.Options{Source: "second"}); report.Accounts.Added != 9 {
			t.Errorf("report:\n%v", report)
		}
	})
}

// People change their addresses; their accounts stay theirs, but nobody gets what an address is given.
func TestAddressesChange(t *testing.T) {
	t.Parallel()
	w := sqlite(t)
	m := crowd(4)
	w.run(m, importer.Options{})
	for i := range 3 {
		m.accounts[i+1].Email = fmt.Sprintf("new%d@example.org", i)
	}
	w.registers("New0")
	m.communities = append(m.communities, place(8, "newts"))
	m.members = append(m.members, seat(8, 2, "admin"), named(8, 3, "new0@example.org", "admin"))
	report := w.run(m, importer.Options{})
	w.expect("author 2, address: the account that it became has another", "author 3, address: ", "author 4, address: ", "adjusted: community 8",
		"seat 8:3: its account new0@example.org did not come over")
	if got := w.members(8); report.Accounts.There != 4 || !slices.Equal(got, []string{"p2@example.org: admin"}) {
		t.Errorf("members: %q, report:\n%v", got, report)
	}
}

// Whoever looks at nothing but the report sees that numbers in other programs point at other people now.
func TestNewNumbersAreNoted(t *testing.T) {
	t.Parallel()
	w := sqlite(t)
	for n := range 22 {
		w.registers(fmt.Sprintf("Early%d", n))
	}
	m := &magazine{}
	for n := int64(-1); n < 23; n++ {
		m.accounts = append(m.accounts, somebody(n, fmt.Sprintf("P%d", n+1)))
	}
	notes := w.run(m, importer.Options{}).Notes
	if len(notes) != 22 || notes[1] != "author -1 is account 23 now" || notes[2] != "author 0 is account 24 now" || notes[3] != "author 1 is account 25 now" ||
		notes[21] != "4 more have another number here: all are in the report" {
		t.Errorf("notes: %q", notes)
	}
	if f := w.faults[0]; f.String() != "author -1, number -1: it is none that there can be: the row gets a new one" {
		t.Errorf("fault: %v", f)
	}
}

// A community with far too many roles takes no minutes and fills no report: the reading ends at the first role that is too many.
func TestFarTooManyRoles(t *testing.T) {
	t.Parallel()
	w := sqlite(t)
	owls := place(1, "owls")
	owls.Roles = []source.Role{{ID: "reader"}}
	for n := range 1500 {
		owls.Roles = append(owls.Roles, source.Role{ID: fmt.Sprintf("role%d", n), Permissions: []string{"topic:merge"}})
	}
	anna := somebody(1, "Anna")
	for n := range 150 {
		anna.Odd = append(anna.Odd, source.Odd{Part: fmt.Sprint("part ", n), Why: "nobody knows it"})
	}
	m := &magazine{accounts: []source.Account{anna}, communities: []source.Community{owls}, members: []source.Member{seat(1, 1, "admin")}}
	w.run(m, importer.Options{})
	if len(w.faults) != 102 || w.faults[100].String() != "author 1, and 50 more: the first 100 are told one by one" ||
		w.faults[101].String() != `community 1, role "role94" and what follows it, 1406 roles: a community has at most 100 roles, those of the policy among them` {
		t.Errorf("%d faults: %v", len(w.faults), w.faults[max(0, len(w.faults)-3):])
	}
	if roles, err := w.Communities.Roles(t.Context(), w.Operator(), 1); err != nil || len(roles) != 100 {
		t.Errorf("%d roles, %v", len(roles), err)
	}
}

// A role that a community has, but whose list is empty, permits nothing: not what it permits elsewhere.
func TestARoleThatPermitsNothing(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, fresh func() *world) {
		w := fresh()
		owls := place(1, "owls")
		owls.Roles = []source.Role{{ID: "editor"}}
		w.run(&magazine{accounts: []source.Account{somebody(1, "Anna")}, communities: []source.Community{owls}}, importer.Options{})
		w.expect()
		roles, err := w.Communities.Roles(t.Context(), w.Operator(), 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, role := range roles {
			if is := role.ID == "editor"; is != role.Edited || is != (len(role.Permissions) == 0) {
				t.Errorf("%+v", role)
			}
		}
	})
}

// Large rows are written a few at a time.
func TestLargeRows(t *testing.T) {
	t.Parallel()
	w := sqlite(t)
	m := crowd(12)
	for i := range m.accounts {
		m.accounts[i].LastName = strings.Repeat("x", 1<<20)
	}
	w.run(m, importer.Options{})
	if got := w.events("import.accounts"); got != 1+3 { // one for the numbers
		t.Errorf("%d transactions", got)
	}
}

// Default roles are given to everybody who joins, so they are no more than one can have.
func TestMoreDefaultRolesThanAnybodyCanHave(t *testing.T) {
	t.Parallel()
	w := sqlite(t)
	owls := place(1, "owls")
	owls.Available, owls.Default = []string{"admin"}, []string{}
	for n := range 90 {
		id := fmt.Sprintf("role%028d", n)
		owls.Roles = append(owls.Roles, source.Role{ID: id, Permissions: []string{"topic:merge"}})
		owls.Available, owls.Default = append(owls.Available, id), append(owls.Default, id)
	}
	joins := seat(1, 2)
	joins.Defaults = true
	w.run(&magazine{
		accounts: []source.Account{somebody(1, "Anna"), somebody(2, "Boris")}, communities: []source.Community{owls},
		members: []source.Member{seat(1, 1, "admin"), joins},
	}, importer.Options{})
	if len(w.faults) != 15 || !strings.HasSuffix(w.faults[0].String(), "nobody can have that many roles") {
		t.Errorf("%d faults: %v", len(w.faults), w.faults)
	}
	if got := strings.Count(strings.Join(w.members(1), ""), "role0"); got != 75 {
		t.Errorf("Boris has %d roles", got)
	}
}

// tired is a source of salts that gives up.
type tired struct {
	n    atomic.Int64
	stop func()
}

func (s *tired) Read(b []byte) (int, error) {
	if s.n.Add(1) == 5 {
		s.stop()
	}
	return len(b), nil
}

// An import that is interrupted says so once.
func TestAnInterruptionIsToldOnce(t *testing.T) {
	t.Parallel()
	w := sqlite(t)
	ctx, stop := context.WithCancel(t.Context())
	salt := &tired{stop: stop}
	hasher, err := password.New(password.Config{Params: password.Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1}, Rand: salt})
	if err != nil {
		t.Fatal(err)
	}
	m := crowd(300)
	for i := range m.accounts {
		m.accounts[i].Password.Plain = fmt.Sprint(ordinary, i)
	}
	service := w.Importer()
	service.Hasher = hasher
	_, err = service.Run(ctx, w.Operator(), m, importer.Options{Source: "old"})
	if err == nil || strings.Count(err.Error(), "cancel") != 1 {
		t.Errorf("%v", err)
	}
	if salt.n.Load() > 50 {
		t.Errorf("%d passwords were hashed after all", salt.n.Load())
	}
}

// slowly is a system during whose first reading something happens.
type slowly struct {
	*magazine
	happens func()
}

func (s *slowly) Accounts(ctx context.Context) iter.Seq2[source.Account, error] {
	return func(yield func(source.Account, error) bool) {
		if happens := s.happens; happens != nil {
			s.happens = nil
			happens()
		}
		s.magazine.Accounts(ctx)(yield)
	}
}

// Two people begin the same import. The slower one finds everything there.
func TestTwoFirstImportsAtOnce(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, fresh func() *world) {
		w := fresh()
		m := crowd(5)
		slow := &slowly{m, func() { w.run(m, importer.Options{}) }}
		report := w.run(slow, importer.Options{})
		w.expect()
		if report.Accounts.There != 5 || report.Members.There != 10 || w.user("p3@example.org").ID != 3 {
			t.Errorf("report:\n%v", report)
		}
	})
}

// A dry run counts those without a password as the run does.
func TestADryRunKnowsWhoHasAPassword(t *testing.T) {
	t.Parallel()
	w := sqlite(t)
	m := &magazine{accounts: []source.Account{somebody(1, "Anna"), somebody(2, "Boris"), somebody(3, "Vera")}}
	m.accounts[0].Password.Plain, m.accounts[1].Password.Hash = ordinary, ordinaryHash
	for _, dry := range []bool{true, false} {
		report := w.run(m, importer.Options{DryRun: dry})
		if len(report.Notes) != 1 || !strings.HasPrefix(report.Notes[0], "1 new accounts have no password") {
			t.Errorf("notes: %q", report.Notes)
		}
	}
}

// What was deleted does not come back to life because nobody can read when it was.
func TestDeletedNobodyKnowsWhen(t *testing.T) {
	t.Parallel()
	w := sqlite(t)
	gone := place(1, "gone")
	gone.DeletedAt = time.Unix(-5, 0)
	m := &magazine{accounts: []source.Account{somebody(1, "Anna")}, communities: []source.Community{gone}, members: []source.Member{seat(1, 1, "admin")}}
	report := w.run(m, importer.Options{})
	w.expect("community 1, time of deletion: must be a time")
	if _, err := w.Communities.Get(t.Context(), w.Operator(), 1); propusk.KindOf(err) != propusk.NotFound || report.Members.Added != 1 {
		t.Errorf("%v, report:\n%v", err, report)
	}
}
