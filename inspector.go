package propusk

import (
	"context"
	"slices"

	"github.com/propusk/propusk/rbac"
)

// Inspector tells who shows a token, or an API key, and what they may do. Packages embedded and client have one.
type Inspector interface {
	// Inspect makes the Pass of whoever shows bearer, in the community of that id; 0 is the default community, if there is one. A community that
	// does not exist, or that the user is not in, is none: the Pass then permits nothing in it. An error is of kind Unauthenticated (not
	// signed in, or no longer) or Unavailable, and a Pass that comes with one permits nothing.
	Inspect(ctx context.Context, bearer string, communityID int64) (Pass, error)
}

// Question asks whether somebody may do something.
type Question struct {
	// Permission is a concrete one, of a community or of the platform.
	Permission string
	// CommunityID says where; 0 is the default community, if there is one. A permission of the platform takes none.
	CommunityID int64
	// UserID is whom it is about, "" the caller. About others only holders of access:check may ask.
	UserID string
	// OwnerID is the user_id of whose object it is, "" when that does not matter or is not known.
	OwnerID string
}

// Checker answers questions. Its methods are safe for concurrent use.
type Checker interface {
	// Check answers one question (check_user_permission_in_community of the seed). What cannot be allowed is a Decision, not an error: for
	// unknown and inactive users the reason is inactive, and in communities that do not exist, or that the user is not in, not_member. Errors:
	// Invalid for a malformed question, Forbidden for one about somebody else without access:check.
	Check(ctx context.Context, q Question) (rbac.Decision, error)
	// CheckAll answers questions in their order.
	CheckAll(ctx context.Context, questions []Question) ([]rbac.Decision, error)
}

// MemberFilter selects members; zero fields select everybody.
type MemberFilter struct {
	// Role selects those who have it.
	Role string
	// Search selects by part of a name or slug in any case, and of an address for callers with member:assign_role.
	Search string
	// Page counts from 1, which 0 stands for. Limit is at most 100; 0 stands for 50.
	Page, Limit int
}

// MemberPage is a page of members.
type MemberPage struct {
	Members []Membership
	// Total is how many match in all; a search counts up to 10,000.
	Total   int
	HasNext bool
}

// Mode says what a bulk does with the roles that a member has.
type Mode string

// The modes.
const (
	// ModeAdd gives the named roles beside those that a member has.
	ModeAdd Mode = "add"
	// ModeReplace gives exactly the named roles.
	ModeReplace Mode = "replace"
)

// Assignment is one row of a bulk: an account, named by its user_id or its number, and roles. A nil Roles was not given.
type Assignment struct {
	UserID   string
	AuthorID int64
	Roles    []string
}

// Assigned is what became of one row.
type Assigned struct {
	UserID string
	Status AssignedStatus
	// Roles are those that the account has now.
	Roles []string
}

// AssignedStatus says what a bulk did with a row.
type AssignedStatus string

// What becomes of a row.
const (
	StatusAdded     AssignedStatus = "added"     // a new member
	StatusChanged   AssignedStatus = "changed"   // other roles than before
	StatusUnchanged AssignedStatus = "unchanged" // had these roles already
)

// Members are the people of communities and their roles. Nobody grants above themselves; see the REST API for which permission each needs.
// Errors: Unauthenticated, Forbidden, NotFound for communities that one is not in too, Invalid, Conflict (last_community_admin).
type Members interface {
	// RolesOf is get_user_roles_in_community of the seed: the roles in the order in which they were given. An empty userID is nobody's, here and in
	// PermissionsOf.
	RolesOf(ctx context.Context, communityID int64, userID string) ([]string, error)
	// PermissionsOf is all that those roles permit, sorted by bytes; "*" first for everything.
	PermissionsOf(ctx context.Context, communityID int64, userID string) ([]string, error)
	// Members is get_all_community_members_with_roles of the seed, page by page.
	Members(ctx context.Context, communityID int64, filter MemberFilter) (MemberPage, error)
	// SetRoles gives somebody exactly those roles, and admits who is no member; it returns the roles they have then.
	SetRoles(ctx context.Context, communityID int64, userID string, roles []string) ([]string, error)
	// AddRole is assign_role_to_user of the seed.
	AddRole(ctx context.Context, communityID int64, userID, role string) ([]string, error)
	// RemoveRole is remove_role_from_user of the seed.
	RemoveRole(ctx context.Context, communityID int64, userID, role string) ([]string, error)
	// BulkAssign is bulk_assign_roles of the seed: up to 100,000 rows, all or none. Over the network a caller sends those of more than 1 MiB one after
	// the other, and two callers at a time: else Unavailable (busy).
	BulkAssign(ctx context.Context, communityID int64, mode Mode, rows []Assignment) ([]Assigned, error)
}

