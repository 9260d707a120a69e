package community

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/field"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// Role is a role of a community, standard or its own, with its full list.
type Role struct {
	ID, Name, Description, Icon string
	// Custom tells a role of the community's own from one of the policy; Edited tells that the community changed one of the policy.
	Custom, Edited bool
	// Permissions is the full list, sorted by bytes.
	Permissions []string
	// Members is how many have the role.
	Members int
}

// NewRole is what a custom role is to be.
type NewRole struct {
	ID, Name, Description, Icon string
	// Permissions are concrete ones of the catalogue; x_own is added for every x_any.
	Permissions []string
}

// RoleEdit is a change of a role; nil fields stay.
type RoleEdit struct {
	Name, Description, Icon *string
	Permissions             *[]string
}

const maxIcon = 64 // characters

// RoleSettings needs member:read. NotFound, Forbidden.
func (s *Service) RoleSettings(ctx context.Context, caller propusk.Pass, id int64) (settings propusk.RoleSettings, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		me, err := s.Access.InsideWith(r, caller, id, permRead)
		settings = propusk.RoleSettings{AvailableRoles: me.Community.AvailableRoles, DefaultRoles: me.Community.DefaultRoles}
		return err
	})
	return settings, err
}

// SetRoleSettings replaces both lists. A role that members hold stays available unless strip says to take it from them. It needs
// community:configure, and to hold all that is permitted by the roles that come or go and by the members who lose one. NotFound, Forbidden,
// Invalid, Conflict (roles_in_use, with the count).
func (s *Service) SetRoleSettings(ctx context.Context, caller propusk.Pass, id int64, to propusk.RoleSettings, strip bool) (propusk.RoleSettings, error) {
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.Access.InsideWith(tx, caller, id, permConfigure)
		if err != nil {
			return err
		}
		is := me.Community
		if err := check(to, me.Local.Grants); err != nil {
			return err
		}
		to = propusk.RoleSettings{AvailableRoles: unique(to.AvailableRoles), DefaultRoles: unique(to.DefaultRoles)}
		touched := slices.Concat(differing(is.AvailableRoles, to.AvailableRoles), differing(is.DefaultRoles, to.DefaultRoles))
		if !me.Covers(touched) {
			return aboveOwnRights()
		}
		stripped, err := s.strip(tx, me, without(is.AvailableRoles, to.AvailableRoles), strip)
		if err != nil {
			return err
		}
		before := settingsOf(is)
		is.AvailableRoles, is.DefaultRoles = to.AvailableRoles, to.DefaultRoles
		after := settingsOf(is)
		after["stripped"] = stripped
		return s.save(tx, me, &is, "community.role_settings", before, after)
	})
	return to, err
}

// settingsOf is what the audit tells of both lists.
func settingsOf(c propusk.Community) audit.Fields {
	return audit.Fields{"available_roles": noNil(c.AvailableRoles), "default_roles": noNil(c.DefaultRoles)}
}

// check says what is wrong with settings: defaults are available, admin is always available and never a default.
func check(to propusk.RoleSettings, grants *rbac.Grants) error {
	var bad field.Faults
	for name, list := range map[string][]string{"available_roles": to.AvailableRoles, "default_roles": to.DefaultRoles} {
		for i, role := range list {
			if !grants.Has(role) {
				bad.Add(fmt.Sprintf("%s[%d]", name, i), fmt.Errorf("%s", oneOf(grants.Roles())))
			}
		}
	}
	if !slices.Contains(to.AvailableRoles, rbac.Admin) {
		bad.Add("available_roles", fmt.Errorf("must name %s, which is always available", rbac.Admin))
	}
	for i, role := range to.DefaultRoles {
		at := fmt.Sprintf("default_roles[%d]", i)
		switch {
		case role == rbac.Admin:
			bad.Add(at, fmt.Errorf("must not be %s, which is given by hand only", rbac.Admin))
		case grants.Has(role) && !slices.Contains(to.AvailableRoles, role):
			bad.Add(at, fmt.Errorf("must be among available_roles"))
		}
	}
	slices.SortFunc(bad, func(a, b propusk.FieldError) int { return strings.Compare(a.Field, b.Field) })
	return bad.Err()
}

// differing is what only one of the lists has.
func differing(a, b []string) []string { return slices.Concat(without(a, b), without(b, a)) }

