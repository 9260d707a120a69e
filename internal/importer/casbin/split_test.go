package casbin

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"
)

// The short way to read a line gives what the reader gives that Casbin uses.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{"p, editor, owls, article, read", "g,a ,\tb,", "\u00a0p,x", `p, "a, b"`, `p, a"b`, ",", "a\rb,c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.TrimSpace(text)
		if text == "" || text[0] == '#' || strings.Contains(text, "\n") {
			return // no line, or one that is passed over before
		}
		r := csv.NewReader(strings.NewReader(text))
		r.TrimLeadingSpace, r.Comment = true, '#'
		want, err := r.Read()
		cells, understood := split(text)
		if understood != (err == nil) || understood && !slices.Equal(cells, want) {
			t.Errorf("%q is %q, %v; Casbin reads %q, %v", text, cells, understood, want, err)
		}
	})
}
