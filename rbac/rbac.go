// Package rbac answers one question from memory: do these roles hold this
// permission?
//
// A person writes a [Policy]: a catalogue of all permissions, and roles that
// inherit from one another and use wildcards. [Compile] expands it once into
// [Grants], role → full list, with no inheritance and no wildcard left but the
// lone "*" of the role admin. Every decision afterwards is a look-up.
//
// The package does no I/O and reads no clock. Nothing in it changes after it
// was built, so everything may be shared between goroutines. The zero value of
// every type denies.
package rbac

// Limits keep a hostile policy from costing more than a fraction of a second.
// A policy, catalogue, role or list beyond them is refused with an error.
const (
	// MaxPermissionLen is the length of the longest permission, in bytes.
	MaxPermissionLen = 128
	// MaxRoles is how many roles one policy, one [Grants] or one member may have.
	MaxRoles = 100
	// MaxPermissions is how many permissions a catalogue, or a role's full
	// list, may have.
	MaxPermissions = 2000
	// MaxPatterns is how many permissions the roles of a policy may list, all
	// own lists taken together.
	MaxPatterns = 5000
	// MaxRolesLen is the length of the longest list of roles one member may
	// have, written as [FormatRoles] does, in bytes. Databases keep it in an
	// index.
	MaxRolesLen = 2500
	// MaxNameLen and MaxDescriptionLen bound the texts of a role, in characters.
	MaxNameLen        = 100
	MaxDescriptionLen = 1000
)

// Admin is the one role that may hold Everything. Its list cannot be edited,
// it is always available and never given by default.
const Admin = "admin"

// Everything is the lone wildcard: all permissions, also those that do not
// exist yet.
const Everything = "*"

// Scope says where the roles of a policy hold. The zero value is no scope.
type Scope string

const (
	ScopeCommunity Scope = "community" // inside one community
	ScopePlatform  Scope = "platform"  // above all communities
)
