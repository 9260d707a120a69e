package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/rbac"
)

// in is a call about a community. Ids that no community can have are not sent: they are answered like one that there is not.
func (c *Client) in(communityID int64, method string, segments ...string) (call, error) {
	if communityID < 1 || communityID > maxID {
		return call{}, communityNotFound()
	}
	path := "/api/communities/" + strconv.FormatInt(communityID, 10)
	for _, segment := range segments {
		path += "/" + url.PathEscape(segment)
	}
	return call{method: method, path: path, bearer: c.credentials, changes: method != http.MethodGet}, nil
}

// ofMember is a call about somebody in a community. What is no user_id is not sent, for it could lead to another route.
func (c *Client) ofMember(communityID int64, userID, method string, segments ...string) (call, error) {
	if !isUserID(userID) {
		return call{}, propusk.InvalidField("user_id", noUserID)
	}
	return c.in(communityID, method, append([]string{"members", userID, "roles"}, segments...)...)
}

type permissionsAnswer struct {
	Roles       []string `json:"roles"`
	Permissions []string `json:"permissions"`
}

func (c *Client) permissions(ctx context.Context, communityID int64, userID string) (answer permissionsAnswer, err error) {
	if !isUserID(userID) { // nobody is not the caller
		return answer, propusk.InvalidField("user_id", noUserID)
	}
	out, err := c.in(communityID, http.MethodGet, "permissions")
	if err != nil {
		return answer, err
	}
	out.query = url.Values{"user_id": {userID}}
	if err := c.do(ctx, out, &answer); err != nil {
		return permissionsAnswer{}, err
	}
	return answer, nil
}

// RolesOf implements [propusk.Members]. It needs member:assign_role for others than the caller. userID must name somebody.
func (c *Client) RolesOf(ctx context.Context, communityID int64, userID string) ([]string, error) {
	answer, err := c.permissions(ctx, communityID, userID)
	return answer.Roles, err
}

// PermissionsOf implements [propusk.Members]. It needs member:assign_role for others than the caller. userID must name somebody.
func (c *Client) PermissionsOf(ctx context.Context, communityID int64, userID string) ([]string, error) {
	answer, err := c.permissions(ctx, communityID, userID)
	return answer.Permissions, err
}

type memberAnswer struct {
	UserID     string    `json:"user_id"`
	ID         int64     `json:"id"`
	Name       string    `json:"name"`
	LastName   string    `json:"last_name"`
	Slug       string    `json:"slug"`
	Email      string    `json:"email,omitempty"`
	Roles      []string  `json:"roles"`
	IsFollower bool      `json:"is_follower"`
	IsActive   bool      `json:"is_active"`
	JoinedAt   time.Time `json:"joined_at"`
}

func (m memberAnswer) membership(communityID int64) propusk.Membership {
	return propusk.Membership{
		CommunityID: communityID, Roles: m.Roles, Follower: m.IsFollower, JoinedAt: m.JoinedAt,
		User: propusk.User{
			ID: m.ID, UserID: m.UserID, Name: m.Name, LastName: m.LastName, Slug: m.Slug, Email: m.Email, IsActive: m.IsActive,
		},
	}
}

type membersAnswer struct {
	Members []memberAnswer `json:"members"`
	Total   int            `json:"total"`
	HasNext bool           `json:"has_next"`
}

// Members implements [propusk.Members]. Of a user there are ids, names, slug and whether they are active, and the address for callers with
// member:assign_role. It needs member:read.
func (c *Client) Members(ctx context.Context, communityID int64, filter propusk.MemberFilter) (propusk.MemberPage, error) {
	out, err := c.in(communityID, http.MethodGet, "members")
	if err != nil {
		return propusk.MemberPage{}, err
	}
	out.query = url.Values{}
	for name, text := range map[string]string{"role": filter.Role, "search": filter.Search} {
		if text != "" {
			out.query.Set(name, text)
		}
	}
	for name, number := range map[string]int{"page": filter.Page, "limit": filter.Limit} {
		if number != 0 { // the server's defaults are the interface's
			out.query.Set(name, strconv.Itoa(number))
		}
	}
	var answer membersAnswer
	if err := c.do(ctx, out, &answer); err != nil {
		return propusk.MemberPage{}, err
	}
	page := propusk.MemberPage{Members: make([]propusk.Membership, len(answer.Members)), Total: answer.Total, HasNext: answer.HasNext}
	for i, m := range answer.Members {
		page.Members[i] = m.membership(communityID)
	}
	return page, nil
}

// changed makes a call that changes one member's roles, and returns what these are then.
func (c *Client) changed(ctx context.Context, out call, userID string) ([]string, error) {
	var answer memberAnswer
	if err := c.do(ctx, out, &answer); err != nil {
		return nil, err
	}
	if !strings.EqualFold(answer.UserID, userID) {
		return nil, out.odd(errors.New("it is about somebody else"))
	}
	return answer.Roles, nil
}

type rolesBody struct {
	Roles []string `json:"roles"`
}

// SetRoles implements [propusk.Members]. It needs member:assign_role.
func (c *Client) SetRoles(ctx context.Context, communityID int64, userID string, roles []string) ([]string, error) {
	out, err := c.ofMember(communityID, userID, http.MethodPut)
	if err != nil {
		return nil, err
	}
	out.body = encode(rolesBody{Roles: list(roles)})
	return c.changed(ctx, out, userID)
}

// AddRole implements [propusk.Members]. It needs member:assign_role.
func (c *Client) AddRole(ctx context.Context, communityID int64, userID, role string) ([]string, error) {
	return c.oneRole(ctx, http.MethodPost, communityID, userID, role)
}

// RemoveRole implements [propusk.Members]. It needs member:assign_role.
func (c *Client) RemoveRole(ctx context.Context, communityID int64, userID, role string) ([]string, error) {
	return c.oneRole(ctx, http.MethodDelete, communityID, userID, role)
}

func (c *Client) oneRole(ctx context.Context, method string, communityID int64, userID, role string) ([]string, error) {
	if !rbac.ValidRole(role) {
		return nil, &propusk.Error{Kind: propusk.NotFound, Code: "role_not_found", Message: "there is no such role in this community"}
	}
	out, err := c.ofMember(communityID, userID, method, role)
	if err != nil {
		return nil, err
	}
	return c.changed(ctx, out, userID)
}

// list is never null in JSON.
func list(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}
