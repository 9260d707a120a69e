package discours_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/importer/discours"
	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/redistest"
	"github.com/propusk/propusk/rbac"
	"github.com/propusk/propusk/rbac/policyfile"
)

// installation makes a database of statements on that engine, and returns its URL.
func installation(t *testing.T, engine, statements string) string {
	t.Helper()
	url, driver, name := "", "pgx", ""
	if engine == "sqlite" {
		name = filepath.Join(t.TempDir(), "dis cours?#.db")
		url, driver = "sqlite:"+name, "sqlite"
		name = "file:" + strings.NewReplacer("?", "%3F", "#", "%23").Replace(name)
	} else {
		url = pgtest.Database(t)
		name = url
	}
	execute(t, driver, name, statements)
	return url
}

func execute(t *testing.T, driver, name, statements string) {
	t.Helper()
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	for statement := range strings.SplitSeq(statements, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%v in %s", err, statement)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, o discours.Options) source.System {
	t.Helper()
	policy := policyfile.Community()
	var err error
	if o.Grants, err = rbac.Compile(policy); err != nil {
		t.Fatal(err)
	}
	if o.Catalogue, err = rbac.NewCatalogue(policy.Content, policy.Reserved); err != nil {
		t.Fatal(err)
	}
	s, err := discours.Open(t.Context(), o)
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

// told is all that a system tells, one line of JSON a row.
func told(t *testing.T, s source.System) string {
	t.Helper()
	var text bytes.Buffer
	count, err := s.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	write(t, &text, count)
	lines(t, &text, s.Accounts(t.Context()))
	lines(t, &text, s.Communities(t.Context()))
	lines(t, &text, s.Members(t.Context()))
	lines(t, &text, s.Followers(t.Context()))
	return text.String()
}

func lines[T any](t *testing.T, to *bytes.Buffer, rows iter.Seq2[T, error]) {
	t.Helper()
	for row, err := range rows {
		if err != nil {
			t.Fatal(err)
		}
		write(t, to, row)
	}
}

func write(t *testing.T, to *bytes.Buffer, row any) {
	t.Helper()
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(row); err != nil {
		t.Fatal(err)
	}
}

// compare compares with the file of that name in testdata.
func compare(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs from:\n%s", file, got)
	}
}

// Each .sql in testdata is an installation of another age. Both engines tell the same of it, twice: what stands in its .want.
func TestAges(t *testing.T) {
	t.Parallel()
	ages, err := filepath.Glob("testdata/*.sql")
	if err != nil || len(ages) < 4 {
		t.Fatalf("%d ages, %v", len(ages), err)
	}
	for _, age := range ages {
		for _, engine := range []string{"sqlite", "postgres"} {
			t.Run(filepath.Base(age)+" "+engine, func(t *testing.T) {
				t.Parallel()
				statements, err := os.ReadFile(age)
				if err != nil {
					t.Fatal(err)
				}
				s := open(t, discours.Options{From: installation(t, engine, string(statements))})
				for range 2 {
					compare(t, strings.TrimSuffix(filepath.Base(age), ".sql")+".want", told(t, s))
				}
			})
		}
	}
}

// With the option, members whose roles are empty get those of the older tables.
func TestFillOldRoles(t *testing.T) {
	t.Parallel()
	statements, err := os.ReadFile("testdata/between.sql")
	if err != nil {
		t.Fatal(err)
	}
	from := installation(t, "sqlite", string(statements))
	for fill, want := range map[bool]string{true: `"Roles":["author","reader"]`, false: `old roles \"author,reader\"`} {
		s := open(t, discours.Options{From: from, FillOldRoles: fill})
		var text bytes.Buffer
		lines(t, &text, s.Members(t.Context()))
		if !strings.Contains(strings.Split(text.String(), "\n")[1], want) {
			t.Errorf("fill %v: %s", fill, text.String())
		}
	}
}

const people = `
CREATE TABLE author (id INTEGER PRIMARY KEY, slug TEXT);
CREATE TABLE community (id INTEGER PRIMARY KEY, slug TEXT);
INSERT INTO community VALUES (1, 'one'), (2, 'two'), (3, 'three');
`

// The lists of the Redis of Discours, of a file by community and of a file for all are the roles of the communities. What is wrong with a list
// for all is told once.
func TestLists(t *testing.T) {
	t.Parallel()
	const mine = `{"editor": ["shout:update", "topic:merge", "chat:delete_any"]}`
	from := installation(t, "sqlite", people)
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "lists.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	redis := redistest.Start(t)
	redis.Do(t, "SET", "community:roles:1", mine)
	redis.Do(t, "SET", "community:roles:2", "no JSON")
	redis.Do(t, "HSET", "community:roles:3", "reader", "shout:read")
	redis.Do(t, "SET", "community:roles:9", mine)
	redis.Do(t, "SET", "community:roles:old:9", mine)
	var text bytes.Buffer
	for _, permissions := range []string{
		redis.URL(), file(mine), file(`{"1": ` + mine + `, "community:roles:9": {"reader": []}}`),
	} {
		lines(t, &text, open(t, discours.Options{From: from, Permissions: permissions}).Communities(t.Context()))
		text.WriteString("\n")
	}
	compare(t, "lists.golden", text.String())
}

// Nothing is written, and a program that writes meanwhile changes nothing of what is read.
func TestOneSnapshot(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			from := installation(t, engine, people)
			if engine == "sqlite" {
				execute(t, "sqlite", escaped(from), "PRAGMA journal_mode = wal")
			}
			s := open(t, discours.Options{From: from})
			before := told(t, s)
			driver, name := "pgx", from
			if engine == "sqlite" {
				driver, name = "sqlite", escaped(from)
			}
			execute(t, driver, name, "DELETE FROM community")
			if after := told(t, s); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}

func escaped(from string) string {
	return "file:" + strings.NewReplacer("?", "%3F", "#", "%23").Replace(strings.TrimPrefix(from, "sqlite:"))
}

// An error tells what to do, and never the password that stands in a URL.
func TestWhatCannotBeOpened(t *testing.T) {
	t.Parallel()
	good := installation(t, "sqlite", people)
	for name, o := range map[string]discours.Options{
		"no such file":      {From: "sqlite:" + filepath.Join(t.TempDir(), "none.db")},
		"no Discours":       {From: installation(t, "sqlite", "CREATE TABLE author (id INTEGER PRIMARY KEY);\n")},
		"another scheme":    {From: "mysql://anna:s3cret@localhost/db"},
		"a broken URL":      {From: "postgres://anna:s3cret%@localhost/db"},
		"nobody there":      {From: "postgres://anna:s3cret@127.0.0.1:1/db"},
		"no such list":      {From: good, Permissions: filepath.Join(t.TempDir(), "none.json")},
		"a broken Redis":    {From: good, Permissions: "redis://anna:s3cret%@localhost"},
		"nobody's Redis":    {From: good, Permissions: "redis://anna:s3cret@127.0.0.1:1"},
		"capitals":          {From: good, Permissions: "Redis://anna:s3cret@127.0.0.1:1"},
		"a misspelt Redis":  {From: good, Permissions: "rediss2://anna:s3cret@127.0.0.1:1"},
		"a space":           {From: good, Permissions: " redis://anna:s3cret@127.0.0.1:1"},
		"no slashes":        {From: good, Permissions: "redis:anna:s3cret@127.0.0.1:1"},
		"a capital P":       {From: "Postgres://anna:s3cret@127.0.0.1:1/db"},
		"two schemes":       {From: "sqlite:postgres://anna:s3cret@127.0.0.1:1/db"},
		"a parameter wrong": {From: "postgres://anna:s3cret@localhost/db?sslmode=s3cret"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := discours.Open(t.Context(), o)
			if err == nil {
				t.Fatal(errors.Join(errors.New("it was opened"), s.Close()))
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}
