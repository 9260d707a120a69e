// Package decisions is the meaning of Propusk as one table: who may do what, where, and why. A person reads it in table.txt; every way to
// ask Propusk is asked each row of it, on every database, and may differ in none.
//
// The table has four sections. Each begins with its name in brackets and a line that names the columns; a cell begins below the first
// letter of its column's name, and only the last one holds spaces. A line that begins with # is a remark, with ## the title of a chapter.
//
//	[people]      who there is: the role on the platform; the roles in each community, or one of
//	              - (no member), none (a member without roles), was:ROLE (no longer a member); and what became of the account
//	[roles]       roles that are not those of the default policy, in one community
//	[keys]        API keys, whose they are, and what they are limited to
//	[decisions]   one decision in each row:
//
//	who      one of the people or keys; ASKER/WHO where somebody asks about somebody else
//	where    a community; none for a check that names none; default for one that names none where the server has a default, which is owls;
//	         unknown for an id that no community has
//	may      the permission; <empty>, <128-bytes> and <129-bytes> stand for texts that fit in no column
//	whose    self or other when the check says whose the object is, else none
//	answer   allow, deny or error
//	reason   that of the decision, or the kind of the error
//	why      the sentence it follows from
package decisions

import (
	_ "embed"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/rbac"
)

// The places of the table.
const (
	Owls  = "owls"  // with the lists of the default policy
	Larks = "larks" // with roles of its own
	Crows = "crows" // that was deleted
	// Unknown is no community, NoWhere is not named, and Default is not named where the server has a default community.
	Unknown, NoWhere, Default = "unknown", "none", "default"
)

// Communities are those that there are, or were.
func Communities() []string { return []string{Owls, Larks, Crows} }

// State is what became of an account.
type State string

// The states.
const (
	Active   State = "active"
	Follower State = "follower" // active, and follows owls
	Blocked  State = "blocked"  // by the platform
	Deleted  State = "deleted"  // by its owner
	Nobody   State = "nobody"   // there never was such an account
)

// Person is somebody of the cast.
type Person struct {
	Name string
	// Platform is the role on the platform, "" for nobody.
	Platform string
	// Roles are those in the communities one is a member of; a member without roles has an empty list. Former are those that one had where one
	// is a member no longer.
	Roles, Former map[string][]string
	State         State
}

// Role is a role that a community has made or edited.
type Role struct {
	Community, ID string
	// Edited tells a role of the policy from one of the community's own.
	Edited      bool
	Permissions []string
}

// Key is an API key.
type Key struct {
	Name, Issuer string
	Permissions  []string
}

// Row is one decision.
type Row struct {
	// Line is where it stands, Chapter the title above it.
	Line    int
	Chapter string
	// Asker asks whether Who may; most ask about themselves. ByName tells whether the question names whom it is about.
	Asker, Who string
	ByName     bool
	Where      string
	Permission string
	Owner      rbac.Ownership
	// Want is the decision. Where Fails is set it is an error of the kind Refusal instead.
	Want    rbac.Decision
	Fails   bool
	Refusal propusk.Kind
	Why     string
	text    string
}

// String is the row as it stands in the table.
func (r Row) String() string { return r.text }

// Outcome is what a row expects, or an answer, in two words: "allow role", "error invalid".
func (r Row) Outcome() string {
	if r.Fails {
		return failed + " " + kindWord(r.Refusal)
	}
	return Outcome(r.Want, nil)
}

// Outcome tells an answer in the words of the table. Errors are told by their kind.
func Outcome(d rbac.Decision, err error) string {
	switch {
	case err != nil:
		return failed + " " + kindWord(propusk.KindOf(err))
	case d.Allowed:
		return allowed + " " + string(d.Reason)
	}
	return denied + " " + string(d.Reason)
}

// kindWord is the name of a kind of error that a question may bring.
func kindWord(kind propusk.Kind) string {
	switch kind {
	case propusk.Invalid:
		return "invalid"
	case propusk.Unauthenticated:
		return "unauthenticated"
	case propusk.Forbidden:
		return "forbidden"
	case propusk.Unavailable:
		return "unavailable"
	case propusk.Internal, propusk.NotFound, propusk.Conflict, propusk.RateLimited:
	}
	return "of another kind"
}

// Table is the cast and what is decided about it.
type Table struct {
	People []Person
	Roles  []Role
	Keys   []Key
	Rows   []Row
}

//go:embed table.txt
var text string

// Read is the table of this package.
func Read() (Table, error) { return Parse("table.txt", text) }

// Person is somebody of the cast by name.
func (t Table) Person(name string) (Person, bool) {
	for _, p := range t.People {
		if p.Name == name {
			return p, true
		}
	}
	return Person{}, false
}

// Key is an API key by name.
func (t Table) Key(name string) (Key, bool) {
	for _, k := range t.Keys {
		if k.Name == name {
			return k, true
		}
	}
	return Key{}, false
}
