package sqlstore

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/propusk/propusk/internal/store"
)

// renaming changes the n-th account, and says what was logged.
func renaming(n int64, made *[]store.Change) func(store.Tx) error {
	return func(tx store.Tx) error {
		u, err := tx.UserByUserID(numbered(n).UserID)
		if err != nil {
			return err
		}
		if err = tx.UpdateUser(u); err == nil {
			*made, _, err = tx.Changes()
		}
		return err
	}
}

func TestEachOfAGroupIsToldItsOwnChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTemp(t)
		const several = 4
		for n := range int64(several) {
			if err := s.Update(t.Context(), inserting(n)); err != nil {
				t.Fatal(err)
			}
		}
		made := make([][]store.Change, several)
		updates := make([]func(store.Tx) error, several)
		for n := range updates {
			updates[n] = renaming(int64(n), &made[n])
		}
		updates[1] = func(tx store.Tx) error { // what it logged is gone, and its number is the next one's
			if err := renaming(1, &made[1])(tx); err != nil {
				return err
			}
			return errRefused
		}
		inOneGroup(s, updates...)
		for n := range int64(several) {
			if want := []store.Change{{Kind: store.ChangedUser, A: n + 1}}; !slices.Equal(made[n], want) {
				t.Errorf("update %d was told %v, want %v", n, made[n], want)
			}
		}
	})
}

// What an operator changes by hand is logged like everything else.
func TestEditsByHandAreLogged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "propusk.db")
	s, hand := openFile(t, path), raw(t, path)
	for n := range int64(2) {
		if err := s.Update(t.Context(), registering(n)); err != nil {
			t.Fatal(err)
		}
	}
	mustExec(t, hand, `
		INSERT INTO grants VALUES (zeroblob(32), '{}');
		INSERT INTO community (id, slug, name, description, joining, created_by, available_roles, grants_hash, search, created_at, updated_at)
		VALUES (7, 'c', 'c', '', 'open', 1, 'reader', zeroblob(32), '', 0, 0), (8, 'd', 'd', '', 'open', 1, 'reader', zeroblob(32), '', 0, 0);
		INSERT INTO api_key (secret_hash, id, issuer_id, name, created_at) VALUES (zeroblob(32), 'k', 2, 'k', 0);
		INSERT INTO signing_key (key_id, private_key, created_at) VALUES ('k', x'01', 0);
		DELETE FROM cache_change`)
	user := func(n int64) store.Change { return store.Change{Kind: store.ChangedUser, A: n} }
	member := func(c, n int64) store.Change { return store.Change{Kind: store.ChangedMember, A: c, B: n} }
	for _, edit := range []struct {
		text string
		want []store.Change
	}{
		{`UPDATE author SET role = 'admin' WHERE id = 2`, []store.Change{user(2)}},
		{`UPDATE author SET email = 'x@example.org' WHERE id = 1`, []store.Change{user(1)}},
		{`UPDATE author SET last_seen = 1, password = 'x'`, nil},
		{`UPDATE session SET expires_at = 0 WHERE author_id = 1`, []store.Change{user(1)}},
		{`UPDATE session SET last_seen = 0, refresh_hash = x'', superseded = x''`, nil},
		{`DELETE FROM session WHERE author_id = 2`, []store.Change{user(2)}},
		{`UPDATE api_key SET permissions = 'shout:read'`, []store.Change{user(2)}},
		{`UPDATE api_key SET last_used = 1`, nil},
		{`DELETE FROM api_key`, []store.Change{user(2)}},
		{`INSERT INTO community_author (community_id, author_id, joined_at) VALUES (7, 2, 0)`, []store.Change{member(7, 2)}},
		{`UPDATE community_author SET roles = 'reader'`, []store.Change{member(7, 2)}},
		{`UPDATE community_author SET community_id = 8`, []store.Change{member(7, 2), member(8, 2)}},
		{`DELETE FROM community_author`, []store.Change{member(8, 2)}},
		{`UPDATE community SET name = 'e' WHERE id = 7`, []store.Change{{Kind: store.ChangedCommunity, A: 7}}},
		{`DELETE FROM community WHERE id = 8`, []store.Change{{Kind: store.ChangedCommunity, A: 8}}},
		{`UPDATE signing_key SET retired_at = 1`, []store.Change{{Kind: store.ChangedAll}}},
		{`DELETE FROM signing_key`, []store.Change{{Kind: store.ChangedAll}}},
		{`DELETE FROM author WHERE id = 2`, []store.Change{user(2)}},
	} {
		mustExec(t, hand, edit.text)
		var logged []store.Change
		err := s.View(t.Context(), func(r store.Reader) (err error) {
			logged, _, err = changesAfter(r.(reader), 0)
			return err
		})
		slices.SortFunc(logged, func(a, b store.Change) int { return cmp.Compare(a.A, b.A) })
		if err != nil || !slices.Equal(logged, edit.want) {
			t.Errorf("%s: logged %v (%v), want %v", edit.text, logged, err, edit.want)
		}
		mustExec(t, hand, `DELETE FROM cache_change`)
	}
}

func TestNewsAreNotMissedOverANewConnection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "propusk.db")
	s, other := openFile(t, path), openFile(t, path)
	ctx := context.Background()
	at := store.Position(nil)
	for range 5 { // whatever a connection begins to count from
		news, err := s.ChangeLog().News(ctx, "", at)
		if err != nil || at != nil && len(news.Changes) != 1 {
			t.Fatal(news, err)
		}
		at = news.At
		if _, err := other.ChangeLog().Probe(ctx); err != nil {
			t.Fatal(err)
		}
		// The connection breaks, as it does when a commit fails.
		_ = s.Update(ctx, func(tx_ store.Tx) error {
			handleOf(tx_).drop()
			return nil
		})
	}
}

func TestTheLogIsNotReadForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "propusk.db")
		s, other := openFile(t, path), openFile(t, path)
		ctx := context.Background()
		ask := func(since store.Position) store.News {
			t.Helper()
			news, err := s.ChangeLog().News(ctx, "", since)
			if err != nil {
				t.Fatal(err)
			}
			return news
		}
		first := ask(nil)
		if _, err := s.ChangeLog().Probe(ctx); err != nil {
			t.Fatal(err)
		}
		if next := ask(first.At); next.At != first.At || len(next.Changes) != 0 {
			t.Errorf("after an own change: %+v", next)
		}
		if _, err := other.ChangeLog().Probe(ctx); err != nil {
			t.Fatal(err)
		}
		if next := ask(first.At); next.At == first.At || len(next.Changes) != 2 {
			t.Errorf("after another's: %+v", next)
		}
	})
}
