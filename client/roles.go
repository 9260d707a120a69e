package client

import (
	"context"
	"errors"
	"net/http"

	"github.com/propusk/propusk"
)

type roleAnswer struct {
	ID          string   `json:"id"`
	Permissions []string `json:"permissions"`
}

type rolesAnswer struct {
	Roles []roleAnswer `json:"roles"`
}

// RolePermissions implements [propusk.RoleKeeper]. It needs member:read.
func (c *Client) RolePermissions(ctx context.Context, communityID int64) (map[string][]string, error) {
	out, err := c.in(communityID, http.MethodGet, "roles")
	if err != nil {
		return nil, err
	}
	var answer rolesAnswer
	if err := c.do(ctx, out, &answer); err != nil {
		return nil, err
	}
	lists := make(map[string][]string, len(answer.Roles))
	for _, r := range answer.Roles {
		if _, twice := lists[r.ID]; twice {
			return nil, out.odd(errors.New("a role is there twice"))
		}
		lists[r.ID] = r.Permissions
	}
	return lists, nil
}

type settingsAnswer struct {
	AvailableRoles []string `json:"available_roles"`
	DefaultRoles   []string `json:"default_roles"`
}

type settingsBody struct {
	AvailableRoles []string `json:"available_roles"`
	DefaultRoles   []string `json:"default_roles"`
	OnInUse        string   `json:"on_in_use,omitempty"`
}

// RoleSettings implements [propusk.RoleKeeper]. It needs member:read.
func (c *Client) RoleSettings(ctx context.Context, communityID int64) (propusk.RoleSettings, error) {
	out, err := c.in(communityID, http.MethodGet, "role-settings")
	if err != nil {
		return propusk.RoleSettings{}, err
	}
	return c.settings(ctx, out)
}

// SetRoleSettings implements [propusk.RoleKeeper]. It needs community:configure.
func (c *Client) SetRoleSettings(
	ctx context.Context, communityID int64, to propusk.RoleSettings, strip bool,
) (propusk.RoleSettings, error) {
	out, err := c.in(communityID, http.MethodPut, "role-settings")
	if err != nil {
		return propusk.RoleSettings{}, err
	}
	body := settingsBody{AvailableRoles: list(to.AvailableRoles), DefaultRoles: list(to.DefaultRoles)}
	if strip {
		body.OnInUse = "strip"
	}
	out.body = encode(body)
	return c.settings(ctx, out)
}

func (c *Client) settings(ctx context.Context, out call) (propusk.RoleSettings, error) {
	var answer settingsAnswer
	if err := c.do(ctx, out, &answer); err != nil {
		return propusk.RoleSettings{}, err
	}
	return propusk.RoleSettings(answer), nil
}
