package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/propusk/propusk/internal/store"
)

// openFile opens the database in the file at path until the test ends.
func openFile(tb testing.TB, path string) *Store {
	tb.Helper()
	return openURL(tb, "sqlite:"+path)
}

// openURL opens a database until the test ends.
func openURL(tb testing.TB, url string) *Store {
	tb.Helper()
	s, err := Open(context.Background(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	if err := s.Ready(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return s
}

// openTemp opens a new database until the test ends.
func openTemp(tb testing.TB) *Store {
	tb.Helper()
	return openFile(tb, filepath.Join(tb.TempDir(), "propusk.db"))
}

// raw opens a second way to the file, as another program would.
func raw(tb testing.TB, path string) *sql.DB {
	tb.Helper()
	db, err := connectSQLite(path, "busy_timeout(5000)")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	return db
}

func mustExec(tb testing.TB, db *sql.DB, text string) {
	tb.Helper()
	if _, err := db.Exec(text); err != nil {
		tb.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	notADatabase := filepath.Join(dir, "letter.txt")
	if err := os.WriteFile(notADatabase, []byte(strings.Repeat("Dear Anna, ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "dangling")); err != nil {
		t.Fatal(err)
	}
	for url, tells := range map[string]string{
		"":                                       "sqlite:PATH",
		"propusk.db":                             "sqlite:PATH",
		"mysql://anna:secret@db/propusk":         "sqlite:PATH",
		"sqlite:":                                "path of the file is missing",
		"sqlite::memory:":                        "lost at exit",
		"sqlite:///var/lib/propusk.db":           "without //",
		"sqlite:" + dir + "/no/such/dir/file.db": "create it first",
		"sqlite:" + dir:                          "is not a file",
		"sqlite:" + notADatabase:                 "file is not a database",
		"sqlite:" + dir + "/dangling":            "no such file",
	} {
		s, err := Open(t.Context(), url)
		if err == nil {
			s.Close()
			t.Errorf("%q was opened", url)
			continue
		}
		if !strings.Contains(err.Error(), tells) {
			t.Errorf("%q: %v does not say %q", url, err, tells)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v tells the password", url, err)
		}
	}
}

func TestOddPaths(t *testing.T) {
	for _, name := range []string{
		"a b.db", "a#b.db", "a?mode=memory&b.db", "100%.db", "%41.db", "база.db", "file:x.db", "a'b;c.db", "&_pragma=x.db",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			openFile(t, filepath.Join(dir, name))
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, e := range entries {
				names = append(names, e.Name())
			}
			slices.Sort(names)
			if want := []string{name, name + "-shm", name + "-wal"}; !slices.Equal(names, want) {
				t.Errorf("the directory holds %q, want %q", names, want)
			}
		})
	}
}

func TestRelativePath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	openFile(t, "propusk.db")
	if _, err := os.Stat(filepath.Join(dir, "propusk.db")); err != nil {
		t.Error(err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "propusk.db")
	if err := openFile(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	mustExec(t, raw(t, path), `INSERT INTO schema_version (version_id, is_applied) VALUES (9999, 1)`)
	s, err := Open(t.Context(), "sqlite:"+path)
	if err == nil {
		s.Close()
		t.Fatal("a schema of version 9999 was opened")
	}
	if !strings.Contains(err.Error(), "9999") || !strings.Contains(err.Error(), "newer Propusk") {
		t.Errorf("%v does not tell what to do", err)
	}
}

func TestManyOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "propusk.db")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := Open(context.Background(), "sqlite:"+path)
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Ready(t.Context()); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	checkMigratedOnce(t, path)
}

func checkMigratedOnce(t *testing.T, path string) {
	t.Helper()
	var rows, versions int
	err := raw(t, path).QueryRow(`SELECT count(*), count(DISTINCT version_id) FROM schema_version`).Scan(&rows, &versions)
	if err != nil || rows != versions || rows < 2 {
		t.Errorf("schema_version holds %d rows of %d versions (%v)", rows, versions, err)
	}
}

// setting asks a connection of q for a pragma that is a number.
func setting(t *testing.T, q querier, pragma string) (got int) {
	t.Helper()
	err := q.query(t.Context(), func(rows *sql.Rows) error { return rows.Scan(&got) }, "PRAGMA "+pragma)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestSettings(t *testing.T) {
	s := openTemp(t)
	e := s.engine.(*sqliteEngine)
	for pragma, want := range map[string]int{"synchronous": 2, "foreign_keys": 1, "temp_store": 2, "query_only": 0} {
		if got := setting(t, &e.writer.handle, pragma); got != want {
			t.Errorf("%s of the writer is %d, want %d", pragma, got, want)
		}
	}
	if setting(t, e, "query_only") != 1 {
		t.Error("readers can write")
	}
	if _, err := e.exec(t.Context(), "DELETE FROM author"); err == nil {
		t.Error("a reader wrote")
	}
	var mode string
	err := e.query(t.Context(), func(rows *sql.Rows) error { return rows.Scan(&mode) }, "PRAGMA journal_mode")
	if err != nil || mode != "wal" {
		t.Errorf("journal_mode is %q (%v)", mode, err)
	}
	if _, err := e.exec(t.Context(), `SELECT "no such column"`); err == nil {
		t.Error("a misspelt column in double quotes is taken for a text")
	}
}

func TestIDsEndWhereGraphQLInt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "propusk.db")
	s := openFile(t, path)
	db := raw(t, path)
	insert := func(n int64) (err error) {
		return s.Update(t.Context(), func(tx store.Tx) error {
			_, err := tx.InsertUser(numbered(n))
			return err
		})
	}
	if err := insert(1); err != nil {
		t.Fatal(err)
	}
	mustExec(t, db, `UPDATE sqlite_sequence SET seq = 2147483646 WHERE name = 'author'`)
	if err := insert(2); err != nil {
		t.Errorf("the last id: %v", err)
	}
	if insert(3) == nil {
		t.Error("an id of 2³¹ was given")
	}
	mustExec(t, db, `DELETE FROM author; UPDATE sqlite_sequence SET seq = 41 WHERE name = 'author'`)
	if err := insert(4); err != nil {
		t.Fatal(err)
	}
	if u, err := s.Now(t.Context()).UserByUserID(numbered(4).UserID); err != nil || u.ID != 42 {
		t.Errorf("after all rows were removed by hand the next id is %d (%v), want 42", u.ID, err)
	}
}

func TestReaderIsInterrupted(t *testing.T) {
	s := openTemp(t)
	for range cap(s.engine.(*sqliteEngine).turns) + 1 { // each connection once and one of them again
		ctx, cancel := context.WithCancel(t.Context())
		_, err := many(s.reader(ctx, s.engine), func(rows *sql.Rows) (int, error) {
			cancel()
			return value[int](rows)
		}, `WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count) SELECT n FROM count`)
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("an endless query whose caller went answered %v", err)
		}
		if err := s.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
