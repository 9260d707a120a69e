package policyfile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/propusk/propusk/rbac"
	"github.com/propusk/propusk/rbac/policyfile"
)

// rights is one policy read as sentences: these roles may, and those may not.
type rights struct {
	t      *testing.T
	grants *rbac.Grants
}

func (r rights) allow(roles, permissions string) {
	r.t.Helper()
	r.expect(roles, permissions, true)
}

func (r rights) deny(roles, permissions string) {
	r.t.Helper()
	r.expect(roles, permissions, false)
}

func (r rights) expect(roles, permissions string, want bool) {
	r.t.Helper()
	for role := range strings.FieldsSeq(roles) {
		if !r.grants.Has(role) {
			r.t.Errorf("there is no role %s", role)
		}
		for permission := range strings.FieldsSeq(permissions) {
			if r.grants.Allows([]string{role}, rbac.MustPermission(permission)) != want {
				r.t.Errorf("%s may %s: %t, want %t", role, permission, !want, want)
			}
		}
	}
}

// everyone from least to most; each has all rights of those before.
var everyone = []string{"reader", "author", "artist", "expert", "editor", "admin"}

// from returns role and all above it, below all beneath it.
func from(role string) string {
	return strings.Join(everyone[slices.Index(everyone, role):], " ")
}

func below(role string) string {
	return strings.Join(everyone[:slices.Index(everyone, role)], " ")
}

// starting says that a permission comes with role: those above have it too,
// those beneath do not.
func (r rights) starting(role, permissions string) {
	r.t.Helper()
	r.allow(from(role), permissions)
	r.deny(below(role), permissions)
}

func TestStandardRoles(t *testing.T) {
	r := rights{t, compile(t, policyfile.Community())}

	// reader: *:read, basic reactions, chat:*, message:*, bookmark:*
	r.starting("reader", "shout:read topic:read collection:read invite:read reaction:LIKE:read reaction:PROOF:read")
	for _, kind := range []string{"LIKE", "DISLIKE", "COMMENT", "QUOTE"} {
		of := "reaction:" + kind
		r.starting("reader", of+":create "+of+":update_own "+of+":delete_own")
	}
	for _, private := range []string{"chat", "message", "bookmark"} {
		r.starting("reader", private+":create "+private+":read "+private+":update_own "+private+":delete_own")
	}

	// author: reader + *:create, *:update_own, *:delete_own, draft:*
	for _, content := range []string{"shout", "topic", "collection", "invite"} {
		r.starting("author", content+":create "+content+":update_own "+content+":delete_own")
	}
	r.starting("author", "draft:create draft:read draft:update_own draft:delete_own")

	// artist: + reaction:CREDIT:accept, reaction:CREDIT:decline
	r.starting("artist", "reaction:CREDIT:accept reaction:CREDIT:decline")

	// expert: + reaction:{PROOF,DISPROOF,AGREE,DISAGREE}:*
	for _, kind := range []string{"PROOF", "DISPROOF", "AGREE", "DISAGREE"} {
		of := "reaction:" + kind
		r.starting("expert", of+":create "+of+":update_own "+of+":update_any "+of+":delete_own "+of+":delete_any")
	}

	// editor: *:update_any, *:delete_any, community:update_own, topic:merge
	for _, content := range []string{"shout", "topic", "collection", "invite", "reaction:LIKE", "reaction:CREDIT"} {
		r.starting("editor", content+":update_any "+content+":delete_any")
	}
	r.starting("editor", "community:update_own topic:merge")
	r.starting("reader", "community:read")

	// admin: everything
	r.starting("admin", "community:delete_own community:configure member:admit member:remove member:assign_role"+
		" role:manage policy:apply not_yet:invented reaction:NEW:kind")
}

func TestTopicRights(t *testing.T) {
	r := rights{t, compile(t, policyfile.Community())}
	r.starting("author", "topic:create")
	r.starting("reader", "topic:read")
	r.starting("author", "topic:update_own")
	r.starting("editor", "topic:update_any")
	r.starting("author", "topic:delete_own")
	r.starting("editor", "topic:delete_any")
	r.starting("editor", "topic:merge")
}

// What the wildcards must not reach.
func TestWildcardsStopAtReserved(t *testing.T) {
	r := rights{t, compile(t, policyfile.Community())}
	// A reader's chat:* and an editor's *:delete_any leave others' private things alone.
	for _, private := range []string{"chat", "message", "bookmark", "draft"} {
		r.deny(below("admin"), private+":update_any "+private+":delete_any")
	}
	// An author's *:create is no expert's proof.
	r.deny(below("expert"), "reaction:PROOF:create reaction:DISAGREE:create")
	// An editor's *:delete_any and *:update_any do not reach the community.
	r.deny("editor", "community:delete_own community:delete_any community:configure community:update_any")
	r.deny("editor", "member:remove member:assign_role role:manage policy:apply")
	// Members are seen by every member, and managed by admin.
	r.starting("reader", "member:read")
}

func TestEachRoleHasAllRightsOfThoseBefore(t *testing.T) {
	grants := compile(t, policyfile.Community())
	for i, role := range everyone {
		if !grants.Covers([]string{role}, everyone[:i+1]) {
			t.Errorf("%s lacks %v", role, grants.Missing([]string{role}, everyone[:i+1]))
		}
		if i > 0 && grants.Covers(everyone[:i], []string{role}) {
			t.Errorf("%s has nothing of its own", role)
		}
	}
}

func TestPlatformRoles(t *testing.T) {
	r := rights{t, compile(t, policyfile.Platform())}
	r.allow("moderator admin", "user:read user:block user:unblock community:create")
	r.deny("user", "user:read user:block user:unblock community:create access:check")
	r.allow("admin", "user:change_role user:reset_password access:check api_key:manage audit:read")
	r.deny("moderator", "user:change_role user:reset_password access:check api_key:manage audit:read")
}

func TestDefaultsSayWhoMayBeWhat(t *testing.T) {
	community, platform := policyfile.Community(), policyfile.Platform()
	if community.Scope != rbac.ScopeCommunity || platform.Scope != rbac.ScopePlatform {
		t.Errorf("scopes are %q and %q", community.Scope, platform.Scope)
	}
	if !slices.Equal(community.AvailableRoles, everyone) || !slices.Equal(community.DefaultRoles, []string{"reader"}) {
		t.Errorf("available %v, default %v", community.AvailableRoles, community.DefaultRoles)
	}
	if community.CreatorRole != rbac.Admin || platform.CreatorRole != "" {
		t.Errorf("creators become %q and %q", community.CreatorRole, platform.CreatorRole)
	}
	if !slices.Equal(platform.AvailableRoles, []string{"user", "moderator", "admin"}) || !slices.Equal(platform.DefaultRoles, []string{"user"}) {
		t.Errorf("available %v, default %v", platform.AvailableRoles, platform.DefaultRoles)
	}
	var names []string
	for _, role := range community.Roles {
		names = append(names, role.Name)
	}
	if want := []string{"Reader", "Author", "Artist", "Expert", "Editor", "Administrator"}; !slices.Equal(names, want) {
		t.Errorf("names are %v", names)
	}
}

// The catalogue decides the scope of a permission, so there can be only one.
func TestDefaultCataloguesAreDisjoint(t *testing.T) {
	if err := rbac.Disjoint(catalogue(t, policyfile.Community()), catalogue(t, policyfile.Platform())); err != nil {
		t.Error(err)
	}
}

func catalogue(t *testing.T, p rbac.Policy) *rbac.Catalogue {
	t.Helper()
	c, err := rbac.NewCatalogue(p.Content, p.Reserved)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
