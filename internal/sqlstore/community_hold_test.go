//go:build hold

package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/store"
)

// How large the communities of this file are. The first has few lists of roles, the second has many, the third can be walked.
const (
	manyMembers   = 1_000_000
	manyListed    = 200_000
	manyLists     = 2_000
	fewMembers    = 20_000
	bulkJoining   = 70_000
	bulkChanging  = 30_000
	bulkStep      = 5_000
	manyAccounts  = manyMembers + bulkJoining
	timesMeasured = 4
	hopeless      = 3 * time.Second // is not measured twice
)

var (
	givenNames  = strings.Fields("Анна Мария Ольга Пётр Иван Семён Лев Vera Anna John Maria Nils Zoë Chloé Ёлка Ada Eve Max Ida Tom")
	familyNames = strings.Fields("Смирнов Иванов Каренин Болконский Ростов Smith Jones Müller Svensson Čapek Hrabal Larsen Rossi Bianchi Moreau")
)

// crowded is the n-th account, from 1. Every slug has all pieces of membermem, and none has that.
func crowded(n int) store.UserRow {
	row := numbered(int64(n))
	row.Name = givenNames[n%len(givenNames)]
	row.LastName = familyNames[n/7%len(familyNames)] + fmt.Sprint("-", n%1000)
	row.Slug = fmt.Sprintf("member-%d-ermem", n)
	return row
}

// rolesOf are those of the n-th account in the first community: all are readers, half are authors, ten are admins.
func rolesOf(n int) string {
	switch {
	case n%(manyMembers/10) == 0:
		return "reader,admin"
	case n%2 == 0:
		return "reader,author"
	}
	return "reader"
}

// eachCrowded hands over what the tables hold, row by row.
func eachCrowded(row func(table string, columns ...any)) {
	for n := 1; n <= manyAccounts; n++ {
		u := crowded(n)
		row("author", n, u.UserID, u.Name, u.LastName, u.Slug, u.Email, u.EmailKey, "", "user", true, false, int64(0), int64(0),
			searchText(u.User)+u.EmailKey)
		row("author_text", n, markWords(namesText(u.User)), markWords(u.EmailKey))
	}
	row("grants", make([]byte, 32), "{}")
	for c, members := range []int{manyMembers, manyListed, fewMembers} {
		row("community", c+1, fmt.Sprint("c", c+1), "", "", "open", 1, "reader,author,admin", make([]byte, 32), "", int64(0), int64(0))
		row("community_total", c+1, members, 0)
	}
	for n := 1; n <= manyMembers; n++ {
		row("community_author", 1, n, rolesOf(n), int64(0))
		if n <= manyListed {
			row("community_author", 2, n, fmt.Sprintf("common,r%d", n%manyLists), int64(0))
		}
		if n%(manyMembers/fewMembers) == 0 {
			row("community_author", 3, n, "reader", int64(0))
		}
	}
	for list, members := range map[string]int{"reader": manyMembers / 2, "reader,author": manyMembers/2 - 10, "reader,admin": 10} {
		row("community_author_count", 1, list, members)
	}
	for n := range manyLists {
		row("community_author_count", 2, fmt.Sprintf("common,r%d", n), manyListed/manyLists)
	}
	row("community_author_count", 3, "reader", fewMembers)
}

var crowdedColumns = map[string][]string{
	"author": {"id", "user_id", "name", "last_name", "slug", "email", "email_key", "password", "role", "is_active", "deleted_by_owner",
		"created_at", "updated_at", "search"},
	"author_text": {"author_id", "names", "address"},
	"grants":      {"hash", "lists"},
	"community": {"id", "slug", "name", "description", "joining", "created_by", "available_roles", "grants_hash", "search",
		"created_at", "updated_at"},
	"community_total":        {"community_id", "members", "changes"},
	"community_author":       {"community_id", "author_id", "roles", "joined_at"},
	"community_author_count": {"community_id", "roles", "members"},
}

var crowdedTables = []string{"author", "author_text", "grants", "community", "community_total", "community_author", "community_author_count"}

// crowdSQLite fills the file at path.
func crowdSQLite(tb testing.TB, path string) {
	db := raw(tb, path)
	begun, err := db.Begin()
	if err != nil {
		tb.Fatal(err)
	}
	insert := map[string]*sql.Stmt{}
	for table, columns := range crowdedColumns {
		places := strings.TrimSuffix(strings.Repeat("?,", len(columns)), ",")
		if insert[table], err = begun.Prepare(`INSERT INTO ` + table + ` (` + strings.Join(columns, ", ") + `) VALUES (` + places + `)`); err != nil {
			tb.Fatal(err)
		}
	}
	eachCrowded(func(table string, columns ...any) {
		if _, err := insert[table].Exec(columns...); err != nil {
			tb.Fatal(err)
		}
	})
	if err := begun.Commit(); err != nil {
		tb.Fatal(err)
	}
}

