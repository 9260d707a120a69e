package casbin

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/rbac"
)

// reach is how many steps of inheritance a role has: Casbin's role manager follows ten, the first from the user to the role.
const reach = 9

// Count is exact.
func (s *System) Count(context.Context) (n source.Count, err error) {
	n.Accounts, n.Communities = len(s.subjects), len(s.domains())
	for _, bad := range s.bad {
		if bad.member {
			n.Members++
		} else {
			n.Communities++
		}
	}
	for range s.memberships() {
		n.Members++
	}
	return n, nil
}

// Accounts are the subjects of lines g that are not roles only. Their Key is the subject.
func (s *System) Accounts(ctx context.Context) iter.Seq2[source.Account, error] {
	return func(yield func(source.Account, error) bool) {
		for _, n := range s.subjects {
			if err := ctx.Err(); err != nil {
				yield(source.Account{}, err)
				return
			}
			who := s.people[n]
			row := source.Row{Key: s.names[n], Where: "subject " + source.Excerpt(s.names[n]), Refused: who.refused}
			if !yield(source.Account{Row: row, Email: who.address.Typed}, nil) {
				return
			}
		}
	}
}

// Communities are the domains, and the lines that are none of g and are not understood. A domain is closed and gives nothing on joining: in Casbin
// nobody is in it but by a line of the policy.
func (s *System) Communities(ctx context.Context) iter.Seq2[source.Community, error] {
	return func(yield func(source.Community, error) bool) {
		for _, domain := range s.domains() {
			if err := ctx.Err(); err != nil {
				yield(source.Community{}, err)
				return
			}
			if !yield(s.community(domain), nil) {
				return
			}
		}
		for _, bad := range s.bad {
			if !bad.member && !yield(source.Community{Row: s.badRow(bad)}, nil) {
				return
			}
		}
	}
}

func (s *System) community(domain name) source.Community {
	text := s.names[domain]
	c := source.Community{
		Row:  source.Row{Key: text, Where: "domain " + source.Excerpt(text)},
		Slug: text, Name: text, Closed: true, Available: []string{}, Default: []string{},
	}
	lists := s.lists(domain, &c.Row)
	parents := s.parentsOf(domain)
	for _, n := range s.rolesIn(domain) {
		if why := s.roles[n].refused; why != "" {
			c.Odd = append(c.Odd, source.Odd{Part: "role " + source.Excerpt(s.names[n]), Why: why})
			continue
		}
		near, far := inherited(n, parents)
		if len(far) > 0 {
			c.Odd = append(c.Odd, source.Odd{Part: "role " + source.Excerpt(s.names[n]), Why: "it inherits " + s.quoted(far) +
				" over more than ten steps from the user, which Casbin does not follow: what only they permit is left out"})
		}
		c.Available = append(c.Available, s.roles[n].id)
		c.Roles = append(c.Roles, source.Role{ID: s.roles[n].id, Name: s.names[n], Permissions: merge(near, lists)})
	}
	c.Available = append(c.Available, rbac.Admin) // always is one of them
	return c
}

// lists are the permissions that each subject of lines p has itself. What Propusk has no words for is told.
func (s *System) lists(domain name, row *source.Row) map[name][]string {
	lists := map[name][]string{}
	for _, r := range s.rulesIn(domain) {
		permission, why := s.permission(r)
		if why == "" && !s.isRole[r.subject] {
			why = "the subject is no role of a line g, and Propusk gives permissions to roles only: make a role of them, or see that a role has them"
		}
		if why != "" {
			part := fmt.Sprintf("line %d, p of %s to %s on %s", r.line, source.Excerpt(s.names[r.subject]), source.Excerpt(s.names[r.action]), source.Excerpt(s.names[r.object]))
			row.Odd = append(row.Odd, source.Odd{Part: part, Why: why})
			continue
		}
		lists[r.subject] = append(lists[r.subject], permission)
	}
	return lists
}

// permission is what a line p permits, or why it cannot be said in Propusk.
func (s *System) permission(r rule) (text, why string) {
	object, action := s.names[r.object], s.names[r.action]
	permission, err := rbac.ParsePermission(object + ":" + action)
	switch {
	case err != nil || permission.Entity() != object || permission.Action() != action:
		return "", "object and action must be a lower-case letter and a-z, 0-9 and _, to be the permission object:action"
	case strings.HasSuffix(action, "_own") || strings.HasSuffix(action, "_any"):
		return "", "actions that end in _own and _any ask whose the object is in Propusk, which Casbin does not"
	case s.own.Knows(permission):
		return "", permission.String() + " is a permission by which Propusk itself decides in communities"
	case s.platform.Knows(permission):
		return "", permission.String() + " is a permission of Propusk's platform"
	}
	return permission.String(), ""
}

