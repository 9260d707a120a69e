package community

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/field"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// MemberFilter selects members; zero fields select everybody.
type MemberFilter struct {
	Role, Search  string
	Offset, Limit int
}

// Members is a page of the members of a community and how many match in all; of those that a search finds, at most store.MaxFound are counted.
// It needs member:read. E-mail addresses are empty, and not searched, for callers without member:assign_role. NotFound, Forbidden, Invalid.
func (s *Service) Members(ctx context.Context, caller propusk.Pass, id int64, f MemberFilter) (page []propusk.Membership, total int, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		me, err := s.Access.InsideWith(r, caller, id, permRead)
		if err != nil {
			return err
		}
		if f.Role != "" && !me.Local.Grants.Has(f.Role) {
			return propusk.InvalidField("role", oneOf(me.Local.Grants.Roles()))
		}
		emails := access.RequireHere(me, permAssign) == nil
		page, total, err = r.Members(store.MemberFilter{
			CommunityID: id, Role: f.Role, Search: f.Search, Emails: emails, Offset: f.Offset, Limit: f.Limit,
		})
		for i := range page {
			if !emails {
				page[i].User.Email = ""
			}
		}
		return err
	})
	return page, total, err
}

func oneOf(roles []string) string { return "must be one of " + strings.Join(roles, ", ") }

// Permissions is what somebody's roles in a community permit, as full sorted lists. About oneself every member may ask, about others it needs
// member:assign_role. An inactive account has its roles, and they permit nothing. NotFound, Forbidden.
func (s *Service) Permissions(ctx context.Context, caller propusk.Pass, id int64, userID string) (roles, permissions []string, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		me, err := s.Access.Inside(r, caller, id)
		if err != nil {
			return err
		}
		if userID == "" || strings.EqualFold(userID, me.User.UserID) {
			roles, permissions = me.Local.Roles, me.Local.Permissions()
			return nil
		}
		if err := access.RequireHere(me, permAssign); err != nil {
			return err
		}
		them, err := findMember(r, id, userID)
		if err != nil {
			return err
		}
		if roles = them.Roles; them.User.IsActive {
			permissions = me.Local.Grants.Union(roles)
		}
		return nil
	})
	return roles, permissions, err
}

// Join makes the caller a member with the default roles. Joining again changes nothing. NotFound, Forbidden (joining_closed,
// admission_required).
func (s *Service) Join(ctx context.Context, caller propusk.Pass, id int64) (profile Profile, err error) {
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.Access.Enter(tx, caller, id)
		if err != nil {
			return err
		}
		if err := access.InPerson(me); err != nil {
			return err
		}
		if !me.Member {
			if err := s.join(tx, &me); err != nil {
				return err
			}
		}
		profile, err = profileOf(tx, me)
		return err
	})
	return profile, err
}

func (s *Service) join(tx store.Tx, me *propusk.Pass) error {
	if me.Community.Joining != propusk.JoiningOpen {
		return &propusk.Error{
			Kind: propusk.Forbidden, Code: "joining_closed", Message: "this community lets nobody join: ask its admins to admit you",
		}
	}
	barred, err := tx.Barred(me.Community.ID, me.User.ID)
	if err != nil {
		return err
	}
	if barred {
		return &propusk.Error{
			Kind: propusk.Forbidden, Code: "admission_required",
			Message: "you cannot come back by yourself: ask the community's admins to admit you",
		}
	}
	roles := me.Community.DefaultRoles
	err = s.recordMember(tx, *me, "member.join", me.User, nil, roles)
	if err != nil {
		return err
	}
	me.Member, me.Local.Roles = true, roles
	me.Community.MemberCount++
	return tx.InsertMember(me.Community.ID, me.User.ID, roles, s.Now().Truncate(time.Second))
}

// Leave ends the caller's membership. NotFound for who is no member, Conflict (last_community_admin).
func (s *Service) Leave(ctx context.Context, caller propusk.Pass, id int64) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.Access.Inside(tx, caller, id)
		if err != nil {
			return err
		}
		if err := access.InPerson(me); err != nil {
			return err
		}
		if !me.Member {
			return unknownMember()
		}
		return s.remove(tx, me, seat{user: me.User, member: true, roles: me.Local.Roles}, "member.leave")
	})
}

// seat is somebody as a member of the community that is acted upon.
type seat struct {
	user   propusk.User
	member bool
	roles  []string
}

// Admit makes somebody a member: with the default roles when roles is nil, and else with exactly those. It lets those in again who were
// removed. It needs member:admit, and for roles member:assign_role and to hold all that they permit. NotFound, Forbidden, Invalid, Conflict
// (already_member).
func (s *Service) Admit(ctx context.Context, caller propusk.Pass, id int64, userID string, roles []string) (propusk.Membership, error) {
	return s.change(ctx, caller, id, userID, permAdmit, func(tx store.Tx, me propusk.Pass, them seat) error {
		if them.member {
			return &propusk.Error{
				Kind: propusk.Conflict, Code: "already_member", Message: "this account is a member already: change its roles instead",
			}
		}
		if roles == nil {
			return s.seat(tx, me, them, me.Community.DefaultRoles, "member.admit")
		}
		if err := access.RequireHere(me, permAssign); err != nil {
			return err
		}
		return s.assign(tx, me, them, roles, "member.admit")
	})
}

