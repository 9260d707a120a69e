package rbac

import (
	"fmt"
	"strings"
)

const faultEmpty = "is empty, write entity:action or entity:QUALIFIER:action"

// segments of a permission or pattern; qualifier is "" when there are two.
type segments struct {
	entity, qualifier, action string
}

// split takes a permission or pattern apart, any of whose segments may be "*".
// The fault says what is wrong with s and is "" when nothing is.
func split(s string) (parts segments, fault string) {
	if s == "" {
		return segments{}, faultEmpty
	}
	if len(s) > MaxPermissionLen {
		return segments{}, fmt.Sprintf("is longer than %d bytes", MaxPermissionLen)
	}
	if n := strings.Count(s, ":"); n != 1 && n != 2 {
		return segments{}, "must have two or three segments, entity:action or entity:QUALIFIER:action"
	}
	first, last := strings.IndexByte(s, ':'), strings.LastIndexByte(s, ':')
	parts = segments{entity: s[:first], action: s[last+1:]}
	if first < last {
		parts.qualifier = s[first+1 : last]
		if !isSegment(parts.qualifier, 'A', 'Z') {
			return segments{}, "the qualifier must match [A-Z][A-Z0-9_]*"
		}
	}
	if !isSegment(parts.entity, 'a', 'z') {
		return segments{}, "the entity must match [a-z][a-z0-9_]*"
	}
	if !isSegment(parts.action, 'a', 'z') {
		return segments{}, "the action must match [a-z][a-z0-9_]*"
	}
	return parts, ""
}

// isSegment reports whether s is "*", or a letter from lo to hi followed by
// such letters, digits and underscores.
func isSegment(s string, lo, hi byte) bool {
	if s == Everything {
		return true
	}
	for i := range len(s) {
		c := s[i]
		letter := c >= lo && c <= hi
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '_')) {
			return false
		}
	}
	return s != ""
}
