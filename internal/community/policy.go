package community

import (
	"context"
	"slices"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// RoleChange is what applying the policy does to the holders of one role.
type RoleChange struct {
	Role string
	// Added and Removed tell a role that comes or goes.
	Added, Removed bool
	// Gains and Loses are permissions, sorted by bytes; Members have the role now.
	Gains, Loses []string
	Members      int
}

// PolicyChange is what applying the policy does, or would do, to a community.
type PolicyChange struct {
	CommunityID int64
	Slug        string
	// Roles are those that change; empty when the community has the policy already.
	Roles []RoleChange
	// Kept are roles of the community's own that survive, Reverted those of the policy that the community had edited.
	Kept, Reverted []string
	// Settings are the lists afterwards.
	Settings propusk.RoleSettings
	// Stripped is how many members lose a role that is no more, or would.
	Stripped int
	// Applied is false for a preview.
	Applied bool
}

// ApplyPolicy compiles the server's policy into a community that was compiled from another, or with edited roles. Roles of the community's own
// survive, without permissions that are no longer in the catalogue; edited ones return to the policy. Roles that the policy no longer has go;
// while members hold one it is refused unless strip says to take it from them. A dry run tells who would gain and lose what, and changes
// nothing; so does a refusal for roles that are in use. It needs policy:apply and "*" there. NotFound, Forbidden, Conflict (roles_in_use).
func (s *Service) ApplyPolicy(ctx context.Context, caller propusk.Pass, id int64, dryRun, strip bool) (change PolicyChange, err error) {
	if dryRun {
		err = s.Store.View(ctx, func(r store.Reader) error {
			me, err := s.mayApply(r, caller, id)
			if err != nil {
				return err
			}
			plan, err := s.plan(r, me)
			change = plan.change
			return err
		})
		return change, err
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.mayApply(tx, caller, id)
		if err != nil {
			return err
		}
		plan, err := s.plan(tx, me)
		if err != nil {
			return err
		}
		change = plan.change
		if change.none(me.Community) {
			return nil
		}
		return s.carryOut(tx, me, plan, strip)
	})
	if change.Applied = err == nil; change.Applied {
		s.changed(id)
	}
	return change, err
}

// none reports whether the community has the policy already.
func (c PolicyChange) none(is propusk.Community) bool {
	return len(c.Roles) == 0 && len(c.Reverted) == 0 && slices.Equal(c.Settings.AvailableRoles, is.AvailableRoles)
}

func (s *Service) mayApply(r store.Reader, caller propusk.Pass, id int64) (propusk.Pass, error) {
	me, err := s.Access.InsideWith(r, caller, id, permApply)
	if err == nil {
		err = holds(me, []string{rbac.Everything})
	}
	return me, err
}

// applying is how the policy is to be applied to one community.
type applying struct {
	change PolicyChange
	grants *rbac.Grants
	custom []store.RoleRow
	gone   []string
}

func (s *Service) plan(r store.Reader, me propusk.Pass) (applying, error) {
	own, err := r.CommunityRoles(me.Community.ID)
	if err != nil {
		return applying{}, err
	}
	plan := applying{change: PolicyChange{CommunityID: me.Community.ID, Slug: me.Community.Slug}, grants: s.Grants}
	for _, row := range own {
		if !row.Custom {
			plan.change.Reverted = append(plan.change.Reverted, row.ID)
			continue
		}
		if plan.grants, err = s.carryOver(plan.grants, &row); err != nil {
			return applying{}, err
		}
		plan.custom = append(plan.custom, row)
		plan.change.Kept = append(plan.change.Kept, row.ID)
	}
	lists, err := r.RoleLists(me.Community.ID)
	if err != nil {
		return applying{}, err
	}
	plan.compare(me.Local.Grants, lists)
	plan.settle(me.Community, me.Local.Grants, s.Policy)
	return plan, nil
}

