package mirror

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// However a conversation is cut into pieces, it is judged alike.
func TestScanner(t *testing.T) {
	for text, want := range map[string]int{ // how many messages, -1 for something else
		"":                                     0,
		"+OK\r\n":                              1,
		"-ERR no\r\n:5\r\n_\r\n#t\r\n,1.5\r\n": 5,
		"$5\r\nab\r\nc\r\n$0\r\n\r\n$-1\r\n":   3,
		"*2\r\n$1\r\na\r\n*2\r\n:1\r\n*0\r\n*-1\r\n":       2,
		"%2\r\n+a\r\n:1\r\n+b\r\n~1\r\n:2\r\n>1\r\n+e\r\n": 2,
		"*0\r\n%0\r\n": 2,
		"$4194305\r\n" + strings.Repeat("x", maxSize+1) + "\r\n+\r\n": 2,
		"HTTP/1.1 400\r\n":                   -1,
		"+OK\n":                              -1,
		"\r\n":                               -1,
		"$-2\r\n":                            -1,
		"$?\r\n":                             -1,
		"$8388609\r\n":                       -1,
		"*131073\r\n":                        -1,
		"|1\r\n":                             -1,
		strings.Repeat("*1\r\n", maxDepth+1): -1,
	} {
		rapid.Check(t, func(rt *rapid.T) {
			got := 0
			s := scanner{begun: func(byte) bool { got++; return true }}
			rest := text
			for rest != "" {
				n := rapid.IntRange(1, min(len(rest), max(8, len(rest)/4))).Draw(rt, "n")
				if !s.scan([]byte(rest[:n])) {
					got = -1
					break
				}
				rest = rest[n:]
			}
			if got != want {
				rt.Fatalf("%.50q: %d messages, want %d", text, got, want)
			}
		})
	}
}
