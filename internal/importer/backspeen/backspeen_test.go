package backspeen_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/importer/backspeen"
	"github.com/propusk/propusk/internal/importer/source"
)

var update = flag.Bool("update", false, "write what came out into the files .want in testdata")

// database makes a file of statements.
func database(t *testing.T, statements string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db.sqlite3")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, c backspeen.Config) *backspeen.System {
	t.Helper()
	s, err := backspeen.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Each .sql in testdata is a database, with all that comes out of it in its .want.
func TestStories(t *testing.T) {
	t.Parallel()
	stories, err := filepath.Glob("testdata/*.sql")
	if err != nil || len(stories) < 2 {
		t.Fatalf("%d stories found, %v", len(stories), err)
	}
	for _, story := range stories {
		t.Run(filepath.Base(story), func(t *testing.T) {
			t.Parallel()
			statements, err := os.ReadFile(story)
			if err != nil {
				t.Fatal(err)
			}
			path := database(t, string(statements))
			before := sum(t, path)
			got := tell(t, open(t, backspeen.Config{From: "sqlite:" + path}))
			if sum(t, path) != before {
				t.Error("the file has changed")
			}
			file := strings.TrimSuffix(story, ".sql") + ".want"
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("what comes out (-want +got):\n%s", diff)
			}
		})
	}
}

func sum(t *testing.T, path string) [sha256.Size]byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(data)
}

// tell writes all rows down, and of passwords only what they were taken for.
func tell(t *testing.T, s *backspeen.System) string {
	t.Helper()
	var text strings.Builder
	for a, err := range s.Accounts(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if shown := fmt.Sprintf("%v %+v %#v", a, a, a); strings.Contains(shown, "canary") {
			t.Errorf("a password shows: %s", shown)
		}
		fmt.Fprintf(&text, "%s: [%s] number=%d ", a.Where, a.Key, a.Number)
		if a.Refused != "" {
			fmt.Fprintf(&text, "REFUSED: %s\n", a.Refused)
			continue
		}
		fmt.Fprintf(&text, "%s %q %q role=%q inactive=%v deleted=%v created=%s updated=%s password=%s\n", a.Email, a.Name, a.LastName, a.Role,
			a.Inactive, a.Deleted, date(a.CreatedAt), date(a.UpdatedAt), taken(a.Password))
		for _, odd := range a.Odd {
			fmt.Fprintf(&text, "    odd %s: %s\n", odd.Part, odd.Why)
		}
	}
	return text.String()
}

func date(at time.Time) string {
	if at.IsZero() {
		return "unknown"
	}
	return at.Format(time.RFC3339)
}

func taken(p source.Password) string {
	switch {
	case p.Hash != "":
		return "hash"
	case p.Plain != "":
		return "plain"
	}
	return "none"
}

const users = "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, password TEXT, role TEXT, is_active INT);"

func TestTablesThatAreNotUnderstood(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, statements, table string
		columns                 map[string]string
		want                    []string
	}{
		{"nothing", "CREATE VIEW v AS SELECT 1", "", nil, []string{"there is no table in it"}},
		{"only sessions", "CREATE TABLE sessions (id, user_id)", "", nil,
			[]string{"Looked for:", "email, called email or e_mail or mail or login", "sessions (id, user_id): id and user_id could each be the id", "no password"}},
		{"no role", "CREATE TABLE users (id, email, password, is_active)", "", nil, []string{"users (id, email, password, is_active): no role", "say so with --columns"}},
		{"no is_active", "CREATE TABLE users (id, email, password, role)", "", nil, []string{"no is_active"}},
		{"two addresses", "CREATE TABLE users (id, email, login, password, role, is_active)", "", nil, []string{"email and login could each be the email: say --columns email=email"}},
		{"two tables", users + strings.ReplaceAll(users, "users", "old_users"), "", nil, []string{"several tables could be that of users: old_users, users; say which with --table"}},
		{"no such table", users, "people", nil, []string{"there is no table people"}},
		{"no such column", users, "", map[string]string{"name": "nick"}, []string{"has no column nick"}},
		{"no such meaning", users, "", map[string]string{"nick": "email"}, []string{"--columns nick=email: what a column can be is id, email, password"}},
		{"no password", users, "", map[string]string{"password": ""}, []string{"no account comes over without"}},
		{"the password as a name", users, "", map[string]string{"name": "password"}, []string{"password cannot be password and name"}},
		{"ids twice", "CREATE TABLE users (id, email, password, role, is_active); INSERT INTO users (id) VALUES (1), (1)", "", nil, []string{"the same value twice"}},
		{"no id", "CREATE TABLE users (id, email, password, role, is_active); INSERT INTO users (id) VALUES (1), (NULL)", "", nil, []string{"the same value twice, or none"}},
		{"mixed ids", "CREATE TABLE users (id, email, password, role, is_active); INSERT INTO users (id) VALUES (1), ('a')", "", nil, []string{"neither numbers from 1 nor texts"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := backspeen.Open(t.Context(), backspeen.Config{From: "sqlite:" + database(t, c.statements), Table: c.table, Columns: c.columns})
			if err == nil {
				t.Fatal("it is taken")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want …%s…", err, want)
				}
			}
		})
	}
}

