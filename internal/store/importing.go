package store

import (
	"time"

	"github.com/propusk/propusk"
)

// ImportKind is what a row of another system was.
type ImportKind string

// The kinds of rows that are remembered. ImportedNumbers are no rows: under it an importer remembers, by keys of its own, which numbers it has
// reserved. None of those may be 0, which stands for nothing.
const (
	ImportedAccount   ImportKind = "account"
	ImportedCommunity ImportKind = "community"
	ImportedMember    ImportKind = "member"
	ImportedFollower  ImportKind = "follower"
	ImportedNumbers   ImportKind = "numbers"
)

// ImportReader tells what imports made before, and what stands in the way of one. Each list of answers is as long as that of the questions and
// in its order; a question may come more than once.
type ImportReader interface {
	// Imported tells what the rows that a source calls by these keys became: the number of the account or community, 1 for members and
	// followers, 0 for what was never imported.
	Imported(source string, kind ImportKind, keys []string) ([]int64, error)
	// EmailHolders are the accounts that have these addresses, by the key of the address (see UserRow); 0 where nobody has it.
	EmailHolders(emailKeys []string) ([]int64, error)
	// SlugsTaken reports which slugs accounts have.
	SlugsTaken(slugs []string) ([]bool, error)
	// CommunitiesBySlug are the communities that have these slugs, also deleted ones; 0 where none has it.
	CommunitiesBySlug(slugs []string) ([]int64, error)
	// Standings tells what accounts are in communities, also in deleted ones. Nobody is anything in a community that is not there, such as 0,
	// and an account that is not there is nothing anywhere.
	Standings([]StandingKey) ([]Standing, error)
}

// StandingKey names an account in a community.
type StandingKey struct{ CommunityID, AccountID int64 }

// Standing is what somebody is in a community.
type Standing struct {
	Member, Barred, Follower bool
	// Roles are those of a member.
	Roles []string
}

// MaxReserved is the last number that ReserveNumbers can be asked for: one is left, so that others are not refused by a number that overflows.
const MaxReserved = 1<<31 - 2

// ImportWriter adds many rows at once. A row that is there already, or that comes twice, makes the call fail, and with it the transaction:
// whoever imports looks first, in the same one. With the transaction also the numbers are undone that its rows got: the next one gives the same.
// Until it ends, everybody else who needs a number of such a row waits.
type ImportWriter interface {
	// ReserveNumbers keeps the numbers of accounts (ImportedAccount) or communities (ImportedCommunity) up to last from being given to anybody,
	// and returns the last that may have been given before. The numbers from before+1 to last are from now on the caller's to give, in this
	// transaction or later; when before is not less than last there are none, and nothing was changed. With the transaction the
	// reservation is undone, and until it ends everybody else who needs such a number waits for it. A last above MaxReserved is refused.
	ReserveNumbers(kind ImportKind, last int64) (before int64, err error)
	// InsertUsers adds accounts and returns their numbers, in the same order. One that has an ID gets that number, which must be reserved;
	// the others get numbers of their own, ascending. ErrEmailTaken, ErrSlugTaken, also for two in the list.
	InsertUsers([]UserRow) ([]int64, error)
	// InsertNumberedCommunity is InsertCommunity under its ID, which must be reserved. ErrSlugTaken.
	InsertNumberedCommunity(propusk.Community) error
	// InsertMembers makes accounts members of communities, who join in the order of the list, and brings the counts up to date. A community may
	// be a deleted one, where a membership gives nothing. As CommunityWriter says, the rows of the communities are changed last;
	// with several in one call, in the order of their IDs.
	InsertMembers([]MemberRow) error
	// InsertFollowers makes accounts follow communities. It leaves the rows of the communities alone.
	InsertFollowers([]FollowerRow) error
	// SetImported remembers what rows became; see Imported. The lists are equally long. Neither source nor a key is empty, and a number is at
	// least 1.
	SetImported(source string, kind ImportKind, keys []string, numbers []int64) error
}

// MemberRow is a new membership.
type MemberRow struct {
	CommunityID, AccountID int64
	Roles                  []string
	JoinedAt               time.Time
}

// FollowerRow is a new follower.
type FollowerRow struct {
	CommunityID, AccountID int64
	FollowedAt             time.Time
}
