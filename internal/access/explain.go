package access

import (
	"context"
	"slices"
	"strings"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// Explanation tells why a check was decided as it was.
type Explanation struct {
	rbac.Decision
	Scope rbac.Scope
	// Roles are what the user holds in that scope.
	Roles []string
	// Via is every way in which they give the permission, or a wider one that decides.
	Via []Via
	// Limited tells that the user may, and the API key that asks may not.
	Limited bool
	// Missing is the permission that would have been needed, and GivenBy the available roles that would give it; both empty when it is allowed,
	// and when the user is no member and the caller no platform admin.
	Missing string
	GivenBy []string
}

// Via is one way to hold a permission.
type Via struct {
	// Role is the user's, Permission what it holds.
	Role, Permission string
	// Path leads from Role to the role it is inherited from, both included.
	Path []string
	// Line is the line of the policy's role, empty where the list is the community's own: a custom or edited role, or an earlier policy.
	Line string
	// Implied is set when the line gives x_any and x_own follows from it.
	Implied bool
}

// Explain answers one question as Check does, and says why.
func (s *Service) Explain(ctx context.Context, caller propusk.Pass, q propusk.Question) (Explanation, error) {
	found, err := s.look(ctx, caller, []propusk.Question{q}, func(int) string { return "" })
	if err != nil {
		return Explanation{}, err
	}
	if found[0].platform {
		return explain(found[0], from{rbac.ScopePlatform, found[0].pass.Platform, s.PlatformPolicy, s.Platform.Roles(), true}), nil
	}
	place := found[0].pass
	policy, err := s.policyOf(s.Store.Now(ctx), place.Community)
	known := place.Member || (caller.Anywhere() && place.Community.ID != 0)
	return explain(found[0], from{rbac.ScopeCommunity, place.Local, policy, place.Community.AvailableRoles, known}), err
}

// from is what a decision is explained from.
type from struct {
	scope    rbac.Scope
	standing propusk.Standing
	policy   rbac.Policy
	// offered are roles that could be given, known whether the caller may hear of them.
	offered []string
	known   bool
}

func explain(f finding, from from) Explanation {
	e := Explanation{Decision: f.decide(), Scope: from.scope, Roles: from.standing.Roles}
	if !e.Allowed && from.standing.Limit != nil {
		e.Limited, e.Missing = true, f.permission.String()
		return e
	}
	for _, role := range e.Roles {
		if f.active {
			e.Via = append(e.Via, via(from.standing.Grants, from.policy, role, f)...)
		}
	}
	if !e.Allowed && f.active && from.known {
		e.Missing = f.permission.String()
		e.GivenBy = slices.DeleteFunc(slices.Clone(from.offered), func(role string) bool {
			return !from.standing.Grants.Decide([]string{role}, f.permission, f.owner).Allowed
		})
	}
	return e
}

// policyOf is the policy without the roles of which a community has a list of its own.
func (s *Service) policyOf(r store.Reader, c propusk.Community) (rbac.Policy, error) {
	own, err := r.CommunityRoles(c.ID)
	policy := s.Policy
	policy.Roles = slices.DeleteFunc(slices.Clone(policy.Roles), func(role rbac.Role) bool {
		return slices.ContainsFunc(own, func(row store.RoleRow) bool { return row.ID == role.ID && row.Permissions != nil })
	})
	return policy, err
}

// via is how one role holds what decides.
func via(grants *rbac.Grants, policy rbac.Policy, role string, f finding) []Via {
	var ways []Via
	for _, held := range grants.Permissions(role) {
		if !decides(held, f) {
			continue
		}
		if len(ways) > 0 && ways[0].Permission == rbac.Everything {
			break // all else is in it
		}
		sources := explained(policy, role, held)
		for _, source := range sources {
			ways = append(ways, Via{Role: role, Permission: held, Path: source.Path, Line: source.Pattern, Implied: source.Implied})
		}
		if len(sources) == 0 {
			ways = append(ways, Via{Role: role, Permission: held, Path: []string{role}})
		}
	}
	return ways
}

// decides reports whether somebody who holds only that permission would pass the check.
func decides(held string, f finding) bool {
	if held == rbac.Everything {
		return true
	}
	p, err := rbac.ParsePermission(held)
	if err != nil {
		return false
	}
	const probe = "probe"
	grants, err := (*rbac.Grants)(nil).With(probe, []rbac.Permission{p})
	return err == nil && grants.Decide([]string{probe}, f.permission, f.owner).Allowed
}

// explained finds the lines of the policy that give what a role holds.
func explained(policy rbac.Policy, role, held string) []rbac.Source {
	if held == rbac.Everything {
		for _, r := range policy.Roles {
			if r.ID == role && slices.Contains(r.Permissions, rbac.Everything) {
				return []rbac.Source{{Path: []string{role}, Pattern: rbac.Everything}}
			}
		}
		return nil
	}
	p, err := rbac.ParsePermission(strings.TrimSpace(held))
	if err != nil {
		return nil
	}
	return policy.Explain(role, p)
}
