package casbin

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/propusk/propusk/rbac"
)

// PolicyFile is a policy of Propusk whose catalogue has all permissions that this one of Casbin names and Propusk has words for, beside those by
// which Propusk itself decides. Its one role is admin; the others come with each community.
func (s *System) PolicyFile() ([]byte, error) {
	content, reserved, err := s.catalogue()
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	text.WriteString(`# Written by "propusk import casbin --write-policy". The catalogue has what the policy of Casbin names, and what Propusk itself asks for.
# The roles of the policy are not here: each community is given its own by the import.
version: 1
scope: community
available_roles: [admin]
default_roles: []
creator_role: admin
catalogue:
  content:`)
	writeEntities(&text, content)
	text.WriteString("  reserved:")
	writeEntities(&text, reserved)
	text.WriteString("roles:\n  admin: {name: Administrator, permissions: [\"*\"]}\n")
	return []byte(text.String()), nil
}

// catalogue is the actions of each entity. An entity can only stand under one heading.
func (s *System) catalogue() (content, reserved map[string][]string, err error) {
	content, reserved = map[string][]string{}, map[string][]string{}
	own := s.own.Permissions()
	for _, p := range own {
		reserved[p.Entity()] = append(reserved[p.Entity()], p.Action())
	}
	found := s.permissions()
	if n := len(own) + len(found); n > rbac.MaxPermissions {
		return nil, nil, fmt.Errorf("the policy names so many permissions that the catalogue would have %d; it can have %d", n, rbac.MaxPermissions)
	}
	for _, p := range found {
		to := content
		if _, is := reserved[p.Entity()]; is {
			to = reserved
		}
		to[p.Entity()] = append(to[p.Entity()], p.Action())
	}
	return content, reserved, nil
}

// permissions are all that lines p name and Propusk has words for, each once and sorted.
func (s *System) permissions() []rbac.Permission {
	found := map[string]rbac.Permission{}
	for _, r := range s.rules {
		if text, why := s.permission(r); why == "" {
			found[text] = rbac.MustPermission(text)
		}
	}
	var list []rbac.Permission
	for _, text := range slices.Sorted(maps.Keys(found)) {
		list = append(list, found[text])
	}
	return list
}

// writeEntities quotes all names: some are words of YAML.
func writeEntities(to *strings.Builder, actions map[string][]string) {
	if len(actions) == 0 {
		to.WriteString(" {}")
	}
	to.WriteString("\n")
	for _, entity := range slices.Sorted(maps.Keys(actions)) {
		fmt.Fprintf(to, "    %q: [%s]\n", entity, `"`+strings.Join(slices.Compact(slices.Sorted(slices.Values(actions[entity]))), `", "`)+`"`)
	}
}
