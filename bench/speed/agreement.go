package main

import (
	"fmt"
	"slices"

	"github.com/propusk/propusk/decisions"
	"github.com/propusk/propusk/rbac"
	"github.com/propusk/propusk/rbac/policyfile"
)

// platformDomain is where Casbin is asked about permissions of the platform.
const platformDomain = "platform"

// tableWorld is the table of decisions as Casbin can be told it.
type tableWorld struct {
	table decisions.Table
	// grants are what roles permit in each domain.
	grants map[string]*rbac.Grants
}

func newTableWorld() (tableWorld, error) {
	table, err := decisions.Read()
	if err != nil {
		return tableWorld{}, err
	}
	platform, err := rbac.Compile(policyfile.Platform())
	if err != nil {
		return tableWorld{}, err
	}
	w := tableWorld{table, map[string]*rbac.Grants{platformDomain: platform}}
	policy := policyfile.Community()
	for _, community := range []string{decisions.Owls, decisions.Larks} {
		if w.grants[community], err = rbac.Compile(policy); err != nil {
			return tableWorld{}, err
		}
	}
	catalogue, err := rbac.NewCatalogue(policy.Content, policy.Reserved)
	if err != nil {
		return tableWorld{}, err
	}
	for _, role := range table.Roles {
		permissions, err := catalogue.Resolve(role.Permissions)
		if err == nil {
			w.grants[role.Community], err = w.grants[role.Community].With(role.ID, permissions)
		}
		if err != nil {
			return tableWorld{}, err
		}
	}
	return w, nil
}

// asked is a row as Casbin is asked it.
type asked struct {
	row                decisions.Row
	user, domain, leaf string
}

// named is what Casbin calls somebody of the table, where some are called as their role is.
func named(person string) string { return "user/" + person }

// askable are the rows that Casbin has words for. It has none for malformed permissions, which are errors; for API keys and their limits; and
// for permissions that are in no list, which an admin of Propusk holds by "*".
func (w tableWorld) askable() (rows []asked) {
	for _, row := range w.table.Rows {
		permission, err := rbac.ParsePermission(row.Permission)
		if _, person := w.table.Person(row.Who); err != nil || row.Fails || !person {
			continue
		}
		domain := w.domain(row, permission)
		if row.Want.Allowed && !w.grants[domain].Knows(permission) {
			continue
		}
		rows = append(rows, asked{row, named(row.Who), domain, leaf(row.Permission, row.Owner)})
	}
	return rows
}

func (w tableWorld) domain(row decisions.Row, permission rbac.Permission) string {
	switch {
	case w.grants[platformDomain].Knows(permission):
		return platformDomain
	case row.Where == decisions.Default:
		return decisions.Owls
	}
	return row.Where
}

// policy is what Casbin is told: who holds what, and what each role permits. Whoever is inactive holds nothing; an admin of the platform is
// an admin of each community; what depends on the owner is worked out before, for each role.
func (w tableWorld) policy(rows []asked) policy {
	p := policy{domains: map[string]lists{}}
	for domain, grants := range w.grants {
		p.domains[domain] = w.lists(grants, rows)
	}
	for _, person := range w.table.People {
		if person.State != decisions.Active && person.State != decisions.Follower {
			continue
		}
		p.holders = append(p.holders, holder{named(person.Name), person.Platform, platformDomain})
		for _, community := range []string{decisions.Owls, decisions.Larks} {
			roles := person.Roles[community]
			if person.Platform == rbac.Admin && !slices.Contains(roles, rbac.Admin) {
				roles = append(slices.Clone(roles), rbac.Admin)
			}
			for _, role := range roles {
				p.holders = append(p.holders, holder{named(person.Name), role, community})
			}
		}
	}
	return p
}

// lists are the full lists of the grants, and what the rows ask with an owner.
func (w tableWorld) lists(grants *rbac.Grants, rows []asked) lists {
	l := lists{}
	for _, role := range grants.Roles() {
		leaves := slices.DeleteFunc(grants.Permissions(role), func(p string) bool { return p == rbac.Everything })
		for _, row := range rows {
			p := rbac.MustPermission(row.row.Permission)
			if grants.Knows(p) && grants.Decide([]string{role}, p, row.row.Owner).Allowed {
				leaves = append(leaves, row.leaf)
			}
		}
		slices.Sort(leaves)
		l[role] = slices.Compact(leaves)
	}
	return l
}

// agreement is how many rows each enforcer answered as the table says.
type agreement struct {
	rows, of, enforcers int
	// stale are the enforcers that still allowed what they had allowed before, after the role was taken away.
	stale []string
}

// agree demands that every enforcer in every layout answers as the table does. It returns an error that names the first rows on which one
// does not.
func agree(layouts []layout) (agreement, error) {
	w, err := newTableWorld()
	if err != nil {
		return agreement{}, err
	}
	rows := w.askable()
	found := agreement{rows: len(rows), of: len(w.table.Rows)}
	for _, l := range layouts {
		all, err := enforcers(l, w.policy(rows))
		if err != nil {
			return found, err
		}
		for _, e := range all {
			if err := compare(e, rows); err != nil {
				return found, err
			}
			found.enforcers++
		}
		stale, err := staleAfterRevocation(l)
		if err != nil {
			return found, err
		}
		found.stale = append(found.stale, stale...)
	}
	return found, nil
}

// compare asks each row twice: an answer that was kept must be right too.
func compare(e enforcer, rows []asked) error {
	var faults []string
	for range 2 {
		for _, row := range rows {
			allowed, err := e.ask(row.user, row.domain, row.leaf)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", e.name(), row.row, err)
			}
			if allowed != row.row.Want.Allowed {
				faults = append(faults, fmt.Sprintf("%s\n    answers %v", row.row, allowed))
			}
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("%s differs from the table %d times of %d, first in\n%s", e.name(), len(faults), 2*len(rows), faults[0])
	}
	return nil
}

// staleAfterRevocation are the enforcers that go on allowing what a role permitted which was taken away through them.
func staleAfterRevocation(l layout) (stale []string, err error) {
	from := policy{map[string]lists{"owls": {"author": {"shout:create"}}}, []holder{{"anna", "author", "owls"}}}
	for n := range 2 * 4 {
		all, err := enforcers(l, from) // anew for each, as they share what is taken away
		if err != nil {
			return nil, err
		}
		e := all[n]
		before, err := e.ask("anna", "owls", "shout:create")
		if err != nil {
			return nil, err
		}
		if _, err := e.revoke("anna", "role/author", "owls"); err != nil {
			return nil, err
		}
		after, err := e.ask("anna", "owls", "shout:create")
		if err != nil {
			return nil, err
		}
		if !before {
			return nil, fmt.Errorf("%s denies what the role permits", e.name())
		}
		if after {
			stale = append(stale, e.name())
		}
	}
	return stale, nil
}