// rolesIn are the roles that somebody has in the domain, or that lines p are about there.
func (s *System) rolesIn(domain name) []name {
	var list []name
	for _, l := range s.linksIn(domain) {
		list = append(list, l.to)
		if s.isRole[l.from] {
			list = append(list, l.from)
		}
	}
	for _, r := range s.rulesIn(domain) {
		if s.isRole[r.subject] {
			list = append(list, r.subject)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// parentsOf are the roles that each role inherits in one step.
func (s *System) parentsOf(domain name) map[name][]name {
	parents := map[name][]name{}
	for _, l := range s.linksIn(domain) {
		if s.isRole[l.from] {
			parents[l.from] = append(parents[l.from], l.to)
		}
	}
	return parents
}

// inherited are a role and all it inherits within reach, and what lies beyond. It goes round circles once.
func inherited(n name, parents map[name][]name) (near, far []name) {
	seen := map[name]bool{n: true}
	near = []name{n}
	for step, level := 0, near; len(level) > 0; step++ {
		var next []name
		for _, child := range level {
			for _, parent := range parents[child] {
				if !seen[parent] {
					seen[parent] = true
					next = append(next, parent)
				}
			}
		}
		if step < reach {
			near = append(near, next...)
		} else {
			far = append(far, next...)
		}
		level = next
	}
	slices.Sort(far)
	return near, far
}

// merge is all that the lists of names hold, sorted.
func merge(names []name, lists map[name][]string) []string {
	all := []string{}
	for _, n := range names {
		all = append(all, lists[n]...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// quoted names a few of many.
func (s *System) quoted(names []name) string {
	const most = 5
	var texts []string
	for _, n := range names[:min(most, len(names))] {
		texts = append(texts, source.Excerpt(s.names[n]))
	}
	if len(names) > most {
		texts = append(texts, fmt.Sprintf("and %d more", len(names)-most))
	}
	return strings.Join(texts, ", ")
}

// memberships are the lines g of each person in each domain, and of those who are refused.
func (s *System) memberships() iter.Seq[[]link] {
	return func(yield func([]link) bool) {
		for rest := s.links; len(rest) > 0; {
			end := slices.IndexFunc(rest, func(l link) bool { return l.domain != rest[0].domain || l.from != rest[0].from })
			if end < 0 {
				end = len(rest)
			}
			if !s.roleOnly[rest[0].from] && !yield(rest[:end]) {
				return
			}
			rest = rest[end:]
		}
	}
}

// Members are one row for each subject in a domain, and the lines g that are not understood.
func (s *System) Members(ctx context.Context) iter.Seq2[source.Member, error] {
	return func(yield func(source.Member, error) bool) {
		for links := range s.memberships() {
			if err := ctx.Err(); err != nil {
				yield(source.Member{}, err)
				return
			}
			if !yield(s.member(links), nil) {
				return
			}
		}
		for _, bad := range s.bad {
			if bad.member && !yield(source.Member{Row: s.badRow(bad)}, nil) {
				return
			}
		}
	}
}

func (s *System) member(links []link) source.Member {
	domain, subject := s.names[links[0].domain], s.names[links[0].from]
	first := slices.MinFunc(links, func(a, b link) int { return cmp.Compare(a.line, b.line) })
	m := source.Member{Row: source.Row{
		Key: fmt.Sprintf("%q in %q", subject, domain), Where: s.where(int(first.line)), Refused: s.people[links[0].from].refused,
	}}
	if m.Refused != "" {
		return m
	}
	m.Community.Key, m.Account.Key = domain, subject
	for _, l := range links {
		if why := s.roles[l.to].refused; why != "" {
			m.Odd = append(m.Odd, source.Odd{Part: "role " + source.Excerpt(s.names[l.to]), Why: why})
			continue
		}
		m.Roles = append(m.Roles, s.roles[l.to].id)
	}
	return m
}

// Followers are none.
func (*System) Followers(context.Context) iter.Seq2[source.Follower, error] {
	return func(func(source.Follower, error) bool) {}
}
