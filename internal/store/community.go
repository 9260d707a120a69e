package store

import (
	"time"

	"github.com/propusk/propusk"
)

// GrantsHash is the SHA-256 of compiled lists of permissions, under which they are kept.
type GrantsHash = [32]byte

// Place is what one statement tells about somebody in a community: the root of every check.
type Place struct {
	Community propusk.Community
	// Member tells whether there is a membership. Roles are its roles, and Odd the tokens in its column that are no role ids.
	Member     bool
	Roles, Odd []string
}

// CommunityReader finds communities. A deleted one is not found, except where a method says so.
type CommunityReader interface {
	// Community finds one by id.
	Community(id int64) (propusk.Community, error)
	// Place finds a community and what the account of that ID is there.
	Place(communityID, userID int64) (Place, error)
	// Communities lists those that match, by id, and counts all that match.
	Communities(CommunityFilter) (found []Place, total int, err error)
	// CommunitySlugExists reports whether a community, deleted or not, has that slug.
	CommunitySlugExists(slug string) (bool, error)
	// Grants reads compiled lists as they were kept.
	Grants(GrantsHash) ([]byte, error)
	// GrantsRefs tells which lists hold where, deleted communities included: those with an id above after, by id, at most limit.
	GrantsRefs(after int64, limit int) ([]GrantsRef, error)
	// CommunityRoles lists the roles of a community that its policy does not have, or has otherwise, by id.
	CommunityRoles(communityID int64) ([]RoleRow, error)
}

// CommunityFilter selects communities.
type CommunityFilter struct {
	// Search is matched without regard to case anywhere in name or slug; "" selects everything.
	Search string
	// UserID is whose roles the found Places tell.
	UserID int64
	// Offset and Limit cut the page; Limit is at least 1.
	Offset, Limit int
}

// GrantsRef says which compiled lists hold in a community.
type GrantsRef struct {
	CommunityID int64
	Hash        GrantsHash
	Deleted     bool
}

// RoleRow is a role of one community.
type RoleRow struct {
	ID, Name, Description, Icon string
	// Custom tells a role of the community's own from an edited one of its policy.
	Custom bool
	// Permissions are what somebody chose, sorted by bytes; nil for an edited role whose list is still the policy's.
	Permissions []string
}

// CommunityWriter changes communities.
//
// Every method that changes a community or its members, here and in MemberWriter, also changes the row of the community, and does so last:
// of two transactions that change the same community one waits for the other, and then sees what it did.
type CommunityWriter interface {
	// InsertCommunity adds the community and returns it with its ID. ErrSlugTaken.
	InsertCommunity(propusk.Community) (propusk.Community, error)
	// UpdateCommunity writes all but ID, CreatorID, CreatedAt and MemberCount. ErrNotFound, ErrSlugTaken.
	UpdateCommunity(propusk.Community) error
	// DeleteCommunity marks it as deleted. Its rows stay, and its slug stays taken. ErrNotFound.
	DeleteCommunity(id int64, at time.Time) error
	// TouchCommunity changes nothing but that others who change the community wait, and see it changed. ErrNotFound.
	TouchCommunity(id int64) error
	// KeepGrants keeps compiled lists under their hash, if they are not kept already.
	KeepGrants(GrantsHash, []byte) error
	// SetCommunityRole adds or replaces a role of the community.
	SetCommunityRole(communityID int64, r RoleRow) error
	// DeleteUnusedGrants removes compiled lists that hold in no community, at most limit of them, and counts them.
	DeleteUnusedGrants(limit int) (int, error)
	// DeleteCommunityRole removes one, if it is there.
	DeleteCommunityRole(communityID int64, role string) error
}

// RoleList is a list of roles as members have it, and how many have exactly this one.
type RoleList struct {
	Roles   []string
	Members int
}

// MemberReader finds members.
type MemberReader interface {
	// Member finds somebody's membership in a community that is not deleted.
	Member(communityID int64, userID string) (propusk.Membership, error)
	// Members is a page of them, in the order of joining, or with Role in the order of their lists of roles and of joining within each.
	// total is exact without Search; with it, counting stops at MaxFound.
	Members(MemberFilter) (page []propusk.Membership, total int, err error)
	// RoleLists counts the members of a community by their lists of roles. The time it takes depends on how many different lists there are,
	// not on the members.
	RoleLists(communityID int64) ([]RoleList, error)
	// ActiveHolders counts the active accounts that have a role in a community, but never beyond limit.
	ActiveHolders(communityID int64, role string, limit int) (int, error)
	// PlacesOf lists the communities that the account is a member of, by id, with what it is there.
	PlacesOf(userID int64) ([]Place, error)
	// CommunitiesWith lists the communities in which the account has that role, by id.
	CommunitiesWith(userID int64, role string) ([]propusk.Community, error)
	// Barred reports whether somebody may come in only by being admitted.
	Barred(communityID, userID int64) (bool, error)
	// Follows reports whether somebody follows a community.
	Follows(communityID, userID int64) (bool, error)
}

// MaxFound is how far Members counts what a search finds.
const MaxFound = 10_000

// MemberFilter selects members.
type MemberFilter struct {
	CommunityID int64
	// Role, when set, selects those who have it.
	Role string
	// Search, when set, selects by name, last name and slug, and with Emails by address: three characters or more anywhere in them, one
	// or two at the beginning of a word. Case does not matter, and no character has a special meaning.
	Search string
	Emails bool
	// Offset and Limit cut the page; Limit is at least 1.
	Offset, Limit int
}

