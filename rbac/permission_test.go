package rbac_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/propusk/propusk/rbac"
)

var longest = "a:" + strings.Repeat("b", rbac.MaxPermissionLen-2)

func TestParsePermission(t *testing.T) {
	for _, tt := range []struct{ text, entity, qualifier, action string }{
		{"shout:read", "shout", "", "read"},
		{"api_key2:update_own", "api_key2", "", "update_own"},
		{"reaction:LIKE:create", "reaction", "LIKE", "create"},
		{"reaction:T_2:create", "reaction", "T_2", "create"},
		{longest, "a", "", longest[2:]},
	} {
		p, err := rbac.ParsePermission(tt.text)
		if err != nil {
			t.Errorf("ParsePermission(%q): %v", tt.text, err)
			continue
		}
		if p.String() != tt.text || p.Entity() != tt.entity || p.Qualifier() != tt.qualifier || p.Action() != tt.action {
			t.Errorf("%q = %q + %q + %q", p, p.Entity(), p.Qualifier(), p.Action())
		}
	}
}

func TestParsePermissionRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "empty",
		"shout":                 "two or three segments",
		"a:B:C:d":               "two or three segments",
		":read":                 "entity must match",
		"shout:":                "action must match",
		"reaction::create":      "qualifier must match",
		"Shout:read":            "entity must match",
		"1shout:read":           "entity must match",
		"_shout:read":           "entity must match",
		"shout:Read":            "action must match",
		"shout:read ":           "action must match",
		"shout:re-ad":           "action must match",
		"shout:réad":            "action must match",
		"reaction:like:create":  "qualifier must match",
		"reaction:1LIKE:create": "qualifier must match",
		"reaction:LI*E:create":  "qualifier must match",
		"shout:read\x00":        "action must match",
		longest + "b":           "longer than 128 bytes",
		"*":                     "two or three segments",
		"*:read":                "wildcard",
		"shout:*":               "wildcard",
		"reaction:*:create":     "wildcard",
	} {
		p, err := rbac.ParsePermission(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePermission(%q) = %v, want an error with %q", text, err, want)
		}
		if !p.IsZero() {
			t.Errorf("ParsePermission(%q) returned %q with an error", text, p)
		}
	}
}

// Hostile input reaches logs and answers through errors: it must neither break
// a line nor fill it.
func TestSyntaxErrorIsSafeToPrint(t *testing.T) {
	_, err := rbac.ParsePermission("a:\n\x1b[31m\u202e" + strings.Repeat("ы", 5000))
	syntax, ok := errors.AsType[*rbac.SyntaxError](err)
	if !ok {
		t.Fatalf("error is %T", err)
	}
	if len(syntax.Text) > 80 || len(err.Error()) > 250 {
		t.Errorf("error is long: %v", err)
	}
	if strings.ContainsAny(err.Error(), "\n\x1b\u202e") {
		t.Errorf("error is not quoted: %v", err)
	}
	_, err = rbac.ParsePermission("a:ЫЫ")
	if want := `permission "a:ЫЫ": the action must match [a-z][a-z0-9_]*`; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestMustPermissionPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a wildcard became a constant")
		}
	}()
	rbac.MustPermission("shout:*")
}

func TestPermissionText(t *testing.T) {
	type check struct{ Permission rbac.Permission }
	var c check
	if err := json.Unmarshal([]byte(`{"Permission":"shout:read"}`), &c); err != nil || c.Permission != perm("shout:read") {
		t.Fatalf("read %v, %v", c, err)
	}
	if err := json.Unmarshal([]byte(`{"Permission":"*"}`), &c); err == nil || c.Permission != perm("shout:read") {
		t.Errorf("a wildcard was read: %v, %v", c, err)
	}
	if out, err := json.Marshal(c); err != nil || string(out) != `{"Permission":"shout:read"}` {
		t.Errorf("wrote %s, %v", out, err)
	}
	if out, err := json.Marshal(check{}); err == nil {
		t.Errorf("the zero permission was written as %s", out)
	}
}

var grammar = regexp.MustCompile(`^[a-z][a-z0-9_]*:([A-Z][A-Z0-9_]*:)?[a-z][a-z0-9_]*$`)

func FuzzParsePermission(f *testing.F) {
	for _, s := range []string{"shout:read", "reaction:LIKE:create", "*", "*:read", "a:B:C:d", longest, "a\n:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := rbac.ParsePermission(s)
		if want := grammar.MatchString(s) && len(s) <= 128 && !strings.HasSuffix(s, "\n"); want != (err == nil) {
			t.Fatalf("ParsePermission(%q) = %v", s, err)
		}
		if err == nil && p.String() != s {
			t.Fatalf("%q came back as %q", s, p)
		}
	})
}
