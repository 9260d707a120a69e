package graph

import (
	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/community"
)

// payloadOf makes an empty payload of a type of the schema; nil for types that are none.
func payloadOf(name string) payload {
	switch name {
	case "Payload":
		return &Payload{}
	case "CommunityMembersPayload":
		return &CommunityMembersPayload{}
	case "UserRolesPayload":
		return &UserRolesPayload{}
	case "RoleSettingsPayload":
		return &RoleSettingsPayload{}
	case "RolesPayload":
		return &RolesPayload{}
	case "RolePayload":
		return &RolePayload{}
	case "DeletedRolePayload":
		return &DeletedRolePayload{}
	case "BulkPayload":
		return &BulkPayload{}
	case "UsersPayload":
		return &UsersPayload{}
	case "UserPayload":
		return &UserPayload{}
	case "MyCommunitiesPayload":
		return &MyCommunitiesPayload{}
	case "LoginPayload":
		return &LoginPayload{}
	default:
		return nil
	}
}

func (p *Payload) settle(ok bool, message *string)                 { p.Success, p.Error = ok, message }
func (p *CommunityMembersPayload) settle(ok bool, message *string) { p.Success, p.Error = ok, message }
func (p *UserRolesPayload) settle(ok bool, message *string)        { p.Success, p.Error = ok, message }
func (p *RoleSettingsPayload) settle(ok bool, message *string)     { p.Success, p.Error = ok, message }
func (p *RolesPayload) settle(ok bool, message *string)            { p.Success, p.Error = ok, message }
func (p *RolePayload) settle(ok bool, message *string)             { p.Success, p.Error = ok, message }
func (p *DeletedRolePayload) settle(ok bool, message *string)      { p.Success, p.Error = ok, message }
func (p *BulkPayload) settle(ok bool, message *string)             { p.Success, p.Error = ok, message }
func (p *UsersPayload) settle(ok bool, message *string)            { p.Success, p.Error = ok, message }
func (p *UserPayload) settle(ok bool, message *string)             { p.Success, p.Error = ok, message }
func (p *MyCommunitiesPayload) settle(ok bool, message *string)    { p.Success, p.Error = ok, message }
func (p *LoginPayload) settle(ok bool, message *string)            { p.Success, p.Error = ok, message }

// each converts a list.
func each[A, B any](list []A, convert func(A) B) []B {
	out := make([]B, len(list))
	for i, a := range list {
		out[i] = convert(a)
	}
	return out
}

func toMember(m propusk.Membership) CommunityMember {
	out := CommunityMember{
		ID: m.User.ID, UserID: m.User.UserID, Name: m.User.Name, LastName: m.User.LastName, Slug: m.User.Slug, Roles: m.Roles,
		IsFollower: m.Follower, IsActive: m.User.IsActive, CreatedAt: m.JoinedAt.Unix(),
	}
	if m.User.Email != "" {
		out.Email = &m.User.Email
	}
	return out
}

func toUser(u propusk.User) User {
	out := User{
		ID: u.ID, UserID: u.UserID, Name: u.Name, LastName: u.LastName, Slug: u.Slug, Email: u.Email, Role: u.Role, IsActive: u.IsActive,
		CreatedAt: u.CreatedAt.Unix(), UpdatedAt: u.UpdatedAt.Unix(),
	}
	if !u.LastSeen.IsZero() {
		out.LastSeen = new(u.LastSeen.Unix())
	}
	return out
}

// someUser is nil for nobody.
func someUser(u propusk.User) *User {
	if u.ID == 0 {
		return nil
	}
	return new(toUser(u))
}

func toRole(r community.Role) Role {
	return Role{
		ID: r.ID, Name: r.Name, Description: r.Description, Icon: r.Icon, Custom: r.Custom, Edited: r.Edited, Members: int64(r.Members),
		Permissions: r.Permissions,
	}
}

func toMyCommunity(p community.Profile) MyCommunity {
	return MyCommunity{
		ID: p.ID, Slug: p.Slug, Name: p.Name, Description: p.Description, Joining: string(p.Joining), MemberCount: int64(p.MemberCount),
		Roles: p.Roles,
	}
}
