package rbac

// Class says how far a wildcard in place of the entity reaches. The zero value
// is for what no catalogue lists.
type Class uint8

const (
	Unlisted Class = iota // reached by the lone "*" only
	Content               // reached by "*:read" and the like
	Reserved              // private or administrative: reached by the entity's own name
)

// Pattern is one line of a role's own list: a permission in which "*" may
// stand for exactly one whole segment, or the lone "*". The zero value matches
// nothing.
type Pattern struct {
	text  string
	parts segments
}

// ParsePattern reads a pattern; the grammar is that of [ParsePermission] with
// "*" allowed as a segment. The error is a [*SyntaxError].
func ParsePattern(s string) (Pattern, error) {
	if s == Everything {
		return Pattern{text: s}, nil
	}
	parts, fault := split(s)
	if fault != "" {
		return Pattern{}, &SyntaxError{What: "pattern", Text: excerpt(s), Fault: fault}
	}
	return Pattern{text: s, parts: parts}, nil
}

// String returns the pattern as it was parsed, "" for the zero value.
func (p Pattern) String() string { return p.text }

// Matches reports whether p reaches perm, which the catalogue lists under
// class:
//   - the lone "*" reaches everything, also what is Unlisted;
//   - "*" in place of the entity reaches Content only;
//   - an entity's own name reaches it whether Content or Reserved;
//   - the number of segments must be the same: "*:read" reaches shout:read and
//     never reaction:LIKE:read, which is "reaction:*:read".
func (p Pattern) Matches(perm Permission, class Class) bool {
	if perm.IsZero() || p.text == "" {
		return false
	}
	if p.text == Everything {
		return true
	}
	if class != Content && (class != Reserved || p.parts.entity == Everything) {
		return false
	}
	of := perm.segments()
	return (p.parts.qualifier == "") == (of.qualifier == "") &&
		reaches(p.parts.entity, of.entity) &&
		reaches(p.parts.qualifier, of.qualifier) &&
		reaches(p.parts.action, of.action)
}

func reaches(pattern, segment string) bool {
	return pattern == Everything || pattern == segment
}
