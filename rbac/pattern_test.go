package rbac_test

import (
	"strings"
	"testing"

	"github.com/propusk/propusk/rbac"
)

func TestPatternMatches(t *testing.T) {
	const (
		content  = rbac.Content
		reserved = rbac.Reserved
		unlisted = rbac.Unlisted
	)
	for _, tt := range []struct {
		pattern string
		perm    string
		class   rbac.Class
		want    bool
	}{
		{"*", "shout:read", content, true},
		{"*", "community:delete_own", reserved, true},
		{"*", "reaction:LIKE:read", content, true},
		{"*", "does_not:exist_yet", unlisted, true},

		{"*:read", "shout:read", content, true},
		{"*:read", "shout:create", content, false},
		{"*:read", "chat:read", reserved, false},
		{"*:read", "shout:read", unlisted, false},
		{"*:read", "reaction:LIKE:read", content, false},
		{"*:create", "reaction:PROOF:create", content, false},
		{"*:*", "shout:read", content, true},
		{"*:*", "chat:read", reserved, false},
		{"*:*", "reaction:LIKE:read", content, false},
		{"*:*:read", "reaction:LIKE:read", content, true},
		{"*:*:read", "shout:read", content, false},
		{"*:*:read", "private:KIND:read", reserved, false},
		{"*:LIKE:*", "reaction:LIKE:read", content, true},

		{"chat:*", "chat:read", reserved, true},
		{"shout:*", "shout:read", content, true},
		{"shout:*", "shout:read", unlisted, false},
		{"shout:*", "topic:read", content, false},
		{"shout:*", "shout:X:read", content, false},
		{"reaction:*", "reaction:LIKE:read", content, false},
		{"reaction:*:read", "reaction:LIKE:read", content, true},
		{"reaction:*:read", "reaction:LIKE:create", content, false},
		{"reaction:*:read", "reaction:read", content, false},
		{"reaction:PROOF:*", "reaction:PROOF:create", content, true},
		{"reaction:PROOF:*", "reaction:DISPROOF:create", content, false},

		{"member:read", "member:read", reserved, true},
		{"member:read", "member:remove", reserved, false},
		{"member:read", "member:read", unlisted, false},
	} {
		p, err := rbac.ParsePattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if p.String() != tt.pattern {
			t.Errorf("%q prints as %q", tt.pattern, p)
		}
		if got := p.Matches(perm(tt.perm), tt.class); got != tt.want {
			t.Errorf("%s reaches %s (class %d): %t, want %t", tt.pattern, tt.perm, tt.class, got, tt.want)
		}
	}
}

func TestZeroMatchesNothing(t *testing.T) {
	if (rbac.Pattern{}).Matches(perm("shout:read"), rbac.Content) {
		t.Error("the zero pattern matches")
	}
	everything, err := rbac.ParsePattern("*")
	if err != nil {
		t.Fatal(err)
	}
	if everything.Matches(rbac.Permission{}, rbac.Content) {
		t.Error("the zero permission is matched")
	}
}

func TestParsePatternRefuses(t *testing.T) {
	for _, text := range []string{
		"", "**", "* ", "shout", "sh*:read", "shout:re*", "shout:**", "*:*:*:*", "a:b:c", "*:read_*", "SHOUT:*",
		"a:*" + strings.Repeat("b", 200),
	} {
		if _, err := rbac.ParsePattern(text); err == nil || !strings.HasPrefix(err.Error(), "pattern ") {
			t.Errorf("ParsePattern(%q) = %v", text, err)
		}
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{"*", "*:read", "reaction:*:read", "a:B:C:d", "sh*:read", "*:*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, err := rbac.ParsePattern(s)
		// A pattern is what becomes a permission when each whole "*" is
		// replaced by a segment.
		segments := strings.Split(s, ":")
		for i, segment := range segments {
			if segment == "*" && i == 1 && len(segments) == 3 {
				segments[i] = "X"
			} else if segment == "*" {
				segments[i] = "x"
			}
		}
		_, concrete := rbac.ParsePermission(strings.Join(segments, ":"))
		if want := s == "*" || concrete == nil; want != (err == nil) {
			t.Fatalf("ParsePattern(%q) = %v", s, err)
		}
	})
}
