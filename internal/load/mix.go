package load

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind is a kind of request.
type Kind int

// The kinds, in the order in which they are told.
const (
	Check Kind = iota
	Login
	Roles
	kinds
)

// String is the name that people give it in a mix.
func (k Kind) String() string { return [kinds]string{"check", "login", "roles"}[k] }

// Mix is how often each kind is sent, in proportion to the others.
type Mix [kinds]int

// maxPart bounds a part, so that their sum is a number.
const maxPart = 1_000_000

// ParseMix reads check=90,login=5,roles=5. A kind that is left out is not sent.
func ParseMix(text string) (m Mix, err error) {
	for part := range strings.SplitSeq(text, ",") {
		name, number, _ := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.Atoi(number)
		kind, known := kindOf(name)
		if err != nil || !known || n < 0 || n > maxPart {
			return Mix{}, fmt.Errorf("%q is no part of a mix: say check=90,login=5,roles=5, with whole numbers up to %d", part, maxPart)
		}
		if m[kind] > 0 {
			return Mix{}, fmt.Errorf("the mix names %s twice", kind)
		}
		m[kind] = n
	}
	if m.sum() == 0 {
		return Mix{}, fmt.Errorf("the mix sends nothing: say check=90,login=5,roles=5")
	}
	return m, nil
}

func kindOf(name string) (Kind, bool) {
	for k := range kinds {
		if k.String() == name {
			return k, true
		}
	}
	return 0, false
}

func (m Mix) sum() (sum int) {
	for _, n := range m {
		sum += n
	}
	return sum
}

// pick is the kind that a number from 0 to below sum stands for.
func (m Mix) pick(n int) Kind {
	for k := range kinds {
		if n -= m[k]; n < 0 {
			return k
		}
	}
	return Check
}

// String is the mix in words, each kind with its part in percent.
func (m Mix) String() string {
	var parts []string
	for k := range kinds {
		if m[k] > 0 {
			name := [kinds]string{"checks", "logins", "role changes"}[k]
			parts = append(parts, fmt.Sprintf("%.3g %% %s", 100*float64(m[k])/float64(m.sum()), name))
		}
	}
	return strings.Join(parts, ", ")
}
