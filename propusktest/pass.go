package propusktest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/rbac"
	"github.com/propusk/propusk/rbac/policyfile"
)

// UserID is the user_id of whoever has a Pass of this package, unless the Caller says another.
const UserID = "11111111-1111-4111-8111-111111111111"

const sessionID = "22222222-2222-4222-8222-222222222222"

// Pass is the pass of a member of community 1 with those roles, under the default policies. It behaves as a server's does. It panics when
// there is no such role: that is a mistake in the test.
func Pass(roles ...string) propusk.Pass { return Caller{Roles: roles}.Pass() }

// Caller says whose pass it is to be. The zero value is an ordinary user who is a member of community 1 without any roles.
type Caller struct {
	// UserID is the account's; "" is the constant UserID.
	UserID string
	// PlatformRole is user, moderator or admin; "" is user.
	PlatformRole string
	// CommunityID is where the request acts; 0 is community 1. Nowhere is a request that names no community.
	CommunityID int64
	Nowhere     bool
	// Stranger is no member of that community: to the pass it is none, unless the PlatformRole is admin. Roles are those of a member.
	Stranger bool
	Roles    []string
	// Policy is the one that the community has; nil is the default policy.
	Policy *rbac.Policy
}

// Pass makes the pass, as a server would on inspecting a token of that caller. It panics when a role does not exist or the policy does not
// compile.
func (c Caller) Pass() propusk.Pass {
	platform := defaults().platform
	role := cmp.Or(c.PlatformRole, "user")
	if !platform.Has(role) {
		panic(fmt.Sprintf("propusktest: there is no role %q on the platform", role))
	}
	pass := propusk.Pass{
		User:     c.user(role),
		Session:  propusk.Session{ID: sessionID, CreatedAt: then, LastSeen: then, ExpiresAt: then.AddDate(1000, 0, 0)},
		Platform: propusk.Standing{Roles: []string{role}, Grants: platform},
	}
	pass.PlatformAdmin, pass.Named = pass.Platform.Everything(), !c.Nowhere
	if pass.Named && (!c.Stranger || pass.PlatformAdmin) {
		c.enter(&pass)
	}
	return pass
}

// then is when everything was made.
var then = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

func (c Caller) user(role string) propusk.User {
	return propusk.User{
		ID: 1, UserID: strings.ToLower(cmp.Or(c.UserID, UserID)), Name: "Test", Slug: "test", Email: "test@example.org", Role: role,
		IsActive: true, CreatedAt: then, UpdatedAt: then, LastSeen: then,
	}
}

// enter puts the pass into its community.
func (c Caller) enter(pass *propusk.Pass) {
	policy, grants := c.policy()
	pass.Community = propusk.Community{
		ID: cmp.Or(c.CommunityID, 1), Slug: "test", Name: "Test", Joining: propusk.JoiningOpen,
		AvailableRoles: slices.Clone(policy.AvailableRoles), DefaultRoles: slices.Clone(policy.DefaultRoles),
		Grants: grants.Hash(), MemberCount: 1, CreatedAt: then, UpdatedAt: then,
	}
	pass.Local.Grants = grants
	if c.Stranger {
		return
	}
	pass.Member, pass.Local.Roles = true, slices.Clone(c.Roles)
	for _, role := range c.Roles {
		if !grants.Has(role) {
			panic(fmt.Sprintf("propusktest: the policy has no role %q", role))
		}
		for _, rank := range policy.Ancestors(role) {
			if !slices.Contains(pass.Ranks, rank) {
				pass.Ranks = append(pass.Ranks, rank)
			}
		}
	}
}

func (c Caller) policy() (rbac.Policy, *rbac.Grants) {
	if c.Policy == nil {
		return defaults().policy, defaults().community
	}
	return *c.Policy, compiled(*c.Policy)
}

// compiledDefaults are the default policies, compiled.
type compiledDefaults struct {
	policy              rbac.Policy
	platform, community *rbac.Grants
}

var defaults = sync.OnceValue(func() compiledDefaults {
	policy := policyfile.Community()
	return compiledDefaults{policy: policy, platform: compiled(policyfile.Platform()), community: compiled(policy)}
})

func compiled(policy rbac.Policy) *rbac.Grants {
	grants, err := rbac.Compile(policy)
	if err != nil {
		panic(fmt.Sprintf("propusktest: the policy does not compile: %v", err))
	}
	return grants
}
