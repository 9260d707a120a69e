// Package field is the rules for what people type into the fields of a form: names, texts and slugs.
package field

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gosimple/slug"
	"golang.org/x/text/unicode/norm"

	"github.com/propusk/propusk"
)

// MaxName is the length of the longest name, in characters.
const MaxName = 100

// maxSlug is in bytes.
const maxSlug = 64

// Faults collects what is wrong with an input, so that the person hears of everything at once.
type Faults []propusk.FieldError

// Add takes note of what is wrong with a field, if anything is.
func (f *Faults) Add(field string, err error) {
	if err != nil {
		*f = append(*f, propusk.FieldError{Field: field, Message: err.Error()})
	}
}

// Err is nil when nothing is wrong, and else Invalid with all fields named.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	return &propusk.Error{Kind: propusk.Invalid, Code: "invalid_input", Message: "the input was refused", Fields: f}
}

// Name is the shown form of a name of at least least characters and at most MaxName, or a note of what is wrong with it.
func (f *Faults) Name(field, typed string, least int) string {
	shown := norm.NFC.String(strings.TrimSpace(typed))
	if n := utf8.RuneCountInString(shown); n < least || n > MaxName || strings.ContainsFunc(shown, hidden) || (n > 0 && !strings.ContainsFunc(shown, visible)) {
		f.Add(field, fmt.Errorf("must have %d to %d characters, one of them visible and none a control character", least, MaxName))
	}
	return shown
}

// Text is the shown form of a text of several lines, which may be empty, or a note of what is wrong with it.
func (f *Faults) Text(field, typed string, most int) string {
	shown := norm.NFC.String(strings.TrimSpace(strings.ReplaceAll(typed, "\r\n", "\n")))
	odd := func(r rune) bool { return hidden(r) && r != '\n' && r != '\t' }
	if utf8.RuneCountInString(shown) > most || strings.ContainsFunc(shown, odd) {
		f.Add(field, fmt.Errorf("must have at most %d characters, none a control character but line breaks and tabs", most))
	}
	return shown
}

// hidden is what would break a line, or make a name look like another's. Zero-width joiners stay: some scripts need them.
func hidden(r rune) bool {
	const zwnj, zwj = '\u200c', '\u200d'
	return r == utf8.RuneError || unicode.IsControl(r) || (unicode.Is(unicode.Cf, r) && r != zwnj && r != zwj) ||
		unicode.In(r, unicode.Zl, unicode.Zp)
}

// visible is what leaves a mark. Some letters and symbols do not: the fillers of Hangul and the blank of Braille.
func visible(r rune) bool {
	return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) && !strings.ContainsRune("\u115f\u1160\u3164\uffa0\u2800", r)
}

var (
	slugForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	notSlug  = regexp.MustCompile(`[^a-z0-9]+`)
)

// CheckSlug says what is wrong with a slug.
func CheckSlug(s string) error {
	if len(s) > maxSlug || !slugForm.MatchString(s) {
		return fmt.Errorf("must be 1 to %d lower-case letters a-z, digits and single hyphens between them", maxSlug)
	}
	return nil
}

// FreeSlug makes a slug of the name, or of fallback where the name gives none, that nobody has: as it is, else with a small number, else with
// a random one, so that the thousandth Anna costs no more than the tenth.
func FreeSlug(taken func(string) (bool, error), name, fallback string) (string, error) {
	base := strings.Trim(notSlug.ReplaceAllString(slug.Make(name), "-"), "-")
	if len(base) > maxSlug-10 {
		base = strings.Trim(base[:maxSlug-10], "-")
	}
	if CheckSlug(base) != nil {
		base = fallback
	}
	for try := base; ; {
		is, err := taken(try)
		if err != nil || !is {
			return try, err
		}
		if try, err = nextSlug(base, try); err != nil {
			return "", err
		}
	}
}

// nextSlug follows anna, anna-2, anna-3 … anna-5, then anna-7f3a90c1.
func nextSlug(base, tried string) (string, error) {
	for i, s := range []string{base, base + "-2", base + "-3", base + "-4"} {
		if tried == s {
			return fmt.Sprintf("%s-%d", base, i+2), nil
		}
	}
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", errors.New("no randomness for a slug")
	}
	return base + "-" + hex.EncodeToString(b[:]), nil
}