// crowdPostgres fills the database at url.
func crowdPostgres(tb testing.TB, url string) {
	rows := map[string][][]any{}
	eachCrowded(func(table string, columns ...any) { rows[table] = append(rows[table], columns) })
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for _, table := range crowdedTables {
		if _, err := conn.CopyFrom(context.Background(), pgx.Identifier{table}, crowdedColumns[table], pgx.CopyFromRows(rows[table])); err != nil {
			tb.Fatal(table, err)
		}
	}
	for _, table := range []string{"author", "community"} {
		if _, err := conn.Exec(context.Background(), `SELECT setval(pg_get_serial_sequence('`+table+`', 'id'), (SELECT max(id) FROM `+table+`))`); err != nil {
			tb.Fatal(err)
		}
	}
	// What a server does by itself within a minute: the servers of tests have been told not to.
	if _, err := conn.Exec(context.Background(), `VACUUM (ANALYZE)`); err != nil {
		tb.Fatal(err)
	}
}

// TestCrowd says how long looks at large communities take, and a large change of one. Filling the tables takes minutes: TestKeepCrowd and
// TestKeepCrowdPostgres do it once, for the database that PROPUSK_CROWD (a path) or PROPUSK_CROWD_POSTGRES (a URL) names, and TestCrowd then
// takes that. PROPUSK_CROWD_ONLY leaves out the looks whose names do not hold it.
func TestCrowd(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		s, path := openTemp(t), ""
		path = strings.TrimSuffix(s.engine.(*sqliteEngine).writer.log.path, "-wal")
		begun := time.Now()
		if kept := os.Getenv("PROPUSK_CROWD"); kept != "" { // a file that has the crowd already, which is left as it is
			s = openCopy(t, kept)
		} else {
			crowdSQLite(t, path)
		}
		t.Logf("filled in %v", time.Since(begun))
		measureCrowd(t, s)
	})
	t.Run("postgres", func(t *testing.T) {
		if kept := os.Getenv("PROPUSK_CROWD_POSTGRES"); kept != "" {
			measureCrowd(t, openURL(t, kept))
			return
		}
		url := pgtest.Start(t).Database(t)
		s := openURL(t, url)
		begun := time.Now()
		crowdPostgres(t, url)
		t.Logf("filled in %v", time.Since(begun))
		measureCrowd(t, s)
	})
}

// measured is how a look at members is called, and how long it may take.
type measured struct {
	name   string
	filter store.MemberFilter
	atMost time.Duration
	total  int
}

func pages(community int64, role string, total int, atMost time.Duration) (looks []measured) {
	for where, offset := range map[string]int{"first": 0, "middle": total / 2, "last": max(0, total-100)} {
		looks = append(looks, measured{
			fmt.Sprintf("community %d, role %q, %s page", community, role, where),
			store.MemberFilter{CommunityID: community, Role: role, Offset: offset, Limit: 100}, atMost, total,
		})
	}
	return looks
}

func searches(community int64, role string, totals map[string]int) (looks []measured) {
	for term, total := range totals {
		for _, emails := range []bool{false, true} {
			if !emails && strings.Contains(term, "@") {
				continue
			}
			looks = append(looks, measured{
				fmt.Sprintf("community %d, role %q, search %q, emails %v", community, role, term, emails),
				store.MemberFilter{CommunityID: community, Role: role, Search: term, Emails: emails, Limit: 100}, 500 * time.Millisecond, total,
			})
		}
	}
	return looks
}

