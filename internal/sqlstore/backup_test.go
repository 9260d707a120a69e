package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/storetest"
)

func unwatched(int) func() { return func() {} }

// filled is a closed database with rows of everything, and its path.
func filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "propusk.db")
	s := opened(t, "sqlite:"+path)
	storetest.Fill(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// backedUp is a backup of a filled database.
func backedUp(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "backup.db")
	if err := Backup(t.Context(), "sqlite:"+filled(t), to, unwatched); err != nil {
		t.Fatal(err)
	}
	return to
}

var restoreTime = time.Date(2026, 5, 9, 12, 0, 0, 0, time.UTC)

func restore(ctx context.Context, path, file string, replace bool) (Restored, error) {
	return Restore(ctx, "sqlite:"+path, Restoration{
		File: file, Replace: replace, Now: restoreTime, Watch: unwatched,
		Deed: func(tx store.Tx, done Restored) error {
			return tx.InsertAuditEvent(store.AuditEvent{
				At: restoreTime, Actor: "operator", Action: "database.restore", Before: "{}", After: fmt.Sprintf(`{"sessions":%d}`, done.Sessions),
			})
		},
	})
}

// names are the files in the directory of one.
func names(t *testing.T, path string) (found []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	return found
}

// accounts is how many there are in the file.
func accounts(t *testing.T, path string) (n int) {
	t.Helper()
	db := raw(t, path)
	defer db.Close()
	if err := db.QueryRow(`SELECT count(*) FROM author`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Writers never pause, and the copy ends all the same: it is of one moment, which is not before it began.
func TestABackupOfABusyDatabase(t *testing.T) {
	path := filled(t)
	s := opened(t, "sqlite:"+path)
	mustExec(t, raw(t, path), `UPDATE community SET description = hex(zeroblob(4000000)) WHERE id = 1`) // for several steps
	stop := make(chan struct{})
	var written atomic.Int64
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for n := int64(1000 * (w + 1)); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				// Two rows of one transaction: a copy with one of them is torn.
				err := s.Update(context.Background(), func(tx store.Tx) error {
					u, err := tx.InsertUser(numbered(n))
					return errors.Join(err, tx.InsertSession(sessionOf(u, n)))
				})
				if err != nil {
					t.Error(err)
					return
				}
				written.Add(1)
			}
		})
	}
	for written.Load() < 50 && !t.Failed() {
		time.Sleep(time.Millisecond)
	}
	before := written.Load()
	to := filepath.Join(t.TempDir(), "backup.db")
	steps := 0
	err := Backup(t.Context(), "sqlite:"+path, to, func(total int) func() {
		return func() {
			steps++
			for meanwhile := written.Load(); written.Load() < meanwhile+5 && !t.Failed(); { // in the middle of the copy
				time.Sleep(time.Millisecond)
			}
		}
	})
	close(stop)
	writers.Wait()
	if err != nil || steps < 5 {
		t.Fatal(steps, err)
	}
	db := raw(t, to)
	var people, sessions, torn int64
	err = db.QueryRow(`SELECT (SELECT count(*) FROM author WHERE id > 9), (SELECT count(*) FROM session WHERE author_id > 9),
		(SELECT count(*) FROM author WHERE id > 9 AND id NOT IN (SELECT author_id FROM session))`).Scan(&people, &sessions, &torn)
	if err != nil || people < before || people != sessions || torn != 0 {
		t.Errorf("%d accounts, %d sessions, %d torn (%v); %d were there before the copy began", people, sessions, torn, err, before)
	}
	if err := makeSound(t.Context(), to); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
	if found := names(t, to); len(found) != 1 {
		t.Errorf("beside the backup there is %q", found)
	}
	t.Logf("%d accounts were there before, %d in the copy, %d after it, in %d steps", before, people, written.Load(), steps)
}

