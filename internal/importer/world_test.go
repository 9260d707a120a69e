package importer_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"log/slog"
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
	"github.com/propusk/propusk/internal/importer"
	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/session"
)

// world is the services over a database, and what an import of it said.
type world struct {
	*app.App
	t *testing.T
	// driver and name open the database for SQL.
	driver, name string
	log          *apptest.Buffer
	faults       []importer.Fault
}

// worlds tells a story on each engine.
func worlds(t *testing.T, story func(t *testing.T, fresh func() *world)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		story(t, func() *world { return sqlite(t) })
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		story(t, func() *world {
			url := pgtest.Patient(t)
			return open(t, url, "pgx", url)
		})
	})
}

func sqlite(t *testing.T) *world {
	t.Helper()
	path := filepath.Join(t.TempDir(), "propusk.db")
	return open(t, "sqlite:"+path, "sqlite", path)
}

func open(t *testing.T, database, driver, name string) *world {
	t.Helper()
	c := config.Default()
	c.Database = database
	apptest.Cheap(c)
	w := &world{t: t, driver: driver, name: name, log: &apptest.Buffer{}}
	var err error
	if w.App, err = app.Open(t.Context(), c, slog.New(slog.NewTextHandler(w.log, nil))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	if err := w.Keys.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// chunk is how many rows one transaction takes over here: a tenth of the usual, so that a tenth of the rows makes as many transactions.
const chunk = 100

// attempt imports, and returns what became of it.
func (w *world) attempt(ctx context.Context, from source.System, o importer.Options) (importer.Report, error) {
	w.t.Helper()
	w.faults = nil
	o.Source = cmp.Or(o.Source, "old")
	o.Quarantine = func(f importer.Fault) { w.faults = append(w.faults, f) }
	service := w.Importer()
	service.Chunk = chunk
	return service.Run(ctx, w.Operator(), from, o)
}

func (w *world) run(from source.System, o importer.Options) importer.Report {
	w.t.Helper()
	report, err := w.attempt(w.t.Context(), from, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

func (w *world) user(address string) propusk.User {
	w.t.Helper()
	user, err := w.Accounts.Find(w.t.Context(), w.Operator(), address)
	if err != nil {
		w.t.Fatalf("%s: %v", address, err)
	}
	return user
}

func (w *world) login(address, password string) error {
	w.t.Helper()
	_, err := w.Sessions.Login(w.t.Context(), session.Login{Email: address, Password: password})
	return err
}

// members are "address: roles" of a community.
func (w *world) members(id int64) []string {
	w.t.Helper()
	found, _, err := w.Communities.Members(w.t.Context(), w.Operator(), id, community.MemberFilter{Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	var list []string
	for _, m := range found {
		list = append(list, m.User.Email+": "+strings.Join(m.Roles, ","))
	}
	slices.Sort(list)
	return list
}

func (w *world) query(text string, args ...any) [][]any {
	w.t.Helper()
	db, err := sql.Open(w.driver, w.name)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(w.t.Context(), text, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		w.t.Fatal(err)
	}
	var all [][]any
	for rows.Next() {
		values, to := make([]any, len(names)), make([]any, len(names))
		for i := range to {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, values)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// tables are all that an import may write, without user_id, which is another each time.
var tables = []string{
	`SELECT id, name, last_name, slug, email, email_key, role, is_active, deleted_by_owner, created_at, updated_at, last_seen, password FROM author`,
	`SELECT * FROM author_text`, `SELECT * FROM community`, `SELECT * FROM community_author`, `SELECT * FROM community_total`,
	`SELECT * FROM community_author_count WHERE members > 0`, `SELECT * FROM community_follower`, `SELECT * FROM community_barred`,
	`SELECT * FROM community_role`, `SELECT * FROM grants`, `SELECT * FROM imported`,
}

// dump is all that an import may have written, but the audit.
func (w *world) dump() string {
	w.t.Helper()
	var all []string
	for _, text := range tables {
		var lines []string
		for _, row := range w.query(text) {
			lines = append(lines, fmt.Sprintf("%q", row))
		}
		slices.Sort(lines)
		all = append(append(all, text), lines...)
	}
	return strings.Join(all, "\n")
}

func (w *world) events(action string) int {
	w.t.Helper()
	return len(w.query(`SELECT id FROM audit_event WHERE action = $1`, action))
}

// expect compares the faults with lines such as `member "x 3", role "owner": the community has no such role`. A line is a beginning.
func (w *world) expect(want ...string) {
	w.t.Helper()
	var got []string
	for _, f := range w.faults {
		prefix := ""
		if f.Adjusted {
			prefix = "adjusted: "
		}
		got = append(got, prefix+f.String())
	}
	if len(got) != len(want) {
		w.t.Errorf("%d faults, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
		return
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			w.t.Errorf("fault %d: %s\nwant: %s…", i, got[i], want[i])
		}
	}
}

// magazine is another system, in memory.
type magazine struct {
	accounts    []source.Account
	communities []source.Community
	members     []source.Member
	followers   []source.Follower
	// breaks ends the stream of members with an error after that many; 0 never.
	breaks int
}

var errBroken = errors.New("the other system has gone")

func (m *magazine) Count(context.Context) (source.Count, error) {
	return source.Count{Accounts: len(m.accounts), Communities: len(m.communities), Members: len(m.members), Followers: len(m.followers)}, nil
}

func stream[T any](rows []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

func (m *magazine) Accounts(context.Context) iter.Seq2[source.Account, error] {
	return stream(m.accounts)
}

func (m *magazine) Communities(context.Context) iter.Seq2[source.Community, error] {
	return stream(m.communities)
}

func (m *magazine) Members(context.Context) iter.Seq2[source.Member, error] {
	return func(yield func(source.Member, error) bool) {
		for i, row := range m.members {
			if m.breaks > 0 && i == m.breaks {
				yield(source.Member{}, errBroken)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

func (m *magazine) Followers(context.Context) iter.Seq2[source.Follower, error] {
	return stream(m.followers)
}

func (*magazine) Close() error { return nil }

// day is a moment in the past.
func day(n int) time.Time { return time.Unix(1_600_000_000, 0).AddDate(0, 0, n) }

// somebody is an account that nothing is wrong with.
func somebody(n int64, name string) source.Account {
	slug := strings.ToLower(name)
	return source.Account{
		Row: source.Row{Key: fmt.Sprint(n), Where: fmt.Sprintf("author %d", n)}, Number: n, Email: slug + "@example.org", Name: name, Slug: slug,
		CreatedAt: day(1), UpdatedAt: day(2), LastSeen: day(3),
	}
}

// place is a community that nothing is wrong with, founded by account 1.
func place(n int64, slug string) source.Community {
	return source.Community{
		Row: source.Row{Key: fmt.Sprint(n), Where: fmt.Sprintf("community %d", n)}, Number: n, Slug: slug, Name: "The " + slug,
		Creator: source.Ref{Key: "1"}, CreatedAt: day(4), UpdatedAt: day(5),
	}
}

func seat(communityID, accountID int64, roles ...string) source.Member {
	return source.Member{
		Row:     source.Row{Key: fmt.Sprintf("%d:%d", communityID, accountID), Where: fmt.Sprintf("seat %d:%d", communityID, accountID)},
		Account: source.Ref{Key: fmt.Sprint(accountID)}, Community: source.Ref{Key: fmt.Sprint(communityID)}, Roles: roles, JoinedAt: day(6),
	}
}

func fan(communityID, accountID int64) source.Follower {
	return source.Follower{
		Row:     source.Row{Key: fmt.Sprintf("%d:%d", communityID, accountID), Where: fmt.Sprintf("fan %d:%d", communityID, accountID)},
		Account: source.Ref{Key: fmt.Sprint(accountID)}, Community: source.Ref{Key: fmt.Sprint(communityID)}, FollowedAt: day(7),
	}
}

// crowd is a system with that many people, all in both of two communities.
func crowd(people int) *magazine {
	m := &magazine{communities: []source.Community{place(5, "owls"), place(7, "larks")}}
	for n := int64(1); n <= int64(people); n++ {
		m.accounts = append(m.accounts, somebody(n, fmt.Sprintf("P%d", n)))
		m.members = append(m.members, seat(5, n, "reader", "author"), seat(7, n, "reader"))
		m.followers = append(m.followers, fan(5, n))
	}
	m.members[0].Roles = []string{"admin"}
	m.members[1].Roles = []string{"admin"}
	return m
}