// strip takes roles from all members who hold one, and counts those members; unless it may, there must be none. Admin is never among them.
// The audit has an entry of its own for that, with a row for each of them.
func (s *Service) strip(tx store.Tx, me propusk.Pass, roles []string, may bool) (stripped int, err error) {
	lists, err := holders(tx, me.Community.ID, roles)
	if err != nil || len(lists) == 0 {
		return 0, err
	}
	if !may {
		return 0, inUse(lists, roles)
	}
	bulkID, err := tx.BeginBulk(me.Community.ID, s.Now().Truncate(time.Second))
	if err != nil {
		return 0, err
	}
	mine := rightsOf(me)
	for _, list := range lists {
		if !mine.covers(list.Roles) {
			return 0, aboveOwnRights()
		}
		to := without(list.Roles, roles)
		_, barred := bar(me.Community, true, list.Roles, to)
		n, err := tx.ReplaceRoleList(bulkID, list.Roles, to, barred)
		if err != nil {
			return 0, err
		}
		stripped += n
	}
	return stripped, s.recordRows(tx, me, "member.strip", audit.Fields{"taken": held(roles, lists), "rows": stripped}, bulkID)
}

// holders are the lists of roles that name one of roles.
func holders(r store.Reader, communityID int64, roles []string) ([]store.RoleList, error) {
	if len(roles) == 0 {
		return nil, nil
	}
	lists, err := r.RoleLists(communityID)
	return slices.DeleteFunc(lists, func(list store.RoleList) bool {
		return !slices.ContainsFunc(list.Roles, func(role string) bool { return slices.Contains(roles, role) })
	}), err
}

func inUse(lists []store.RoleList, roles []string) error {
	members := 0
	for _, list := range lists {
		members += list.Members
	}
	return &propusk.Error{
		Kind: propusk.Conflict, Code: "roles_in_use",
		Message: fmt.Sprintf("%s: held by %s; change their roles first, or say on_in_use: strip to take it from them",
			strings.Join(held(roles, lists), ", "), count(members)),
	}
}

// held are those of roles that a list names.
func held(roles []string, lists []store.RoleList) []string {
	var all []string
	for _, list := range lists {
		all = union(all, list.Roles)
	}
	return without(roles, without(roles, all))
}

func count(members int) string {
	if members == 1 {
		return "1 member"
	}
	return fmt.Sprintf("%d members", members)
}

// Roles lists the roles of a community: those of the policy in its order, then others by id. It needs member:read. NotFound, Forbidden.
func (s *Service) Roles(ctx context.Context, caller propusk.Pass, id int64) (roles []Role, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		me, err := s.Access.InsideWith(r, caller, id, permRead)
		if err != nil {
			return err
		}
		roles, err = s.roles(r, me)
		return err
	})
	return roles, err
}

func (s *Service) roles(r store.Reader, me propusk.Pass) ([]Role, error) {
	own, err := r.CommunityRoles(me.Community.ID)
	if err != nil {
		return nil, err
	}
	lists, err := r.RoleLists(me.Community.ID)
	if err != nil {
		return nil, err
	}
	roles := make([]Role, 0, len(me.Local.Grants.Roles()))
	for _, id := range s.ordered(me.Local.Grants.Roles()) {
		role := s.describe(id, own)
		role.Permissions = me.Local.Grants.Permissions(id)
		for _, list := range lists {
			if slices.Contains(list.Roles, id) {
				role.Members += list.Members
			}
		}
		roles = append(roles, role)
	}
	return roles, nil
}

// ordered puts the roles of the policy first, in its order.
func (s *Service) ordered(ids []string) []string {
	var first []string
	for _, role := range s.Policy.Roles {
		if slices.Contains(ids, role.ID) {
			first = append(first, role.ID)
		}
	}
	return append(first, without(ids, first)...)
}

// describe is a role as people see it: as the community says, else as the policy does. One that only an earlier policy knew has its id for a
// name.
func (s *Service) describe(id string, own []store.RoleRow) Role {
	for _, row := range own {
		if row.ID == id {
			return Role{ID: id, Name: row.Name, Description: row.Description, Icon: row.Icon, Custom: row.Custom, Edited: !row.Custom}
		}
	}
	for _, role := range s.Policy.Roles {
		if role.ID == id {
			return Role{ID: id, Name: role.Name, Description: role.Description}
		}
	}
	return Role{ID: id, Name: id}
}