func TestABackupLeavesFilesAlone(t *testing.T) {
	path := filled(t)
	to := filepath.Join(t.TempDir(), "backup.db")
	if err := os.WriteFile(to, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Backup(t.Context(), "sqlite:"+path, to, unwatched); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file that is there: %v", err)
	}
	if content, err := os.ReadFile(to); string(content) != "precious" || len(names(t, to)) != 1 {
		t.Errorf("it holds %q, %v; %q", content, err, names(t, to))
	}
	ctx, cancel := context.WithCancel(t.Context())
	other := filepath.Join(t.TempDir(), "backup.db")
	err := Backup(ctx, "sqlite:"+path, other, func(int) func() { cancel(); return func() {} })
	if err == nil || len(names(t, other)) != 0 {
		t.Errorf("a backup that was interrupted: %v, %q", err, names(t, other))
	}
	if err := Backup(t.Context(), "sqlite:"+path+"-nowhere", other, unwatched); !errors.Is(err, fs.ErrNotExist) || len(names(t, other)) != 0 {
		t.Errorf("a backup of nothing: %v, %q", err, names(t, other))
	}
	if err := Backup(t.Context(), "postgres://u@127.0.0.1:1/db", other, unwatched); !errors.Is(err, ErrNoFile) {
		t.Errorf("a backup of PostgreSQL: %v", err)
	}
	if _, err := Restore(t.Context(), "postgres://u@127.0.0.1:1/db", Restoration{File: other}); !errors.Is(err, ErrNoFile) {
		t.Errorf("a restore of PostgreSQL: %v", err)
	}
}

func TestADamagedDatabaseIsNotBackedUp(t *testing.T) {
	path := filled(t)
	damage(t, path)
	to := filepath.Join(t.TempDir(), "backup.db")
	if err := Backup(t.Context(), "sqlite:"+path, to, unwatched); err == nil || len(names(t, to)) != 0 {
		t.Errorf("%v, %q", err, names(t, to))
	}
}

