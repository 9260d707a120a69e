package graph

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/account"
	"github.com/propusk/propusk/internal/community"
	"github.com/propusk/propusk/internal/session"
)

// AdminSetUserCommunityRoles implements MutationResolver.
func (m mutation) AdminSetUserCommunityRoles(ctx context.Context, authorID, communityID int64, roles []string) (*UserRolesPayload, error) {
	return m.member(ctx, authorID, communityID, func(me propusk.Pass, userID string) (propusk.Membership, error) {
		return m.d.Communities.SetRoles(ctx, me, communityID, userID, roles)
	})
}

// AdminAddUserToRole implements MutationResolver.
func (m mutation) AdminAddUserToRole(ctx context.Context, authorID, communityID int64, role string) (*UserRolesPayload, error) {
	return m.member(ctx, authorID, communityID, func(me propusk.Pass, userID string) (propusk.Membership, error) {
		return m.d.Communities.AddRole(ctx, me, communityID, userID, role)
	})
}

// AdminRemoveUserFromRole implements MutationResolver.
func (m mutation) AdminRemoveUserFromRole(ctx context.Context, authorID, communityID int64, role string) (*UserRolesPayload, error) {
	return m.member(ctx, authorID, communityID, func(me propusk.Pass, userID string) (propusk.Membership, error) {
		return m.d.Communities.RemoveRole(ctx, me, communityID, userID, role)
	})
}

// member is the shape of every act upon one person in a community.
func (m mutation) member(ctx context.Context, authorID, communityID int64, act func(propusk.Pass, string) (propusk.Membership, error)) (
	*UserRolesPayload, error,
) {
	me := passOf(ctx)
	userID, err := m.d.Communities.UserIDOf(ctx, me, communityID, authorID)
	var is propusk.Membership
	if err == nil {
		is, err = act(me, userID)
	}
	return settled(ctx, m.d, UserRolesPayload{AuthorID: &authorID, CommunityID: &communityID, Roles: is.Roles}, err)
}

// AdminBulkAssignRoles implements MutationResolver.
func (m mutation) AdminBulkAssignRoles(ctx context.Context, communityID int64, assignments []RoleAssignment, mode BulkMode) (
	*BulkPayload, error,
) {
	rows := each(assignments, func(a RoleAssignment) propusk.Assignment {
		return propusk.Assignment{AuthorID: a.AuthorID, Roles: a.Roles}
	})
	done, err := m.d.Communities.Bulk(ctx, passOf(ctx), communityID, propusk.Mode(mode), rows)
	out := BulkPayload{CommunityID: &communityID, Results: make([]BulkResult, len(done))}
	for i, row := range done {
		out.Results[i] = BulkResult{AuthorID: assignments[i].AuthorID, Status: string(row.Status), Roles: row.Roles}
	}
	return settled(ctx, m.d, out, ofAssignments(err))
}

// ofAssignments makes faults of a bulk name the argument of this door.
func ofAssignments(err error) error {
	var refused *propusk.Error
	if !errors.As(err, &refused) {
		return err
	}
	told := *refused
	told.Fields = each(refused.Fields, func(f propusk.FieldError) propusk.FieldError {
		f.Field = strings.Replace(f.Field, "members", "assignments", 1)
		return f
	})
	return &told
}

// AdminUpdateCommunityRoleSettings implements MutationResolver.
func (m mutation) AdminUpdateCommunityRoleSettings(
	ctx context.Context, communityID int64, defaultRoles, availableRoles []string, strip bool,
) (*RoleSettingsPayload, error) {
	out := RoleSettingsPayload{CommunityID: &communityID}
	err := cmp.Or(few("default_roles", defaultRoles, maxRoles), few("available_roles", availableRoles, maxRoles))
	if err != nil {
		return settled(ctx, m.d, out, err)
	}
	to := propusk.RoleSettings{AvailableRoles: availableRoles, DefaultRoles: defaultRoles}
	is, err := m.d.Communities.SetRoleSettings(ctx, passOf(ctx), communityID, to, strip)
	if err == nil {
		out.AvailableRoles, out.DefaultRoles = is.AvailableRoles, is.DefaultRoles
	}
	return settled(ctx, m.d, out, err)
}

