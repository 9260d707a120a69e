package store

import (
	"time"

	"github.com/propusk/propusk"
)

// ImportKind is what a row of another system was.
type ImportKind string

// The kinds of rows that are remembered. ImportedNumbers are no rows: its keys are ImportKinds, and its numbers what ReserveNumbers said.
const (
	ImportedAccount   ImportKind = "account"
	ImportedCommunity ImportKind = "community"
	ImportedMember    ImportKind = "member"
	ImportedFollower  ImportKind = "follower"
	ImportedNumbers   ImportKind = "numbers"
)

// ImportReader tells what imports made before, and what stands in the way of one. Lists of answers are in the order of the questions.
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
	// Standings tells what accounts are in communities. The community or account 0 is one that is not there.
	Standings([]StandingKey) ([]Standing, error)
}

// StandingKey names an account in a community.
type StandingKey struct{ CommunityID, AccountID int64 }

// Standing is what somebody is in a community.
type Standing struct {
	Member, Barred, Follower bool
	Roles                    []string
}

// ImportWriter adds many rows at once. One that is there already makes it fail: whoever imports looks first, in the same transaction.
type ImportWriter interface {
	// ReserveNumbers keeps the numbers of accounts or communities up to that one from being given to anybody, and returns the last that could have
	// been given before: those above it, up to the one asked for, are the caller's to give. It is last at least when none is.
	ReserveNumbers(kind ImportKind, last int64) (before int64, err error)
	// InsertUsers adds accounts and returns their numbers. One that has an ID gets that number, which must be reserved.
	InsertUsers([]UserRow) ([]int64, error)
	// InsertNumberedCommunity is InsertCommunity under its ID, which must be reserved.
	InsertNumberedCommunity(propusk.Community) error
	// InsertMembers makes accounts members of communities, and brings the counts up to date.
	InsertMembers([]MemberRow) error
	// InsertFollowers makes accounts follow communities.
	InsertFollowers([]FollowerRow) error
	// SetImported remembers what rows became; see Imported.
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
