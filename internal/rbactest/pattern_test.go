package rbactest_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/propusk/propusk/rbac"
)

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
