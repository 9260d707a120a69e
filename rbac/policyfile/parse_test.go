package policyfile_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/rbac"
	"github.com/propusk/propusk/rbac/policyfile"
)

// small is the smallest policy that has something of everything; line numbers
// below count from its first line.
const small = `version: 1
scope: community
available_roles: [reader, admin]
default_roles: [reader]
creator_role: admin
catalogue:
  content:
    shout: [read, update_own]
    reaction:
      LIKE: [create]
  reserved:
    chat: [read]
roles:
  reader:
    name: Reader
    description: Reads what is published.
    permissions:
      - "*:read"
      - "chat:*"
  admin:
    inherits:
      - reader
    permissions: ["*"]
`

func TestParse(t *testing.T) {
	want := rbac.Policy{
		Scope:          rbac.ScopeCommunity,
		AvailableRoles: []string{"reader", "admin"},
		DefaultRoles:   []string{"reader"},
		CreatorRole:    "admin",
		Content:        []string{"shout:read", "shout:update_own", "reaction:LIKE:create"},
		Reserved:       []string{"chat:read"},
		Roles: []rbac.Role{
			{ID: "reader", Name: "Reader", Description: "Reads what is published.", Permissions: []string{"*:read", "chat:*"}},
			{ID: "admin", Inherits: []string{"reader"}, Permissions: []string{"*"}},
		},
	}
	for name, text := range map[string]string{
		"as it is":        small,
		"with a header":   "---\n" + small,
		"lines of CRLF":   strings.ReplaceAll(small, "\n", "\r\n"),
		"commented":       strings.ReplaceAll(small, "\n", " # so\n\n"),
		"without newline": strings.TrimSuffix(small, "\n"),
	} {
		got, err := policyfile.Parse("small.yaml", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		old, new string
		want     string
	}{
		"no version":       {"version: 1\n", "\n", `f.yaml:1: version is missing, write "version: 1"`},
		"other version":    {"version: 1", "version: 2", "f.yaml:1: version must be 1"},
		"quoted version":   {"version: 1", `version: "1"`, "f.yaml:1: version must be 1"},
		"unknown key":      {"creator_role: admin", "creator: admin", `f.yaml:5: unknown key "creator", allowed are version, scope`},
		"cased key":        {"scope:", "Scope:", `f.yaml:2: unknown key "Scope"`},
		"unknown class":    {"  reserved:", "  private:", `f.yaml:11: unknown key "catalogue.private", allowed are content, reserved`},
		"unknown role key": {"    name:", "    label:", `f.yaml:15: unknown key "roles.reader.label", allowed are name`},
		"key twice":        {"default_roles: [reader]", "scope: platform", `f.yaml:4: key "scope" is there twice, first on line 2`},
		"role twice":       {"  admin:\n", "  reader:\n", `f.yaml:20: key "reader" is there twice, first on line 14`},
		"entity twice":     {"    reaction:\n      LIKE:", "    shout:\n      LIKE:", `f.yaml:9: key "shout" is there twice`},
		"flow key twice":   {"  reader:\n", "  reader: {name: a, name: b}\n  other:\n", `f.yaml:14: key "name" is there twice, first on line 14`},

		"number for text":    {"name: Reader", "name: 1", "f.yaml:15: must be text"},
		"null for text":      {"name: Reader", "name:", "f.yaml:15: must be text"},
		"list for text":      {"scope: community", "scope: [community]", "f.yaml:2: must be text"},
		"text for list":      {"[reader, admin]", "reader", "f.yaml:3: must be a list"},
		"list in list":       {"[reader, admin]", "[[reader], admin]", "f.yaml:3: must be text"},
		"number in list":     {"[reader, admin]", "[1, admin]", "f.yaml:3: must be text"},
		"list for mapping":   {"  reserved:\n    chat: [read]", "  reserved: [chat]", `f.yaml:11: "catalogue.reserved" must be a mapping`},
		"text for catalogue": {"    chat: [read]", "    chat: read", "f.yaml:12: must be a list"},
		"boolean key":        {"    name:", "    true:", "f.yaml:15: must be text"},
		"colon in entity":    {"    chat:", `    "chat:KIND":`, `f.yaml:12: "chat:KIND" must be one segment`},
		"colon in qualifier": {"LIKE:", `"LIKE:x":`, `f.yaml:10: "LIKE:x" must be one segment`},
		"colon in action":    {"chat: [read]", `chat: ["KIND:read"]`, `f.yaml:12: "KIND:read" must be one segment`},

		"catalogue":        {"[create]", "[create, Create]", `f.yaml:10: catalogue.content[3]: permission "reaction:LIKE:Create"`},
		"reserved":         {"[read]", "[read, read]", `f.yaml:12: catalogue.reserved[1]: chat:read is listed twice`},
		"pattern":          {`"chat:*"`, `"chat:fly"`, `f.yaml:19: roles.reader.permissions[1]: "chat:fly" matches nothing`},
		"parent":           {"- reader", "- nobody", "f.yaml:22: roles.admin.inherits[0]: role admin inherits unknown role"},
		"circle":           {"name: Reader", "inherits: [reader]", "f.yaml:15: roles.reader.inherits: roles inherit in a circle: reader → reader"},
		"malformed role":   {"  reader:", "  Reader:", `f.yaml:14: roles[0]: role "Reader": must match`},
		"scope":            {"scope: community", "scope: galaxy", "f.yaml:2: scope: must be community or platform"},
		"missing creator":  {"creator_role: admin\n", "\n", "f.yaml:1: creator_role: must be admin"},
		"missing list":     {`    permissions: ["*"]`, "", `f.yaml:20: roles.admin.permissions: must list "*"`},
		"default":          {"default_roles: [reader]", "default_roles: [reader, admin]", "f.yaml:4: default_roles[1]: admin cannot be given"},
		"long name":        {"name: Reader", "name: " + strings.Repeat("a", 101), "f.yaml:15: roles.reader.name: must be printable"},
		"unquoted pattern": {`"*:read"`, "*:read", `f.yaml:18: anchors and aliases are not allowed; quote a pattern`},

		"anchor":           {"[reader, admin]", "&a [reader, admin]", "f.yaml:3: anchors and aliases are not allowed"},
		"merge key":        {"    name: Reader", "    <<: {name: Reader}", "f.yaml:15: anchors and aliases are not allowed"},
		"tag":              {"name: Reader", "name: !!str Reader", "f.yaml:15: tags"},
		"complex key":      {"    name: Reader", "    ? name\n    : Reader", "f.yaml:15: tags, directives and \"?\" keys"},
		"literal text":     {"Reads what is published.", "|\n      Reads", "f.yaml:16: block texts are not allowed"},
		"folded text":      {"Reads what is published.", ">-\n      Reads", "f.yaml:16: block texts are not allowed"},
		"directive":        {"version: 1", "%YAML 1.2\n---\nversion: 1", "f.yaml:1: tags, directives"},
		"second file":      {"version: 1", "a: b\n---\nversion: 1", "f.yaml:1: must be one YAML document"},
		"unclosed":         {"[reader, admin]", "[reader, admin", "not valid YAML"},
		"closed twice":     {"[reader, admin]", "[reader, admin]]", "f.yaml:3: ] closes nothing"},
		"closed crosswise": {"[reader, admin]", "{reader: [admin}]", "f.yaml:3: } closes nothing"},
		"deep flow":        {"[reader, admin]", "[[[[[reader]]]]]", "f.yaml:3: is nested too deep"},
		"deep indent":      {"    name: Reader", "    name:\n" + strings.Repeat(" ", 201) + "a: b", "f.yaml:16: is nested too deep"},
		"tabs":             {"    name: Reader", "\tname: Reader", "f.yaml:1"},
		"not UTF-8":        {"Reads", "Reads \xff", "f.yaml:1: is not UTF-8 text"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(small, tt.old) {
				t.Fatalf("small has no %q", tt.old)
			}
			policy, err := policyfile.Parse("f.yaml", []byte(strings.Replace(small, tt.old, tt.new, 1)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v\nwant %s", err, tt.want)
			}
			if diff := cmp.Diff(rbac.Policy{}, policy); diff != "" {
				t.Errorf("a policy came with an error: %s", diff)
			}
			if e, ok := errors.AsType[*policyfile.Error](err); !ok || e.File != "f.yaml" || e.Line < 1 {
				t.Errorf("no place in %#v", err)
			}
		})
	}
}

func TestParseRefusesOtherDocuments(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "[]", "a", "1", "null", "~", "-", "{}", "a: b: c", "{{}}", "\x00", "? "} {
		if _, err := policyfile.Parse("f.yaml", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), "f.yaml:1: ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParseReportsEverythingInOrder(t *testing.T) {
	text := strings.NewReplacer("- reader", "- nobody", "[reader, admin]", "[reader]", "scope: community", "scope: x").Replace(small)
	_, err := policyfile.Parse("f.yaml", []byte(text))
	var places []string
	for line := range strings.Lines(err.Error()) {
		places = append(places, strings.Join(strings.SplitN(line, ":", 4)[:3], ":"))
	}
	want := []string{"f.yaml:2: scope", "f.yaml:3: available_roles", "f.yaml:22: roles.admin.inherits[0]"}
	if diff := cmp.Diff(want, places); diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, ok := errors.AsType[*rbac.PolicyError](err); !ok {
		t.Error("the compiler's error is hidden")
	}
}

// Files made to cost much must cost little.
func TestParseIsBounded(t *testing.T) {
	fill := func(s string) string { return strings.Repeat(s, policyfile.MaxSize/len(s)) }
	for name, tt := range map[string]struct{ text, want string }{
		"too large":   {strings.Repeat("#", policyfile.MaxSize+1), "is larger than 262144 bytes"},
		"brackets":    {fill("["), "words and signs"},
		"braces":      {fill("{"), "words and signs"},
		"closings":    {fill("]"), "words and signs"},
		"dashes":      {fill("- "), "words and signs"},
		"anchors":     {fill("&a "), "words and signs"},
		"deep list":   {strings.Repeat("- ", 1000), "is nested too deep"},
		"deep flow":   {strings.Repeat("[", 1000), "is nested too deep"},
		"deep keys":   {strings.Repeat("a: ", 1000), "is nested too deep"},
		"many keys":   {keys(10_000), "has more than 4000 keys"},
		"bad keys":    {keys(3_000), `unknown key "k99"`},
		"a bomb":      {"a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "anchors and aliases are not allowed"},
		"escapes":     {`"\e[31m": {"\e[31m": [`, "not valid YAML"},
		"odd key":     {`"\e[31m": b`, `unknown key "\x1b[31m"`},
		"odd path":    {`catalogue: {content: {"\e[31m": {a: b}, x: {"\e": {c: d}}}}`, `must be a list`},
		"long key":    {`{"` + strings.Repeat("a", policyfile.MaxSize-7) + `": b}`, `unknown key "aaa`},
		"long header": {"a: |" + strings.Repeat("1", policyfile.MaxSize-4), "not valid YAML"},
		"one string":  {`"` + strings.Repeat("a", policyfile.MaxSize-2) + `"`, "the file must be a mapping"},
	} {
		_, err := policyfile.Parse("f.yaml", []byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %.200v, want %q", name, err, tt.want)
			continue
		}
		if len(err.Error()) > 50_000 {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
		if strings.ContainsAny(err.Error(), "\x1b") {
			t.Errorf("%s: the error is not quoted: %q", name, err)
		}
	}
}

func keys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: a\n", i)
	}
	return b.String()
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte("a: [b, {c: d}]\n- e\n"))
	f.Add([]byte("roles: {admin: {permissions: ['*']}}"))
	for _, name := range []string{"platform", "community"} {
		data, err := os.ReadFile("defaults/" + name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		policy, err := policyfile.Parse("f.yaml", data)
		if err != nil {
			return
		}
		if _, err := rbac.Compile(policy); err != nil {
			t.Fatalf("Parse took what Compile refuses: %v", err)
		}
	})
}
