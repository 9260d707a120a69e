package discours_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/importer/discours"
	"github.com/propusk/propusk/internal/importer/source"
)

func listFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lists.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// community is one of an installation.
func community(t *testing.T, o discours.Options, key string) source.Community {
	t.Helper()
	for c, err := range open(t, o).Communities(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if c.Key == key {
			return c
		}
	}
	t.Fatalf("no community %s", key)
	return source.Community{}
}

// saysOf is what a community says of its roles, in one line: "editor=shout:read reader=".
func saysOf(c source.Community) string {
	if c.Refused != "" {
		return "refused"
	}
	var says []string
	for _, role := range c.Roles {
		says = append(says, role.ID+"="+strings.Join(role.Permissions, ","))
	}
	return strings.Join(says, " ")
}

// Where there are lists, what is not in them is not permitted, and what cannot be read is not guessed.
func TestListsGiveNoMoreThanTheySay(t *testing.T) {
	t.Parallel()
	from := installation(t, "sqlite", people)
	const nothing = "artist= author= editor= expert= reader="
	for name, tc := range map[string]struct{ text, one, three string }{
		"a role is absent":       {`{"1": {"reader": ["shout:read"]}}`, "artist= author= editor= expert= reader=shout:read", ""},
		"for all":                {`{"reader": ["shout:read"]}`, "artist= author= editor= expert= reader=shout:read", "artist= author= editor= expert= reader=shout:read"},
		"no lists in one":        {`{"1": {}}`, nothing, ""},
		"null for one":           {`{"1": {}, "3": null}`, nothing, "refused"},
		"null for a role":        {`{"1": {"reader": null}, "3": {}}`, "refused", nothing},
		"numbers for a role":     {`{"1": {"reader": [1]}}`, "refused", ""},
		"an absent role's heirs": {`{"1": {"author": ["reader", "shout:create"]}}`, "artist= author=shout:create editor= expert= reader=", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := discours.Options{From: from, Permissions: listFile(t, tc.text)}
			if got := saysOf(community(t, o, "1")); got != tc.one {
				t.Errorf("community 1: %s", got)
			}
			if got := saysOf(community(t, o, "3")); got != tc.three {
				t.Errorf("community 3: %s", got)
			}
		})
	}
}

const oldPeople = people + `
CREATE TABLE author_role (community INTEGER, author INTEGER, role TEXT);
CREATE TABLE permission (id TEXT, resource TEXT, operation TEXT);
CREATE TABLE role_permission (role TEXT, permission TEXT);
INSERT INTO permission VALUES ('1', 'shout', 'read'), ('2', 'topic', 'merge');
INSERT INTO author_role VALUES (1, 1, 'editor'), (1, 2, 'artist'), (2, 1, 'keeper');
INSERT INTO role_permission VALUES ('editor', '1'), ('reader', '1'), ('reader', 'zzz'), ('keeper', '2');
`

