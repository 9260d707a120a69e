package decisions_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/propusk/propusk/decisions"
	"github.com/propusk/propusk/rbac"
)

// leastRows is how many decisions the table was promised to hold.
const leastRows = 500

func read(t *testing.T) decisions.Table {
	t.Helper()
	table, err := decisions.Read()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestTheTableIsLargeAndKnowsEveryReason(t *testing.T) {
	t.Parallel()
	table := read(t)
	if len(table.Rows) < leastRows {
		t.Errorf("%d rows, fewer than %d", len(table.Rows), leastRows)
	}
	count := map[string]int{}
	for _, row := range table.Rows {
		count[row.Outcome()]++
		if row.Chapter == "" {
			t.Errorf("line %d is in no chapter", row.Line)
		}
	}
	allow, deny := decisions.Reasons()
	for _, outcome := range slices.Concat(prefixed("allow ", allow), prefixed("deny ", deny), []string{"error invalid", "error forbidden"}) {
		t.Logf("%4d %s", count[outcome], outcome)
		if count[outcome] == 0 {
			t.Errorf("no row expects %s", outcome)
		}
	}
}

func prefixed(word string, reasons []rbac.Reason) []string {
	list := make([]string, len(reasons))
	for i, reason := range reasons {
		list[i] = word + string(reason)
	}
	return list
}

// TestEverybodyOfTheCastIsAsked finds people and keys that no row is about.
func TestEverybodyOfTheCastIsAsked(t *testing.T) {
	t.Parallel()
	table := read(t)
	asked := map[string]bool{}
	for _, row := range table.Rows {
		asked[row.Who] = true
	}
	for _, p := range table.People {
		if !asked[p.Name] {
			t.Errorf("no row is about %s", p.Name)
		}
	}
	for _, k := range table.Keys {
		if !asked[k.Name] {
			t.Errorf("no row is about the key %s", k.Name)
		}
	}
}

const small = `[people]
name    platform  owls    larks  crows  state
reader  user      reader  -      -      active

[roles]
community  role  kind  permissions

[keys]
key  of  permissions

[decisions]
who     where  may         whose  answer  reason  why
## One
reader  owls   shout:read  none   allow   role    because they are
`

func TestTheParserIsStrict(t *testing.T) {
	t.Parallel()
	table, err := decisions.Parse("x.txt", small)
	if err != nil || len(table.Rows) != 1 || table.Rows[0].Chapter != "One" || table.Rows[0].Outcome() != "allow role" {
		t.Fatalf("%+v, %v", table, err)
	}
	const row = "reader  owls   shout:read  none   allow   role    because they are\n"
	for name, tt := range map[string]struct{ old, new, want string }{
		"a row twice":           {row, row + row, "x.txt:15: asks what line 14 asks"},
		"somebody unknown":      {row, "clara   owls   shout:read  none   allow   role    why\n", "x.txt:14: there is nobody called clara"},
		"a community unknown":   {row, "reader  bats   shout:read  none   allow   role    why\n", "x.txt:14: there is no community bats"},
		"a wildcard":            {row, "reader  owls   shout:*     none   allow   role    why\n", "x.txt:14: permission"},
		"an owner unknown":      {row, "reader  owls   shout:read  mine   allow   role    why\n", "x.txt:14: an object is nobody's mine"},
		"a reason to deny":      {row, "reader  owls   shout:read  none   deny    role    why\n", "x.txt:14: role is no reason to deny"},
		"a reason to allow":     {row, "reader  owls   shout:read  none   allow   no      why\n", "x.txt:14: no is no reason to allow"},
		"a kind of error":       {row, "reader  owls   shout:read  none   error   own     why\n", "x.txt:14: own is no reason to error"},
		"no why":                {row, "reader  owls   shout:read  none   allow   role\n", "x.txt:14: does not keep to the columns"},
		"a shifted cell":        {row, "reader   owls  shout:read  none   allow   role    why\n", "x.txt:14: does not keep to the columns"},
		"a cell that is full":   {row, "reader  owls   shout:read_none    allow   role    why\n", "x.txt:14: does not keep to the columns"},
		"a tab":                 {row, strings.Replace(row, "  ", "\t", 1), "x.txt:14: has a tab"},
		"a space at the end":    {row, strings.Replace(row, "\n", " \n", 1), "x.txt:14: has a tab, or a space at its end"},
		"another column":        {"who     where", "whom    where", "x.txt:12: must name the columns"},
		"another section":       {"[keys]", "[locks]", "x.txt:8: there is no section [locks]"},
		"a section twice":       {"[keys]", "[roles]", "x.txt:8: there is no section [roles], or a second one"},
		"a section missing":     {"[keys]\nkey  of  permissions\n", "", "there is no section [keys]"},
		"a row before sections": {"[people]", row + "[people]", "x.txt:1: is in no section"},
		"a name twice": {
			"-      active\n", "-      active\nreader  user      -       -      -      active\n", "x.txt:4: there is a reader already",
		},
		"a name with a slash": {
			"reader  user      reader  -      -", "a/b     user      reader  -      -", "x.txt:3: there is a a/b already, or it cannot be a name",
		},
		"a state unknown":       {"active", "asleep", "x.txt:3: there is no state asleep"},
		"a role of nobody":      {"active", "nobody", "x.txt:3: everybody has a role"},
		"no role":               {"  reader  -", "  Reader  -", `x.txt:3: "Reader" is no role`},
		"a key of nobody":       {"key  of  permissions\n", "key  of  permissions\nk    x   *\n", "x.txt:10: there is nobody called x"},
		"a key with a wildcard": {"key  of  permissions\n", "key  of      permissions\nk    reader  shout:*\n", "x.txt:10: permission"},
		"a role nowhere": {
			"kind  permissions\n", "kind  permissions\nbats       king  own   shout:read\n", "x.txt:7: there is no such community",
		},
	} {
		_, err := decisions.Parse("x.txt", strings.Replace(small, tt.old, tt.new, 1))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}
