package main

import (
	"maps"
	"slices"
	"strings"
)

// layout is a way to write a policy for Casbin.
type layout struct {
	name, model string
	// lines are the p lines, and the lines of the graphs g and g2.
	lines func(policy) (p, g, g2 [][]string)
	// request is a question as this layout's model takes it.
	request func(user, domain, leaf string) []any
}

// layouts are the ways in which Casbin is timed. The first is the one that its documentation shows for RBAC with domains; the others are the
// fastest we found, in which no line is compared with the permission that is asked for.
func layouts() []layout {
	return []layout{
		{"documented", documentedModel, documented, func(user, domain, leaf string) []any {
			object, action := split(leaf)
			return []any{user, domain, object, action}
		}},
		{"leaves", leavesModel, leaves, whole},
		{"role lines", roleLinesModel, roleLines, whole},
	}
}

func whole(user, domain, leaf string) []any { return []any{user, domain, leaf} }

// split is a permission as object and action.
func split(leaf string) (object, action string) {
	at := strings.LastIndexByte(leaf, ':')
	return leaf[:at], leaf[at+1:]
}

// documentedModel stands in Casbin's examples as rbac_with_domains_model.conf.
const documentedModel = `[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, dom, obj, act
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act
`

// documented has a p line for each permission of a role in a domain, and roles inherit one another.
func documented(from policy) (p, g, g2 [][]string) {
	from.each(func(domain, role string, of lists) {
		own := of[role]
		if parent := of.parent(role); parent != "" {
			own = without(own, of[parent])
			g = append(g, []string{"role/" + role, "role/" + parent, domain})
		}
		for _, leaf := range own {
			object, action := split(leaf)
			p = append(p, []string{"role/" + role, domain, object, action})
		}
	})
	return p, append(g, held(from)...), nil
}

// leavesModel has no p lines, so that Casbin looks through the graph once for each request.
const leavesModel = `[request_definition]
r = sub, dom, perm
[policy_definition]
p = sub
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, r.perm, r.dom)
`

// leaves has permissions as the leaves of the graph: user → role → permission, in each domain.
func leaves(from policy) (p, g, g2 [][]string) {
	from.each(func(domain, role string, of lists) {
		for _, leaf := range of[role] {
			g = append(g, []string{"role/" + role, leaf, domain})
		}
	})
	return nil, append(g, held(from)...), nil
}

// roleLinesModel has one p line for each role, and the graph the other way round: from a permission it is a step to the few roles that have
// it, and from a role many to its permissions. Casbin remembers each edge it was asked for, so that no question is entirely new to it.
const roleLinesModel = `[request_definition]
r = sub, dom, perm
[policy_definition]
p = sub
[role_definition]
g = _, _, _
g2 = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub, r.dom) && g2(r.perm, p.sub, r.dom)
`

// roleLines has a p line for each role, and permission → role as g2.
func roleLines(from policy) (p, g, g2 [][]string) {
	roles := map[string]bool{}
	from.each(func(domain, role string, of lists) {
		roles[role] = true
		for _, leaf := range of[role] {
			g2 = append(g2, []string{leaf, "role/" + role, domain})
		}
	})
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		p = append(p, []string{"role/" + role})
	}
	return p, held(from), g2
}

// each goes through the roles of all domains in a fixed order.
func (from policy) each(visit func(domain, role string, of lists)) {
	for _, domain := range slices.Sorted(maps.Keys(from.domains)) {
		for _, role := range slices.Sorted(maps.Keys(from.domains[domain])) {
			visit(domain, role, from.domains[domain])
		}
	}
}

// held are the lines that say who has which role where.
func held(from policy) (g [][]string) {
	for _, h := range from.holders {
		g = append(g, []string{h.user, "role/" + h.role, h.domain})
	}
	return g
}
