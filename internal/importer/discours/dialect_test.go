package discours

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/rbac"
	"github.com/propusk/propusk/rbac/policyfile"
)

var update = flag.Bool("update", false, "write what came out into the golden files in testdata")

func testDialect(t *testing.T) dialect {
	t.Helper()
	policy := policyfile.Community()
	grants, err := rbac.Compile(policy)
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := rbac.NewCatalogue(policy.Content, policy.Reserved)
	if err != nil {
		t.Fatal(err)
	}
	return dialect{grants: grants, catalogue: catalogue}
}

func testLists(t *testing.T, file string) map[string][]string {
	t.Helper()
	read, err := openLists(t.Context(), filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	given, err := read.of(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return given.lists
}

// golden compares with the file of that name.
func golden(t *testing.T, file string, got any) {
	t.Helper()
	path := filepath.Join("testdata", file)
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(got); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text.Bytes(), want) {
		t.Errorf("%s differs from:\n%s", file, text.Bytes())
	}
}

// The three ways in which lists were written give the same bytes where they say the same.
func TestTheDialectsMeanTheSame(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"ours.json", "swapped.json", "bare.json"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			full, odd := testDialect(t).normalize(testLists(t, file))
			golden(t, "normalized.golden", full)
			if len(odd) > 0 {
				t.Errorf("not understood: %v", odd)
			}
		})
	}
}

// What cannot be read in one way only is quarantined, each line with its reason, and the rest holds.
func TestWhatIsNotUnderstoodIsQuarantined(t *testing.T) {
	t.Parallel()
	full, odd := testDialect(t).normalize(testLists(t, "doubtful.json"))
	golden(t, "doubtful.golden", struct {
		Lists      map[string][]string
		Quarantine []source.Odd
	}{full, odd})
}

// A file of the policy's own lists makes no edited role.
func TestThePolicysListsAreNoRolesOfTheirOwn(t *testing.T) {
	t.Parallel()
	d := testDialect(t)
	lists := map[string][]string{}
	for _, role := range d.grants.Roles() {
		lists[role] = d.grants.Permissions(role)
	}
	full, odd := d.normalize(lists)
	if roles := d.differing(full); len(roles) > 0 || len(odd) > 0 {
		t.Errorf("roles %v, not understood %v", roles, odd)
	}
	lists["admin"] = slices.DeleteFunc(lists["admin"], func(p string) bool { return p == rbac.Everything }) // as Discours wrote it
	lists["editor"] = lists["editor"][1:]
	full, _ = d.normalize(lists)
	if roles := d.differing(full); len(roles) != 1 || roles[0].ID != "editor" {
		t.Errorf("roles %v", roles)
	}
}

func TestListsOfAFile(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text  string
		wrong bool
		ids   []int64
	}{
		"for all":             {text: `{"reader": ["shout:read"]}`},
		"by number":           {text: `{"2": {"reader": ["shout:read"]}, "1": {}}`, ids: []int64{1, 2}},
		"by key":              {text: `{"community:roles:7": {"reader": []}}`, ids: []int64{7}},
		"twice":               {text: `{"community:roles:7": {}, "7": {}}`, wrong: true},
		"a role twice":        {text: `{"reader": [], "reader": ["shout:read"]}`, wrong: true},
		"both forms":          {text: `{"reader": [], "1": {}}`, wrong: true},
		"no community":        {text: `{"magazine": {}}`, wrong: true},
		"a list of numbers":   {text: `{"reader": [1]}`, wrong: true},
		"no object":           {text: `["reader"]`, wrong: true},
		"not JSON":            {text: `reader: [shout:read]`, wrong: true},
		"a number below zero": {text: `{"-1": {}}`, wrong: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			read, err := parseLists([]byte(tc.text))
			if (err != nil) != tc.wrong {
				t.Errorf("%v", err)
			}
			if err == nil && !slices.Equal(read.ids(), tc.ids) {
				t.Errorf("communities %v", read.ids())
			}
		})
	}
}