// SetRoles gives somebody exactly those roles; who is no member is admitted with them. It needs member:assign_role, to hold all that the old
// and the new roles permit, and that the new ones are available. NotFound, Forbidden, Invalid, Conflict (last_community_admin).
func (s *Service) SetRoles(ctx context.Context, caller propusk.Pass, id int64, userID string, roles []string) (propusk.Membership, error) {
	return s.change(ctx, caller, id, userID, permAssign, func(tx store.Tx, me propusk.Pass, them seat) error {
		return s.assign(tx, me, them, roles, "member.set_roles")
	})
}

// AddRole gives somebody one more role; see SetRoles.
func (s *Service) AddRole(ctx context.Context, caller propusk.Pass, id int64, userID, role string) (propusk.Membership, error) {
	return s.change(ctx, caller, id, userID, permAssign, func(tx store.Tx, me propusk.Pass, them seat) error {
		if !me.Local.Grants.Has(role) {
			return unknownRole()
		}
		return s.assign(tx, me, them, union(them.roles, []string{role}), "member.add_role")
	})
}

// RemoveRole takes one role from a member; see SetRoles. Taking one that the member does not have changes nothing.
func (s *Service) RemoveRole(ctx context.Context, caller propusk.Pass, id int64, userID, role string) (propusk.Membership, error) {
	is, err := s.change(ctx, caller, id, userID, permAssign, func(tx store.Tx, me propusk.Pass, them seat) error {
		switch {
		case !them.member:
			return unknownMember()
		case !me.Local.Grants.Has(role) && !slices.Contains(them.roles, role):
			return unknownRole()
		}
		return s.assign(tx, me, them, without(them.roles, []string{role}), "member.remove_role")
	})
	if errors.Is(err, unknownUser()) {
		err = unknownMember() // nobody learns here who has an account
	}
	return is, err
}

// Remove ends somebody's membership; only being admitted lets them in again. It needs member:remove and to hold all that the member's roles
// permit. NotFound, Forbidden, Conflict (last_community_admin).
func (s *Service) Remove(ctx context.Context, caller propusk.Pass, id int64, userID string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.Access.InsideWith(tx, caller, id, permRemove)
		if err != nil {
			return err
		}
		them, err := findMember(tx, id, userID)
		if err != nil {
			return err
		}
		if !me.Covers(them.Roles) {
			return aboveOwnRights()
		}
		if them.User.ID != me.User.ID {
			if err := tx.SetBarred(id, them.User.ID, true); err != nil {
				return err
			}
		}
		return s.remove(tx, me, seat{user: them.User, member: true, roles: them.Roles}, "member.remove")
	})
}

func (s *Service) remove(tx store.Tx, me propusk.Pass, them seat, action string) error {
	if err := keepsAdmin(tx, me.Community, them, nil); err != nil {
		return err
	}
	if err := s.recordMember(tx, me, action, them.user, them.roles, nil); err != nil {
		return err
	}
	return tx.DeleteMember(me.Community.ID, them.user.ID)
}

// change is the shape of every act upon one person: authority and target are read in the transaction that acts.
func (s *Service) change(ctx context.Context, caller propusk.Pass, id int64, userID string, needs rbac.Permission,
	act func(store.Tx, propusk.Pass, seat) error,
) (is propusk.Membership, err error) {
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.Access.InsideWith(tx, caller, id, needs)
		if err != nil {
			return err
		}
		them, err := findSeat(tx, id, userID)
		if err != nil {
			return err
		}
		if err := act(tx, me, them); err != nil {
			return err
		}
		is, err = tx.Member(id, them.user.UserID)
		return err
	})
	return is, err
}

// assign gives somebody exactly the roles to, if the caller may.
func (s *Service) assign(tx store.Tx, me propusk.Pass, them seat, to []string, action string) error {
	if err := checkAvailable(me.Community, them.roles, to); err != nil {
		return err
	}
	to = unique(to)
	if !me.Covers(them.roles) || !me.Covers(to) {
		return aboveOwnRights()
	}
	if err := keepsAdmin(tx, me.Community, them, to); err != nil {
		return err
	}
	return s.seat(tx, me, them, to, action)
}

// checkAvailable refuses roles that cannot be given here. Those that somebody has already may stay.
func checkAvailable(c propusk.Community, has, to []string) error {
	var bad field.Faults
	bad.Add("roles", tooLong(to))
	for i, role := range to[:min(len(to), rbac.MaxRoles)] {
		if !slices.Contains(c.AvailableRoles, role) && !slices.Contains(has, role) {
			bad.Add(fmt.Sprintf("roles[%d]", i), errors.New(oneOf(c.AvailableRoles)))
		}
	}
	return bad.Err()
}

