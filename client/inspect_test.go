package client_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/client"
	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/rbac"
)

// bearer is somebody who asks: a person's token, or a key.
type bearer struct {
	token, userID string
	// limited keys may get a stricter answer, and another reason for the same.
	limited bool
}

// people are all sorts of those who ask.
func (v *village) people() map[string]bearer {
	v.t.Helper()
	of := func(p apptest.Person) bearer { return bearer{token: p.Token, userID: p.UserID} }
	none, custom, both := v.Register("Fedor"), v.Register("Galina"), v.WithRole("Hana", "admin")
	v.ok("POST", v.path("/roles"), v.founder.Token, map[string]any{
		"id": "translator", "name": "Translator", "permissions": []string{"shout:update_any", "draft:read", "topic:delete_own"},
	})
	v.ok("PUT", v.path("/role-settings"), v.founder.Token, map[string]any{
		"available_roles": []string{"reader", "author", "artist", "expert", "editor", "admin", "translator"}, "default_roles": []string{"reader"},
	})
	v.roles(none)
	v.roles(custom, "translator", "author")
	v.roles(both, "author")
	demoted := v.WithRole("Ivan", "admin")
	v.roles(demoted, "editor")
	list := []string{"shout:update_own", "topic:update_any", "chat:read", "user:block", "access:check"}
	demotedKey := v.key(demoted.Token, list...)
	v.ok("POST", "/api/admin/change-role", v.root, map[string]string{"user_id": demoted.UserID, "role": "moderator"})
	rootID := v.ok("GET", "/api/users/me", v.root, nil).Text("user_id")
	everyKey := v.key(v.root, "*")
	return map[string]bearer{
		"founder": of(v.founder), "editor": of(v.editor), "reader": of(v.reader), "author": of(v.author), "stranger": of(v.stranger),
		"member without roles": of(none), "custom role": of(custom), "platform admin and author": of(both), "platform admin": {token: v.root,
			userID: rootID},
		"key for everything": {token: everyKey, userID: rootID}, "key of a moderator": {token: demotedKey, userID: demoted.UserID, limited: true},
		"key of an admin":            {token: v.key(v.root, list...), userID: rootID, limited: true},
		"key of an admin and author": {token: v.key(both.Token, list...), userID: both.UserID, limited: true},
	}
}

// permissions are all there are in either scope, in every form, and one that there is not.
func (v *village) permissions(pass propusk.Pass) (local, platform []string) {
	forms := func(list []string) []string {
		all := map[string]bool{}
		for _, text := range list {
			if text == rbac.Everything {
				continue
			}
			all[text] = true
			for _, suffix := range []string{"_own", "_any"} {
				if stem, ok := strings.CutSuffix(text, suffix); ok {
					all[stem] = true
				}
			}
		}
		return slices.Sorted(maps.Keys(all))
	}
	return append(forms(pass.Local.Permissions()), "spaceship:launch"), forms(pass.Platform.Grants.Permissions(rbac.Admin))
}

type asked struct {
	Permission  string `json:"permission"`
	CommunityID int64  `json:"community_id,omitempty"`
	OwnerID     string `json:"owner_id,omitempty"`
}

// TestAPassSaysWhatTheServerSays asks both about everybody, everything and everywhere. Which engine the server has makes no difference to it.
func TestAPassSaysWhatTheServerSays(t *testing.T) {
	t.Parallel()
	v := settle(t)
	c := v.as("")
	everything, err := c.Inspect(t.Context(), v.founder.Token, v.owls)
	if err != nil {
		t.Fatal(err)
	}
	local, platform := v.permissions(everything)
	n := 0
	for name, who := range v.people() {
		for _, community := range []int64{0, v.owls, v.larks, 99999} {
			pass, err := c.Inspect(t.Context(), who.token, community)
			if err != nil {
				t.Fatalf("%s in %d: %v", name, community, err)
			}
			if pass.Limited() != who.limited || (pass.KeyID != "") != strings.HasPrefix(who.token, "propusk_") {
				t.Errorf("%s: limited %v, key %q", name, pass.Limited(), pass.KeyID)
			}
			n += v.compare(name, who, pass, community, local)
			n += v.compare(name, who, pass, 0, platform)
		}
	}
	t.Logf("%d questions", n)
}

