package rest

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/community"
)

// Role is a role of a community.
type Role struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Icon        string   `json:"icon"`
	Custom      bool     `json:"custom" doc:"The community's own, not one of the policy"`
	Edited      bool     `json:"edited" doc:"One of the policy that the community changed"`
	Members     int      `json:"members" doc:"How many have it"`
	Permissions []string `json:"permissions" doc:"The full list, sorted; * first for everything"`
}

func toRole(r community.Role) Role {
	return Role{
		ID: r.ID, Name: r.Name, Description: r.Description, Icon: r.Icon, Custom: r.Custom, Edited: r.Edited, Members: r.Members,
		Permissions: list(r.Permissions),
	}
}

func role(r community.Role, err error) (Role, error) { return toRole(r), err }

// RoleList is all roles of a community.
type RoleList struct {
	Roles []Role `json:"roles"`
}

type newRole struct {
	CommunityPath
	Body struct {
		ID          string   `json:"id" maxLength:"32" doc:"A letter a-z, then letters, digits, _ and -" example:"translator"`
		Name        string   `json:"name" minLength:"1" maxLength:"400"`
		Description string   `json:"description,omitempty" maxLength:"4000"`
		Icon        string   `json:"icon,omitempty" maxLength:"256"`
		Permissions []string `json:"permissions" maxItems:"2000" doc:"Concrete ones of the catalogue; x_own is added for every x_any" example:"[\"shout:read\",\"shout:update_any\"]"`
	}
}

// RolePath names a role of a community.
type RolePath struct {
	CommunityPath
	Role string `path:"role" maxLength:"32"`
}

type roleEdit struct {
	RolePath
	Body struct {
		Name        *string   `json:"name,omitempty" minLength:"1" maxLength:"400"`
		Description *string   `json:"description,omitempty" maxLength:"4000"`
		Icon        *string   `json:"icon,omitempty" maxLength:"256"`
		Permissions *[]string `json:"permissions,omitempty" maxItems:"2000"`
	}
}

type roleDeletion struct {
	RolePath
	OnInUse string `query:"on_in_use" enum:"strip" doc:"strip: take the role from the members who hold it"`
}

// RoleSettings say which roles can be given, and which are given on joining.
type RoleSettings struct {
	AvailableRoles []string `json:"available_roles" doc:"Roles that can be given; admin always is"`
	DefaultRoles   []string `json:"default_roles" doc:"Some of them, given on joining; never admin"`
}

type newSettings struct {
	CommunityPath
	Body struct {
		AvailableRoles []string `json:"available_roles" maxItems:"100"`
		DefaultRoles   []string `json:"default_roles" maxItems:"100"`
		OnInUse        string   `json:"on_in_use,omitempty" enum:"strip" doc:"strip: take roles that are no longer available from the members who hold them"`
	}
}

type policyApplication struct {
	CommunityPath
	Body struct {
		DryRun  bool   `json:"dry_run,omitempty" doc:"Only tell who would gain and lose what"`
		OnInUse string `json:"on_in_use,omitempty" enum:"strip" doc:"strip: take roles that the policy no longer has from the members who hold them"`
	}
}

// PolicyChange is what applying the policy does, or would do.
type PolicyChange struct {
	Applied  bool         `json:"applied" doc:"False for a dry run"`
	Roles    []RoleChange `json:"roles" doc:"The roles that change; none when the community has the policy already"`
	Kept     []string     `json:"kept" doc:"Roles of the community's own, which survive"`
	Reverted []string     `json:"reverted" doc:"Roles of the policy that the community had edited"`
	Stripped int          `json:"stripped" doc:"How many members lose a role that is no more"`
	RoleSettings
}

// RoleChange is what happens to the holders of one role.
type RoleChange struct {
	Role    string   `json:"role"`
	Added   bool     `json:"added" doc:"A role that was not there"`
	Removed bool     `json:"removed" doc:"A role that is no more"`
	Gains   []string `json:"gains"`
	Loses   []string `json:"loses"`
	Members int      `json:"members" doc:"How many have it"`
}

