//go:build hold

package sqlstore

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/store"
)

// How large the import of TestImport is, and how long it may take on an engine.
const (
	importedAccounts    = 100_000
	importedCommunities = 1_000
	membershipsEach     = 10 // of an account
	importStep          = 1_000
	importAtMost        = time.Minute
	importMemory        = 128 << 20
)

// TestImport says how long an import takes in which each transaction is about 1,000 rows, and how much memory at most: with the memberships of one
// community after those of another, and with those of one account after those of another, so that each transaction is about all communities.
func TestImport(t *testing.T) {
	for order, atMost := range map[string]time.Duration{"by community": importAtMost, "by account": 5 * importAtMost} {
		t.Run(order, func(t *testing.T) {
			membership := membershipByCommunity
			if order == "by account" {
				membership = membershipByAccount
			}
			t.Run("sqlite", func(t *testing.T) { measureImport(t, openTemp(t), membership, atMost) })
			t.Run("postgres", func(t *testing.T) { measureImport(t, openURL(t, pgtest.Start(t).Database(t)), membership, atMost) })
		})
	}
}

// membershipByCommunity is the n-th membership, from 0, where all of a community come together.
func membershipByCommunity(n int) (community, account int64) {
	const members = importedAccounts * membershipsEach / importedCommunities
	community = int64(n / members)
	first := n / members * members % importedAccounts
	return community + 1, int64(first+n%members) + 1
}

// membershipByAccount is the n-th where all of an account come together.
func membershipByAccount(n int) (community, account int64) {
	who, which := n/membershipsEach, n%membershipsEach
	return int64((who*7+which*(importedCommunities/membershipsEach))%importedCommunities) + 1, int64(who) + 1
}

func measureImport(t *testing.T, s *Store, membership func(int) (int64, int64), atMost time.Duration) {
	begun, most := time.Now(), uint64(0)
	step := func(fn func(store.Tx) error) {
		t.Helper()
		if err := s.Update(context.Background(), fn); err != nil {
			t.Fatal(err)
		}
		most = max(most, memory(t))
	}
	lap := begun
	tell := func(what string) {
		t.Logf("%-20s %6.2f s", what, time.Since(lap).Seconds())
		lap = time.Now()
	}
	step(func(tx store.Tx) error {
		_, err := tx.ReserveNumbers(store.ImportedAccount, importedAccounts)
		return err
	})
	for first := 1; first <= importedAccounts; first += importStep {
		step(func(tx store.Tx) error { return importAccounts(tx, first) })
	}
	tell("accounts")
	step(importCommunities)
	tell("communities")
	for first := 0; first < importedAccounts*membershipsEach; first += importStep {
		step(func(tx store.Tx) error { return importMembers(tx, first, membership) })
	}
	tell("members")
	took := time.Since(begun)
	t.Logf("%-20s %6.2f s, at most %d MiB", "all", took.Seconds(), most>>20)
	if took > atMost || most > importMemory {
		t.Error("too much")
	}
	for _, id := range []int64{1, importedCommunities} {
		c, err := s.Now(context.Background()).Community(id)
		if want := importedAccounts * membershipsEach / importedCommunities; err != nil || c.MemberCount != want {
			t.Errorf("community %d has %d members (%v), want %d", id, c.MemberCount, err, want)
		}
	}
}

// memory is what the process holds, that of SQLite included.
func memory(t *testing.T) uint64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("only Linux tells the memory of a process")
	}
	pages, err := strconv.ParseUint(strings.Fields(string(status))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * uint64(os.Getpagesize())
}

// importAccounts imports some accounts as whoever looks first does.
func importAccounts(tx store.Tx, first int) error {
	var rows []store.UserRow
	var keys, emails, slugs []string
	for n := first; n < first+importStep; n++ {
		row := crowded(n)
		row.ID = int64(n)
		rows, keys, emails, slugs = append(rows, row), append(keys, strconv.Itoa(n)), append(emails, row.EmailKey), append(slugs, row.Slug)
	}
	if err := noneIn(tx.Imported("hold", store.ImportedAccount, keys)); err != nil {
		return err
	}
	if err := noneIn(tx.EmailHolders(emails)); err != nil {
		return err
	}
	if err := noneIn(tx.SlugsTaken(slugs)); err != nil {
		return err
	}
	numbers, err := tx.InsertUsers(rows)
	if err != nil {
		return err
	}
	return tx.SetImported("hold", store.ImportedAccount, keys, numbers)
}

// noneIn makes it an error that something is there already.
func noneIn[T comparable](found []T, err error) error {
	var none T
	for _, f := range found {
		if f != none && err == nil {
			err = fmt.Errorf("found %v", f)
		}
	}
	return err
}

func importCommunities(tx store.Tx) error {
	if err := tx.KeepGrants(store.GrantsHash{}, []byte(`{}`)); err != nil {
		return err
	}
	if _, err := tx.ReserveNumbers(store.ImportedCommunity, importedCommunities); err != nil {
		return err
	}
	for n := range int64(importedCommunities) {
		err := tx.InsertNumberedCommunity(propusk.Community{
			ID: n + 1, Slug: fmt.Sprint("c", n+1), Joining: propusk.JoiningOpen, CreatorID: 1, AvailableRoles: []string{"admin"},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// importMembers imports some memberships.
func importMembers(tx store.Tx, first int, membership func(int) (int64, int64)) error {
	var rows []store.MemberRow
	var keys []string
	var places []store.StandingKey
	var ones []int64
	for n := first; n < first+importStep; n++ {
		community, account := membership(n)
		roles := []string{"reader", "author", "editor"}[:account%4%3+1]
		rows = append(rows, store.MemberRow{CommunityID: community, AccountID: account, Roles: roles})
		keys, ones = append(keys, fmt.Sprint(community, ":", account)), append(ones, 1)
		places = append(places, store.StandingKey{CommunityID: community, AccountID: account})
	}
	if err := noneIn(tx.Imported("hold", store.ImportedMember, keys)); err != nil {
		return err
	}
	found, err := tx.Standings(places)
	for _, standing := range found {
		if standing.Member {
			return fmt.Errorf("is a member: %v", standing)
		}
	}
	if err != nil {
		return err
	}
	if err := tx.InsertMembers(rows); err != nil {
		return err
	}
	return tx.SetImported("hold", store.ImportedMember, keys, ones)
}
