// Package source is the port to systems that people come from: what such a system holds, told in Propusk's words and row by row. The adapters
// are the packages below internal/importer; internal/importer decides what becomes of the rows.
package source

import (
	"context"
	"iter"
	"log/slog"
	"time"
)

// System is another system, or what it has left in files. Its rows come in the same order each time, however many there are: no method may
// hold them all in memory. An error ends the sequence; what only spoils one row is told by the row.
type System interface {
	// Count says how many rows there are about, for a progress bar.
	Count(context.Context) (Count, error)
	// Accounts come by Number, those without one last.
	Accounts(context.Context) iter.Seq2[Account, error]
	// Communities come by Number, those without one last.
	Communities(context.Context) iter.Seq2[Community, error]
	// Members come together for each person and community: nobody twice in the same one.
	Members(context.Context) iter.Seq2[Member, error]
	// Followers are told apart from members.
	Followers(context.Context) iter.Seq2[Follower, error]
	Close() error
}

// Count is how many rows of each kind there are.
type Count struct{ Accounts, Communities, Members, Followers int }

// Row is what every row tells of itself.
type Row struct {
	// Key is what the system calls it, the same each time it is read; unique among the rows of its kind.
	Key string
	// Where is where a person finds it: "author 12", "members.csv, line 7".
	Where string
	// Refused, when not empty, says why the row as a whole cannot be understood. The other fields then mean nothing.
	Refused string
	// Odd are the parts of it that were not understood; the rest was.
	Odd []Odd
}

// Odd is a part of a row that was not understood. No secret may stand in it.
type Odd struct {
	// Part is the field, and its text where that is no secret: `role "owner"`.
	Part string
	// Why says what Propusk would have understood.
	Why string
}

// Account is a person.
type Account struct {
	Row
	// Number is what the system's other tables call the account; Propusk keeps it where nobody else has it. 0 is none.
	Number               int64
	Email                string
	Name, LastName, Slug string
	Password             Password
	// Role is the one on the platform: user, moderator or admin. "" stands for user.
	Role string
	// Inactive accounts cannot log in; Deleted ones were ended by their owners, and are inactive too.
	Inactive, Deleted bool
	// CreatedAt, UpdatedAt and LastSeen have the precision of a second; zero is unknown.
	CreatedAt, UpdatedAt, LastSeen time.Time
}

// Password is at most one of a hash in a form that internal/password reads, and the password itself. Neither shows when it is printed.
type Password struct{ Hash, Plain string }

// String hides the password.
func (Password) String() string { return "(hidden)" }

// GoString hides the password.
func (Password) GoString() string { return "(hidden)" }

// LogValue hides the password.
func (Password) LogValue() slog.Value { return slog.StringValue("(hidden)") }

// Community is a scope in which people have roles.
type Community struct {
	Row
	// Number is as for accounts.
	Number                  int64
	Slug, Name, Description string
	// Creator is the account that founded it.
	Creator Ref
	// Closed communities are joined by being admitted only.
	Closed bool
	// Available and Default are the roles that can be given, and that are given on joining; nil stands for those of the policy.
	Available, Default []string
	// Roles are those whose lists differ from the policy's, or that it does not have.
	Roles                           []Role
	CreatedAt, UpdatedAt, DeletedAt time.Time
}

// Role is what a role of one community permits.
type Role struct {
	ID, Name string
	// Permissions are concrete, in the grammar of rbac.
	Permissions []string
}

// Ref names an account or a community: by Key as the system calls it, or where Key is empty by Name: the e-mail address of an account, the slug
// of a community that is in Propusk already.
type Ref struct{ Key, Name string }

// Member is somebody in a community.
type Member struct {
	Row
	Community, Account Ref
	// Roles are in the order in which they were given; nil stands for none. With Defaults the community's default roles are given instead.
	Roles    []string
	Defaults bool
	// JoinedAt is zero where it is unknown.
	JoinedAt time.Time
}

// Follower is somebody who follows a community.
type Follower struct {
	Row
	Community, Account Ref
	FollowedAt         time.Time
}
