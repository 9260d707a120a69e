package backspeen

import (
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/importer/source"
)

func TestWhatAPasswordIsTakenFor(t *testing.T) {
	t.Parallel()
	const bcrypt = "$2b$04$abcdefghijklmnopqrstuuN0n0n0n0n0n0n0n0n0n0n0n0n0n0n0n"
	for _, c := range []struct{ text, as string }{
		{"an ordinary sentence", "plain"},
		{"correct:horse:battery", "plain"},
		{" spaces stay ", "plain"},
		{"5f4dcc3b5aa765d61d8327deb882cf9", "plain"}, // 31 digits
		{"pa$$word", "plain"},
		{"costs $5", "plain"},
		{"", "none"},
		{bcrypt, "hash"},
		{"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA", "hash"},
		{" " + bcrypt + "\n", "odd"},
		{"b'" + bcrypt + "'", "odd"},
		{strings.Replace(bcrypt, "$2b$04", "$2b$31", 1), "odd"},
		{"$2x$04$abcdefghijklmnopqrstuuN0n0n0n0n0n0n0n0n0n0n0n0n0n0n0n", "odd"},
		{"$6$salt$hash", "odd"},
		{"$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA", "odd"},
		{"pbkdf2_sha256$600000$salt$hash=", "odd"},
		{"argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdA$aGFzaA", "odd"},
		{"pbkdf2:sha256:600000$salt$0a0b", "odd"},
		{"scrypt:32768:8:1$salt$0a0b", "odd"},
		{"{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "odd"},
		{"5f4dcc3b5aa765d61d8327deb882cf99", "odd"},
		{"5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8", "odd"},
		{"salt:5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8", "odd"},
		{"5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8", "odd"},
		{"5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8:salt", "odd"},
		{"XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg=", "odd"},
	} {
		var row source.Row
		got := "none"
		switch p := passwordOf(c.text, &row); {
		case len(row.Odd) > 0 && p == source.Password{}:
			got = "odd"
			if shown := row.Odd[0].Part + row.Odd[0].Why; strings.Contains(shown, c.text) {
				t.Errorf("the hash shows: %s", shown)
			}
		case p.Hash == c.text && p.Plain == "" && c.text != "":
			got = "hash"
		case p.Plain == c.text && c.text != "":
			got = "plain"
		}
		if got != c.as {
			t.Errorf("%q is taken as %s, want %s", c.text, got, c.as)
		}
	}
}

// Whatever stands in the column of the password, at most one of hash and plain text comes of it, and never another text.
func FuzzPassword(f *testing.F) {
	for _, seed := range []string{"plain", "$2b$04$x", "{MD5}x", "a$b$c", "d41d8cd98f00b204e9800998ecf8427e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var row source.Row
		p := passwordOf(text, &row)
		if p.Hash != "" && p.Plain != "" || p.Hash != "" && p.Hash != text || p.Plain != "" && p.Plain != text || p.Plain != "" && len(row.Odd) > 0 {
			t.Errorf("%q became something else", text)
		}
	})
}

func FuzzTime(f *testing.F) {
	for _, seed := range []string{"2024-02-29 12:00:00.123456+03:00", "1700000000.5", "1e300", "NaN", "-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var row source.Row
		if at := timeOf("created_at", text, &row); !at.IsZero() && (at.Year() < 1970 || at.Nanosecond() != 0) {
			t.Errorf("%q is %v", text, at)
		}
	})
}
