package rbac

import (
	"fmt"
	"slices"
	"strings"
)

const maxRoleLen = 32

// ValidRole reports whether id matches ^[a-z][a-z0-9_-]{0,31}$.
func ValidRole(id string) bool {
	for i := range len(id) {
		c := id[i]
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '_' || c == '-')) {
			return false
		}
	}
	return id != "" && len(id) <= maxRoleLen
}

func checkRole(id string) error {
	if ValidRole(id) {
		return nil
	}
	return &SyntaxError{What: "role", Text: excerpt(id), Fault: "must match [a-z][a-z0-9_-]{0,31}"}
}

// ParseRoles reads a member's roles as the database keeps them, such as
// "reader,author,expert". Tokens are compared whole; spaces around them do not
// count, the order is kept, a repeated role counts once, and a blank text is no
// roles. Tokens that are no role id, and those beyond [MaxRoles], are returned
// in bad as they were found: they grant nothing and should be reported, quoted.
func ParseRoles(csv string) (roles, bad []string) {
	if trim(csv) == "" {
		return nil, nil
	}
	for token := range strings.SplitSeq(csv, ",") {
		switch role := trim(token); {
		case slices.Contains(roles, role):
		case ValidRole(role) && len(roles) < MaxRoles:
			roles = append(roles, role)
		default:
			bad = append(bad, token)
		}
	}
	return roles, bad
}

// trim removes ASCII white space only: any other space around a token makes it
// malformed rather than a role.
func trim(s string) string { return strings.Trim(s, " \t\r\n") }

// FormatRoles writes roles the way [ParseRoles] reads them: the order is kept,
// a repeated role is written once, no roles are "". A malformed role is a
// [*SyntaxError], and more than [MaxRoles] are an error too.
func FormatRoles(roles []string) (string, error) {
	var unique []string
	for _, role := range roles {
		if err := checkRole(role); err != nil {
			return "", err
		}
		if !slices.Contains(unique, role) {
			unique = append(unique, role)
		}
		if len(unique) > MaxRoles {
			return "", fmt.Errorf("there are more than %d roles", MaxRoles)
		}
	}
	return strings.Join(unique, ","), nil
}