// AdminCreateCustomRole implements MutationResolver.
func (m mutation) AdminCreateCustomRole(ctx context.Context, communityID int64, role CustomRole) (*RolePayload, error) {
	out := RolePayload{CommunityID: &communityID}
	if err := few("permissions", role.Permissions, maxPermissions); err != nil {
		return settled(ctx, m.d, out, err)
	}
	made, err := m.d.Communities.CreateRole(ctx, passOf(ctx), communityID, community.NewRole(role))
	if err == nil {
		out.Role = new(toRole(made))
	}
	return settled(ctx, m.d, out, err)
}

// AdminDeleteCustomRole implements MutationResolver.
func (m mutation) AdminDeleteCustomRole(ctx context.Context, communityID int64, roleID string, strip bool) (*DeletedRolePayload, error) {
	err := m.d.Communities.DeleteRole(ctx, passOf(ctx), communityID, roleID, strip)
	out := DeletedRolePayload{CommunityID: &communityID}
	if err == nil {
		out.RoleID = &roleID
	}
	return settled(ctx, m.d, out, err)
}

// AdminUpdateUser implements MutationResolver.
func (m mutation) AdminUpdateUser(ctx context.Context, id int64, role *string, isActive *bool) (*UserPayload, error) {
	user, err := m.d.Accounts.Change(ctx, passOf(ctx), id, account.Change{Role: role, Active: isActive})
	return settled(ctx, m.d, UserPayload{User: someUser(user)}, err)
}

// Login implements MutationResolver.
func (m mutation) Login(ctx context.Context, email, password string) (*LoginPayload, error) {
	if err := cmp.Or(short("email", email, maxEmail), short("password", password, maxPassword)); err != nil {
		return settled(ctx, m.d, LoginPayload{}, err)
	}
	tokens, err := m.d.Sessions.Login(ctx, session.Login{
		Email: email, Password: password, Device: requestOf(ctx).device, Origin: m.d.Origin(ctx),
	})
	m.d.LoggedIn(ctx, tokens.User, err)
	if err != nil {
		return settled(ctx, m.d, LoginPayload{}, err)
	}
	return settled(ctx, m.d, LoginPayload{
		AccessToken: &tokens.Access, TokenType: new("bearer"), ExpiresIn: new(int64(tokens.ExpiresIn.Seconds())), RefreshToken: &tokens.Refresh,
		User: someUser(tokens.User),
	}, nil)
}

// Logout implements MutationResolver. It ends the sessions of the access token and of the refresh token, whichever there are.
func (m mutation) Logout(ctx context.Context, refreshToken *string) (*Payload, error) {
	me, unknown := requestOf(ctx).pass()
	if unknown == nil && me.KeyID != "" {
		unknown = access.SessionRequired()
	}
	signedIn := unknown == nil
	var byAccess, byRefresh error
	if signedIn {
		byAccess = m.d.Sessions.Logout(ctx, me)
	}
	if refreshToken == nil {
		return settled(ctx, m.d, Payload{}, cmp.Or(unknown, byAccess))
	}
	byRefresh = m.d.Sessions.LogoutByRefresh(ctx, *refreshToken, m.d.Origin(ctx))
	if signedIn && propusk.KindOf(byRefresh) == propusk.Unauthenticated {
		byRefresh = nil // most often the two are of one session, which has just ended
	}
	return settled(ctx, m.d, Payload{}, cmp.Or(byAccess, byRefresh))
}

// Register implements MutationResolver.
func (m mutation) Register(ctx context.Context, name string, lastName *string, email, password string) (*UserPayload, error) {
	made, err := m.d.Accounts.Register(ctx, m.d.Origin(ctx), account.Registration{
		Name: name, LastName: or(lastName, ""), Email: email, Password: password,
	})
	return settled(ctx, m.d, UserPayload{User: someUser(made)}, err)
}

// EditProfile implements MutationResolver.
func (m mutation) EditProfile(ctx context.Context, name, lastName, slug *string) (*UserPayload, error) {
	is, err := m.d.Accounts.Edit(ctx, passOf(ctx), account.Edit{Name: name, LastName: lastName, Slug: slug})
	return settled(ctx, m.d, UserPayload{User: someUser(is)}, err)
}
