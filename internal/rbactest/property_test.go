package rbactest_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/propusk/propusk/rbac"
)

// The tests of rbac that need other modules are here, apart from it: whoever imports a package has the modules of its tests in go.sum.

const (
	noOwner = rbac.OwnerUnknown
	self    = rbac.OwnerSelf
	other   = rbac.OwnerOther
)

func perm(s string) rbac.Permission { return rbac.MustPermission(s) }

// set is a role's full list, worked out the slow way.
type set map[string]bool

// reference expands a policy as its documentation says, with none of the
// program's own types.
func reference(p rbac.Policy, role string) set {
	held := set{}
	for _, r := range p.Roles {
		if r.ID != role {
			continue
		}
		for _, parent := range r.Inherits {
			maps.Copy(held, reference(p, parent))
		}
		for _, line := range r.Permissions {
			maps.Copy(held, reach(p, line))
			if line == "*" {
				held["*"] = true
			}
		}
	}
	for perm := range maps.Clone(held) {
		if stem, ok := strings.CutSuffix(perm, "_any"); ok && slices.Contains(slices.Concat(p.Content, p.Reserved), stem+"_own") {
			held[stem+"_own"] = true
		}
	}
	return held
}

func reach(p rbac.Policy, pattern string) set {
	reached := set{}
	for _, perm := range p.Content {
		if naiveMatches(pattern, perm, rbac.Content) {
			reached[perm] = true
		}
	}
	for _, perm := range p.Reserved {
		if naiveMatches(pattern, perm, rbac.Reserved) {
			reached[perm] = true
		}
	}
	return reached
}

// decide is the table of own and any in the words of its documentation.
func (held set) decide(perm string, o rbac.Ownership) rbac.Decision {
	const foreign, missing = rbac.ReasonNotOwner, rbac.ReasonMissingPermission
	stem, own := strings.CutSuffix(perm, "_own")
	switch {
	case held["*"], held[perm] && (!own || o == noOwner), held[stem+"_any"] && (!own || o != noOwner):
		return rbac.Decision{Allowed: true, Reason: rbac.ReasonRole}
	case o == noOwner || !held[stem+"_own"]:
		return rbac.Decision{Reason: missing}
	case o == self:
		return rbac.Decision{Allowed: true, Reason: rbac.ReasonOwn}
	}
	return rbac.Decision{Reason: foreign}
}

// drawPolicy draws a sound policy: any catalogue, and roles that inherit from
// any of those before them.
func drawPolicy(t *rapid.T) rbac.Policy {
	p := rbac.Policy{Scope: rbac.ScopePlatform, AvailableRoles: []string{"admin"}}
	p.Content = drawPermissions(t, "content", "shout", "topic", "reaction:LIKE", "reaction:PROOF")
	p.Reserved = drawPermissions(t, "reserved", "chat", "vault:KEY")
	for i := range rapid.IntRange(0, 6).Draw(t, "roles") {
		p.Roles = append(p.Roles, drawRole(t, p, fmt.Sprintf("r%d", i)))
	}
	admin := drawRole(t, p, "admin")
	admin.Permissions = append(admin.Permissions, "*")
	p.Roles = append(p.Roles, admin)
	return p
}

var actions = []string{"read", "update", "update_own", "update_any", "delete_any"}

func drawPermissions(t *rapid.T, label string, prefixes ...string) []string {
	var all []string
	for _, prefix := range prefixes {
		for _, action := range actions {
			all = append(all, prefix+":"+action)
		}
	}
	return rapid.SliceOfDistinct(rapid.SampledFrom(all), rapid.ID).Draw(t, label)
}

func drawRole(t *rapid.T, p rbac.Policy, id string) rbac.Role {
	role := rbac.Role{ID: id}
	for _, earlier := range p.Roles {
		if rapid.Bool().Draw(t, id+" inherits "+earlier.ID) {
			role.Inherits = append(role.Inherits, earlier.ID)
		}
	}
	catalogue := slices.Concat(p.Content, p.Reserved)
	if len(catalogue) == 0 {
		return role
	}
	for range rapid.IntRange(0, 4).Draw(t, id+" lines") {
		segments := strings.Split(rapid.SampledFrom(catalogue).Draw(t, "line"), ":")
		for i := range segments {
			if rapid.IntRange(0, 2).Draw(t, "wild") == 0 {
				segments[i] = "*"
			}
		}
		if line := strings.Join(segments, ":"); len(reach(p, line)) > 0 {
			role.Permissions = append(role.Permissions, line)
		}
	}
	return role
}

func drawRoles(t *rapid.T, p rbac.Policy, label string) []string {
	ids := []string{"nobody"}
	for _, r := range p.Roles {
		ids = append(ids, r.ID)
	}
	return rapid.SliceOfN(rapid.SampledFrom(ids), 0, 4).Draw(t, label)
}

