package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

// foreign is an open store beside which another program runs statements on the same database.
type foreign struct {
	*Store
	tell func(statements string) error
}

// besideAnother runs a test on each engine.
func besideAnother(t *testing.T, run func(t *testing.T, s foreign)) {
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "propusk.db")
		s := openFile(t, path)
		db := raw(t, path)
		run(t, foreign{s, func(statements string) error { _, err := db.Exec(statements); return err }})
	})
	t.Run("postgres", func(t *testing.T) {
		url := migrated(t)
		s := openURL(t, url)
		db := openPostgres(t, url)
		run(t, foreign{s, func(statements string) error { _, err := db.Exec(statements); return err }})
	})
}

func openPostgres(t *testing.T, url string) *sql.DB {
	t.Helper()
	u, err := parsePostgres(url)
	if err != nil {
		t.Fatal(err)
	}
	db := u.single(lockMigrations)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// founding founds community 1, in which the accounts from 1 to n are readers.
func founding(n int64) func(store.Tx) error {
	return func(tx store.Tx) error {
		if err := tx.KeepGrants(store.GrantsHash{}, []byte(`{}`)); err != nil {
			return err
		}
		for i := range n {
			if err := inserting(i + 1)(tx); err != nil {
				return err
			}
		}
		c, err := tx.InsertCommunity(propusk.Community{Slug: "c", Joining: propusk.JoiningOpen, CreatorID: 1, AvailableRoles: []string{"admin"}})
		for i := range n {
			if err == nil {
				err = tx.InsertMember(c.ID, i+1, []string{"reader"}, c.CreatedAt)
			}
		}
		return err
	}
}

// What another program wrote beside role ids gives nothing and is told; the role ids beside it hold.
func TestOddTokens(t *testing.T) {
	besideAnother(t, func(t *testing.T, s foreign) {
		if err := s.Update(t.Context(), founding(3)); err != nil {
			t.Fatal(err)
		}
		if err := s.tell(`
			UPDATE community_author SET roles = 'reader,,9lives,-x' WHERE author_id = 2;
			UPDATE community_author SET roles = '9lives' WHERE author_id = 3;
			DELETE FROM community_author_count;
			INSERT INTO community_author_count VALUES (1, 'reader', 1), (1, 'reader,,9lives,-x', 1), (1, '9lives', 1)`); err != nil {
			t.Fatal(err)
		}
		now := s.Now(t.Context())
		place, err := now.Place(1, 2)
		if diff := cmp.Diff([][]string{{"reader"}, {"", "9lives", "-x"}}, [][]string{place.Roles, place.Odd}); diff != "" || err != nil {
			t.Error(diff, err)
		}
		if place, err = now.Place(1, 3); err != nil || place.Roles != nil || !place.Member || len(place.Odd) != 1 {
			t.Error(place, err)
		}
		lists, err := now.RoleLists(1)
		if diff := cmp.Diff([]store.RoleList{{Members: 1}, {Roles: []string{"reader"}, Members: 2}}, lists); diff != "" || err != nil {
			t.Error(diff, err)
		}
		for role, want := range map[string]int{"reader": 2, "9lives": 0} {
			page, total, err := now.Members(store.MemberFilter{CommunityID: 1, Role: role, Limit: 10})
			if err != nil || total != want || len(page) != want {
				t.Errorf("%d of %d have role %s (%v)", len(page), total, role, err)
			}
		}
		// Whoever takes a role away does not leave it to those.
		err = s.Update(t.Context(), func(tx store.Tx) error {
			bulkID, err := tx.BeginBulk(1, time.Unix(1, 0))
			if err != nil {
				return err
			}
			n, err := tx.ReplaceRoleList(bulkID, []string{"reader"}, []string{"author"}, false)
			if n != 2 {
				t.Errorf("replaced %d lists", n)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		lists, err = now.RoleLists(1)
		if diff := cmp.Diff([]store.RoleList{{Members: 1}, {Roles: []string{"author"}, Members: 2}}, lists); diff != "" || err != nil {
			t.Error(diff, err)
		}
	})
}

func TestRolesThatTheDatabaseRefuses(t *testing.T) {
	besideAnother(t, func(t *testing.T, s foreign) {
		if err := s.Update(t.Context(), founding(1)); err != nil {
			t.Fatal(err)
		}
		for _, no := range []string{"", "Reader", "reader, author", "reader;", "читатель", "reader\n"} {
			if s.tell(`UPDATE community_author SET roles = '`+no+`'`) == nil {
				t.Errorf("%q was kept", no)
			}
		}
		if err := s.tell(`UPDATE community_author SET roles = NULL`); err != nil {
			t.Error(err)
		}
	})
}

// Every id of a table is a new one, whatever was removed by hand.
func TestIDsAreNeverGivenTwice(t *testing.T) {
	besideAnother(t, func(t *testing.T, s foreign) {
		if err := s.Update(t.Context(), founding(2)); err != nil {
			t.Fatal(err)
		}
		if err := s.tell(`DELETE FROM community_author; DELETE FROM community_author_count; DELETE FROM community_total; DELETE FROM community`); err != nil {
			t.Fatal(err)
		}
		err := s.Update(t.Context(), func(tx store.Tx) error {
			c, err := tx.InsertCommunity(propusk.Community{Slug: "c", Joining: propusk.JoiningOpen, CreatorID: 1, AvailableRoles: []string{"admin"}})
			if c.ID != 2 {
				t.Errorf("the second community is %d (%v)", c.ID, err)
			}
			return tx.InsertMember(c.ID, 1, nil, c.CreatedAt)
		})
		if err != nil {
			t.Fatal(err)
		}
		if id := ask[int](t, s.engine, `SELECT id FROM community_author`); id != 3 {
			t.Errorf("the third membership is %d", id)
		}
	})
}

// An account that was there before a search among members was is found as one that came after.
func TestMigrationMarksWords(t *testing.T) {
	names := []string{"Анна-Мария", "a.b_c@d+e/f(g\"h'i", "two  spaces", "-", "\x1fmark\x1f"}
	besideAnother(t, func(t *testing.T, s foreign) {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			for i, name := range names {
				row := numbered(int64(i + 1))
				row.Name, row.LastName, row.EmailKey = name, names[len(names)-1-i], fmt.Sprint(i, "o'"+row.EmailKey)
				if _, err := tx.InsertUser(row); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		texts := func() []string {
			found, err := many(s.reader(context.Background(), s.engine), value[string], `
				SELECT names FROM author_text UNION ALL SELECT address FROM author_text ORDER BY 1`)
			if err != nil || len(found) != 2*len(names) {
				t.Fatal(found, err)
			}
			return found
		}
		before := texts()
		if err := s.tell(`DELETE FROM author_text; ` + statementOf(t, s.engine, "INSERT INTO author_text (")); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, texts()); diff != "" {
			t.Error(diff)
		}
	})
}

// statementOf is the statement of migration 2 that begins like this.
func statementOf(t *testing.T, e engine, beginning string) string {
	t.Helper()
	files, err := sqliteSchema.files()
	if _, ok := e.(*postgresEngine); ok {
		files, err = postgresSchema.files()
	}
	if err != nil {
		t.Fatal(err)
	}
	migration, err := fs.ReadFile(files, "0002_community.sql")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(migration), "\n"+beginning)
	statement, _, ends := strings.Cut(rest, ";\n")
	if !found || !ends {
		t.Fatalf("no statement begins with %q", beginning)
	}
	return beginning + statement
}

// The two ways to search find the same, and what they find is what a naive search finds.
func TestWaysToSearchAgree(t *testing.T) {
	texts := rapid.StringOfN(rapid.SampledFrom([]rune("abАё -.'\"%_*\\1")), 0, 8, -1)
	besideAnother(t, func(t *testing.T, s foreign) {
		if err := s.Update(t.Context(), founding(6)); err != nil {
			t.Fatal(err)
		}
		rapid.Check(t, func(rt *rapid.T) {
			var users []propusk.User
			for n := range int64(6) {
				u := numbered(n + 1).User
				u.ID, u.Name, u.LastName = n+1, texts.Draw(rt, "name"), texts.Draw(rt, "last name")
				users = append(users, u)
			}
			err := s.Update(context.Background(), func(tx store.Tx) error {
				for _, u := range users {
					if err := tx.UpdateUser(u); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				rt.Fatal(err)
			}
			search := texts.Filter(func(s string) bool { return s != "" }).Draw(rt, "search")
			for _, emails := range []bool{false, true} {
				r, f := s.reader(context.Background(), s.engine), store.MemberFilter{CommunityID: 1, Search: search, Emails: emails}
				term := searchTerm(search)
				walked, err := r.findWalking(f, term, nil, 6)
				if err != nil {
					rt.Fatal(err)
				}
				indexed, err := r.findAnywhere(f, term, nil)
				if err != nil {
					rt.Fatal(err)
				}
				slices.SortFunc(walked, func(a, b foundMember) int { return int(a.id - b.id) })
				slices.SortFunc(indexed, func(a, b foundMember) int { return int(a.id - b.id) })
				if !slices.Equal(walked, indexed) {
					rt.Errorf("%q: walking found %v, the index %v", search, walked, indexed)
				}
				var want []int64
				for _, u := range users {
					if naivelyFound(namesText(u), fold(search)) || emails && naivelyFound(numbered(u.ID).EmailKey, fold(search)) {
						want = append(want, u.ID)
					}
				}
				var got []int64
				for _, m := range walked {
					got = append(got, m.id)
				}
				if !slices.Equal(got, want) {
					rt.Errorf("%q: found %v, want %v", search, got, want)
				}
			}
		})
	})
}

// naivelyFound says what the port promises, character by character.
func naivelyFound(text, search string) bool {
	whole, part := []rune(text), []rune(search)
	for i := range whole {
		if strings.HasPrefix(string(whole[i:]), search) &&
			(len(part) >= minTerm || i == 0 || strings.ContainsRune(wordEnds, whole[i-1])) {
			return true
		}
	}
	return false
}

// A bulk takes somebody for what the role ids in their list say, and counts them where they are counted.
func TestBulkOfOddTokens(t *testing.T) {
	besideAnother(t, func(t *testing.T, s foreign) {
		if err := s.Update(t.Context(), founding(2)); err != nil {
			t.Fatal(err)
		}
		if err := s.tell(`
			UPDATE community_author SET roles = 'reader,,9lives' WHERE author_id = 2;
			UPDATE community_author_count SET members = 1;
			INSERT INTO community_author_count VALUES (1, 'reader,,9lives', 1)`); err != nil {
			t.Fatal(err)
		}
		err := s.Update(t.Context(), func(tx store.Tx) error {
			id, err := tx.BeginBulk(1, time.Unix(1, 0))
			if err != nil {
				return err
			}
			err = tx.AddBulkRows(id, []store.BulkRow{
				{AccountID: 1, Member: true, Before: []string{"reader"}, After: []string{"author"}},
				{AccountID: 2, Member: true, Before: []string{"reader"}, After: []string{"author"}},
			})
			if err == nil {
				_, err = tx.ApplyBulk(id, time.Unix(2, 0))
			}
			if err == nil {
				err = tx.CountBulk(id)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		lists, err := s.Now(t.Context()).RoleLists(1)
		if diff := cmp.Diff([]store.RoleList{{Roles: []string{"author"}, Members: 2}}, lists); diff != "" || err != nil {
			t.Error(diff, err)
		}
	})
}