func measureCrowd(t *testing.T, s *Store) {
	const ms = time.Millisecond
	looks := slices.Concat(
		pages(1, "", manyMembers, 150*ms),
		pages(1, "reader", manyMembers, 50*ms), pages(1, "author", manyMembers/2-10, 50*ms), pages(1, "admin", 10, 50*ms), pages(1, "editor", 0, 50*ms),
		pages(2, "common", manyListed, 50*ms), pages(2, "r77", manyListed/manyLists, 50*ms),
		searches(1, "", map[string]int{
			"member-77123-": 1, "member": store.MaxFound, "membermem": 0, "member mem": 0, "анна": store.MaxFound, "person77123@": 1, "@example.org": store.MaxFound,
			"ёл": store.MaxFound, "a": store.MaxFound, "zq": 0, "смирнов-777": -1, "анна каренин-7": -1, "777-ermem": 1000, "example": -1,
			"nosuchname": 0, "77": -1,
		}),
		searches(1, "author", map[string]int{"member-77122-": 1, "member": store.MaxFound, "membermem": 0, "анна": -1, "person77122@": 1, "777": -1}),
		searches(1, "admin", map[string]int{"member": 10, "membermem": 0}),
		searches(2, "", map[string]int{"member-77123-": 1, "member": store.MaxFound, "membermem": 0, "анна": -1, "member-9": -1}),
		searches(2, "r77", map[string]int{"member": 100, "membermem": 0}),
		searches(3, "", map[string]int{"member-77150-": 1, "member": store.MaxFound, "membermem": 0, "анна": -1}),
	)
	only := os.Getenv("PROPUSK_CROWD_ONLY")
	for _, look := range looks {
		if !strings.Contains(look.name, only) {
			continue
		}
		best, worst := time.Hour, time.Duration(0)
		for range timesMeasured {
			begun := time.Now()
			page, total, err := s.Now(t.Context()).Members(look.filter)
			took := time.Since(begun)
			if err != nil || look.total >= 0 && total != look.total || len(page) != min(total-look.filter.Offset, look.filter.Limit) {
				t.Errorf("%s: %d of %d, want %d (%v)", look.name, len(page), total, look.total, err)
			}
			if best, worst = min(best, took), max(worst, took); took > hopeless {
				break
			}
		}
		verdict := ""
		if best > look.atMost {
			verdict = " TOO LONG"
			t.Fail()
		}
		t.Logf("%-75s %8.1f … %8.1f ms%s", look.name, best.Seconds()*1000, worst.Seconds()*1000, verdict)
	}
	measureBulk(t, s)
	measureStrip(t, s)
}

