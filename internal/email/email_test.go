package email_test

import (
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/email"
)

func TestAcceptedAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ typed, shown, key string }{
		{"anna@example.org", "anna@example.org", "anna@example.org"},
		{"  Anna.Smith+news@Example.ORG ", "Anna.Smith+news@Example.ORG", "anna.smith+news@example.org"},
		{"иван@пример.рф", "иван@пример.рф", "иван@пример.рф"},
		{"ИВАН@Пример.РФ", "ИВАН@Пример.РФ", "иван@пример.рф"},
		{"jose\u0301@example.org", "jos\u00e9@example.org", "jos\u00e9@example.org"},
		{"a@b-c.example", "a@b-c.example", "a@b-c.example"},
		{strings.Repeat("a", 64) + "@example.org", strings.Repeat("a", 64) + "@example.org", strings.Repeat("a", 64) + "@example.org"},
	} {
		got, err := email.Parse(tt.typed)
		if err != nil || got.Typed != tt.shown || got.Key != tt.key {
			t.Errorf("Parse(%q) = %+v, %v; want %q, %q", tt.typed, got, err, tt.shown, tt.key)
		}
	}
}

func TestRefusedAddresses(t *testing.T) {
	t.Parallel()
	for why, typed := range map[string]string{
		"empty":                  "",
		"blank":                  "   ",
		"no at":                  "anna.example.org",
		"no local part":          "@example.org",
		"no domain":              "anna@",
		"domain without a dot":   "anna@localhost",
		"empty label":            "anna@example..org",
		"trailing dot":           "anna@example.org.",
		"address literal":        "anna@[127.0.0.1]",
		"leading hyphen":         "anna@-example.org",
		"trailing hyphen":        "anna@example-.org",
		"display name":           "Anna <anna@example.org>",
		"angle brackets":         "<anna@example.org>",
		"quoted space":           `"an na"@example.org`,
		"two addresses":          "anna@example.org, eve@example.org",
		"header injection":       "anna@example.org\r\nBcc: eve@example.org",
		"NUL":                    "an\x00na@example.org",
		"zero-width space":       "an\u200bna@example.org",
		"right-to-left override": "an\u202ena@example.org",
		"underscore in domain":   "anna@exa_mple.org",
		"dotted capital I":       "\u0130nfo@example.org",
		"full-width letter":      "\uff41nna@example.org",
		"invalid UTF-8":          "anna\xff@example.org",
		"local part too long":    strings.Repeat("a", 65) + "@example.org",
		"label too long":         "anna@" + strings.Repeat("a", 64) + ".org",
		"too long":               "anna@" + strings.Repeat("abcdefghi.", 26) + "org",
		"absurdly long":          strings.Repeat("a", 1<<20) + "@example.org",
	} {
		if got, err := email.Parse(typed); err == nil {
			t.Errorf("%s: accepted as %+v", why, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("anna@example.org")
	f.Add(" ИВАН@Пример.РФ")
	f.Add("\"a b\"@c.d")
	f.Fuzz(func(t *testing.T, typed string) {
		a, err := email.Parse(typed)
		if err != nil {
			return
		}
		again, err := email.Parse(a.Typed)
		if err != nil || again != a {
			t.Errorf("Parse(%q) = %+v, but what it shows parses as %+v, %v", typed, a, again, err)
		}
		if email.Key(a.Key) != a.Key {
			t.Errorf("the key %q of %q is not stable: %q", a.Key, typed, email.Key(a.Key))
		}
	})
}
