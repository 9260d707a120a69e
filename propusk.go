// Package propusk holds the words that every part of Propusk shares: who somebody is (User, Session), what one request may
// do (Pass), and how a refusal is said (Error).
//
// The zero value of each type gives nobody anything: a zero Pass is signed in as no one and is refused everywhere.
package propusk

import (
	"time"

	"github.com/propusk/propusk/rbac"
)

// User is a person with an account on the platform. It never carries the password or its hash.
type User struct {
	// ID is the number the account has in tables and in GraphQL: positive, below 2³¹, never given out twice.
	ID int64
	// UserID is the account's UUID in lower-case text; REST and tokens name a user by it.
	UserID string
	// Name and LastName are shown as typed, in Unicode NFC, without surrounding space. LastName may be empty.
	Name, LastName string
	// Slug is the unique name for links: lower-case ASCII letters, digits and single hyphens.
	Slug string
	// Email is the address as typed. Two accounts never share an address, whatever its case and even when inactive.
	Email string
	// Role is the platform role: user, moderator or admin in the default policy.
	Role string
	// IsActive is false for a blocked or deleted account. Such an account cannot log in and its roles give nothing.
	IsActive bool
	// DeletedByOwner tells an account that its owner deleted from one that was blocked; only an admin may restore it.
	DeletedByOwner bool
	// CreatedAt, UpdatedAt and LastSeen have the precision of a second. LastSeen is zero for somebody never seen and is
	// written in the background, so it may be a minute late.
	CreatedAt, UpdatedAt, LastSeen time.Time
}

// Session is one login on one device.
type Session struct {
	// ID is the public UUID of the session. It opens nothing: the secret in the token is another value.
	ID string
	// Device is the client's User-Agent and Address its network address at login, both as told, for people to recognise.
	Device, Address string
	// CreatedAt and LastSeen have the precision of a second; LastSeen is at most a minute late.
	CreatedAt, LastSeen time.Time
	// ExpiresAt is the absolute end; no activity moves it.
	ExpiresAt time.Time
}

// Standing is what somebody holds in one scope: role names and the grants that say what those roles permit there.
type Standing struct {
	Roles  []string
	Grants *rbac.Grants
}

// Decide answers whether the standing permits p, given whose object it is about.
func (s Standing) Decide(p rbac.Permission, owner rbac.Ownership) rbac.Decision {
	return s.Grants.Decide(s.Roles, p, owner)
}

// Covers reports whether the holder may act upon somebody of standing other: every permission that other holds is held here too.
// Standings of different scopes are not comparable; callers compare within one.
func (s Standing) Covers(other []string) bool {
	return s.Grants.Covers(s.Roles, other)
}

// Origin is where a request came from, for the audit and the limits on failed logins.
type Origin struct {
	// Address is the client's network address without a port, RequestID names the request in the log.
	Address, RequestID string
}

// Pass is what one request may do. It is made by inspecting a token and is good for one request: a later one must be inspected anew.
type Pass struct {
	User    User
	Session Session
	// Platform is what the user holds above all communities.
	Platform Standing
	// Origin is where the request came from.
	Origin Origin
	// Operator marks the person at the command line of the machine, who stands above every account and has none.
	Operator bool
}