// damage writes over pages in the middle of a file.
func damage(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(make([]byte, 8*4096), 6*4096); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestARestoreEndsSessionsAndKeepsTheRest(t *testing.T) {
	file := backedUp(t)
	for name, path := range map[string]string{"in an empty place": filepath.Join(t.TempDir(), "propusk.db"), "over another": filled(t)} {
		replace := name == "over another"
		if replace {
			db := raw(t, path)
			mustExec(t, db, `DELETE FROM session`)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := restore(t.Context(), path, file, false); !errors.Is(err, ErrInPlace) {
				t.Errorf("without being told to replace: %v", err)
			}
		}
		copied, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		done, err := restore(t.Context(), path, file, replace)
		if err != nil || done.Sessions != 2 || done.APIKeys != 3 || (done.Kept != "") != replace {
			t.Fatalf("%s: %+v, %v", name, done, err)
		}
		if again, err := os.ReadFile(file); err != nil || string(again) != string(copied) {
			t.Errorf("%s: the backup was changed (%v)", name, err)
		}
		want := []string{"propusk.db"}
		if replace {
			want = append(want, "propusk.db.before-restore-20260509T120000.000Z")
		}
		if found := names(t, path); strings.Join(found, " ") != strings.Join(want, " ") {
			t.Errorf("%s: there is %q, want %q", name, found, want)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: the mode is %v, %v", name, info.Mode(), err)
		}
		s := opened(t, "sqlite:"+path)
		if n, err := s.Now(t.Context()).CountSessions(); err != nil || n != 0 {
			t.Errorf("%s: %d sessions, %v", name, n, err)
		}
		events, _, err := s.Now(t.Context()).AuditEvents(store.AuditFilter{Limit: 1})
		if err != nil || events[0].Action != "database.restore" || events[0].After != `{"sessions":2}` {
			t.Errorf("%s: the audit says %+v, %v", name, events, err)
		}
	}
}

// Whoever has the database open is in the way, idle or not, and nothing is changed.
func TestNothingIsRestoredUnderAnOpenDatabase(t *testing.T) {
	file, path := backedUp(t), filled(t)
	for name, open := range map[string]func() func() error{
		"a server": func() func() error {
			s := opened(t, "sqlite:"+path)
			if _, err := s.Now(t.Context()).UserExists(); err != nil {
				t.Fatal(err)
			}
			return s.Close
		},
		"a server that only wrote": func() func() error {
			s := opened(t, "sqlite:"+path)
			if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.SetFollows(1, 1, false, restoreTime) }); err != nil {
				t.Fatal(err)
			}
			return s.Close
		},
		"somebody who looked": func() func() error {
			db := raw(t, path)
			mustExec(t, db, `SELECT count(*) FROM author`)
			return db.Close
		},
		"another restore": func() func() error {
			o, err := Restoration{Replace: true}.occupy(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			return o.release
		},
	} {
		end := open()
		before := names(t, path)
		if _, err := restore(t.Context(), path, file, true); !errors.Is(err, ErrInUse) {
			t.Errorf("under %s: %v", name, err)
		}
		if after := names(t, path); strings.Join(after, " ") != strings.Join(before, " ") {
			t.Errorf("under %s there is %q, there was %q", name, after, before)
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := restore(t.Context(), path, file, true); err != nil {
		t.Errorf("when all have gone: %v", err)
	}
}

// A server that starts in the middle opens the old file and waits for it. It must not go on with it under the name of the new one.
func TestWhoeverOpenedTheOldFileCannotWriteToIt(t *testing.T) {
	file, path := backedUp(t), filled(t)
	o, err := Restoration{File: file, Replace: true}.occupy(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	late, err := connectSQLite(path, "busy_timeout(0)")
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	conn, err := late.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, statement := range []string{`SELECT count(*) FROM author`, `PRAGMA journal_mode(WAL)`, `BEGIN IMMEDIATE`} {
		if _, err := conn.ExecContext(t.Context(), statement); !isBusy(err) {
			t.Errorf("%s before the restore ends: %v", statement, err)
		}
	}
	part, err := partBeside(path, "restoring")
	if err == nil {
		err = copySQLite(t.Context(), file, part, unwatched)
	}
	if err == nil {
		_, err = o.replace(part, restoreTime)
	}
	if err = errors.Join(err, o.release()); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), `PRAGMA journal_mode(WAL)`); err == nil {
		t.Error("the log of the old file is turned on under the name of the new one")
	}
	if _, err := conn.ExecContext(t.Context(), `DELETE FROM session`); err == nil {
		t.Error("the old file is written to")
	}
	if err := makeSound(t.Context(), path); err != nil {
		t.Error(err)
	}
}

// What a crash left in the log belongs to the old database, and never to the new one.
func TestALogOfACrashGoesWithItsDatabase(t *testing.T) {
	file, path := backedUp(t), filled(t)
	crashed := filepath.Join(t.TempDir(), "propusk.db")
	s := opened(t, "sqlite:"+path)
	if err := s.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.InsertUser(numbered(77))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + name)
		if err == nil {
			err = os.WriteFile(crashed+name, content, 0o600)
		}
		if err != nil || len(content) == 0 {
			t.Fatal(len(content), err)
		}
	}
	log, err := os.ReadFile(crashed + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	done, err := restore(t.Context(), crashed, file, true)
	if err != nil {
		t.Fatal(err)
	}
	if kept, here := accounts(t, done.Kept), accounts(t, crashed); kept != 10 || here != 9 {
		t.Errorf("what is kept has %d accounts, want 10; what was restored %d, want 9", kept, here)
	}

	// Only the log is left: somebody removed the database by hand.
	alone := filepath.Join(t.TempDir(), "propusk.db")
	if err := os.WriteFile(alone+"-wal", log, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(t.Context(), alone, file, false); !errors.Is(err, ErrInPlace) {
		t.Errorf("a log without a database: %v", err)
	}
	done, err = restore(t.Context(), alone, file, true)
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(done.Kept + "-wal"); err != nil || string(kept) != string(log) || accounts(t, alone) != 9 {
		t.Errorf("the log was not kept: %v; %q", err, names(t, alone))
	}
}

func TestOnlyABackupIsRestored(t *testing.T) {
	path := filled(t)
	dir := t.TempDir()
	file := func(name string, make func(*sql.DB)) string {
		at := filepath.Join(dir, name)
		db := raw(t, at)
		make(db)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return at
	}
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged, newer, orphaned := backedUp(t), backedUp(t), backedUp(t)
	damage(t, damaged)
	malformed := backedUp(t)
	if file, err := os.OpenFile(malformed, os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	} else if _, err := file.WriteAt(make([]byte, 3996), 100); err != nil { // the schema
		t.Fatal(err)
	} else if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	mustExec(t, raw(t, newer), `INSERT INTO schema_version (version_id, is_applied) VALUES (9999, 1)`)
	mustExec(t, raw(t, orphaned), `PRAGMA foreign_keys = 0; DELETE FROM grants`)
	for name, bad := range map[string]struct{ file, says string }{
		"nothing":                {filepath.Join(dir, "nowhere"), "no such file"},
		"a directory":            {dir, "no database of Propusk"},
		"a text":                 {text, "no database of Propusk"},
		"an empty file":          {empty, "no database of Propusk"},
		"a database of others":   {file("other", func(db *sql.DB) { mustExec(t, db, `CREATE TABLE author (id)`) }), "no database of Propusk"},
		"a damaged one":          {damaged, "restore another backup, or take a new one"},
		"a malformed one":        {malformed, "malformed (11): it cannot be used; restore another backup"},
		"one of a newer program": {newer, "version 9999"},
		"one with missing rows":  {orphaned, "rows that are not there"},
		"the database itself":    {path, "the same file"},
		"a link to itself":       {linked(t, path), "the same file"},
		"a half of a backup":     {half(t, backedUp(t)), ""},
	} {
		before := names(t, path)
		if _, err := restore(t.Context(), path, bad.file, true); err == nil || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("%s: %v", name, err)
		}
		if after := names(t, path); strings.Join(after, " ") != strings.Join(before, " ") || accounts(t, path) != 9 {
			t.Errorf("%s: there is %q, there was %q", name, after, before)
		}
	}
}

