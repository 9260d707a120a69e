package csvfile_test

import (
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/importer/csvfile"
	"github.com/propusk/propusk/internal/importer/source"
)

var update = flag.Bool("update", false, "write what came out into the files want in testdata")

// Each directory in testdata is an import, with all that comes out of it in its file want.
func TestStories(t *testing.T) {
	stories, err := filepath.Glob("testdata/*")
	if err != nil || len(stories) < 4 {
		t.Fatalf("%d stories found, %v", len(stories), err)
	}
	for _, dir := range stories {
		if filepath.Base(dir) == "fuzz" {
			continue
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Chdir(dir)
			got := tell(t, open(t, configIn(t)))
			if *update {
				write(t, "want", got)
			}
			want, err := os.ReadFile("want")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("what comes out (-want +got):\n%s", diff)
			}
			if again := tell(t, open(t, configIn(t))); again != got {
				t.Errorf("the second reading gives something else:\n%s", cmp.Diff(got, again))
			}
		})
	}
}

// configIn names the files that are in the working directory.
func configIn(t *testing.T) csvfile.Config {
	t.Helper()
	var c csvfile.Config
	if _, err := os.Stat("users.csv"); err == nil {
		c.Users = "users.csv"
	}
	if _, err := os.Stat("members.csv"); err == nil {
		c.Members = "members.csv"
	}
	if slug, err := os.ReadFile("community"); err == nil {
		c.Community = strings.TrimSpace(string(slug))
	}
	return c
}

func open(t *testing.T, c csvfile.Config) *csvfile.System {
	t.Helper()
	s, err := csvfile.Open(c)
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

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tell writes all rows down. Passwords are shown by their ends only: this is a file that is committed.
func tell(t *testing.T, s *csvfile.System) string {
	t.Helper()
	var text strings.Builder
	n, err := s.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&text, "about %d accounts, %d members\n", n.Accounts, n.Members)
	for a, err := range s.Accounts(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		tellRow(&text, a.Row, fmt.Sprintf("%s %q %q %q role=%q inactive=%v created=%s plain=%d hash=%d", a.Email, a.Name, a.LastName, a.Slug, a.Role,
			a.Inactive, date(a.CreatedAt), len(a.Password.Plain), len(a.Password.Hash)))
	}
	for m, err := range s.Members(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		tellRow(&text, m.Row, fmt.Sprintf("%s in %s roles=%q defaults=%v joined=%s", m.Account.Name, m.Community.Name, m.Roles, m.Defaults, date(m.JoinedAt)))
	}
	return text.String()
}

func tellRow(text *strings.Builder, row source.Row, is string) {
	if row.Refused != "" {
		fmt.Fprintf(text, "%s: [%s] REFUSED: %s\n", row.Where, row.Key, row.Refused)
		return
	}
	fmt.Fprintf(text, "%s: [%s] %s\n", row.Where, row.Key, is)
	for _, odd := range row.Odd {
		fmt.Fprintf(text, "    odd %s: %s\n", odd.Part, odd.Why)
	}
}

func date(at time.Time) string {
	if at.IsZero() {
		return "unknown"
	}
	return at.Format(time.RFC3339)
}

func TestHeadersThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, users, members, community, want string }{
		{"no file", "", "", "", "--users FILE"},
		{"empty", "\n\n", "", "", "users.csv is empty; its first line names the columns, of these: email, name"},
		{"no header", "anna@example.org,Anna\n", "", "", `line 1: there is no column "anna@example.org"`},
		{"semicolons", "email;name\n", "", "", `there is no column "email;name"; the first line names the columns, separated by commas, of these`},
		{"unknown", "email,nmae\n", "", "", `there is no column "nmae"`},
		{"other case", "Email\n", "", "", `there is no column "Email"`},
		{"twice", "email,name, name\n", "", "", "the column name is there twice"},
		{"no email", "name,slug\n", "", "", "the column email is missing"},
		{"quotation mark", "email,na\"me\n", "", "", "a quotation mark stands inside a cell"},
		{"never ends", "email,\"name\n", "", "", "line 1: a cell of it begins with a quotation mark and never ends"},
		{"members of no community", "", "email,roles\n", "", "has no column community: add it, or name the one for all with --community"},
		{"members of two", "", "email,community\n", "owls", "has a column community, so --community has nothing to say"},
		{"community of nobody", "email\n", "", "owls", "--community says where"},
		{"password of members", "", "email,community,password\n", "", `there is no column "password"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := csvfile.Open(files(t, c.users, c.members, c.community))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want …%s…", err, c.want)
			}
		})
	}
}

func files(t testing.TB, users, members, community string) csvfile.Config {
	t.Helper()
	c := csvfile.Config{Community: community}
	dir := t.TempDir()
	for _, file := range []struct {
		name, text string
		to         *string
	}{{"users.csv", users, &c.Users}, {"members.csv", members, &c.Members}} {
		if file.text == "" {
			continue
		}
		*file.to = filepath.Join(dir, file.name)
		if err := os.WriteFile(*file.to, []byte(file.text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestACellThatIsTooLongCostsItsRowOnly(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 64<<10)
	s := open(t, files(t, "email,name\na@example.org,"+long+"\nb@example.org,"+long+"x\nc@example.org,\""+long+",\n\"\nd@example.org,D\n", "", ""))
	var refused []string
	for a, err := range s.Accounts(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		refused = append(refused, a.Refused)
	}
	const why = "a cell is longer than 64 KiB"
	if diff := cmp.Diff([]string{"", why, why, ""}, refused); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
}

// A quotation mark that is not closed takes the rest of the file with it, which nobody can divide. What stands before it comes over none the less,
// however often it is tried.
func TestAQuotationMarkThatIsNotClosedRefusesTheLastRow(t *testing.T) {
	t.Parallel()
	for end, where := range map[string]string{"\n": "lines 3 to 4", "": "lines 3 to 4", "\n\n": "lines 3 to 5"} {
		s := open(t, files(t, "email,name\na@example.org,A\nb@example.org,\"B\nc@example.org,C"+end, "", ""))
		var emails []string
		var last source.Account
		for a, err := range s.Accounts(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			emails, last = append(emails, a.Email), a
		}
		if len(emails) != 2 || !strings.Contains(last.Refused, "never ends") || !strings.HasSuffix(last.Where, where) {
			t.Errorf("%v, the last one is %+v", emails, last)
		}
	}
	if _, err := csvfile.Open(files(t, "email,\"name\na@example.org,A\n", "", "")); err == nil || !strings.Contains(err.Error(), "never ends") {
		t.Errorf("a header that never ends: %v", err)
	}
}

// Who stands in a row that nobody can read is not known, so nobody in Propusk is taken for them because of an address.
func TestMembersOfARowThatNeverEndsAreRefused(t *testing.T) {
	t.Parallel()
	s := open(t, files(t, "email,name\na@example.org,A\nb@example.org,\"B\nc@example.org,C\n", "email\na@example.org\nb@example.org\nc@example.org\n", "x"))
	var addresses, refused []string
	for a, err := range s.Accounts(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, a.Email) // also of the row that is refused, which may have meant them
	}
	for m, err := range s.Members(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if m.Refused != "" {
			refused = append(refused, m.Refused[strings.LastIndex(m.Refused, " ")+1:])
		}
	}
	if diff := cmp.Diff([]string{"a@example.org", "b@example.org"}, addresses); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`"b@example.org"`, `"c@example.org"`}, refused); diff != "" {
		t.Errorf("refused members (-want +got):\n%s", diff)
	}
}

// Old programs keep hashes of many kinds in a column that is called password. None may become the password: whoever has seen the old
// database could log in with it.
func TestForeignHashesAreNoPasswords(t *testing.T) {
	t.Parallel()
	for _, hash := range []string{
		"5f4dcc3b5aa765d61d8327deb882cf99", "$P$BTN1ZFg3rTzXpRzDyM6XrJ9JyJ5mBf1", "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "$6$salt$hash", "sha1$salt$5baa61e4c9b93f3f",
	} {
		for a, err := range open(t, files(t, "email,password\na@example.org,"+hash+"\n", "", "")).Accounts(t.Context()) {
			if err != nil || a.Refused != "" || a.Password != (source.Password{}) || len(a.Odd) != 1 || strings.Contains(a.Odd[0].Part+a.Odd[0].Why, hash) {
				t.Errorf("%s: %+v, %v", hash, a, err)
			}
		}
	}
}

func TestAReadingCanBeStopped(t *testing.T) {
	t.Parallel()
	s := open(t, files(t, "email\na@example.org\nb@example.org\n", "email,community\na@example.org,x\nb@example.org,x\n", ""))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, err := range s.Members(ctx) {
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	for range s.Accounts(t.Context()) {
		break // must not go on, and not panic
	}
	if _, err := s.Count(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("counting went on: %v", err)
	}
}

// A million rows may not be held in memory. Here the rows are counted together with all that the reader keeps of them.
func TestMemoryForManyRows(t *testing.T) {
	const rows = 200_000
	var text strings.Builder
	text.WriteString("email,community,roles\n")
	for i := range rows {
		fmt.Fprintf(&text, "somebody-with-a-rather-long-address-%d@example.org,community-%d,\"reader,author\"\n", i/2, i%2)
	}
	s := open(t, files(t, "", text.String(), ""))
	var before, after runtime.MemStats
	text.Reset()
	runtime.GC()
	runtime.ReadMemStats(&before)
	n := 0
	for m, err := range s.Members(t.Context()) {
		if err != nil || m.Refused != "" {
			t.Fatal(err, m.Refused)
		}
		if n++; n == rows {
			runtime.GC()
			runtime.ReadMemStats(&after)
		}
	}
	if n != rows {
		t.Fatalf("%d rows of %d", n, rows)
	}
	if took := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / rows; took > 48 {
		t.Errorf("%d bytes are kept of each row", took)
	}
}

// The reader of CSV agrees with that of the standard library wherever both understand a file; it only refuses rows, and never loses one.
func FuzzRecords(f *testing.F) {
	for _, seed := range []string{"email\na@example.org\n", "email,name\r\na@example.org,\"x\"\"y\"\r\n", "email\n\"a", "\uFEFFemail\n\n\r\na@example.org\r",
		"email,name\na@example.org,\xff\n", "email\n\ra@example.org\n", "email,name\n\"a@example.org\"x,b\nc@example.org,d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := csvfile.Open(files(t, text, "", ""))
		if err != nil {
			return
		}
		keys, broken := drain(t, s.Accounts(t.Context()), func(a source.Account) source.Row { return a.Row })
		want, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\uFEFF"))).ReadAll()
		if err == nil && (broken || len(keys) != len(want)-1) {
			t.Errorf("%d rows, broken %v; the standard library reads %d", len(keys), broken, len(want)-1)
		}
	})
}

func FuzzMembers(f *testing.F) {
	for _, seed := range []string{"email,community\na@example.org,x\na@example.org,x\n", "email,community,roles\nA@example.org,x,\"a,b\"\na@example.org,x,c;d\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := csvfile.Open(files(t, "", text, ""))
		if err != nil {
			return
		}
		pairs := map[string]bool{}
		drain(t, s.Members(t.Context()), func(m source.Member) source.Row {
			pair := strings.ToLower(m.Account.Name) + " " + m.Community.Name
			if m.Refused == "" && pairs[pair] {
				t.Errorf("%s comes twice", pair)
			}
			pairs[pair] = true
			return m.Row
		})
	})
}

// drain reads all rows and checks that no key comes twice.
func drain[T any](t *testing.T, rows iter.Seq2[T, error], row func(T) source.Row) (keys map[string]bool, broken bool) {
	keys = map[string]bool{}
	for r, err := range rows {
		if errors.Is(err, io.EOF) {
			t.Error("the end of the file came out as an error")
		}
		if err != nil {
			return keys, true
		}
		is := row(r)
		if keys[is.Key] || is.Key == "" || is.Where == "" {
			t.Errorf("the row %+v comes twice, or has no key or place", is)
		}
		keys[is.Key] = true
	}
	return keys, false
}
