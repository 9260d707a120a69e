package password

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNewPasswords(t *testing.T) {
	t.Parallel()
	var standard Policy
	for _, test := range []struct {
		story    string
		policy   Policy
		password string
		broken   Rule // empty: accepted
	}{
		{"a passphrase", standard, secret, ""},
		{"no digits or capitals are asked for", standard, "kumquatvat", ""},
		{"eight characters, sixteen bytes", standard, "ъьыэюяжщ", ""},
		{"seven characters, fourteen bytes", standard, "ъьыэюяж", RuleTooShort},
		{"spaces count, at the ends too", standard, "  a b c ", ""},
		{"empty", standard, "", RuleTooShort},
		{"emoji", standard, "🦔🦔🦔🦔🦔🦔🦔🦔", ""},
		{"the longest", standard, strings.Repeat("ы", 512), ""},
		{"a byte more", standard, strings.Repeat("ы", 512) + "x", RuleTooLong},
		{"a megabyte", standard, strings.Repeat("x", 1<<20), RuleTooLong},
		{"not UTF-8", standard, "kumquat\xffvat", RuleNotText},
		{"a NUL, where C programs would stop reading", standard, "kumquat\x00vat", RuleNotText},
		{"a line break from a paste", standard, "kumquatvat\n", RuleNotText},
		{"a tab", standard, "kumquat\tvat", RuleNotText},
		{"a C1 control", standard, "kumquat\u0085vat", RuleNotText},
		{"common", standard, "password", RuleCommon},
		{"common, in other letters", standard, "PassWord1", RuleCommon},
		{"common, first of the list", standard, firstLine(), RuleCommon},
		{"common, last of the list", standard, lastLine(), RuleCommon},
		{"common, allowed", Policy{AllowCommon: true}, "password", ""},
		{"common with a space is another password", standard, "password ", ""},
		{"a lower minimum", Policy{MinCharacters: 6}, "kumqua", ""},
		{"a lower minimum still has a blocklist", Policy{MinCharacters: 6}, "123456", RuleCommon},
		{"a higher minimum", Policy{MinCharacters: 15}, "kumquatvat", RuleTooShort},
		{"a minimum that should have been checked", Policy{MinCharacters: -1}, "", RuleTooShort},
	} {
		t.Run(test.story, func(t *testing.T) {
			t.Parallel()
			err := test.policy.Accept(test.password)
			if test.broken == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var broken RuleError
			if !errors.As(err, &broken) || broken.Rule != test.broken {
				t.Fatalf("got %v, want %s", err, test.broken)
			}
			if strings.Contains(err.Error(), "kumquat") {
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
}

func TestErrorsSayWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ password, want string }{
		{"short", "must have at least 12 characters"},
		{strings.Repeat("x", 1025), "must have at most 1024 bytes of UTF-8"},
		{"\xff", "must be UTF-8 text without control characters"},
		{"password1234", "must not be one of the most common passwords"},
	} {
		if err := (Policy{MinCharacters: 12}).Accept(test.password); err == nil || err.Error() != test.want {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}

func TestPolicyCheck(t *testing.T) {
	t.Parallel()
	for minimum, good := range map[int]bool{-1: false, 0: true, 1: true, 256: true, 257: false} {
		err := Policy{MinCharacters: minimum}.Check()
		if good != (err == nil) {
			t.Errorf("%d: %v", minimum, err)
		}
		if err != nil && !strings.Contains(err.Error(), "allowed are 1 to 256") {
			t.Errorf("%d: %v", minimum, err)
		}
	}
}

// The search needs lines that are sorted, in lower case and closed by a line break.
func TestTheListIsInOrder(t *testing.T) {
	t.Parallel()
	if !strings.HasSuffix(common, "\n") || common != strings.ToLower(common) {
		t.Error("the last line is open, or there are capital letters")
	}
	lines := strings.Split(strings.TrimSuffix(common, "\n"), "\n")
	if len(lines) != 30_000 || !slices.IsSorted(lines) || len(slices.Compact(slices.Clone(lines))) != len(lines) {
		t.Errorf("%d lines, or not sorted, or some twice", len(lines))
	}
	for _, line := range lines {
		if len(line) < 6 || !isCommon(line) || !isCommon(strings.ToUpper(line)) {
			t.Errorf("%q is too short or not found", line)
		}
	}
}

func TestTheSearchFindsWholeLinesOnly(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSuffix(common, "\n"), "\n")
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.SampledFrom(lines).Draw(t, "line")
		candidate := rapid.OneOf(
			rapid.Just(line), rapid.Just(line[1:]), rapid.Just(line[:len(line)-1]), rapid.Just(line+"\n"),
			rapid.Just("\n"+line), rapid.Just(line+"~"), rapid.Just(line+"\x00"), rapid.Just(""), rapid.String(),
		).Draw(t, "candidate")
		_, want := slices.BinarySearch(lines, strings.ToLower(candidate))
		if got := isCommon(candidate); got != want {
			t.Errorf("%q: got %v, want %v", candidate, got, want)
		}
	})
}

func TestLookingUpTakesNoMemory(t *testing.T) {
	if allocations := testing.AllocsPerRun(100, func() { isCommon("kumquatvat") }); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

func firstLine() string {
	first, _, _ := strings.Cut(common, "\n")
	return first
}

func lastLine() string {
	text := strings.TrimSuffix(common, "\n")
	return text[strings.LastIndexByte(text, '\n')+1:]
}
