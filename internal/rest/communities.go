package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/community"
)

// Community is a community as the caller sees it.
type Community struct {
	ID             int64     `json:"id" doc:"Names the community everywhere in this API"`
	Slug           string    `json:"slug" doc:"Unique name for links"`
	Name           string    `json:"name"`
	Description    string    `json:"description"`
	Joining        string    `json:"joining" enum:"open,closed" doc:"May people join by themselves?"`
	CreatorID      int64     `json:"creator_id" doc:"The number (id) of the user who founded it"`
	MemberCount    int       `json:"member_count"`
	IsMember       bool      `json:"is_member" doc:"Is the caller a member?"`
	IsFollower     *bool     `json:"is_follower" doc:"Does the caller follow it? null in lists, which do not tell"`
	Roles          []string  `json:"roles" doc:"The caller's roles there"`
	AvailableRoles []string  `json:"available_roles,omitzero" doc:"Roles that can be given; told to members only"`
	DefaultRoles   []string  `json:"default_roles,omitzero" doc:"Roles that are given on joining, none perhaps; told to members only"`
	CreatedAt      time.Time `json:"created_at"`
	UpdatedAt      time.Time `json:"updated_at"`
}

func toCommunity(p community.Profile) Community {
	c := Community{
		ID: p.ID, Slug: p.Slug, Name: p.Name, Description: p.Description, Joining: string(p.Joining), CreatorID: p.CreatorID,
		MemberCount: p.MemberCount, IsMember: p.Member, IsFollower: p.Follower, Roles: list(p.Roles), CreatedAt: p.CreatedAt.UTC(),
		UpdatedAt: p.UpdatedAt.UTC(),
	}
	if p.Settled {
		c.AvailableRoles, c.DefaultRoles = list(p.AvailableRoles), list(p.DefaultRoles)
	}
	return c
}

func profile(p community.Profile, err error) (Community, error) { return toCommunity(p), err }

// list is never null in JSON.
func list(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

// CommunityPage is a page of communities.
type CommunityPage struct {
	Communities []Community `json:"communities"`
	Total       int         `json:"total" doc:"How many match in all"`
	Page        int         `json:"page"`
	Limit       int         `json:"limit"`
	HasNext     bool        `json:"has_next"`
}

type founding struct {
	Body struct {
		Slug        string `json:"slug,omitempty" maxLength:"64" doc:"Lower-case letters a-z, digits, single hyphens between them; made of the name when left out" example:"night-owls"`
		Name        string `json:"name" minLength:"1" maxLength:"400" doc:"1 to 100 characters" example:"Night owls"`
		Description string `json:"description,omitempty" maxLength:"8000" doc:"Up to 2,000 characters"`
	}
}

type communitySearch struct {
	Search string `query:"search" maxLength:"200" doc:"Part of a name or slug, in any case"`
	Paging
}

// CommunityPath names a community.
type CommunityPath struct {
	ID int64 `path:"id" minimum:"1" maximum:"2147483647"`
}

type communityEdit struct {
	CommunityPath
	Body struct {
		Slug        *string `json:"slug,omitempty" maxLength:"64"`
		Name        *string `json:"name,omitempty" minLength:"1" maxLength:"400"`
		Description *string `json:"description,omitempty" maxLength:"8000"`
		Joining     *string `json:"joining,omitempty" enum:"open,closed"`
	}
}

const (
	communitiesPath = "/api/communities"
	communityPath   = communitiesPath + "/{id}"
)

// inCommunity is an operation upon communities. Services may do all of them with an API key.
func inCommunity(method, path, id, summary string, errors ...int) huma.Operation {
	op := signedInOrKey(operation(method, path, id, summary, "Communities"))
	op.Errors = append(append(op.Errors, http.StatusForbidden), errors...)
	if path != communitiesPath {
		op.Errors = append(op.Errors, http.StatusNotFound)
	}
	return op
}

func (d *Door) communities(api huma.API) {
	create := inCommunity(http.MethodPost, communitiesPath, "create-community", "Found a community; needs the platform permission community:create",
		http.StatusConflict)
	create.DefaultStatus = http.StatusCreated
	huma.Register(api, create, answer(d, func(ctx context.Context, me propusk.Pass, in *founding) (Community, error) {
		return profile(d.Communities.Create(ctx, me, community.Founding(in.Body)))
	}))

	huma.Register(api, inCommunity(http.MethodGet, communitiesPath, "list-communities", "Find communities"),
		answer(d, func(ctx context.Context, me propusk.Pass, in *communitySearch) (CommunityPage, error) {
			found, total, err := d.Communities.List(ctx, me, community.Filter{Search: in.Search, Offset: in.offset(), Limit: in.Limit})
			page := CommunityPage{Communities: make([]Community, len(found)), Total: total, Page: in.Page, Limit: in.Limit}
			for i, p := range found {
				page.Communities[i] = toCommunity(p)
			}
			page.HasNext = in.offset()+len(found) < total
			return page, err
		}))

	huma.Register(api, inCommunity(http.MethodGet, communityPath, "get-community", "The profile of a community, and my roles there"),
		answer(d, func(ctx context.Context, me propusk.Pass, in *CommunityPath) (Community, error) {
			return profile(d.Communities.Get(ctx, me, in.ID))
		}))

	huma.Register(api, inCommunity(http.MethodPatch, communityPath, "edit-community",
		"Change the profile; needs community:update_own or community:configure", http.StatusConflict),
		answer(d, func(ctx context.Context, me propusk.Pass, in *communityEdit) (Community, error) {
			edit := community.Edit{Slug: in.Body.Slug, Name: in.Body.Name, Description: in.Body.Description}
			if in.Body.Joining != nil {
				edit.Joining = new(propusk.Joining(*in.Body.Joining))
			}
			return profile(d.Communities.Edit(ctx, me, in.ID, edit))
		}))

	huma.Register(api, inCommunity(http.MethodDelete, communityPath, "delete-community",
		"Delete a community; needs community:delete_own and to be its founder, or to be a platform admin"),
		answer(d, func(ctx context.Context, me propusk.Pass, in *CommunityPath) (none, error) {
			return none{}, d.Communities.Delete(ctx, me, in.ID)
		}))

	d.comingAndGoing(api)
}

// comingAndGoing is what people do for themselves.
func (d *Door) comingAndGoing(api huma.API) {
	for method, follows := range map[string]bool{http.MethodPost: true, http.MethodDelete: false} {
		id, summary := "follow", "Follow a community; followers are not members"
		if !follows {
			id, summary = "unfollow", "Follow a community no longer"
		}
		huma.Register(api, inCommunity(method, communityPath+"/follow", id, summary),
			answer(d, func(ctx context.Context, me propusk.Pass, in *CommunityPath) (Community, error) {
				return profile(d.Communities.Follow(ctx, me, in.ID, follows))
			}))
	}

	huma.Register(api, inCommunity(http.MethodPost, communityPath+"/join", "join", "Become a member, with the default roles"),
		answer(d, func(ctx context.Context, me propusk.Pass, in *CommunityPath) (Community, error) {
			return profile(d.Communities.Join(ctx, me, in.ID))
		}))

	huma.Register(api, inCommunity(http.MethodPost, communityPath+"/leave", "leave", "End my membership", http.StatusConflict),
		answer(d, func(ctx context.Context, me propusk.Pass, in *CommunityPath) (none, error) {
			return none{}, d.Communities.Leave(ctx, me, in.ID)
		}))
}