// The older tables say what the roles of the policy permit, too.
func TestOldTablesGiveNoMoreThanTheySay(t *testing.T) {
	t.Parallel()
	const newer = "CREATE TABLE community_author (id INTEGER PRIMARY KEY, community_id INTEGER, author_id INTEGER, roles TEXT);\n" +
		"INSERT INTO community_author VALUES (1, 1, 9, 'reader');\n"
	for name, tc := range map[string]struct {
		more, lists string
		key         string
		want        string
		odd         string
	}{
		"an edited role":                {key: "1", want: "artist= editor=shout:read reader=shout:read", odd: `permission "zzz"`},
		"a role without a list":         {key: "1", want: "artist= editor=shout:read reader=shout:read", odd: `role "artist"`},
		"a role that nobody has there":  {key: "3", want: "editor=shout:read reader=shout:read", odd: `permission "zzz"`},
		"beside newer tables":           {more: newer, key: "1", want: "artist= editor=shout:read", odd: `role "artist"`},
		"beside newer tables, and none": {more: newer, key: "3"},
		"beside newer lists": {
			lists: `{"2": {"reader": ["topic:merge"]}}`, key: "2", want: "artist= author= editor= expert= keeper= reader=topic:merge", odd: `role "keeper"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := discours.Options{From: installation(t, "sqlite", oldPeople+tc.more)}
			if tc.lists != "" {
				o.Permissions = listFile(t, tc.lists)
			}
			c := community(t, o, tc.key)
			if got := saysOf(c); got != tc.want {
				t.Errorf("%s", got)
			}
			if odd := fmt.Sprint(c.Odd); !strings.Contains(odd, tc.odd) {
				t.Errorf("told %s", odd)
			}
		})
	}
}

// Whom the new Discours removed does not come back because the older table still has them.
func TestOldMembersDoNotComeBack(t *testing.T) {
	t.Parallel()
	const (
		old   = people + "CREATE TABLE author_role (community INTEGER, author INTEGER, role TEXT);\nINSERT INTO author_role VALUES (1, 7, 'admin');\n"
		table = old + "CREATE TABLE community_author (community_id INTEGER, author_id INTEGER, roles TEXT);\n"
		lived = table + "INSERT INTO community_author VALUES (1, 1, 'admin');\n"
	)
	for name, tc := range map[string]struct {
		statements string
		fill       bool
		refused    bool
	}{
		"removed":                      {statements: lived, refused: true},
		"removed, and asked for":       {statements: lived, fill: true},
		"no newer table":               {statements: old},
		"a newer table that is empty":  {statements: table},
		"a newer table without a role": {statements: strings.ReplaceAll(strings.ReplaceAll(lived, ", roles TEXT", ""), "(1, 1, 'admin')", "(1, 1)")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for m, err := range open(t, discours.Options{From: installation(t, "sqlite", tc.statements), FillOldRoles: tc.fill}).Members(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if m.Key == "1:7" && strings.Contains(m.Refused, "--old-roles fill") != tc.refused {
					t.Errorf("refused: %q, roles %v", m.Refused, m.Roles)
				}
			}
		})
	}
}

// A flag that cannot be read is not guessed, and what has a time of its end has ended.
func TestFlagsAreNotGuessed(t *testing.T) {
	t.Parallel()
	const authors = "CREATE TABLE community (id INTEGER, slug TEXT);\nCREATE TABLE author (id INTEGER, is_active, deleted_at, updated_at);\nINSERT INTO author VALUES (1, %s, 5);\n"
	for values, want := range map[string]string{
		"NULL, NULL": "alive", "1, 0": "alive", "'True', '0'": "alive", "x'31', NULL": "alive",
		"0, NULL": "inactive", "'false', NULL": "inactive",
		"'no', NULL": "refused", "'off', NULL": "refused", "'нет', NULL": "refused", "'', NULL": "refused", "x'00', NULL": "refused", "0.5, NULL": "refused",
		"1, 1600000000": "deleted", "1, '2024-01-01 10:00:00'": "deleted", "1, '2024-01-01T10:00:00Z'": "deleted",
		"1, 'yes'": "deleted, odd", "1, 0.5": "deleted, odd", "1, ''": "deleted, odd", "1, -1": "deleted, odd", "1, '0001-01-01 00:00:00'": "deleted, odd",
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			for a, err := range open(t, discours.Options{From: installation(t, "sqlite", fmt.Sprintf(authors, values))}).Accounts(t.Context()) {
				got := "alive"
				switch {
				case err != nil:
					t.Fatal(err)
				case a.Refused != "":
					got = "refused"
				case a.Deleted:
					got = "deleted"
				case a.Inactive:
					got = "inactive"
				}
				if len(a.Odd) > 0 {
					got += ", odd"
				}
				if got != want {
					t.Errorf("%s, want %s", got, want)
				}
			}
		})
	}
	const communities = "CREATE TABLE author (id INTEGER);\nCREATE TABLE community (id INTEGER, slug TEXT, private, deleted_at, settings, updated_at);\n" +
		"INSERT INTO community VALUES (1, 'one', %s, 1600000000);\n"
	for values, want := range map[string]string{
		"NULL, NULL, NULL": "open", "1, NULL, '{}'": "closed", "0, 0, ''": "open",
		"'closed', NULL, NULL": "refused", "0, NULL, '[\"reader\"]'": "refused", "0, NULL, 'reader'": "refused",
		"0, 1600000005000, NULL": "gone 2020-09-13 12:26:40", "0, 'long ago', NULL": "gone 2020-09-13 12:26:40",
		"0, 1600000005000000000, NULL": "gone 2020-09-13 12:26:40", "0, '2024-01-01 10:00:00', NULL": "gone 2024-01-01 10:00:00",
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			c := community(t, discours.Options{From: installation(t, "sqlite", fmt.Sprintf(communities, values))}, "1")
			got := "open"
			switch {
			case c.Refused != "":
				got = "refused"
			case !c.DeletedAt.IsZero():
				got = "gone " + c.DeletedAt.Format("2006-01-02 15:04:05")
			case c.Closed:
				got = "closed"
			}
			if got != want {
				t.Errorf("%s, want %s (%v)", got, want, c.Odd)
			}
		})
	}
}

// What is nearly a number is not somebody else's.
func TestNumbersThatAreNone(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200)
	s := open(t, discours.Options{From: installation(t, "sqlite", `
CREATE TABLE author (id, slug TEXT);
CREATE TABLE community (id, slug TEXT, created_by);
CREATE TABLE community_author (id, community_id, author_id, roles TEXT);
INSERT INTO author VALUES (1, 'a'), ('1', 'a'), (1.5, 'b'), ('x', 'c'), ('y', 'd'), (NULL, 'e'), (NULL, 'f'), (-1, 'g'), (0, 'h'), (1e300, 'i'), ('01', 'j');
INSERT INTO author VALUES ('`+long+`1', 'k'), ('`+long+`2', 'l');
INSERT INTO community VALUES (1, 'one', 1.5);
INSERT INTO community_author VALUES (1, 1, 1.5, 'admin'), (2, 'x', 1, 'admin'), (3, 'y', 1, 'admin'), (4, 1, 1, 'admin');
`)})
	taken, met := 0, map[string]bool{}
	check := func(row source.Row, err error) {
		if err != nil {
			t.Fatal(err)
		}
		if row.Refused == "" {
			taken++
		} else if !strings.HasPrefix(row.Key, "?") || len(row.Key) > 200 {
			t.Errorf("key %s", row.Key)
		}
		if met[row.Key] {
			t.Errorf("%s twice", row.Key)
		}
		met[row.Key] = true
	}
	for a, err := range s.Accounts(t.Context()) {
		check(a.Row, err)
	}
	if taken != 1 || !met["1"] || !met[`?"x"`] || !met[`?"1.5"`] || len(met) != 13 {
		t.Errorf("%d taken: %v", taken, met)
	}
	clear(met)
	for m, err := range s.Members(t.Context()) {
		check(m.Row, err)
	}
	if taken != 2 || !met["1:1"] {
		t.Errorf("%d taken: %v", taken, met)
	}
	for c, err := range s.Communities(t.Context()) {
		if err != nil || c.Creator != (source.Ref{}) || len(c.Odd) != 1 {
			t.Errorf("founder %v, told %v, %v", c.Creator, c.Odd, err)
		}
	}
}

// What nobody would write is not read: one such row must not take all memory.
func TestLongCellsAreNotRead(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			long, wide := strings.Repeat("я", 1<<15+1), strings.Repeat("Ж,", 1000)
			s := open(t, discours.Options{From: installation(t, engine, `
CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE community (id INTEGER PRIMARY KEY, settings TEXT);
CREATE TABLE community_author (community_id INTEGER, author_id INTEGER, roles TEXT);
INSERT INTO author VALUES (1, '`+long+`'), (2, 'Anna');
INSERT INTO community VALUES (1, '`+long+`');
INSERT INTO community_author VALUES (1, 1, '`+long+`'), (1, 2, '`+wide+`');
`)})
			var text bytes.Buffer
			lines(t, &text, s.Accounts(t.Context()))
			lines(t, &text, s.Communities(t.Context()))
			lines(t, &text, s.Members(t.Context()))
			for _, want := range []string{"its name is longer", "its roles is longer", `"Refused":"its settings is longer`, "and 901 more", `"Refused":"","Odd":null,"Number":2`} {
				if !strings.Contains(text.String(), want) {
					t.Errorf("%q is not told", want)
				}
			}
			if text.Len() > 30_000 {
				t.Errorf("%d bytes are told", text.Len())
			}
		})
	}
}
