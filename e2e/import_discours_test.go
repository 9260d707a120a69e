package e2e

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/pgtest"
)

// discoursHash is bcrypt over the hexadecimal SHA-256 of ordinaryPassword, as Discours keeps it.
const discoursHash = "$2a$04$7lQLMDqqHnjQ4Rgq4f5JBu9QDnD4.3s7obq/W1QdL420fn9Oevvi2"

// discoursFile makes an installation of Discours: each of the people in so many communities of twenty, and following one.
func discoursFile(t *testing.T, people, seats int) (url string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "discours.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		`CREATE TABLE author (id INTEGER PRIMARY KEY, slug TEXT, name TEXT, email TEXT, password TEXT, created_at INTEGER, updated_at INTEGER, last_seen INTEGER)`,
		`CREATE TABLE community (id INTEGER PRIMARY KEY, name TEXT, slug TEXT, "desc" TEXT, created_at INTEGER, created_by INTEGER, settings JSON)`,
		`CREATE TABLE community_author (id INTEGER PRIMARY KEY, community_id INTEGER, author_id INTEGER, roles TEXT, joined_at INTEGER)`,
		`CREATE TABLE community_follower (community INTEGER, follower INTEGER, created_at INTEGER)`,
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
			INSERT INTO community SELECT i, 'Community ' || i, 'community-' || i, 'About it', 1600000000 + i, i, NULL FROM n`,
		fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			INSERT INTO author SELECT i, CASE WHEN i %% 10 = 0 THEN 'Same slug' ELSE 'person-' || i END, 'Person ' || i, 'person' || i || '@example.org',
				'%s', 1600000000 + i, 1600000000 + i, 1700000000 + i FROM n`, people, discoursHash),
		fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d - 1)
			INSERT INTO community_author (community_id, author_id, roles, joined_at) SELECT 1 + (author.id + i) %% 20, author.id,
				CASE (author.id + i) %% 5 WHEN 0 THEN 'admin' WHEN 1 THEN 'reader' WHEN 2 THEN 'reader,author' WHEN 3 THEN 'reader,Owner' END,
				1600000000 + author.id FROM author, n`, seats),
		`INSERT INTO community_follower SELECT 1 + id % 20, id, 1600000000 + id FROM author`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%v in %s", err, statement)
		}
	}
	return "sqlite:" + path
}

// target is an empty database, and how SQL reaches it.
type target struct{ url, driver, name string }

func targets(t *testing.T, story func(t *testing.T, fresh func() target)) {
	t.Helper()
	prepared := func(t *testing.T, one target) target {
		t.Helper()
		must(t, setup{args: []string{"migrate", "up", "--database", one.url}})
		return one
	}
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		story(t, func() target {
			path := filepath.Join(t.TempDir(), "propusk.db")
			return prepared(t, target{"sqlite:" + path, "sqlite", path})
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		story(t, func() target {
			url := pgtest.Database(t)
			return prepared(t, target{url, "pgx", url})
		})
	})
}

func (to target) importing(from string, more ...string) setup {
	return setup{args: append([]string{"import", "discours", "--from", from, "--database", to.url}, more...), env: cheap}
}

func (to target) open(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open(to.driver, to.name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// everything is each row that an import may write, but for user_id and numbers that nothing points at.
func (to target) everything(t *testing.T) []string {
	t.Helper()
	db := to.open(t)
	var all []string
	for _, text := range []string{
		`SELECT id, name, last_name, slug, email, email_key, role, is_active, deleted_by_owner, created_at, updated_at, last_seen, password FROM author`,
		`SELECT * FROM author_text`, `SELECT * FROM community`, `SELECT community_id, author_id, roles, joined_at FROM community_author`,
		`SELECT community_id, members FROM community_total`, `SELECT community_id, roles, members FROM community_author_count WHERE members > 0`,
		`SELECT * FROM community_follower`, `SELECT * FROM community_role`, `SELECT * FROM grants`, `SELECT * FROM imported`,
	} {
		all = append(all, table(t, db, text)...)
	}
	return all
}

func table(t *testing.T, db *sql.DB, text string) (lines []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, to := make([]any, len(names)), make([]any, len(names))
		for i := range to {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s: %q", strings.Fields(text)[len(strings.Fields(text))-1], values))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// same compares without printing a hundred thousand lines.
func same(t *testing.T, what string, want, got []string) {
	t.Helper()
	if len(want) < 1000 {
		t.Errorf("%s: only %d rows to compare", what, len(want))
	}
	if len(want) != len(got) {
		t.Errorf("%s: %d rows, want %d", what, len(got), len(want))
	}
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			t.Errorf("%s: row %d is\n%s\nand was to be\n%s", what, i, got[i], want[i])
			return
		}
	}
}

// However often an import is killed, with signal 9 and at any moment: the run that gets to the end leaves what one run would have left. One
// more changes nothing.
func TestAnImportThatIsKilled(t *testing.T) {
	t.Parallel()
	targets(t, func(t *testing.T, fresh func() target) {
		from := discoursFile(t, importPeople, 4)
		whole, killed := fresh(), fresh()
		must(t, whole.importing(from))
		want := whole.everything(t)
		halfway := 0
		for range importKills {
			if killed.killImport(t, from) {
				halfway++
			}
		}
		if halfway == 0 {
			t.Error("no import was killed halfway: this says nothing")
		}
		report := must(t, killed.importing(from))
		same(t, "killed and run again", want, killed.everything(t))
		t.Logf("%d of %d kills were halfway; the last run said:\n%s", halfway, importKills, report)
		events := len(table(t, killed.open(t), `SELECT id FROM audit_event`))
		again := must(t, killed.importing(from))
		same(t, "run once more", want, killed.everything(t))
		if !strings.Contains(again, fmt.Sprintf("accounts: %d read, 0 added, %d there already, 0 quarantined", importPeople, importPeople)) {
			t.Errorf("once more:\n%s", again)
		}
		if after := len(table(t, killed.open(t), `SELECT id FROM audit_event`)); after != events {
			t.Errorf("once more made %d entries in the audit", after-events)
		}
	})
}

// killImport begins an import, kills it some time after it wrote the first new row, and reports whether that was before its end.
func (to target) killImport(t *testing.T, from string) bool {
	t.Helper()
	db := to.open(t)
	count := func() (n int) {
		_ = db.QueryRowContext(t.Context(), `SELECT count(*) FROM imported`).Scan(&n)
		return n
	}
	before := count()
	p := start(t, to.importing(from))
	for deadline := time.Now().Add(patience); p.running() && count() == before && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	<-time.After(time.Duration(rand.IntN(400)) * time.Millisecond) // the moment is to be any
	halfway := p.running()
	p.kill()
	return halfway
}

// A server on the same database answers while people come over, and those who have come log in with the passwords they had.
func TestImportBesideAServer(t *testing.T) {
	t.Parallel()
	targets(t, func(t *testing.T, fresh func() target) {
		to := fresh()
		s := serve(t, setup{env: slices.Concat(cheap, withAdmin, []string{unlimited}), args: append([]string{"--database", to.url}, quiet...)})
		s.register(t, "Clara")
		token := s.login(t, address("Clara"), ordinaryPassword)
		p := start(t, to.importing(discoursFile(t, importPeople, 4)))
		var slowest time.Duration
		answers := 0
		for ; p.running(); answers++ {
			begun := time.Now()
			s.call(t, http.StatusOK, "PATCH", "/api/users/me", token, form{"last_name": fmt.Sprint("Number ", answers)})
			slowest = max(slowest, time.Since(begun))
		}
		if code := p.wait(t); code != 0 || answers < 10 {
			t.Errorf("exit code %d, %d answers", code, answers)
		}
		t.Logf("%d writes were answered meanwhile, the slowest after %v", answers, slowest.Round(time.Millisecond))
		if hold && slowest > 4*time.Second {
			t.Errorf("a write waited for %v", slowest)
		}
		token = s.login(t, "person20@example.org", ordinaryPassword)
		me := s.call(t, http.StatusOK, "GET", "/api/users/me", token, nil)
		if me.text("slug") != "same-slug-2" {
			t.Errorf("person 20: %v", me)
		}
	})
}

// The quarantine goes into a file that nobody else reads, whole; without one the first lines are printed.
func TestTheQuarantineOfAnImport(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "propusk.db")
	to := target{"sqlite:" + path, "sqlite", path}
	must(t, setup{args: []string{"migrate", "up", "--database", to.url}})
	from := discoursFile(t, 300, 4)
	report := filepath.Join(t.TempDir(), "report.jsonl")
	if err := os.WriteFile(report, []byte(`{"what":"an older one"}`+"\n"), 0o644); err != nil { // with rights that it must not keep
		t.Fatal(err)
	}
	said := must(t, to.importing(from, "--dry-run", "--report", report))
	if !strings.Contains(said, "this was a dry run") || !strings.Contains(said, "quarantined: 240, all in "+report) {
		t.Errorf("the dry run said:\n%s", said)
	}
	if info, err := os.Stat(report); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the rights of the report: %v, %v", info.Mode(), err)
	}
	counts := map[string]int{}
	file, err := os.Open(report)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var line struct{ What, Kind, Where, Part, Why string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%v in %s", err, lines.Text())
		}
		counts[line.What+" "+line.Kind+" "+line.Part]++
	}
	if counts[`quarantined member role "Owner"`] != 240 || counts[`adjusted account slug "Same slug"`] != 30 || len(counts) != 2 {
		t.Errorf("the report holds %v", counts)
	}
	said = must(t, to.importing(from))
	if strings.Count(said, `quarantined: community_author `) != 20 || !strings.Contains(said, "quarantined: 220 more; --report FILE takes all of them") {
		t.Errorf("the run said:\n%s", said)
	}
	if !strings.Contains(said, "members: 1200 read, 1200 added, 0 there already, 0 quarantined; quarantined parts of others: 240") {
		t.Errorf("the run said:\n%s", said)
	}
}

// Lists of permissions that differ from the policy's become edited roles of every community; that of admin does not.
func TestAnImportWithListsOfPermissions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "propusk.db")
	to := target{"sqlite:" + path, "sqlite", path}
	must(t, setup{args: []string{"migrate", "up", "--database", to.url}})
	lists, err := filepath.Abs("../internal/importer/discours/testdata/ours.json")
	if err != nil {
		t.Fatal(err)
	}
	said := must(t, to.importing(discoursFile(t, 20, 1), "--permissions", lists))
	edited := table(t, to.open(t), `SELECT id, custom, count(*) FROM community_role GROUP BY id, custom`)
	if len(edited) != 5 || strings.Contains(strings.Join(edited, " "), "admin") {
		t.Errorf("edited roles: %q, and the import said:\n%s", edited, said)
	}
}

// Nobody has a number in a database that was only made, so all of the old ones are kept, and whoever administers it comes behind. The address of the
// old database stands in a file, which the environment names.
func TestAnImportBeforeThereIsAnAdministrator(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "propusk.db")
	to := target{"sqlite:" + path, "sqlite", path}
	must(t, setup{args: []string{"migrate", "up", "--database", to.url}})
	from := textFile(t, "from", discoursFile(t, 20, 1)+"\n")
	said := must(t, setup{args: []string{"import", "discours", "--database", to.url}, env: append([]string{"PROPUSK_FROM_FILE=" + from}, cheap...)})
	if !strings.Contains(said, "accounts: 20 read, 20 added") {
		t.Errorf("the import said:\n%s", said)
	}
	must(t, setup{args: []string{"admin", "create", adminEmail, "--database", to.url}, env: cheap, stdin: adminPassword + "\n"})
	var kept, administrator int
	if err := to.open(t).QueryRowContext(t.Context(), `SELECT count(CASE WHEN email = 'person' || id || '@example.org' THEN 1 END), max(CASE WHEN email = ? THEN id END)
		FROM author`, adminEmail).Scan(&kept, &administrator); err != nil || kept != 20 || administrator != 21 {
		t.Errorf("%d people keep their numbers, and the administrator has %d, %v", kept, administrator, err)
	}
}

// No password in a URL gets out.
func TestAnImportKeepsPasswordsToItself(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "propusk.db")
	must(t, setup{args: []string{"migrate", "up", "--database", "sqlite:" + path}})
	for _, flags := range [][]string{
		{"--from", "postgres://anna:s3cret@127.0.0.1:1/discours"},
		{"--from", "postgres://anna:s3cret%@127.0.0.1:1/discours"},
		{"--from", "mysql://anna:s3cret@127.0.0.1:1/discours"},
		{"--from", "sqlite:" + path, "--permissions", "redis://anna:s3cret@127.0.0.1:1/0"},
	} {
		code, out, errors := run(t, setup{args: append([]string{"import", "discours", "--database", "sqlite:" + path}, flags...), env: cheap})
		if code == 0 || errors == "" || strings.Contains(out+errors, "s3cret") {
			t.Errorf("%s: exit code %d, %s%s", flags[1], code, out, errors)
		}
	}
}