// measureStrip takes a role from all who hold it, half a million, while others make small changes.
func measureStrip(t *testing.T, s *Store) {
	others, begun, stripped := disturb(s), time.Now(), 0
	err := s.Update(context.Background(), func(tx store.Tx) error {
		id, err := tx.BeginBulk(1, time.Unix(4, 0))
		if err == nil {
			stripped, err = tx.ReplaceRoleList(id, []string{"reader", "author"}, []string{"reader"}, false)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("taking a role from %d members took %v; meanwhile %s", stripped, time.Since(begun), others())
}

// measureBulk makes a large bulk while others make small changes.
func measureBulk(t *testing.T, s *Store) {
	ctx := context.Background()
	var rows []store.BulkRow
	for n := 1; n <= 2*bulkChanging; n++ {
		if rolesOf(n) == "reader" {
			rows = append(rows, store.BulkRow{AccountID: int64(n), Member: true, Before: []string{"reader"}, After: []string{"reader", "editor"}})
		}
	}
	for n := range bulkJoining {
		rows = append(rows, store.BulkRow{AccountID: int64(manyMembers + n + 1), After: []string{"reader"}, Bar: n%10 == 0})
	}
	begun := time.Now()
	ids := make([]int64, len(rows))
	for i, row := range rows {
		ids[i] = row.AccountID
	}
	if found, err := s.Now(ctx).AccountsByID(1, ids); err != nil || len(found) != len(rows) {
		t.Fatal(len(found), err)
	}
	t.Logf("finding %d accounts took %v", len(rows), time.Since(begun))
	var id int64
	var slowest time.Duration
	begun = time.Now()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Update(ctx, func(tx store.Tx) (err error) {
		id, err = tx.BeginBulk(1, time.Unix(1, 0))
		return err
	}))
	for part := range slices.Chunk(rows, bulkStep) {
		one := time.Now()
		must(s.Update(ctx, func(tx store.Tx) error { return tx.AddBulkRows(id, part) }))
		slowest = max(slowest, time.Since(one))
	}
	t.Logf("staging took %v, each %d rows at most %v", time.Since(begun), bulkStep, slowest)
	for _, how := range []string{"rolled back", "committed"} {
		others := disturb(s)
		var applied, counted time.Duration
		begun = time.Now()
		err := s.UpdateBeside(ctx, func(tx store.Tx) error {
			begun := time.Now()
			tx = timed(t, tx)
			if _, err := tx.ApplyBulk(id, time.Unix(2, 0)); err != nil {
				return err
			}
			applied = time.Since(begun)
			if err := tx.TouchCommunity(1); err != nil {
				return err
			}
			if err := tx.CountBulk(id); err != nil {
				return err
			}
			counted = time.Since(begun) - applied
			if how == "rolled back" {
				return errRefused
			}
			return nil
		})
		if err != nil && !errors.Is(err, errRefused) {
			t.Fatal(err)
		}
		t.Logf("the bulk took %v, of which ApplyBulk %v, CountBulk %v, and was %s; meanwhile %s", time.Since(begun), applied, counted, how, others())
	}
	c, err := s.Now(ctx).Community(1)
	if err != nil || c.MemberCount != manyMembers+bulkJoining {
		t.Errorf("%d members (%v)", c.MemberCount, err)
	}
}

// disturb makes small changes until it is told to stop, and tells how long the longest of each kind took.
func disturb(s *Store) (stop func() string) {
	ctx, cancel := context.WithCancel(context.Background())
	var registered atomic.Int64
	registered.Store(time.Now().UnixNano() % 1_000_000_000)
	kinds := map[string]func() error{
		"registering": func() error {
			row := numbered(registered.Add(1) + 1<<30)
			row.Slug, row.EmailKey = fmt.Sprint("late", row.UserID), row.UserID
			return s.Update(context.Background(), func(tx store.Tx) error { _, err := tx.InsertUser(row); return err })
		},
		"leaving and joining": func() error {
			return errors.Join(
				s.Update(context.Background(), func(tx store.Tx) error { return tx.DeleteMember(1, manyMembers-1) }),
				s.Update(context.Background(), func(tx store.Tx) error { return tx.InsertMember(1, manyMembers-1, []string{"reader"}, time.Unix(3, 0)) }))
		},
		"reading": func() error {
			_, _, err := s.Now(context.Background()).Members(store.MemberFilter{CommunityID: 1, Limit: 20})
			return err
		},
	}
	told := make(chan string, len(kinds))
	for name, do := range kinds {
		go func() {
			longest, times := time.Duration(0), 0
			var failed error
			for ; ctx.Err() == nil; times++ {
				begun := time.Now()
				failed = errors.Join(failed, do())
				longest = max(longest, time.Since(begun))
				time.Sleep(5 * time.Millisecond)
			}
			told <- fmt.Sprintf("%s %d times at most %v (%v)", name, times, longest, failed)
		}()
	}
	time.Sleep(300 * time.Millisecond)
	return func() string {
		cancel()
		var all []string
		for range kinds {
			all = append(all, <-told)
		}
		return strings.Join(all, "; ")
	}
}

func openCopy(t *testing.T, kept string) *Store {
	path := filepath.Join(t.TempDir(), "copy.db")
	if out, err := exec.Command("cp", "--reflink=auto", kept, path).CombinedOutput(); err != nil {
		t.Fatal(string(out), err)
	}
	return openFile(t, path)
}

func TestKeepCrowdPostgres(t *testing.T) {
	kept := os.Getenv("PROPUSK_CROWD_POSTGRES")
	if kept == "" {
		t.Skip("nothing is to be kept")
	}
	if _, err := Migrate(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	crowdPostgres(t, kept)
}

func TestKeepCrowd(t *testing.T) {
	kept := os.Getenv("PROPUSK_CROWD")
	if kept == "" {
		t.Skip("nothing is to be kept")
	}
	s, err := Open(t.Context(), "sqlite:"+kept)
	if err != nil {
		t.Fatal(err)
	}
	crowdSQLite(t, kept)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// stopwatch tells how long the statements of a transaction take.
type stopwatch struct {
	querier
	t *testing.T
}

func timed(t *testing.T, in store.Tx) store.Tx {
	out := in.(tx)
	out.db = stopwatch{out.db, t}
	return out
}

func (w stopwatch) query(ctx context.Context, each func(*sql.Rows) error, text string, args ...any) error {
	defer w.tell(time.Now(), text)
	return w.querier.query(ctx, each, text, args...)
}

func (w stopwatch) exec(ctx context.Context, text string, args ...any) (int, error) {
	defer w.tell(time.Now(), text)
	return w.querier.exec(ctx, text, args...)
}

func (w stopwatch) tell(begun time.Time, text string) {
	if took := time.Since(begun); took > 5*time.Millisecond {
		w.t.Logf("    %8.1f ms %.60s", took.Seconds()*1000, strings.Join(strings.Fields(text), " "))
	}
}