// compare asks the server in one call what it asks the pass one by one.
func (v *village) compare(name string, who bearer, pass propusk.Pass, community int64, permissions []string) int {
	v.t.Helper()
	owners := map[string]rbac.Ownership{"": rbac.OwnerUnknown, who.userID: rbac.OwnerSelf, v.larkOwner(): rbac.OwnerOther}
	var questions []asked
	var mine []rbac.Decision
	for owner, is := range owners {
		for _, permission := range permissions {
			questions = append(questions, asked{permission, community, owner})
			mine = append(mine, pass.May(rbac.MustPermission(permission), is))
		}
	}
	var answer struct{ Results []rbac.Decision }
	raw := v.ok("POST", "/api/check/batch", who.token, map[string]any{"checks": questions}).Raw
	if err := json.Unmarshal([]byte(raw), &answer); err != nil {
		v.t.Fatal(err)
	}
	for i, theirs := range answer.Results {
		stricter := who.limited && !mine[i].Allowed
		otherReason := who.limited && mine[i].Allowed == theirs.Allowed
		if mine[i] != theirs && !stricter && !otherReason {
			v.t.Errorf("%s, %+v: the pass says %+v, the server %+v", name, questions[i], mine[i], theirs)
		}
	}
	single := v.ok("POST", "/api/check", who.token, questions[0])
	if single.Body["allowed"] != answer.Results[0].Allowed {
		v.t.Errorf("%s, %+v: one check says %v", name, questions[0], single.Raw)
	}
	return len(questions)
}

// larkOwner is somebody whom none of the questions is about.
func (v *village) larkOwner() string { return "00000000-0000-4000-8000-000000000000" }

// A key's list is exactly what it allows where its issuer has roles, and never more elsewhere.
func TestALimitedPassAllowsItsListAndNoMore(t *testing.T) {
	t.Parallel()
	v := settle(t)
	people, c := v.people(), v.as("")
	allowed := func(name string, community int64) (all []string) {
		t.Helper()
		pass, err := c.Inspect(t.Context(), people[name].token, community)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"shout:update_own", "shout:update", "topic:update", "topic:delete", "chat:read", "shout:read",
			"spaceship:launch",
			"user:block", "user:read", "access:check", "audit:read"} {
			if pass.May(rbac.MustPermission(text), rbac.OwnerUnknown).Allowed {
				all = append(all, text)
			}
		}
		if pass.PlatformAdmin || pass.Covers([]string{"admin"}) || pass.Local.Everything() || pass.Platform.Everything() {
			t.Errorf("%s has everything", name)
		}
		return all
	}
	for _, tt := range []struct {
		name      string
		community int64
		want      []string
	}{
		{"key of a moderator", v.owls, []string{"shout:update_own", "topic:update", "chat:read", "user:block"}},
		{"key of a moderator", v.larks, []string{"user:block"}},
		{"key of a moderator", 0, []string{"user:block"}},
		{"key of an admin", v.owls, []string{"shout:update_own", "topic:update", "chat:read", "user:block", "access:check"}},
		{"key of an admin and author", v.owls, []string{"shout:update_own", "topic:update", "chat:read", "user:block", "access:check"}},
	} {
		if diff := cmp.Diff(tt.want, allowed(tt.name, tt.community)); diff != "" {
			t.Errorf("%s in %d (-want +got)\n%s", tt.name, tt.community, diff)
		}
	}
}

func TestAPassTellsWhoAndWhere(t *testing.T) {
	t.Parallel()
	v := settle(t)
	c := v.as("")
	pass, err := c.Inspect(t.Context(), v.author.Token, v.owls)
	if err != nil {
		t.Fatal(err)
	}
	if pass.User.UserID != v.author.UserID || pass.User.Email != v.author.Email || pass.User.ID < 1 || pass.User.CreatedAt.IsZero() {
		t.Errorf("the user is %+v", pass.User)
	}
	if pass.Session.ID == "" || pass.Session.ExpiresAt.IsZero() || pass.KeyID != "" {
		t.Errorf("the session is %+v, the key %q", pass.Session, pass.KeyID)
	}
	if pass.Community.ID != v.owls || pass.Community.Slug != "owls" || !pass.Named || !pass.Member || pass.PlatformAdmin || pass.Limited() {
		t.Errorf("the place is %+v, named %v, member %v", pass.Community, pass.Named, pass.Member)
	}
	if diff := cmp.Diff([][]string{{"reader", "author"}, {"reader", "author"}}, [][]string{pass.Local.Roles, pass.Ranks}); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if !pass.Covers([]string{"author"}) || pass.Covers([]string{"admin"}) {
		t.Error("an author covers an author, and no admin")
	}
	for _, nowhere := range []int64{-1, 1 << 40} {
		pass, err := c.Inspect(t.Context(), v.author.Token, nowhere)
		if err != nil || !pass.Named || pass.Community.ID != 0 || pass.Member || len(pass.Local.Roles) != 0 {
			t.Errorf("in %d: %+v, %v", nowhere, pass, err)
		}
	}
}