// RoleSettings say which roles can be given in a community, and which are given on joining.
type RoleSettings struct {
	// AvailableRoles can be given; admin always is among them.
	AvailableRoles []string
	// DefaultRoles are given on joining: some of the available ones, never admin.
	DefaultRoles []string
}

// RoleKeeper says which roles there are in a community and what they permit. Errors are those of Members.
type RoleKeeper interface {
	// RolePermissions is get_role_permissions_for_community of the seed: every role with its full list, sorted by bytes.
	RolePermissions(ctx context.Context, communityID int64) (map[string][]string, error)
	// RoleSettings are get_available_roles and get_default_roles of the seed.
	RoleSettings(ctx context.Context, communityID int64) (RoleSettings, error)
	// SetRoleSettings are set_available_roles and set_default_roles of the seed, in one change. A role that members hold stays available
	// (Conflict, roles_in_use) unless strip says to take it from them.
	SetRoleSettings(ctx context.Context, communityID int64, to RoleSettings, strip bool) (RoleSettings, error)
}

// Communities is the helpers of the seed. Packages embedded and client implement it; whoever holds one acts with the authority that it was
// made with.
type Communities interface {
	Checker
	Members
	RoleKeeper
}

// Member is one user in one community: CommunityAuthor of the seed. It keeps nothing, each method asks.
type Member struct {
	Communities Communities
	CommunityID int64
	UserID      string
}

// Roles is role_list of the seed.
func (m Member) Roles(ctx context.Context) ([]string, error) {
	return m.Communities.RolesOf(ctx, m.CommunityID, m.UserID)
}

// HasRole is has_role of the seed: whether the list names that role, whatever it inherits.
func (m Member) HasRole(ctx context.Context, role string) (bool, error) {
	roles, err := m.Roles(ctx)
	return err == nil && slices.Contains(roles, role), err
}

// AddRole is add_role of the seed; it returns the roles they have then.
func (m Member) AddRole(ctx context.Context, role string) ([]string, error) {
	return m.Communities.AddRole(ctx, m.CommunityID, m.UserID, role)
}

// RemoveRole is remove_role of the seed; it returns the roles they have then.
func (m Member) RemoveRole(ctx context.Context, role string) ([]string, error) {
	return m.Communities.RemoveRole(ctx, m.CommunityID, m.UserID, role)
}

// SetRoles is set_roles of the seed; it returns the roles they have then.
func (m Member) SetRoles(ctx context.Context, roles ...string) ([]string, error) {
	return m.Communities.SetRoles(ctx, m.CommunityID, m.UserID, roles)
}

// Permissions is get_permissions of the seed.
func (m Member) Permissions(ctx context.Context) ([]string, error) {
	return m.Communities.PermissionsOf(ctx, m.CommunityID, m.UserID)
}

// HasPermission is has_permission of the seed: the literal test of one concrete permission.
func (m Member) HasPermission(ctx context.Context, permission string) (bool, error) {
	if m.UserID == "" {
		return false, InvalidField("user_id", "must name somebody") // a Question without it is about the caller
	}
	decision, err := m.Communities.Check(ctx, Question{Permission: permission, CommunityID: m.CommunityID, UserID: m.UserID})
	return err == nil && decision.Allowed, err
}
