package graph

import (
	"cmp"
	"context"

	"github.com/google/uuid"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/account"
	"github.com/propusk/propusk/internal/community"
)

// AdminGetCommunityMembers implements QueryResolver.
func (q query) AdminGetCommunityMembers(ctx context.Context, communityID int64, page, limit *int64, role, search *string) (
	*CommunityMembersPayload, error,
) {
	p, err := pagingOf(page, limit)
	out := CommunityMembersPayload{Page: p.page, Limit: p.limit}
	if err = cmp.Or(err, short("search", or(search, ""), maxSearch)); err != nil {
		return settled(ctx, q.d, out, err)
	}
	found, total, err := q.d.Communities.Members(ctx, passOf(ctx), communityID, community.MemberFilter{
		Role: or(role, ""), Search: or(search, ""), Offset: p.offset(), Limit: int(p.limit),
	})
	out.Members, out.Total, out.HasNext = each(found, toMember), int64(total), p.more(len(found), total)
	return settled(ctx, q.d, out, err)
}

// AdminGetCommunityRoleSettings implements QueryResolver.
func (q query) AdminGetCommunityRoleSettings(ctx context.Context, communityID int64) (*RoleSettingsPayload, error) {
	is, err := q.d.Communities.RoleSettings(ctx, passOf(ctx), communityID)
	out := RoleSettingsPayload{CommunityID: &communityID}
	if err == nil {
		out.AvailableRoles, out.DefaultRoles = is.AvailableRoles, is.DefaultRoles
	}
	return settled(ctx, q.d, out, err)
}

// AdminGetUserCommunityRoles implements QueryResolver.
func (q query) AdminGetUserCommunityRoles(ctx context.Context, authorID, communityID int64) (*UserRolesPayload, error) {
	out := UserRolesPayload{AuthorID: &authorID, CommunityID: &communityID}
	me := passOf(ctx)
	userID, err := q.d.Communities.UserIDOf(ctx, me, communityID, authorID)
	if err == nil {
		out.Roles, out.Permissions, err = q.d.Communities.Permissions(ctx, me, communityID, userID)
	}
	return settled(ctx, q.d, out, err)
}

// AdminGetRoles implements QueryResolver.
func (q query) AdminGetRoles(ctx context.Context, communityID int64) (*RolesPayload, error) {
	found, err := q.d.Communities.Roles(ctx, passOf(ctx), communityID)
	return settled(ctx, q.d, RolesPayload{CommunityID: &communityID, Roles: each(found, toRole)}, err)
}

// AdminGetUsers implements QueryResolver.
func (q query) AdminGetUsers(ctx context.Context, search, role *string, isActive *bool, page, limit *int64) (*UsersPayload, error) {
	p, err := pagingOf(page, limit)
	out := UsersPayload{Page: p.page, Limit: p.limit}
	if err = cmp.Or(err, short("search", or(search, ""), maxSearch)); err != nil {
		return settled(ctx, q.d, out, err)
	}
	found, total, err := q.d.Accounts.List(ctx, passOf(ctx), account.Filter{
		Search: or(search, ""), Role: or(role, ""), Active: isActive, Offset: p.offset(), Limit: int(p.limit),
	})
	out.Users, out.Total, out.HasNext = each(found, toUser), int64(total), p.more(len(found), total)
	return settled(ctx, q.d, out, err)
}

// Me implements QueryResolver.
func (q query) Me(ctx context.Context) (*User, error) { return someUser(passOf(ctx).User), nil }

// MyCommunities implements QueryResolver.
func (q query) MyCommunities(ctx context.Context, page, limit *int64) (*MyCommunitiesPayload, error) {
	p, err := pagingOf(page, limit)
	out := MyCommunitiesPayload{Page: p.page, Limit: p.limit}
	if err != nil {
		return settled(ctx, q.d, out, err)
	}
	found, total, err := q.d.Communities.Mine(ctx, passOf(ctx), p.offset(), int(p.limit))
	out.Communities, out.Total, out.HasNext = each(found, toMyCommunity), int64(total), p.more(len(found), total)
	return settled(ctx, q.d, out, err)
}

// Can implements QueryResolver. Of the owner it matters only whether it is the caller, so no other account is looked up: nobody's
// stands for all of them.
func (q query) Can(ctx context.Context, permission string, communityID, ownerID *int64) (*Decision, error) {
	me := passOf(ctx)
	asked := propusk.Question{Permission: permission}
	if communityID != nil {
		asked.CommunityID = cmp.Or(*communityID, -1) // 0 is no community, and not the default one
	}
	if ownerID != nil {
		asked.OwnerID = uuid.Nil.String()
		if *ownerID == me.User.ID {
			asked.OwnerID = me.User.UserID
		}
	}
	is, err := q.d.Access.Check(ctx, me, asked)
	if err != nil {
		return nil, err
	}
	return &Decision{Allowed: is.Allowed, Reason: string(is.Reason)}, nil
}
