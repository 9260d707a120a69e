package decisions_test

import (
	"testing"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/decisions"
	"github.com/propusk/propusk/rbac"
	"github.com/propusk/propusk/rbac/policyfile"
)

// engine answers from the default policies and the table's own roles alone, without an account or a database.
type engine struct {
	table    decisions.Table
	platform *rbac.Grants
	// lists are those of each community.
	lists map[string]*rbac.Grants
}

func newEngine(t *testing.T) engine {
	t.Helper()
	compile := func(p rbac.Policy) *rbac.Grants {
		grants, err := rbac.Compile(p)
		if err != nil {
			t.Fatal(err)
		}
		return grants
	}
	policy := policyfile.Community()
	catalogue, err := rbac.NewCatalogue(policy.Content, policy.Reserved)
	if err != nil {
		t.Fatal(err)
	}
	e := engine{table: read(t), platform: compile(policyfile.Platform()), lists: map[string]*rbac.Grants{}}
	for _, community := range decisions.Communities() {
		e.lists[community] = compile(policy)
	}
	for _, role := range e.table.Roles {
		permissions, err := catalogue.Resolve(role.Permissions)
		if err == nil {
			e.lists[role.Community], err = e.lists[role.Community].With(role.ID, permissions)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// decide answers what the engine can know: what roles permit. Who somebody is, what there is and the power of a platform admin are not its
// to know.
func (e engine) decide(row decisions.Row) (d rbac.Decision, covered bool, err error) {
	permission, err := rbac.ParsePermission(row.Permission)
	if err != nil {
		return d, true, &propusk.Error{Kind: propusk.Invalid}
	}
	person, ok := e.table.Person(row.Who)
	active := ok && (person.State == decisions.Active || person.State == decisions.Follower)
	if !active || row.Fails || row.Want.Reason == rbac.ReasonPlatformAdmin {
		return d, false, nil
	}
	if e.platform.Knows(permission) {
		return e.platform.Decide([]string{person.Platform}, permission, row.Owner), true, nil
	}
	where := row.Where
	if where == decisions.Default {
		where = decisions.Owls
	}
	roles, member := person.Roles[where]
	if !member || where == decisions.Crows {
		return d, false, nil
	}
	return e.lists[where].Decide(roles, permission, row.Owner), true, nil
}

func TestTheEngineAlone(t *testing.T) {
	t.Parallel()
	e, seen := newEngine(t), 0
	for _, row := range e.table.Rows {
		d, covered, err := e.decide(row)
		if !covered {
			continue
		}
		seen++
		if got := decisions.Outcome(d, err); got != row.Outcome() {
			t.Errorf("%s\n    %s", row, got)
		}
	}
	t.Logf("%d of %d rows", seen, len(e.table.Rows))
	if seen < leastRows {
		t.Errorf("only %d rows are about what roles permit", seen)
	}
}
