package embedded

import (
	"cmp"
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/community"
	"github.com/propusk/propusk/rbac"
)

// acting is propusk.Communities with somebody's authority. What is documented there is not said again.
type acting struct {
	access      *access.Service
	communities *community.Service
	me          propusk.Pass
}

// The limits of a list, as the REST API has them.
const (
	defaultLimit, maxLimit = 50, 100
	maxPage                = 1_000_000
	maxSearch              = 200 // characters
)

// Check implements propusk.Checker.
func (a acting) Check(ctx context.Context, q propusk.Question) (rbac.Decision, error) {
	return a.access.Check(ctx, a.me, q)
}

// CheckAll implements propusk.Checker. Here, where nothing has to be sent, it answers any number of questions.
func (a acting) CheckAll(ctx context.Context, questions []propusk.Question) ([]rbac.Decision, error) {
	decisions, err := a.access.CheckAll(ctx, a.me, questions)
	if err != nil {
		return nil, err
	}
	return decisions, nil
}

// RolesOf implements propusk.Members.
func (a acting) RolesOf(ctx context.Context, communityID int64, userID string) ([]string, error) {
	roles, _, err := a.held(ctx, communityID, userID)
	return roles, err
}

// PermissionsOf implements propusk.Members.
func (a acting) PermissionsOf(ctx context.Context, communityID int64, userID string) ([]string, error) {
	_, permissions, err := a.held(ctx, communityID, userID)
	return permissions, err
}

// held is what somebody holds. To the service an empty user_id is the caller's own; here it would be a mistake that answers about somebody else.
func (a acting) held(ctx context.Context, communityID int64, userID string) (roles, permissions []string, err error) {
	if userID == "" {
		return nil, nil, propusk.InvalidField("user_id", "must name somebody")
	}
	return a.communities.Permissions(ctx, a.me, communityID, userID)
}

// Members implements propusk.Members.
func (a acting) Members(ctx context.Context, communityID int64, filter propusk.MemberFilter) (propusk.MemberPage, error) {
	in, err := selection(filter)
	if err != nil {
		return propusk.MemberPage{}, err
	}
	members, total, err := a.communities.Members(ctx, a.me, communityID, in)
	if err != nil {
		return propusk.MemberPage{}, err
	}
	return propusk.MemberPage{Members: members, Total: total, HasNext: in.Offset+len(members) < total}, nil
}

// selection is a filter as the service takes it, or says what is wrong with it.
func selection(f propusk.MemberFilter) (community.MemberFilter, error) {
	page, limit := cmp.Or(f.Page, 1), cmp.Or(f.Limit, defaultLimit)
	switch {
	case page < 1 || page > maxPage:
		return community.MemberFilter{}, propusk.InvalidField("page", fmt.Sprintf("must be from 1 to %d", maxPage))
	case limit < 1 || limit > maxLimit:
		return community.MemberFilter{}, propusk.InvalidField("limit", fmt.Sprintf("must be from 1 to %d", maxLimit))
	case utf8.RuneCountInString(f.Search) > maxSearch:
		return community.MemberFilter{}, propusk.InvalidField("search", fmt.Sprintf("must have at most %d characters", maxSearch))
	}
	return community.MemberFilter{Role: f.Role, Search: f.Search, Offset: (page - 1) * limit, Limit: limit}, nil
}

// SetRoles implements propusk.Members.
func (a acting) SetRoles(ctx context.Context, communityID int64, userID string, roles []string) ([]string, error) {
	is, err := a.communities.SetRoles(ctx, a.me, communityID, userID, roles)
	return is.Roles, err
}

// AddRole implements propusk.Members.
func (a acting) AddRole(ctx context.Context, communityID int64, userID, role string) ([]string, error) {
	is, err := a.communities.AddRole(ctx, a.me, communityID, userID, role)
	return is.Roles, err
}

// RemoveRole implements propusk.Members.
func (a acting) RemoveRole(ctx context.Context, communityID int64, userID, role string) ([]string, error) {
	is, err := a.communities.RemoveRole(ctx, a.me, communityID, userID, role)
	return is.Roles, err
}

// BulkAssign implements propusk.Members.
func (a acting) BulkAssign(
	ctx context.Context, communityID int64, mode propusk.Mode, rows []propusk.Assignment,
) ([]propusk.Assigned, error) {
	results, err := a.communities.Bulk(ctx, a.me, communityID, mode, rows)
	if err != nil {
		return nil, err
	}
	return results, nil
}

// RolePermissions implements propusk.RoleKeeper.
func (a acting) RolePermissions(ctx context.Context, communityID int64) (map[string][]string, error) {
	roles, err := a.communities.Roles(ctx, a.me, communityID)
	if err != nil {
		return nil, err
	}
	lists := make(map[string][]string, len(roles))
	for _, role := range roles {
		lists[role.ID] = role.Permissions
	}
	return lists, nil
}

// RoleSettings implements propusk.RoleKeeper.
func (a acting) RoleSettings(ctx context.Context, communityID int64) (propusk.RoleSettings, error) {
	settings, err := a.communities.RoleSettings(ctx, a.me, communityID)
	if err != nil {
		return propusk.RoleSettings{}, err
	}
	return settings, nil
}

// SetRoleSettings implements propusk.RoleKeeper.
func (a acting) SetRoleSettings(ctx context.Context, communityID int64, to propusk.RoleSettings, strip bool) (propusk.RoleSettings, error) {
	settings, err := a.communities.SetRoleSettings(ctx, a.me, communityID, to, strip)
	if err != nil {
		return propusk.RoleSettings{}, err
	}
	return settings, nil
}