// CreateRole adds a role of the community's own, and makes it available. It needs role:manage and to hold all its permissions. NotFound,
// Forbidden, Invalid, Conflict (role_exists).
func (s *Service) CreateRole(ctx context.Context, caller propusk.Pass, id int64, in NewRole) (Role, error) {
	row, permissions, err := s.newRole(in)
	if err != nil {
		return Role{}, err
	}
	return s.changeRole(ctx, caller, id, row.ID, "role.create", func(tx store.Tx, me propusk.Pass, c *propusk.Community) (audit.Fields, audit.Fields, error) {
		if me.Local.Grants.Has(row.ID) {
			const message = "the community has a role of this id already"
			return nil, nil, &propusk.Error{
				Kind: propusk.Conflict, Code: "role_exists", Message: message, Fields: []propusk.FieldError{{Field: "id", Message: message}},
			}
		}
		if err := holds(me, row.Permissions); err != nil {
			return nil, nil, err
		}
		// Somebody may have written a role of this id into a column that there was no role for.
		if err := holdersCovered(tx, me, row.ID); err != nil {
			return nil, nil, err
		}
		c.AvailableRoles = union(c.AvailableRoles, []string{row.ID})
		return audit.Fields{}, audit.Fields{"name": row.Name, "permissions": row.Permissions}, s.setRole(tx, me, c, row, permissions)
	})
}

func (s *Service) newRole(in NewRole) (store.RoleRow, []rbac.Permission, error) {
	var bad field.Faults
	row := store.RoleRow{ID: in.ID, Custom: true}
	if !rbac.ValidRole(in.ID) {
		bad.Add("id", fmt.Errorf("must begin with a letter a-z and have at most 32 letters a-z, digits, _ and -"))
	}
	texts(&bad, &row, RoleEdit{Name: &in.Name, Description: &in.Description, Icon: &in.Icon})
	permissions := s.resolve(&bad, &row, in.Permissions)
	return row, permissions, bad.Err()
}

func texts(bad *field.Faults, row *store.RoleRow, in RoleEdit) {
	if in.Name != nil {
		row.Name = bad.Name("name", *in.Name, 1)
	}
	if in.Description != nil {
		row.Description = bad.Text("description", *in.Description, rbac.MaxDescriptionLen)
	}
	if in.Icon != nil {
		if row.Icon = bad.Name("icon", *in.Icon, 0); utf8.RuneCountInString(row.Icon) > maxIcon {
			bad.Add("icon", fmt.Errorf("must have at most %d characters", maxIcon))
		}
	}
}

// resolve checks a list of permissions and writes it into the row.
func (s *Service) resolve(bad *field.Faults, row *store.RoleRow, list []string) []rbac.Permission {
	permissions, err := s.Catalogue.Resolve(list)
	if err != nil {
		for _, one := range unjoin(err) {
			at := "permissions"
			if located, ok := one.(*rbac.PolicyError); ok {
				at, one = located.Path, located.Err
			}
			bad.Add(at, one)
		}
		return nil
	}
	row.Permissions = make([]string, len(permissions))
	for i, p := range permissions {
		row.Permissions[i] = p.String()
	}
	return append([]rbac.Permission{}, permissions...) // no permissions are a list too
}

func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// holds refuses permissions that the caller does not hold, and names them.
func holds(me propusk.Pass, permissions []string) error {
	missing := me.Missing(permissions)
	if len(missing) == 0 {
		return nil
	}
	return &propusk.Error{
		Kind: propusk.Forbidden, Code: "above_own_rights", Permission: missing[0],
		Message: fmt.Sprintf("this would touch rights that you do not hold yourself: %s", strings.Join(missing[:min(len(missing), 10)], ", ")),
	}
}

// setRole writes a role and the lists that hold with it.
func (s *Service) setRole(tx store.Tx, me propusk.Pass, c *propusk.Community, row store.RoleRow, permissions []rbac.Permission) error {
	if permissions != nil {
		grants, err := me.Local.Grants.With(row.ID, permissions)
		if err != nil {
			return propusk.InvalidField("id", err.Error())
		}
		if err := s.keep(tx, c, grants); err != nil {
			return err
		}
	}
	return tx.SetCommunityRole(c.ID, row)
}

// EditRole changes a role, one of the policy's too; of admin only the texts. It needs role:manage, to hold all that the role permits before and
// after, and that nobody who has the role holds more. NotFound (role_not_found), Forbidden, Invalid.
func (s *Service) EditRole(ctx context.Context, caller propusk.Pass, id int64, role string, in RoleEdit) (Role, error) {
	return s.changeRole(ctx, caller, id, role, "role.edit", func(tx store.Tx, me propusk.Pass, c *propusk.Community) (audit.Fields, audit.Fields, error) {
		row, err := s.editable(tx, me, role)
		if err != nil {
			return nil, nil, err
		}
		was := row
		var bad field.Faults
		texts(&bad, &row, in)
		var permissions []rbac.Permission
		if in.Permissions != nil {
			if role == rbac.Admin {
				bad.Add("permissions", fmt.Errorf("must be left out: %s holds everything, always", rbac.Admin))
			} else {
				permissions = s.resolve(&bad, &row, *in.Permissions)
			}
		}
		if err := bad.Err(); err != nil {
			return nil, nil, err
		}
		before := audit.Fields{"name": was.Name, "description": was.Description, "icon": was.Icon}
		after := audit.Fields{"name": row.Name, "description": row.Description, "icon": row.Icon}
		if permissions != nil {
			before["permissions"], after["permissions"] = me.Local.Grants.Permissions(role), row.Permissions
			if err := holds(me, row.Permissions); err != nil {
				return nil, nil, err
			}
		}
		return before, after, s.setRole(tx, me, c, row, permissions)
	})
}

