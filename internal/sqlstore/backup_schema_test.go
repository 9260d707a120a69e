package sqlstore

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What somebody left in the file would run when it is restored, or later.
func TestASchemaThatWasChangedIsNotRestored(t *testing.T) {
	const session = `INSERT INTO session SELECT zeroblob(32), 'mine', id, '', '', 0, 0, 9e9, x'', x'' FROM author;`
	path := filled(t)
	for name, change := range map[string]struct{ sql, says string }{
		"a trigger that logs somebody in": {`CREATE TRIGGER t AFTER INSERT ON audit_event BEGIN ` + session + ` END`, `trigger "t" on "audit_event"`},
		"a trigger where sessions end":    {`CREATE TRIGGER t BEFORE DELETE ON session BEGIN SELECT RAISE(IGNORE); END`, `trigger "t" on "session"`},
		"a trigger on what is applied":    {`CREATE TRIGGER t AFTER INSERT ON schema_version BEGIN ` + session + ` END`, `trigger "t" on "schema_version"`},
		"a trigger that does more": {`DROP TRIGGER author_deleted;
			CREATE TRIGGER author_deleted BEFORE DELETE ON author BEGIN ` + session + ` END`, `trigger "author_deleted"`},
		"a trigger that is gone":          {`DROP TRIGGER author_text_inserted`, `trigger "author_text_inserted" on "author_text" is missing`},
		"a view":                          {`CREATE VIEW v AS SELECT 1`, `view "v"`},
		"a view for a table":              {`DROP TABLE counter; CREATE VIEW counter AS SELECT 1`, `"counter"`},
		"a table":                         {`CREATE TABLE more (a)`, `table "more"`},
		"a table named like SQLite's own": {`CREATE TABLE "sqlite-like" (a)`, `table "sqlite-like"`},
		"an index":                        {`CREATE INDEX more ON author (name)`, `index "more" on "author"`},
		"an index on an expression":       {`DROP INDEX author_role; CREATE INDEX author_role ON author (role) WHERE id > 1`, `index "author_role"`},
		"a column":                        {`ALTER TABLE author ADD COLUMN more INTEGER DEFAULT 1`, `table "author"`},
		"a constraint that is gone": {`PRAGMA writable_schema = 1;
			UPDATE sqlite_schema SET sql = replace(sql, '= 32', '< 99') WHERE name = 'session'`, `table "session"`},
		"a trigger among the statistics": {`CREATE TRIGGER t AFTER INSERT ON audit_event BEGIN ` + session + ` END; PRAGMA writable_schema = 1;
			UPDATE sqlite_schema SET name = 'sqlite_stat1' WHERE name = 't'`, ""},
		"statistics, which anybody may make": {`ANALYZE`, "-"},
	} {
		t.Run(name, func(t *testing.T) {
			file := backedUp(t)
			db := raw(t, file)
			mustExec(t, db, change.sql)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			at, replace := path, true
			if change.says == "-" {
				at, replace = filepath.Join(t.TempDir(), "propusk.db"), false
			}
			before := names(t, at)
			_, err := restore(t.Context(), at, file, replace)
			switch {
			case change.says == "-" && err == nil:
			case err == nil || !strings.Contains(err.Error(), change.says):
				t.Errorf("%v", err)
			case !slices.Equal(names(t, at), before) || accounts(t, at) != 9:
				t.Errorf("there is %q, there was %q", names(t, at), before)
			}
		})
	}
}

// Even if a file got through: no session outlives a restore.
func TestSessionsAreCountedAgain(t *testing.T) {
	file := backedUp(t)
	if err := endedAll(t.Context(), file); err == nil || !strings.Contains(err.Error(), "2 sessions are there") {
		t.Error(err)
	}
	db := raw(t, file)
	mustExec(t, db, `DELETE FROM session`)
	if err := errors.Join(db.Close(), endedAll(t.Context(), file)); err != nil {
		t.Error(err)
	}
}

// White space and comments say nothing, unless they are quoted.
func TestBareSQL(t *testing.T) {
	for text, want := range map[string]string{
		"CREATE TABLE a (\n  b, -- c\n\t-- d\n  e /* f\n */ )": "CREATE TABLE a ( b, e )",
		"a '  --b ' c":               "a '  --b ' c",
		"a ''' /*' /* ' */ 'b":       "a ''' /*' 'b",
		"[a  b] `c  d` \"e  \"\"f\"": "[a  b] `c  d` \"e  \"\"f\"",
		"a - b / c -":                "a - b / c -",
		"a --":                       "a",
		"a /* b":                     "a",
		"":                           "",
	} {
		if got := bareSQL(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestALinkThatLeadsNowhere(t *testing.T) {
	file, dir := backedUp(t), t.TempDir()
	link := filepath.Join(dir, "propusk.db")
	if err := os.Symlink(filepath.Join(dir, "gone.db"), link); err != nil {
		t.Fatal(err)
	}
	for _, replace := range []bool{false, true} {
		if _, err := restore(t.Context(), link, file, replace); err == nil || !strings.Contains(err.Error(), "link that leads nowhere") {
			t.Error(err)
		}
		if found := names(t, link); len(found) != 1 {
			t.Errorf("there is %q", found)
		}
	}
}