// MemberWriter changes memberships, and with them the counts.
type MemberWriter interface {
	// InsertMember makes an account a member. Whoever is one already makes it fail.
	InsertMember(communityID, userID int64, roles []string, at time.Time) error
	// SetMemberRoles replaces the roles of a member. ErrNotFound.
	SetMemberRoles(communityID, userID int64, roles []string) error
	// DeleteMember ends a membership. ErrNotFound.
	DeleteMember(communityID, userID int64) error
	// ReplaceRoleList gives all who have exactly the roles from, at least one, in the community of a bulk the roles to instead, writes them down
	// as rows of the bulk, where no account may come twice, and counts them. With bar they are from now on people who may come in only by being
	// admitted.
	ReplaceRoleList(bulkID int64, from, to []string, bar bool) (int, error)
	// SetBarred says whether somebody may come in only by being admitted. It leaves the row of the community alone.
	SetBarred(communityID, userID int64, barred bool) error
	// SetFollows makes somebody follow a community, or not. It leaves the row of the community alone.
	SetFollows(communityID, userID int64, follows bool, at time.Time) error
}

// BulkWriter makes a large change of memberships. It is written down row by row in transactions of its own, in which nobody sees it; Apply then makes
// it true at once. What was written down and never applied goes away by DeleteBulks.
type BulkWriter interface {
	// BeginBulk opens one and returns its id.
	BeginBulk(communityID int64, at time.Time) (int64, error)
	// AddBulkRows writes rows down. No account may come twice.
	AddBulkRows(bulkID int64, rows []BulkRow) error
	// ApplyBulk makes all rows true and reports how many of them. It also writes the accounts that become admins, so that whoever deletes such an
	// account meanwhile and this one see each other. When somebody has meanwhile changed one of those members, so that Before no
	// longer holds, it is ErrChanged. It does not change the row of the community: ApplyBulk may take long, so it comes first and
	// CountBulk last, after what was decided is decided again.
	ApplyBulk(bulkID int64, at time.Time) (int, error)
	// CountBulk brings the counts up to date and changes the row of the community.
	CountBulk(bulkID int64) error
	// DropBulk removes rows of a bulk that is in no audit event, at most limit rows, and counts them; with the last the bulk is gone.
	DropBulk(bulkID int64, limit int) (int, error)
	// DeleteBulks removes rows of those that began at or before that time and are in no audit event, at most limit rows, and counts them.
	DeleteBulks(until time.Time, limit int) (int, error)
}

// BulkReader reads what a bulk needs to know, and what it did.
type BulkReader interface {
	// Accounts finds accounts by user_id, and what they are in a community, in the order of ids. Those that are not found have no User.ID.
	Accounts(communityID int64, userIDs []string) ([]Account, error)
	// AccountsByID is the same by the number of the account.
	AccountsByID(communityID int64, ids []int64) ([]Account, error)
	// BulkRows is a page of the rows of a bulk that an audit event stands for, by account, and how many there are; of another there are none.
	BulkRows(bulkID int64, offset, limit int) (rows []BulkRow, total int, err error)
}

// Account is somebody as a bulk looks at them.
type Account struct {
	ID     int64
	UserID string
	Member bool
	Roles  []string
}

// BulkRow is one row of a bulk.
type BulkRow struct {
	AccountID int64
	// UserID is told by BulkRows, and ignored by AddBulkRows.
	UserID string
	// Member and Before are what the account was, After are the roles it gets.
	Member        bool
	Before, After []string
	// Bar makes the account one that may come in only by being admitted, Admit makes it one that may join.
	Bar, Admit bool
}

// APIKey is a key for a service.
type APIKey struct {
	// ID is its public UUID; it opens nothing.
	ID string
	// IssuerID is the account whose key it is.
	IssuerID int64
	Name     string
	// Permissions are what it may at most do; nil stands for all that its issuer may.
	Permissions []string
	// CreatedAt, LastUsed (zero for never) and ExpiresAt (zero for never) have the precision of a second.
	CreatedAt, LastUsed, ExpiresAt time.Time
}

// APIKeyReader finds keys for services, expired or not.
type APIKeyReader interface {
	// APIKeyBySecret finds a key by its secret, with its issuer, in one statement.
	APIKeyBySecret(SecretHash) (APIKey, propusk.User, error)
	// APIKeyByID finds a key by its public id, with its issuer.
	APIKeyByID(id string) (APIKey, propusk.User, error)
	// APIKeys lists all keys with their issuers, the latest first, at most limit.
	APIKeys(limit int) ([]APIKey, []propusk.User, error)
}

// APIKeyWriter changes keys for services.
type APIKeyWriter interface {
	InsertAPIKey(APIKey, SecretHash) error
	// DeleteAPIKey removes a key by its public id and reports whether it was there.
	DeleteAPIKey(id string) (bool, error)
	// DeleteAPIKeys removes all keys of an account and counts them.
	DeleteAPIKeys(issuerID int64) (int, error)
	// TouchAPIKey moves LastUsed forward, never back. A key that is gone is passed over.
	TouchAPIKey(id string, at time.Time) error
}
