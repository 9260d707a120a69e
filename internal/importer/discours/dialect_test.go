package discours

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

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

func normalized(t *testing.T, d dialect, lists map[string][]string) (map[string][]string, []source.Odd) {
	t.Helper()
	full, odd, err := d.normalize(t.Context(), lists)
	if err != nil {
		t.Fatal(err)
	}
	return full, odd.odd()
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
			full, odd := normalized(t, testDialect(t), testLists(t, file))
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
	full, odd := normalized(t, testDialect(t), testLists(t, "doubtful.json"))
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
	full, odd := normalized(t, d, lists)
	if roles := d.differing(full); len(roles) > 0 || len(odd) > 0 {
		t.Errorf("roles %v, not understood %v", roles, odd)
	}
	lists["admin"] = slices.DeleteFunc(lists["admin"], func(p string) bool { return p == rbac.Everything }) // as Discours wrote it
	lists["editor"] = lists["editor"][1:]
	full, _ = normalized(t, d, lists)
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
		"a null role":         {text: `{"reader": [], "author": null}`, wrong: true},
		"nothing":             {text: `{}`, wrong: true},
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

// Nobody comes to rule over Propusk because a list of Discours uses the same words.
func TestListsDoNotGivePropusksAdministration(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]struct {
		list []string
		odd  int
	}{
		"member:assign_role":   {nil, 1},
		"member:remove":        {nil, 1},
		"role:manage":          {nil, 1},
		"role:*":               {nil, 1},
		"policy:apply":         {nil, 1},
		"community:delete":     {nil, 1},
		"community:delete_own": {nil, 1},
		"community:configure":  {nil, 1},
		"member:*":             {[]string{"member:read"}, 1},
		"community:*":          {[]string{"community:read", "community:update_own"}, 1},
		"community:update":     {[]string{"community:update_own"}, 0},
		"*:merge":              {[]string{"topic:merge"}, 0},
		"*:manage":             {nil, 1},
		"*:accept":             {[]string{"invite:accept"}, 0},
	} {
		full, odd := normalized(t, testDialect(t), map[string][]string{"reader": {token}})
		if !slices.Equal(full["reader"], want.list) || len(odd) != want.odd {
			t.Errorf("%s gives %v, told %v", token, full["reader"], odd)
		}
	}
	full, odd := normalized(t, testDialect(t), map[string][]string{"admin": {"topic:merge", "role:manage"}, "editor": {"admin"}, "reader": {"*:*"}})
	if !slices.Equal(full["editor"], []string{"topic:merge"}) || len(odd) != 1 {
		t.Errorf("editor inherits %v, told %v", full["editor"], odd)
	}
	for _, p := range source.Administration() {
		if slices.Contains(full["reader"], p) {
			t.Errorf("*:* gives %s", p)
		}
	}
}

// Thousands of roles that inherit from each other take no time, and nobody has to wait for the end.
func TestManyRoles(t *testing.T) {
	t.Parallel()
	chain, circle, web := map[string][]string{}, map[string][]string{}, map[string][]string{}
	name := func(i int) string { return fmt.Sprintf("r%05d", i) }
	for i := range 20_000 {
		chain[name(i)] = []string{"shout:read", name(i + 1)}
		circle[name(i)] = []string{"shout:read", name((i + 1) % 20_000)}
	}
	for i := range 800 {
		for j := range 800 {
			web[name(i)] = append(web[name(i)], name(j))
		}
	}
	chain[name(20_000)] = []string{"topic:merge"}
	took := work(t, func() {
		full, odd := normalized(t, testDialect(t), chain)
		if !slices.Equal(full[name(0)], []string{"shout:read", "topic:merge"}) || len(odd) > 0 {
			t.Errorf("%v, told %v", full[name(0)], odd)
		}
		for _, lists := range []map[string][]string{circle, web} {
			if _, odd := normalized(t, testDialect(t), lists); len(odd) != maxOdd+1 {
				t.Errorf("told %d", len(odd))
			}
		}
	})
	t.Logf("worked for %v", took)
	if took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := testDialect(t).normalize(ctx, chain); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
}