func drawPermission(t *rapid.T) rbac.Permission {
	prefix := rapid.SampledFrom([]string{"shout", "topic", "reaction:LIKE", "reaction:PROOF", "chat", "vault:KEY", "new"}).Draw(t, "prefix")
	return perm(prefix + ":" + rapid.SampledFrom(append(actions, "delete", "delete_own")).Draw(t, "action"))
}

func union(p rbac.Policy, roles []string) set {
	held := set{}
	for _, role := range roles {
		maps.Copy(held, reference(p, role))
	}
	return held
}

func drawCompiled(t *rapid.T) (rbac.Policy, *rbac.Grants) {
	p := drawPolicy(t)
	g, err := rbac.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return p, g
}

func TestCompiledIsWhatTheReferenceExpands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, g := drawCompiled(t)
		for _, role := range p.Roles {
			want := slices.AppendSeq([]string{}, maps.Keys(reference(p, role.ID)))
			slices.Sort(want)
			if diff := cmp.Diff(want, g.Permissions(role.ID)); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", role.ID, diff)
			}
		}
	})
}

func TestDecisionsFollowTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, g := drawCompiled(t)
		roles, perm := drawRoles(t, p, "roles"), drawPermission(t)
		owner := rapid.SampledFrom([]rbac.Ownership{noOwner, self, other}).Draw(t, "owner")
		held := union(p, roles)
		if got, want := g.Decide(roles, perm, owner), held.decide(perm.String(), owner); got != want {
			t.Fatalf("%v %s (owner %d): %+v, want %+v", roles, perm, owner, got, want)
		}
		if got, want := g.Allows(roles, perm), held["*"] || held[perm.String()]; got != want {
			t.Fatalf("%v hold %s: %t", roles, perm, got)
		}
	})
}

func TestCoversIsSetLogic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, g := drawCompiled(t)
		holder, other := drawRoles(t, p, "holder"), drawRoles(t, p, "other")
		mine, theirs := union(p, holder), union(p, other)
		var missing []string
		for perm := range theirs {
			if !mine[perm] && !mine["*"] {
				missing = append(missing, perm)
			}
		}
		slices.Sort(missing)
		if got := g.Missing(holder, other); !slices.Equal(got, missing) {
			t.Fatalf("%v lacks %q for %v, want %q", holder, got, other, missing)
		}
		if g.Covers(holder, other) != (len(missing) == 0) {
			t.Fatalf("%v covers %v is not %t", holder, other, len(missing) == 0)
		}
	})
}

// What the database holds behaves as what was compiled.
func TestDecodedIsWhatWasEncoded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, g := drawCompiled(t)
		text, err := g.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := rbac.DecodeGrants(text)
		if err != nil {
			t.Fatal(err)
		}
		if decoded.Hash() != g.Hash() {
			t.Fatal("the hash changed")
		}
		custom := []rbac.Permission{drawPermission(t)}
		g, err = g.With("custom", custom)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err = decoded.With("custom", custom)
		if err != nil {
			t.Fatal(err)
		}
		p.Roles = append(p.Roles, rbac.Role{ID: "custom"})
		roles, perm := drawRoles(t, p, "roles"), drawPermission(t)
		owner := rapid.SampledFrom([]rbac.Ownership{noOwner, self, other}).Draw(t, "owner")
		if a, b := g.Decide(roles, perm, owner), decoded.Decide(roles, perm, owner); a != b {
			t.Fatalf("%v %s (owner %d): %+v compiled, %+v decoded", roles, perm, owner, a, b)
		}
	})
}

// Every permission held has a reason, and every reason leads from the role
// along its parents to a line that is really there.
func TestExplanationsAgreeWithGrants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, g := drawCompiled(t)
		role := rapid.SampledFrom(p.Roles).Draw(t, "role").ID
		perm := drawPermission(t)
		sources := p.Explain(role, perm)
		if g.Allows([]string{role}, perm) != (len(sources) > 0) {
			t.Fatalf("%s %s: %v", role, perm, sources)
		}
		for _, s := range sources {
			at := p.Roles[slices.IndexFunc(p.Roles, func(r rbac.Role) bool { return r.ID == role })]
			for _, next := range s.Path[1:] {
				if !slices.Contains(at.Inherits, next) {
					t.Fatalf("%s does not inherit %s", at.ID, next)
				}
				at = p.Roles[slices.IndexFunc(p.Roles, func(r rbac.Role) bool { return r.ID == next })]
			}
			if s.Path[0] != role || !slices.Contains(at.Permissions, s.Pattern) {
				t.Fatalf("%v is not in the policy", s)
			}
		}
	})
}

func TestCatalogueKnowsWhatDecidesCanAllow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, g := drawCompiled(t)
		c, err := rbac.NewCatalogue(p.Content, p.Reserved)
		if err != nil {
			t.Fatal(err)
		}
		all, err := g.With("all", c.Permissions())
		if err != nil {
			t.Fatal(err)
		}
		perm := drawPermission(t)
		if got := all.Decide([]string{"all"}, perm, self).Allowed; got != c.Knows(perm) {
			t.Fatalf("%s is known: %t, but allowed to whoever holds all: %t", perm, c.Knows(perm), got)
		}
	})
}