// tooLong says whether a list of roles is more than a member can have.
func tooLong(roles []string) error {
	if len(roles) > rbac.MaxRoles || len(strings.Join(roles, ",")) > rbac.MaxRolesLen {
		return fmt.Errorf("must be at most %d roles, of at most %d bytes with commas between them", rbac.MaxRoles, rbac.MaxRolesLen)
	}
	return nil
}

// seat writes somebody's roles, and a membership where there is none, and tells the audit. What the roles are was decided before.
func (s *Service) seat(tx store.Tx, me propusk.Pass, them seat, to []string, action string) error {
	if them.member && slices.Equal(them.roles, to) {
		return nil
	}
	if mark, barred := bar(me.Community, them.member, them.roles, to); mark && them.user.ID != me.User.ID {
		if err := tx.SetBarred(me.Community.ID, them.user.ID, barred); err != nil {
			return err
		}
	}
	if err := s.recordMember(tx, me, action, them.user, them.roles, to); err != nil {
		return err
	}
	if them.member {
		return tx.SetMemberRoles(me.Community.ID, them.user.ID, to)
	}
	return tx.InsertMember(me.Community.ID, them.user.ID, to, s.Now().Truncate(time.Second))
}

// bar tells what another's change of somebody's roles means for their joining later: who lost a default role may come in only by being
// admitted, or else leaving and joining would bring it back; who is admitted, or has all default roles again, may join.
func bar(c propusk.Community, member bool, has, to []string) (mark, barred bool) {
	isDefault := func(role string) bool { return slices.Contains(c.DefaultRoles, role) }
	if slices.ContainsFunc(without(has, to), isDefault) {
		return true, true
	}
	return !member || (len(c.DefaultRoles) > 0 && len(without(c.DefaultRoles, to)) == 0), false
}

// keepsAdmin refuses to take the last active admin of a community away.
func keepsAdmin(r store.Reader, c propusk.Community, them seat, to []string) error {
	if !them.user.IsActive || !slices.Contains(them.roles, rbac.Admin) || slices.Contains(to, rbac.Admin) {
		return nil
	}
	admins, err := r.ActiveHolders(c.ID, rbac.Admin, 2)
	if err != nil || admins > 1 {
		return err
	}
	return lastAdmin(c)
}

func lastAdmin(c propusk.Community) error {
	return &propusk.Error{
		Kind: propusk.Conflict, Code: "last_community_admin",
		Message: fmt.Sprintf("this is the last active admin of %s: make somebody else an admin there first", c.Slug),
	}
}

func (s *Service) recordMember(tx store.Tx, me propusk.Pass, action string, user propusk.User, before, after []string) error {
	return s.record(tx, me, action, user.UserID,
		audit.Fields{"community_id": me.Community.ID, "roles": noNil(before)}, audit.Fields{"community_id": me.Community.ID, "roles": noNil(after)})
}

// findSeat finds an account, member or not.
func findSeat(r store.Reader, communityID int64, userID string) (seat, error) {
	user, err := findUser(r, userID)
	if err != nil {
		return seat{}, err
	}
	is, err := r.Member(communityID, user.UserID)
	if errors.Is(err, store.ErrNotFound) {
		return seat{user: user}, nil
	}
	return seat{user: user, member: true, roles: is.Roles}, err
}

func findUser(r store.Reader, userID string) (propusk.User, error) {
	id, ok := parseUserID(userID)
	if !ok {
		return propusk.User{}, unknownUser()
	}
	user, err := r.UserByUserID(id)
	if errors.Is(err, store.ErrNotFound) {
		err = unknownUser()
	}
	return user, err
}

// findMember finds somebody among the members only: to the caller, everybody else does not exist.
func findMember(r store.Reader, communityID int64, userID string) (propusk.Membership, error) {
	id, ok := parseUserID(userID)
	if !ok {
		return propusk.Membership{}, unknownMember()
	}
	is, err := r.Member(communityID, id)
	if errors.Is(err, store.ErrNotFound) {
		err = unknownMember()
	}
	return is, err
}

// parseUserID takes the plain form of a UUID, in any case; the parser knows others, and returns what it read before an error.
func parseUserID(text string) (string, bool) {
	id, err := uuid.Parse(text)
	return id.String(), err == nil && len(text) == 36
}

func unknownUser() error {
	return &propusk.Error{Kind: propusk.NotFound, Code: "user_not_found", Message: "there is no such user"}
}

func unknownMember() error {
	return &propusk.Error{Kind: propusk.NotFound, Code: "member_not_found", Message: "there is no such member in this community"}
}

func unknownRole() error {
	return &propusk.Error{Kind: propusk.NotFound, Code: "role_not_found", Message: "there is no such role in this community"}
}

// union is has and more, in this order, each once.
func union(has, more []string) []string { return unique(slices.Concat(has, more)) }

func unique(list []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func noNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
