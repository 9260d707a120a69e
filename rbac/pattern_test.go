package rbac_test

import (
	"math/rand/v2"
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

// naiveMatches says in the plainest words what Pattern.Matches must do.
func naiveMatches(pattern, perm string, class rbac.Class) bool {
	if pattern == "*" {
		return true
	}
	if class == rbac.Unlisted {
		return false
	}
	ps, qs := strings.Split(pattern, ":"), strings.Split(perm, ":")
	if len(ps) != len(qs) {
		return false
	}
	if ps[0] == "*" && class == rbac.Reserved {
		return false
	}
	for i := range ps {
		if ps[i] != "*" && ps[i] != qs[i] {
			return false
		}
	}
	return true
}

func FuzzPatternMatches(f *testing.F) {
	f.Add("*", "shout:read", uint8(0))
	f.Add("*:read", "reaction:LIKE:read", uint8(1))
	f.Add("reaction:*:read", "reaction:LIKE:read", uint8(1))
	f.Add("chat:*", "chat:read", uint8(2))
	f.Fuzz(func(t *testing.T, pattern, text string, class uint8) {
		p, err := rbac.ParsePattern(pattern)
		if err != nil {
			t.Skip()
		}
		perm, err := rbac.ParsePermission(text)
		if err != nil {
			t.Skip()
		}
		c := rbac.Class(class % 3)
		if got, want := p.Matches(perm, c), naiveMatches(pattern, text, c); got != want {
			t.Fatalf("%s reaches %s (class %d): %t, want %t", pattern, text, c, got, want)
		}
	})
}

// TestTheMatcherAgreesWithTheNaiveOne throws pairs at both, made of few words so that many match.
func TestTheMatcherAgreesWithTheNaiveOne(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	word := func(words ...string) string { return words[random.IntN(len(words))] }
	matched := 0
	for range pairs {
		pattern, text := word("*", "shout", "chat"), word("shout", "chat")
		if random.IntN(3) > 0 {
			pattern += ":" + word("*", "LIKE", "PROOF")
		}
		if random.IntN(3) > 0 {
			text += ":" + word("LIKE", "PROOF")
		}
		if random.IntN(20) > 0 {
			pattern += ":" + word("*", "read", "update_own", "update_any")
		}
		text += ":" + word("read", "update_own", "update_any", "x"+string(rune('a'+random.IntN(26))))
		p, err := rbac.ParsePattern(pattern)
		if err != nil {
			continue
		}
		class := rbac.Class(random.IntN(3))
		got := p.Matches(rbac.MustPermission(text), class)
		if want := naiveMatches(pattern, text, class); got != want {
			t.Fatalf("%s reaches %s (class %d): %t, want %t", pattern, text, class, got, want)
		}
		if got {
			matched++
		}
	}
	if matched < pairs/100 {
		t.Errorf("only %d of %d pairs match", matched, pairs)
	}
}
