package main

import (
	"slices"

	"github.com/propusk/propusk/rbac"
)

// lists are what each role permits, written out: role → leaves. A leaf is a permission, or one with the owner of the object said in it.
type lists map[string][]string

// leaf is what Casbin is asked for a permission: it knows no owners, so whose the object is becomes a part of the name, which the program
// that asks has to find out before.
func leaf(permission string, owner rbac.Ownership) string {
	switch owner {
	case rbac.OwnerSelf:
		return permission + "#self"
	case rbac.OwnerOther:
		return permission + "#other"
	case rbac.OwnerUnknown:
	}
	return permission
}

// parent is the role with the longest list that is a part of role's, or "": what a person would write as inheritance.
func (l lists) parent(role string) (parent string) {
	for other, leaves := range l {
		if other == role || len(leaves) >= len(l[role]) || len(leaves) < len(l[parent]) {
			continue
		}
		if len(leaves) == len(l[parent]) && other > parent && parent != "" {
			continue // so that every run writes the same policy
		}
		if len(without(leaves, l[role])) == 0 {
			parent = other
		}
	}
	return parent
}

// without are those of leaves that are not among others, which is sorted.
func without(leaves, others []string) (rest []string) {
	for _, one := range leaves {
		if _, found := slices.BinarySearch(others, one); !found {
			rest = append(rest, one)
		}
	}
	return rest
}

// holder is somebody with a role in a domain. To Casbin people, roles and permissions are names in one graph: nobody is called as a role is.
type holder struct{ user, role, domain string }

// policy is what Casbin is told, before it is put in one of the layouts.
type policy struct {
	domains map[string]lists
	holders []holder
}