// carryOver adds a role of the community's own, with those of its permissions that there still are.
func (s *Service) carryOver(grants *rbac.Grants, row *store.RoleRow) (*rbac.Grants, error) {
	var still []rbac.Permission
	for _, text := range row.Permissions {
		if p, err := rbac.ParsePermission(text); err == nil && s.Catalogue.Has(p) {
			still = append(still, p)
		}
	}
	row.Permissions = make([]string, len(still))
	for i, p := range still {
		row.Permissions[i] = p.String()
	}
	with, err := grants.With(row.ID, still)
	if err != nil {
		return nil, &propusk.Error{
			Kind: propusk.Conflict, Code: "too_many_roles", Cause: err,
			Message: "the policy and the community's own roles together are more than a community can have: delete some of its own first",
		}
	}
	return with, nil
}

// compare notes what changes for whom.
func (a *applying) compare(was *rbac.Grants, lists []store.RoleList) {
	for _, role := range union(was.Roles(), a.grants.Roles()) {
		c := RoleChange{
			Role: role, Added: !was.Has(role), Removed: !a.grants.Has(role),
			Gains: without(a.grants.Permissions(role), was.Permissions(role)), Loses: without(was.Permissions(role), a.grants.Permissions(role)),
		}
		for _, list := range lists {
			if slices.Contains(list.Roles, role) {
				c.Members += list.Members
			}
		}
		if c.Removed {
			a.gone = append(a.gone, role)
		}
		if c.Added || c.Removed || len(c.Gains)+len(c.Loses) > 0 {
			a.change.Roles = append(a.change.Roles, c)
		}
	}
	for _, list := range lists {
		if len(without(list.Roles, a.gone)) < len(list.Roles) {
			a.change.Stripped += list.Members
		}
	}
}

// settle says which roles are available and given on joining afterwards: what the community chose, less what is gone, and of the new roles
// those that the policy makes available.
func (a *applying) settle(c propusk.Community, was *rbac.Grants, policy rbac.Policy) {
	a.change.Settings = propusk.RoleSettings{AvailableRoles: without(c.AvailableRoles, a.gone), DefaultRoles: without(c.DefaultRoles, a.gone)}
	for _, role := range policy.AvailableRoles {
		if !was.Has(role) {
			a.change.Settings.AvailableRoles = union(a.change.Settings.AvailableRoles, []string{role})
		}
	}
}

func (s *Service) carryOut(tx store.Tx, me propusk.Pass, plan applying, strip bool) error {
	change := plan.change
	if _, err := s.strip(tx, me, plan.gone, strip); err != nil {
		return err
	}
	for _, role := range change.Reverted {
		if err := tx.DeleteCommunityRole(me.Community.ID, role); err != nil {
			return err
		}
	}
	for _, row := range plan.custom {
		if err := tx.SetCommunityRole(me.Community.ID, row); err != nil {
			return err
		}
	}
	c := me.Community
	if err := s.keep(tx, &c, plan.grants); err != nil {
		return err
	}
	c.AvailableRoles, c.DefaultRoles = change.Settings.AvailableRoles, change.Settings.DefaultRoles
	after := settingsOf(c)
	after["changed_roles"], after["reverted_roles"], after["stripped"] = rolesOf(change.Roles), noNil(change.Reverted), change.Stripped
	return s.save(tx, me, &c, "policy.apply", settingsOf(me.Community), after)
}

func rolesOf(changes []RoleChange) []string {
	roles := make([]string, len(changes))
	for i, c := range changes {
		roles[i] = c.Role
	}
	return roles
}

// IDs lists all communities after that id, at most limit, for a walk over all of them by the operator of the machine.
func (s *Service) IDs(ctx context.Context, operator propusk.Pass, after int64, limit int) ([]int64, error) {
	if !operator.Operator {
		return nil, access.UnknownCommunity()
	}
	refs, err := s.Store.Now(ctx).GrantsRefs(after, limit)
	ids := make([]int64, 0, len(refs))
	for _, ref := range refs {
		if !ref.Deleted {
			ids = append(ids, ref.CommunityID)
		}
	}
	if len(refs) > 0 && len(ids) == 0 {
		return s.IDs(ctx, operator, refs[len(refs)-1].CommunityID, limit)
	}
	return ids, err
}
