package propusk

import "time"

// Joining says how somebody becomes a member of a community.
type Joining string

// The ways to become a member. The zero value lets nobody join.
const (
	// JoiningOpen lets every signed-in user join.
	JoiningOpen Joining = "open"
	// JoiningClosed leaves it to members who may admit others.
	JoiningClosed Joining = "closed"
)

// Community is the scope in which roles hold.
type Community struct {
	// ID is positive, below 2³¹, never given out twice.
	ID int64
	// Slug is the unique name for links: lower-case ASCII letters, digits and single hyphens.
	Slug string
	// Name and Description are shown as typed, in Unicode NFC. Description may be empty.
	Name, Description string
	// Joining says how to become a member.
	Joining Joining
	// CreatorID is the account's ID of who founded it, who alone of its members may delete it.
	CreatorID int64
	// AvailableRoles can be given to members; admin is always one of them.
	AvailableRoles []string
	// DefaultRoles are given on joining: some of the available ones, never admin.
	DefaultRoles []string
	// Grants is the SHA-256 of the compiled lists that hold here; see rbac.Grants.Hash.
	Grants [32]byte
	// MemberCount is how many have a membership, whatever their roles. In a Pass it may be as old as when the community last changed itself.
	MemberCount int
	// CreatedAt and UpdatedAt have the precision of a second.
	CreatedAt, UpdatedAt time.Time
}

// Membership is a user in a community, with roles.
type Membership struct {
	CommunityID int64
	User        User
	// Roles in the order in which they were given. No roles is still a membership.
	Roles []string
	// Follower tells whether the user follows the community too; one has nothing to do with the other.
	Follower bool
	// JoinedAt has the precision of a second.
	JoinedAt time.Time
}