func toPolicyChange(c community.PolicyChange) PolicyChange {
	out := PolicyChange{
		Applied: c.Applied, Roles: make([]RoleChange, len(c.Roles)), Kept: list(c.Kept), Reverted: list(c.Reverted), Stripped: c.Stripped, RoleSettings: toSettings(c.Settings),
	}
	for i, r := range c.Roles {
		out.Roles[i] = RoleChange{
			Role: r.Role, Added: r.Added, Removed: r.Removed, Gains: list(r.Gains), Loses: list(r.Loses), Members: r.Members,
		}
	}
	return out
}

func toSettings(s propusk.RoleSettings) RoleSettings {
	return RoleSettings{AvailableRoles: list(s.AvailableRoles), DefaultRoles: list(s.DefaultRoles)}
}

// strip is the one thing to be said about roles that are in use.
const strip = "strip"

func (d *Door) roles(api huma.API) {
	const path = communityPath + "/roles"
	huma.Register(api, inCommunity(http.MethodGet, path, "list-roles", "Roles with their full lists; needs member:read"),
		answer(d, func(ctx context.Context, me propusk.Pass, in *CommunityPath) (RoleList, error) {
			found, err := d.Communities.Roles(ctx, me, in.ID)
			roles := RoleList{Roles: make([]Role, len(found))}
			for i, r := range found {
				roles.Roles[i] = toRole(r)
			}
			return roles, err
		}))

	create := inCommunity(http.MethodPost, path, "create-role", "Add a role of the community's own; needs role:manage and to hold its permissions",
		http.StatusConflict)
	create.DefaultStatus = http.StatusCreated
	huma.Register(api, create, answer(d, func(ctx context.Context, me propusk.Pass, in *newRole) (Role, error) {
		return role(d.Communities.CreateRole(ctx, me, in.ID, community.NewRole(in.Body)))
	}))

	huma.Register(api, inCommunity(http.MethodPatch, path+"/{role}", "edit-role", "Change a role, its permissions perhaps; needs role:manage and to hold them"),
		answer(d, func(ctx context.Context, me propusk.Pass, in *roleEdit) (Role, error) {
			return role(d.Communities.EditRole(ctx, me, in.ID, in.Role, community.RoleEdit(in.Body)))
		}))

	huma.Register(api, inCommunity(http.MethodDelete, path+"/{role}", "delete-role", "Delete a role of the community's own; needs role:manage", http.StatusConflict),
		answer(d, func(ctx context.Context, me propusk.Pass, in *roleDeletion) (none, error) {
			return none{}, d.Communities.DeleteRole(ctx, me, in.ID, in.Role, in.OnInUse == strip)
		}))

	d.roleSettings(api)
}

func (d *Door) roleSettings(api huma.API) {
	const path = communityPath + "/role-settings"
	huma.Register(api, inCommunity(http.MethodGet, path, "get-role-settings", "Which roles can be given, and which are on joining; needs member:read"),
		answer(d, func(ctx context.Context, me propusk.Pass, in *CommunityPath) (RoleSettings, error) {
			settings, err := d.Communities.RoleSettings(ctx, me, in.ID)
			return toSettings(settings), err
		}))

	huma.Register(api, inCommunity(http.MethodPut, path, "set-role-settings",
		"Replace both lists; needs community:configure and to hold what the changed roles permit", http.StatusConflict),
		answer(d, func(ctx context.Context, me propusk.Pass, in *newSettings) (RoleSettings, error) {
			to := propusk.RoleSettings{AvailableRoles: in.Body.AvailableRoles, DefaultRoles: in.Body.DefaultRoles}
			settings, err := d.Communities.SetRoleSettings(ctx, me, in.ID, to, in.Body.OnInUse == strip)
			return toSettings(settings), err
		}))

	huma.Register(api, inCommunity(http.MethodPost, communityPath+"/policy/apply", "apply-policy",
		"Compile the server's policy into this community; needs policy:apply and everything", http.StatusConflict),
		answer(d, func(ctx context.Context, me propusk.Pass, in *policyApplication) (PolicyChange, error) {
			change, err := d.Communities.ApplyPolicy(ctx, me, in.ID, in.Body.DryRun, in.Body.OnInUse == strip)
			return toPolicyChange(change), err
		}))
}
