package account

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
	"github.com/propusk/propusk/internal/store"
)

const (
	maxName = 100 // characters
	maxSlug = 64  // bytes
)

// fields collects what is wrong with an input, so that the person hears of everything at once.
type fields []propusk.FieldError

func (f *fields) add(field string, err error) {
	if err != nil {
		*f = append(*f, propusk.FieldError{Field: field, Message: err.Error()})
	}
}

func (f fields) err() error {
	if len(f) == 0 {
		return nil
	}
	return &propusk.Error{Kind: propusk.Invalid, Code: "invalid_input", Message: "the input was refused", Fields: f}
}

// name is the shown form of a name, or a note of what is wrong with it.
func (f *fields) name(field, typed string, least int) string {
	shown := norm.NFC.String(strings.TrimSpace(typed))
	if n := utf8.RuneCountInString(shown); n < least || n > maxName || strings.ContainsFunc(shown, hidden) || (n > 0 && !strings.ContainsFunc(shown, visible)) {
		f.add(field, fmt.Errorf("must have %d to %d characters, one of them visible and none a control character", least, maxName))
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

func checkSlug(s string) error {
	if len(s) > maxSlug || !slugForm.MatchString(s) {
		return fmt.Errorf("must be 1 to %d lower-case letters a-z, digits and single hyphens between them", maxSlug)
	}
	return nil
}

// freeSlug makes a slug of the name that nobody has: as it is, else with a small number, else with a random one, so that the
// thousandth Anna costs no more than the tenth.
func freeSlug(r store.Reader, name string) (string, error) {
	base := strings.Trim(notSlug.ReplaceAllString(slug.Make(name), "-"), "-")
	if len(base) > maxSlug-10 {
		base = strings.Trim(base[:maxSlug-10], "-")
	}
	if checkSlug(base) != nil {
		base = "user"
	}
	for try := base; ; {
		exists, err := r.SlugExists(try)
		if err != nil || !exists {
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