func TestADefaultCommunityIsThePlaceOfWhoNamesNone(t *testing.T) {
	t.Parallel()
	v := settle(t, func(c *config.Config) { c.DefaultCommunity = 1 })
	pass, err := v.as("").Inspect(t.Context(), v.reader.Token, 0)
	if err != nil || pass.Community.ID != v.owls {
		t.Fatalf("%+v, %v", pass.Community, err)
	}
	for _, nowhere := range []int64{-1, 1 << 40} { // but not of who names a wrong one
		pass, err := v.as("").Inspect(t.Context(), v.reader.Token, nowhere)
		if err != nil || pass.Community.ID != 0 || pass.May(rbac.MustPermission("shout:read"), rbac.OwnerUnknown).Allowed {
			t.Errorf("in %d: %+v, %v", nowhere, pass, err)
		}
	}
}

func TestWhoIsNotSignedInGetsNoPass(t *testing.T) {
	t.Parallel()
	v := settle(t)
	c := v.as("")
	v.ok("POST", "/api/users/logout", v.reader.Token, nil)
	v.ok("PUT", "/api/admin/block/"+v.author.UserID, v.root, nil)
	for name, token := range map[string]string{
		"nobody": "", "odd": "x\r\nX-Evil: 1", "long": strings.Repeat("x", 1<<20), "logged out": v.reader.Token, "blocked": v.author.Token,
		"no key": "propusk_nonsense", "two words": "a b", "not ASCII": "токен",
	} {
		pass, err := c.Inspect(t.Context(), token, v.owls)
		if err == nil || propusk.KindOf(err) != propusk.Unauthenticated {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(propusk.Pass{}, pass); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
		if err != nil && token != "" && strings.Contains(fmt.Sprintf("%v %+v", err, err), token) {
			t.Errorf("%s: the error holds the token", name)
		}
	}
}

// goodPass is an answer to who is a reader in community 7; each lie changes one thing in it.
const goodPass = `{"user":{"user_id":"0b0e7f8c-1a2b-4c3d-8e4f-5a6b7c8d9e0f","id":5,"name":"Clara","last_name":"","slug":"clara",` +
	`"email":"c@example.org","role":"user","is_active":true,"created_at":"2026-01-02T03:04:05Z",` +
	`"updated_at":"2026-01-02T03:04:05Z","last_seen":null},` +
	`"session":{"id":"s","device":"","address":"","created_at":"2026-01-02T03:04:05Z","last_seen":"2026-01-02T03:04:05Z",` +
	`"expires_at":"2026-01-02T03:04:05Z","current":true},"community":{"id":7,"slug":"owls","name":"Owls"},"roles":["reader"],` +
	`"permissions":["shout:read"],"platform_permissions":[],"platform_admin":false,"ranks":["reader"],"named":true,"member":true,"key_id":"","limit":[],"limited":false,` +
	`"platform_catalogue":["user:block"],"something":{"newer":[1,{"a":null}]}}`

func TestAnAnswerThatContradictsItselfIsNoPass(t *testing.T) {
	t.Parallel()
	lies := [][2]string{
		{`"limited":false,`, ``}, {`"limited":false`, `"limited":null`}, {`"limited":false`, `"limited":false,"limited":false`}, {`"limited"`,
			`"Limited"`},
		{`"limited":false`, `"limited":false,"LIMITED":false`}, {`"limited":false`, `"limited":true`}, {`"id":7`, `"id":8`}, {`"named":true`,
			`"named":false`},
		{`"id":"s"`, `"id":""`}, {`"is_active":true`, `"is_active":false`}, {`"is_active":true,`, ``}, {`"user_id":"0b0e7f8c`,
			`"user_id":"0b0e7f8`},
		{`"id":5`, `"id":0`}, {`"id":5`, `"id":"5"`}, {`"platform_admin":false`, `"platform_admin":true`},
		{`"platform_permissions":[]`, `"platform_permissions":["*"]`}, {`"platform_permissions":[]`, `"platform_permissions":["user:read"]`},
		{`"platform_permissions":[]`, `"platform_permissions":null`}, {`"permissions":["shout:read"]`, `"permissions":["*"]`},
		{`"permissions":["shout:read"]`, `"permissions":["*","shout:read"]`}, {`"permissions":["shout:read"]`, `"permissions":["shout:*"]`},
		{`"permissions":["shout:read"]`, `"permissions":["shout:read","shout:read"]`}, {`"permissions":["shout:read"]`, `"permissions":[null]`},
		{`"roles":["reader"]`, `"roles":["admin"]`}, {`"roles":["reader"]`, `"roles":["Reader"]`}, {`"roles":["reader"]`, `"roles":[]`},
		{`"ranks":["reader"]`, `"ranks":[]`}, {`"role":"user"`, `"role":"admin"`}, {`"role":"user"`, `"role":"A B"`},
		{`"platform_catalogue":["user:block"]`, `"platform_catalogue":[]`}, {`"platform_catalogue":["user:block"]`, `"platform_catalogue":["*"]`},
		{`"community":{"id":7,"slug":"owls","name":"Owls"}`, `"community":null`}, {`"session":`, `"sessions":`}, {`"name":"Owls"`,
			"\"name\":\"Owls\xff\""},
		{`"something":`, `"something":` + strings.Repeat("[", 100_000)}, {`[1,{"a":null}]}}`, `[1,{"a":null}]}}{}`}, {`}]}}`, `}]}`}, {goodPass,
			``},
		{goodPass, `null`}, {goodPass, `[]`}, {goodPass, `{}`}, {goodPass, `"yes"`},
	}
	inspect := func(body string) (propusk.Pass, error) {
		c := dial(t, impostor(t, says(http.StatusOK, "application/json", body)), "")
		defer c.Close()
		return c.Inspect(t.Context(), "token", 7)
	}
	if pass, err := inspect(goodPass); err != nil || !pass.May(rbac.MustPermission("shout:read"), rbac.OwnerUnknown).Allowed {
		t.Fatalf("the truth is refused: %v", err)
	}
	for _, lie := range lies {
		body := strings.Replace(goodPass, lie[0], lie[1], 1)
		if body == goodPass {
			t.Fatalf("%q is no lie", lie)
		}
		pass, err := inspect(body)
		if err == nil || propusk.KindOf(err) != propusk.Unavailable || !cmp.Equal(pass, propusk.Pass{}) {
			t.Errorf("%.60q for %.60q: %v", lie[1], lie[0], err)
		}
	}
}

// Roles that a column holds and the community does not have permit nothing, and harm nobody.
func TestRolesThatDoNotExistPermitNothing(t *testing.T) {
	t.Parallel()
	for roles, want := range map[string]bool{`["ghost","reader"]`: true, `["reader","ghost"]`: true} {
		body := strings.Replace(goodPass, `"roles":["reader"]`, `"roles":`+roles, 1)
		pass, err := dial(t, impostor(t, says(http.StatusOK, "application/json", body)), "").Inspect(t.Context(), "token", 7)
		if err != nil || pass.May(rbac.MustPermission("shout:read"), rbac.OwnerUnknown).Allowed != want || pass.Local.Grants.Has("ghost") {
			t.Errorf("%s: %v", roles, err)
		}
	}
	body := strings.NewReplacer(`"roles":["reader"]`, `"roles":["ghost"]`, `"ranks":["reader"]`, `"ranks":[]`, `["shout:read"]`,
		`[]`).Replace(goodPass)
	pass, err := dial(t, impostor(t, says(http.StatusOK, "application/json", body)), "").Inspect(t.Context(), "token", 7)
	if err != nil || !pass.Member || pass.May(rbac.MustPermission("shout:read"), rbac.OwnerUnknown).Reason != rbac.ReasonMissingPermission {
		t.Errorf("%+v %v", pass, err)
	}
}

var _ propusk.Inspector = (*client.Client)(nil)