func linked(t *testing.T, path string) string {
	t.Helper()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	return link
}

func half(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, info.Size()/2)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestABackupOfAnOlderProgramIsBroughtUpToDate(t *testing.T) {
	old := filepath.Join(t.TempDir(), "old.db")
	first, err := migrations.ReadFile("migrations/sqlite/0001_identity.sql")
	if err != nil {
		t.Fatal(err)
	}
	db := raw(t, old)
	mustExec(t, db, strings.Replace(string(first), "-- +goose Up", "", 1))
	mustExec(t, db, `CREATE TABLE schema_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now')));
		INSERT INTO schema_version (version_id, is_applied) VALUES (0, 1), (1, 1)`)
	path := filepath.Join(t.TempDir(), "propusk.db")
	if done, err := restore(t.Context(), path, old, false); err != nil || done.APIKeys != 0 {
		t.Fatal(done, err)
	}
	for _, m := range status(t, "sqlite:"+path) {
		if m.AppliedAt.IsZero() {
			t.Errorf("%s was not applied", m.Name)
		}
	}
}

// A symbolic link stays one, and a restore that was killed leaves nothing for long.
func TestARestoreLooksWhereALinkLeads(t *testing.T) {
	path, file := filled(t), backedUp(t)
	left := path + ".restoring-123-wal"
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := linked(t, path)
	if _, err := restore(t.Context(), link, file, true); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != path || len(names(t, path)) != 2 {
		t.Errorf("the link leads to %s, %v; there is %q", to, err, names(t, path))
	}
}