func TestFilesThatAreNotRead(t *testing.T) {
	t.Parallel()
	text := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		"": "--from sqlite:FILE", "postgres://localhost/x": "--from sqlite:FILE", "sqlite:": "--from sqlite:FILE",
		"sqlite:/nonexistent/db": "no such file", "sqlite:" + text: "not a database",
	} {
		if _, err := backspeen.Open(t.Context(), backspeen.Config{From: from}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want …%s…", from, err, want)
		}
	}
	if _, err := os.Stat("/nonexistent/db"); err == nil {
		t.Error("a file was made")
	}
}

// What people say goes before what columns are called.
func TestColumnsThatAreSaid(t *testing.T) {
	t.Parallel()
	path := database(t, `CREATE TABLE "odd ""table""" (id INTEGER PRIMARY KEY, email TEXT, login TEXT, "pass word" TEXT);
		INSERT INTO "odd ""table""" VALUES (1, 'old', 'anna@example.org', 'canary')`)
	s := open(t, backspeen.Config{From: "sqlite:" + path, Table: `odd "table"`,
		Columns: map[string]string{"email": "login", "password": "pass word", "role": "", "is_active": ""}})
	const want = `odd "table" 1: [1] number=1 anna@example.org "" "" role="" inactive=false deleted=false created=unknown updated=unknown password=plain` + "\n"
	if diff := cmp.Diff(want, tell(t, s)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// An empty text is before all others, and its row is told as any other: what becomes of it is not decided here.
func TestARowWithAnEmptyIDIsToldToo(t *testing.T) {
	t.Parallel()
	s := open(t, backspeen.Config{From: "sqlite:" + database(t, `CREATE TABLE users (id TEXT, email TEXT, password TEXT, role TEXT, is_active INT);
		INSERT INTO users VALUES ('', 'anna@example.org', 'p', 'user', 1), ('b', 'boris@example.org', 'p', 'user', 1)`)})
	var told []string
	for a, err := range s.Accounts(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, a.Where+" "+a.Email)
	}
	if diff := cmp.Diff([]string{`users "" anna@example.org`, `users "b" boris@example.org`}, told); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// What is given in the place of a file may be a URL with a password in it.
func TestAURLIsNotRepeated(t *testing.T) {
	t.Parallel()
	_, err := backspeen.Open(t.Context(), backspeen.Config{From: "sqlite:postgres://anna:s3cret@db.example.org/old"})
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}

// The program that the file belongs to writes while its rows are read, in either of SQLite's modes, and never has to wait.
func TestTheProgramGoesOnRunning(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			const rows = 1200
			path := database(t, users+`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < `+fmt.Sprint(rows)+`)
				INSERT INTO users SELECT i, 'u' || i || '@example.org', 'canary', 'user', 1 FROM n`)
			program, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(0)&_pragma=journal_mode("+mode+")")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = program.Close() }()
			s := open(t, backspeen.Config{From: "sqlite:" + path})
			n, last := 0, int64(0)
			for a, err := range s.Accounts(t.Context()) {
				if err != nil || a.Number <= last {
					t.Fatalf("%v, %d after %d", err, a.Number, last)
				}
				if n, last = n+1, a.Number; n%300 == 0 {
					if _, err := program.ExecContext(t.Context(), "UPDATE users SET role = 'user' WHERE id = ?", n); err != nil {
						t.Fatalf("the program could not write: %v", err)
					}
				}
			}
			if count, err := s.Count(t.Context()); n != rows || count.Accounts != rows || err != nil {
				t.Errorf("%d rows, counted %d, %v", n, count.Accounts, err)
			}
		})
	}
}

func TestAReadingCanBeStopped(t *testing.T) {
	t.Parallel()
	s := open(t, backspeen.Config{From: "sqlite:" + database(t, users+"INSERT INTO users (id) VALUES (1), (2)")})
	for range s.Accounts(t.Context()) {
		break // must not go on, and not panic
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.Accounts(stopped) {
		if err == nil {
			t.Error("it went on")
		}
	}
}
