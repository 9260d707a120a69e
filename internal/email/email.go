// Package email says which addresses an account may have and when two of them are the same.
package email

import (
	"errors"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxBytes is the longest address that mail systems carry (RFC 5321, 4.5.3.1.3, less the angle brackets); maxLocalBytes the longest
// part before the @ (4.5.3.1.1).
const (
	maxBytes      = 254
	maxLocalBytes = 64
)

var errMalformed = errors.New("must be an address such as anna@example.org, at most 254 bytes, without a display name or control characters")

// Address is an accepted e-mail address.
type Address struct {
	// Typed is what the person typed, without surrounding space, in Unicode NFC.
	Typed string
	// Key is the form in which addresses are compared.
	Key string
}

// Parse accepts one plain address whose domain has a dot. The error tells what is allowed and never repeats the input.
func Parse(typed string) (Address, error) {
	if len(typed) > 4*maxBytes || !utf8.ValidString(typed) {
		return Address{}, errMalformed
	}
	a := Address{Typed: norm.NFC.String(strings.TrimSpace(typed)), Key: Key(typed)}
	parsed, err := mail.ParseAddress(a.Typed)
	if err != nil || parsed.Name != "" || parsed.Address != a.Typed || len(a.Typed) > maxBytes {
		return Address{}, errMalformed
	}
	local, domain, _ := cutLast(a.Typed, '@')
	if norm.NFKC.String(local) != local || strings.ContainsFunc(a.Typed, disguised) {
		return Address{}, errMalformed
	}
	if len(local) > maxLocalBytes || strings.ContainsFunc(a.Typed, forbidden) || !validDomain(domain) {
		return Address{}, errMalformed
	}
	return a, nil
}

// Key is the form in which addresses are compared: trimmed, NFC, lower case. It is defined for every string, so that looking up
// nonsense costs what looking up an address costs.
func Key(typed string) string {
	typed = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return utf8.RuneError // no database takes a NUL, and no account has this one
		}
		return r
	}, typed)
	return norm.NFC.String(strings.ToLower(norm.NFC.String(strings.TrimSpace(typed))))
}

// forbidden keeps out what could make two addresses look the same, or break a line of a log or a mail header.
func forbidden(r rune) bool {
	return unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError
}

// disguised is a letter outside ASCII whose lower case is in it, such as the Kelvin sign: its address would take another's key.
func disguised(r rune) bool { return r >= utf8.RuneSelf && unicode.ToLower(r) < utf8.RuneSelf }

// validDomain wants a host name with a dot: letters and digits of any script, inner hyphens, labels of 1 to 63 bytes. An address
// literal such as [127.0.0.1] is no place a person gets mail at.
func validDomain(domain string) bool {
	labels := strings.Split(domain, ".")
	if len(labels) < 2 {
		return false
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		if strings.ContainsFunc(label, func(r rune) bool {
			return r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
		}) {
			return false
		}
	}
	return true
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
