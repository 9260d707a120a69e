// Package propusk holds the words that every part of Propusk shares: who somebody is (User, Session), what one request may
// do (Pass), and how a refusal is said (Error).
//
// The zero value of each type gives nobody anything: a zero Pass is signed in as no one and is refused everywhere.
package propusk

import (
	"slices"
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
	// Limit, when set, is all that may be done at most, whatever Roles permit: the roles of Limit are the permissions of an API key.
	Limit *rbac.Grants
}

// Decide answers whether the standing permits p, given whose object it is about.
func (s Standing) Decide(p rbac.Permission, owner rbac.Ownership) rbac.Decision {
	decision := s.Grants.Decide(s.Roles, p, owner)
	if decision.Allowed && s.Limit != nil {
		if limit := s.Limit.Decide(s.Limit.Roles(), p, owner); !limit.Allowed {
			return limit
		}
	}
	return decision
}

// Everything reports whether the standing permits every permission, also those that do not exist yet.
func (s Standing) Everything() bool { return s.Limit == nil && s.Grants.All(s.Roles) }

// Permissions is all that the standing permits, sorted by bytes; "*" comes first when that is everything.
func (s Standing) Permissions() []string {
	held := s.Grants.Union(s.Roles)
	if s.Limit == nil {
		return held
	}
	limit := s.Limit.Union(s.Limit.Roles())
	return slices.DeleteFunc(held, func(p string) bool { return !slices.Contains(limit, p) })
}

// Covers reports whether the holder may act upon somebody of standing other: every permission that other holds is held here too.
// Standings of different scopes are not comparable; callers compare within one. Of a role that Grants does not have nobody knows what it permits, or
// will: only who holds everything covers it.
func (s Standing) Covers(other []string) bool {
	if s.Everything() {
		return true
	}
	if slices.ContainsFunc(other, func(role string) bool { return !s.Grants.Has(role) }) {
		return false
	}
	return s.Grants.Covers(s.Roles, other) && (s.Limit == nil || len(s.Missing(s.Grants.Union(other))) == 0)
}

// Missing returns those of permissions that the holder does not hold, "*" among them, in their order.
func (s Standing) Missing(permissions []string) []string {
	if s.Everything() {
		return nil
	}
	held := s.Grants.Union(s.Roles)
	return slices.DeleteFunc(slices.Clone(permissions), func(p string) bool {
		return (slices.Contains(held, p) || s.Grants.All(s.Roles)) &&
			(s.Limit == nil || slices.Contains(s.Limit.Union(s.Limit.Roles()), p))
	})
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
	// KeyID is the public id of the API key that was shown instead of a token; then there is no Session.
	KeyID string
	// Platform is what the user holds above all communities.
	Platform Standing
	// PlatformAdmin passes every check in every existing community. It is false for an API key that has a limit, whoever issued it.
	PlatformAdmin bool
	// Named tells whether a community was named, or there is a default one. Community is that one; it has no ID when it does not exist or the
	// user may not know of it.
	Named     bool
	Community Community
	// Member tells whether the user is a member there, and Local what the user holds there: stored roles, never invented ones.
	Member bool
	Local  Standing
	// Ranks are Roles there and all that they inherit by the policy, which is what RoleAtLeast of package guard looks at.
	Ranks []string
	// Origin is where the request came from.
	Origin Origin
	// Operator marks the person at the command line of the machine, who stands above every account and has none.
	Operator bool
}

// Decide answers whether the pass permits community permission p where it acts, given whose object it is about. To somebody who is no member
// there, and where there is no such community, the reason is not_member.
func (p *Pass) Decide(permission rbac.Permission, owner rbac.Ownership) rbac.Decision {
	decision := p.Local.Decide(permission, owner)
	switch {
	case p.Community.ID == 0:
		return rbac.Decision{Reason: rbac.ReasonNotMember}
	case decision.Allowed:
		return decision
	case p.Anywhere():
		if decision = p.power().Decide(permission, owner); decision.Allowed {
			decision.Reason = rbac.ReasonPlatformAdmin
		}
		return decision
	case !p.Member:
		return rbac.Decision{Reason: rbac.ReasonNotMember}
	}
	return decision
}

// May answers whether the pass permits p, in its community or, if p is a permission of the platform, on the platform: the same as Checker's
// Check about oneself, from what the pass knows.
func (p *Pass) May(permission rbac.Permission, owner rbac.Ownership) rbac.Decision {
	switch {
	case p.Platform.Grants.Knows(permission):
		return p.Platform.Decide(permission, owner)
	case !p.Named:
		return rbac.Decision{Reason: rbac.ReasonCommunityRequired}
	}
	return p.Decide(permission, owner)
}

// Anywhere reports whether the pass reaches into every community, because its account is a platform admin's. What it may do there the limit of
// an API key still bounds.
func (p *Pass) Anywhere() bool { return p.Platform.Grants.All(p.Platform.Roles) }

// Limited reports whether the pass is of an API key with a list of its own. Such a key has permissions and no roles.
func (p *Pass) Limited() bool { return p.Platform.Limit != nil }

// Covers reports whether the pass permits acting, where it acts, upon somebody with those roles, or giving them: all that they permit is held.
func (p *Pass) Covers(roles []string) bool { return p.power().Covers(roles) }

// Missing returns those of permissions that the pass does not hold where it acts.
func (p *Pass) Missing(permissions []string) []string { return p.power().Missing(permissions) }

// power is what the pass may act with where it acts: a platform admin has the power of the community's admin.
func (p *Pass) power() Standing {
	local := p.Local
	if p.Anywhere() {
		local.Roles = []string{rbac.Admin}
	}
	return local
}
