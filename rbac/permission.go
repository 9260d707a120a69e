package rbac

import (
	"fmt"
	"strings"
)

// Permission is one concrete right: "entity:action", or
// "entity:QUALIFIER:action". Permissions compare with ==. The zero value is no
// permission: nobody holds it, not even a role that holds [Everything].
type Permission struct {
	text string
}

// ParsePermission reads a permission of two or three segments and at most
// [MaxPermissionLen] bytes. Entity and action match [a-z][a-z0-9_]*, the
// qualifier matches [A-Z][A-Z0-9_]*. A wildcard is refused: a check names one
// concrete permission. The error is a [*SyntaxError].
func ParsePermission(s string) (Permission, error) {
	_, fault := split(s)
	if fault == "" && strings.Contains(s, "*") {
		fault = "a wildcard is not a permission, name a concrete one such as shout:read"
	}
	if fault != "" {
		return Permission{}, &SyntaxError{What: "permission", Text: excerpt(s), Fault: fault}
	}
	return Permission{text: s}, nil
}

// MustPermission is [ParsePermission] for constants in a program's text; it
// panics where ParsePermission returns an error.
func MustPermission(s string) Permission {
	p, err := ParsePermission(s)
	if err != nil {
		panic(err)
	}
	return p
}

// String returns the permission as it was parsed, "" for the zero value.
func (p Permission) String() string { return p.text }

// IsZero reports whether p is no permission at all.
func (p Permission) IsZero() bool { return p.text == "" }

// Entity returns the first segment.
func (p Permission) Entity() string { return p.segments().entity }

// Qualifier returns the middle segment, "" when there are only two.
func (p Permission) Qualifier() string { return p.segments().qualifier }

// Action returns the last segment.
func (p Permission) Action() string { return p.segments().action }

// MarshalText returns the permission's text; the zero value is an error.
func (p Permission) MarshalText() ([]byte, error) {
	if p.IsZero() {
		return nil, &SyntaxError{What: "permission", Fault: faultEmpty}
	}
	return []byte(p.text), nil
}

// UnmarshalText is [ParsePermission]; on an error p stays as it was.
func (p *Permission) UnmarshalText(text []byte) error {
	parsed, err := ParsePermission(string(text))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}

func (p Permission) segments() segments {
	parts, _ := split(p.text)
	return parts
}

const (
	suffixOwn = "_own"
	suffixAny = "_any"
)

// stem cuts suffix, one of the two above, from the action. It refuses to leave
// a stem that ends in one of them again: "post:update_any_own" is nobody's own
// form of "post:update_any".
func (p Permission) stem(suffix string) (stem string, ok bool) {
	stem, ok = strings.CutSuffix(p.text, suffix)
	if !ok || strings.HasSuffix(stem, suffixOwn) || strings.HasSuffix(stem, suffixAny) {
		return "", false
	}
	return stem, true
}

// impliedOwn returns "x_own" for "x_any": whoever may touch any may touch
// their own.
func (p Permission) impliedOwn() (own Permission, ok bool) {
	stem, ok := p.stem(suffixAny)
	if !ok {
		return Permission{}, false
	}
	return Permission{stem + suffixOwn}, true
}

// answersFor returns every permission a check may name that p may decide:
// p itself, "x" for "x_own", and both "x" and "x_own" for "x_any".
func (p Permission) answersFor() []Permission {
	if stem, ok := p.stem(suffixOwn); ok {
		return []Permission{p, {stem}}
	}
	if stem, ok := p.stem(suffixAny); ok {
		return []Permission{p, {stem}, {stem + suffixOwn}}
	}
	return []Permission{p}
}

// SyntaxError says why a text is not a permission, pattern or role id.
type SyntaxError struct {
	What  string // "permission", "pattern" or "role"
	Text  string // the offending text, cut short when it is long
	Fault string // what is wrong, and what is allowed
}

// Error is safe to print: the offending text is quoted.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s %q: %s", e.What, e.Text, e.Fault)
}

// excerpt keeps hostile input from filling logs.
func excerpt(s string) string {
	const limit = 64
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
