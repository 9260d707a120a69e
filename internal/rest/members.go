package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/community"
)

// Member is somebody in a community.
type Member struct {
	UserID     string    `json:"user_id" format:"uuid"`
	ID         int64     `json:"id" doc:"The user's number"`
	Name       string    `json:"name"`
	LastName   string    `json:"last_name"`
	Slug       string    `json:"slug"`
	Email      string    `json:"email,omitempty" doc:"Only for callers with member:assign_role"`
	Roles      []string  `json:"roles" doc:"In the order in which they were given"`
	IsFollower bool      `json:"is_follower"`
	IsActive   bool      `json:"is_active" doc:"The roles of an inactive account permit nothing"`
	JoinedAt   time.Time `json:"joined_at"`
}

func toMember(m propusk.Membership) Member {
	return Member{
		UserID: m.User.UserID, ID: m.User.ID, Name: m.User.Name, LastName: m.User.LastName, Slug: m.User.Slug, Email: m.User.Email,
		Roles: list(m.Roles), IsFollower: m.Follower, IsActive: m.User.IsActive, JoinedAt: m.JoinedAt.UTC(),
	}
}

// member is an answer about one member that callers without member:assign_role get too, so it never tells the address.
func member(m propusk.Membership, err error) (Member, error) {
	m.User.Email = ""
	return toMember(m), err
}

// MemberPage is a page of members.
type MemberPage struct {
	Members []Member `json:"members"`
	Total   int      `json:"total" doc:"How many match in all; a search counts up to 10,000"`
	Page    int      `json:"page"`
	Limit   int      `json:"limit"`
	HasNext bool     `json:"has_next"`
}

type memberSearch struct {
	CommunityPath
	Role   string `query:"role" maxLength:"32" doc:"Only members with this role"`
	Search string `query:"search" maxLength:"200" doc:"Part of a name or slug, in any case, and of an address for callers with member:assign_role; one or two characters are looked for at the beginning of words"`
	Paging
}

// MemberPath names somebody in a community.
type MemberPath struct {
	CommunityPath
	UserID string `path:"user_id" maxLength:"36" format:"uuid"`
}

// MemberRolePath names a role of somebody in a community.
type MemberRolePath struct {
	MemberPath
	Role string `path:"role" maxLength:"32"`
}

type admission struct {
	CommunityPath
	Body struct {
		UserID string    `json:"user_id" maxLength:"36" format:"uuid"`
		Roles  *[]string `json:"roles,omitempty" maxItems:"100" doc:"Exactly these, instead of the default roles; needs member:assign_role too"`
	}
}

type memberRoles struct {
	MemberPath
	Body struct {
		Roles []string `json:"roles" maxItems:"100" example:"[\"reader\",\"author\"]"`
	}
}

type permissionsQuery struct {
	CommunityPath
	UserID string `query:"user_id" maxLength:"36" format:"uuid" doc:"The caller when left out"`
}

// Permissions is what somebody may do in a community.
type Permissions struct {
	Roles       []string `json:"roles"`
	Permissions []string `json:"permissions" doc:"The full list, sorted; * first for everything"`
}

const (
	membersPath = communityPath + "/members"
	memberPath  = membersPath + "/{user_id}"
)

func (d *Door) members(api huma.API) {
	huma.Register(api, inCommunity(http.MethodGet, membersPath, "list-members", "Members with their roles; needs member:read"),
		answer(d, func(ctx context.Context, me propusk.Pass, in *memberSearch) (MemberPage, error) {
			found, total, err := d.Communities.Members(ctx, me, in.ID, community.MemberFilter{
				Role: in.Role, Search: in.Search, Offset: in.offset(), Limit: in.Limit,
			})
			page := MemberPage{Members: make([]Member, len(found)), Total: total, Page: in.Page, Limit: in.Limit}
			for i, m := range found {
				page.Members[i] = toMember(m)
			}
			page.HasNext = in.offset()+len(found) < total
			return page, err
		}))

	admit := inCommunity(http.MethodPost, membersPath, "admit-member",
		"Make somebody a member; needs member:admit, and member:assign_role for roles", http.StatusConflict)
	admit.DefaultStatus = http.StatusCreated
	huma.Register(api, admit, answer(d, func(ctx context.Context, me propusk.Pass, in *admission) (Member, error) {
		var roles []string
		if in.Body.Roles != nil {
			roles = list(*in.Body.Roles)
		}
		return member(d.Communities.Admit(ctx, me, in.ID, in.Body.UserID, roles))
	}))

	huma.Register(api, inCommunity(http.MethodDelete, memberPath, "remove-member", "Remove a member; needs member:remove", http.StatusConflict),
		answer(d, func(ctx context.Context, me propusk.Pass, in *MemberPath) (none, error) {
			return none{}, d.Communities.Remove(ctx, me, in.ID, in.UserID)
		}))

	huma.Register(api, inCommunity(http.MethodGet, communityPath+"/permissions", "get-permissions",
		"Roles and full list of permissions of a member; needs member:assign_role for others"),
		answer(d, func(ctx context.Context, me propusk.Pass, in *permissionsQuery) (Permissions, error) {
			roles, permissions, err := d.Communities.Permissions(ctx, me, in.ID, in.UserID)
			return Permissions{Roles: list(roles), Permissions: list(permissions)}, err
		}))

	d.memberRoles(api)
}

// memberRoles gives and takes roles.
func (d *Door) memberRoles(api huma.API) {
	const needs = "; needs member:assign_role and to hold all that the roles permit"
	huma.Register(api, inCommunity(http.MethodPut, memberPath+"/roles", "set-roles", "Give exactly these roles"+needs, http.StatusConflict),
		answer(d, func(ctx context.Context, me propusk.Pass, in *memberRoles) (Member, error) {
			return member(d.Communities.SetRoles(ctx, me, in.ID, in.UserID, in.Body.Roles))
		}))

	huma.Register(api, inCommunity(http.MethodPost, memberPath+"/roles/{role}", "add-role", "Give one more role"+needs),
		answer(d, func(ctx context.Context, me propusk.Pass, in *MemberRolePath) (Member, error) {
			return member(d.Communities.AddRole(ctx, me, in.ID, in.UserID, in.Role))
		}))

	huma.Register(api, inCommunity(http.MethodDelete, memberPath+"/roles/{role}", "remove-role", "Take one role"+needs, http.StatusConflict),
		answer(d, func(ctx context.Context, me propusk.Pass, in *MemberRolePath) (Member, error) {
			return member(d.Communities.RemoveRole(ctx, me, in.ID, in.UserID, in.Role))
		}))
}