// editable finds a role that the caller may change.
func (s *Service) editable(r store.Reader, me propusk.Pass, role string) (store.RoleRow, error) {
	if !me.Local.Grants.Has(role) {
		return store.RoleRow{}, unknownRole()
	}
	if !me.Covers([]string{role}) {
		return store.RoleRow{}, aboveOwnRights()
	}
	if err := holdersCovered(r, me, role); err != nil {
		return store.RoleRow{}, err
	}
	own, err := r.CommunityRoles(me.Community.ID)
	if err != nil {
		return store.RoleRow{}, err
	}
	for _, row := range own {
		if row.ID == role {
			return row, nil
		}
	}
	is := s.describe(role, nil)
	return store.RoleRow{ID: is.ID, Name: is.Name, Description: is.Description, Icon: is.Icon}, nil
}

// holdersCovered refuses to touch a role that somebody has who holds more than the caller.
func holdersCovered(r store.Reader, me propusk.Pass, role string) error {
	lists, err := holders(r, me.Community.ID, []string{role})
	if err != nil {
		return err
	}
	mine := rightsOf(me)
	if slices.ContainsFunc(lists, func(list store.RoleList) bool { return !mine.covers(list.Roles) }) {
		return aboveOwnRights()
	}
	return nil
}

// DeleteRole removes a role of the community's own. One that members hold stays, unless strip says to take it from them. It needs what
// EditRole needs. NotFound (role_not_found), Forbidden, Conflict (roles_in_use, standard_role).
func (s *Service) DeleteRole(ctx context.Context, caller propusk.Pass, id int64, role string, strip bool) error {
	_, err := s.changeRole(ctx, caller, id, role, "role.delete", func(tx store.Tx, me propusk.Pass, c *propusk.Community) (audit.Fields, audit.Fields, error) {
		row, err := s.editable(tx, me, role)
		if err != nil {
			return nil, nil, err
		}
		if !row.Custom {
			return nil, nil, &propusk.Error{
				Kind: propusk.Conflict, Code: "standard_role",
				Message: "a role of the policy cannot be deleted: take it out of available_roles instead",
			}
		}
		stripped, err := s.strip(tx, me, []string{role}, strip)
		if err != nil {
			return nil, nil, err
		}
		grants, err := me.Local.Grants.Without(role)
		if err != nil {
			return nil, nil, err
		}
		if err := s.keep(tx, c, grants); err != nil {
			return nil, nil, err
		}
		c.AvailableRoles, c.DefaultRoles = without(c.AvailableRoles, []string{role}), without(c.DefaultRoles, []string{role})
		before := audit.Fields{"name": row.Name, "permissions": row.Permissions}
		return before, audit.Fields{"stripped": stripped}, tx.DeleteCommunityRole(id, role)
	})
	return err
}

// changeRole is the shape of every change of a role. It answers with the role as it is then.
func (s *Service) changeRole(ctx context.Context, caller propusk.Pass, id int64, role, action string,
	act func(store.Tx, propusk.Pass, *propusk.Community) (before, after audit.Fields, err error),
) (is Role, err error) {
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.Access.InsideWith(tx, caller, id, permManageRole)
		if err != nil {
			return err
		}
		c := me.Community
		before, after, err := act(tx, me, &c)
		if err != nil {
			return err
		}
		before["role"], after["role"] = role, role
		if err := s.save(tx, me, &c, action, before, after); err != nil {
			return err
		}
		is, err = s.role(tx, me, c, role)
		return err
	})
	if err == nil {
		s.changed(id)
	}
	return is, err
}

// role is a role after a change; the zero Role when it is gone.
func (s *Service) role(r store.Reader, me propusk.Pass, c propusk.Community, id string) (Role, error) {
	grants, err := s.Access.Compiled(r, c)
	if err != nil {
		return Role{}, err
	}
	me.Community, me.Local.Grants = c, grants
	roles, err := s.roles(r, me)
	i := slices.IndexFunc(roles, func(role Role) bool { return role.ID == id })
	if err != nil || i < 0 {
		return Role{}, err
	}
	return roles[i], nil
}
