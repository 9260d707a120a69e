package password

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxBytes is the length of the longest password, in bytes of UTF-8.
	MaxBytes = 1024

	// DefaultMinCharacters is NIST SP 800-63B's least length of a password, in characters.
	DefaultMinCharacters = 8

	// maxMinCharacters leaves room for a password of the least length whose every character takes four bytes.
	maxMinCharacters = MaxBytes / utf8.UTFMax
)

// Rule names a rule that a new password broke. The values are stable and meant for programs.
type Rule string

// The rules, in the order in which they are looked at.
const (
	RuleTooLong  Rule = "too_long"
	RuleNotText  Rule = "not_text"
	RuleTooShort Rule = "too_short"
	RuleCommon   Rule = "too_common"
)

// RuleError says which rule a new password broke and what is allowed. It never holds the password or a part of it.
type RuleError struct {
	Rule    Rule
	Allowed string // a sentence for people
}

// Error is the sentence for people, to stand behind the name of whichever field held the password.
func (e RuleError) Error() string { return e.Allowed }

// Policy is what a new password must satisfy, after NIST SP 800-63B: length and a blocklist, and no rules on the kinds of
// characters. The zero value asks for [DefaultMinCharacters] and refuses common passwords.
type Policy struct {
	MinCharacters int  // least length in Unicode code points, 1 to 256; 0: DefaultMinCharacters
	AllowCommon   bool // switches off the blocklist of 30,000 common passwords
}

// Check reports a setting that is out of range, with its name and that range.
func (p Policy) Check() error {
	if p.MinCharacters < 0 || p.MinCharacters > maxMinCharacters {
		return fmt.Errorf("password: MinCharacters is %d, allowed are 1 to %d, or 0 for the default",
			p.MinCharacters, maxMinCharacters)
	}
	return nil
}

// Accept returns nil when password may be used as a new password, else a [RuleError] with the first rule it breaks.
//
// Every character is welcome, spaces at the ends included, except control characters (Unicode category Cc: NUL, tab,
// line breaks): nobody can type them into a login form, so they are there by mistake and would lock the owner out.
// Common passwords are recognised whatever the case of their letters.
func (p Policy) Accept(password string) error {
	least := p.MinCharacters
	if least <= 0 {
		least = DefaultMinCharacters
	}
	switch {
	case len(password) > MaxBytes:
		return tooLong()
	case !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl):
		return RuleError{RuleNotText, "must be UTF-8 text without control characters"}
	case utf8.RuneCountInString(password) < least:
		return RuleError{RuleTooShort, fmt.Sprintf("must have at least %d characters", least)}
	case !p.AllowCommon && isCommon(password):
		return RuleError{RuleCommon, "must not be one of the most common passwords"}
	}
	return nil
}

func tooLong() error {
	return RuleError{RuleTooLong, fmt.Sprintf("must have at most %d bytes of UTF-8", MaxBytes)}
}
