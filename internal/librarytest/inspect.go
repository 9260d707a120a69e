package librarytest

import (
	"context"
	"errors"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/rbac"
)

var inspections = []story{
	{name: "the pass of a member", tell: passOfAMember},
	{name: "the pass of a stranger", tell: passOfAStranger},
	{name: "the pass of a platform admin", tell: passOfAPlatformAdmin},
	{name: "the pass in the default community", tell: passByDefault, defaultCommunity: true},
	{name: "the pass of an API key", tell: passOfAKey},
	{name: "a pass knows what was changed before", tell: passAfterAChange},
	{name: "who is not signed in has no pass", tell: notSignedIn},
	{name: "a pass answers as checks do", tell: passAgrees},
}

// pass inspects a token.
func (w *world) pass(bearer string, community int64) propusk.Pass {
	w.t.Helper()
	pass, err := w.Inspector.Inspect(w.ctx(), bearer, community)
	w.must(err)
	return pass
}

// may asks a pass about a permission, nobody knowing whose the object is.
func (w *world) may(pass propusk.Pass, permission string, want bool, why rbac.Reason) {
	w.t.Helper()
	w.same("may "+permission, pass.May(rbac.MustPermission(permission), rbac.OwnerUnknown), rbac.Decision{Allowed: want, Reason: why})
}

func passOfAMember(w *world) {
	anna, owls := w.owls()
	boris := w.member("Boris", owls, "expert", "reader")
	pass := w.pass(boris.Token, owls)
	w.same("user_id", pass.User.UserID, boris.UserID)
	w.same("name", pass.User.Name, "Boris")
	w.same("role on the platform", pass.User.Role, "user")
	if pass.User.ID < 1 || !pass.User.IsActive || pass.Session.ID == "" || pass.KeyID != "" || pass.Operator {
		w.t.Errorf("pass: %+v", pass)
	}
	w.same("community", []any{pass.Community.ID, pass.Community.Slug, pass.Named, pass.Member}, []any{owls, slugOf(anna, "owls"), true, true})
	w.same("roles, as stored", pass.Local.Roles, []string{"expert", "reader"})
	w.same("ranks", pass.Ranks, []string{"expert", "artist", "author", "reader"})
	if pass.PlatformAdmin || pass.Anywhere() || pass.Limited() {
		w.t.Error("an ordinary member reaches everywhere, or is limited")
	}
	permissions, err := w.Communities.PermissionsOf(w.ctx(), owls, boris.UserID)
	w.must(err)
	w.same("permissions", pass.Local.Permissions(), permissions)
	w.may(pass, "reaction:PROOF:create", true, rbac.ReasonRole)
	w.may(pass, "shout:update", false, rbac.ReasonMissingPermission)
	w.may(pass, "shout:fly", false, rbac.ReasonMissingPermission)
	w.may(pass, "user:block", false, rbac.ReasonMissingPermission)
	update := rbac.MustPermission("shout:update")
	w.same("one's own", pass.May(update, rbac.OwnerSelf), rbac.Decision{Allowed: true, Reason: rbac.ReasonOwn})
	w.same("another's", pass.May(update, rbac.OwnerOther), rbac.Decision{Reason: rbac.ReasonNotOwner})
}

func passOfAStranger(w *world) {
	_, owls := w.owls()
	boris := w.person("Boris")
	// A community that one is not in, one that there is not, and numbers that no community has, are the same.
	for _, id := range []int64{owls, nowhere, -1, 1 << 40} {
		pass := w.pass(boris.Token, id)
		w.same("somewhere", []any{pass.Named, pass.Member, pass.Community.ID}, []any{true, false, int64(0)})
		w.same("roles and ranks", [][]string{pass.Local.Roles, pass.Ranks}, [][]string{nil, nil})
		w.may(pass, "shout:read", false, rbac.ReasonNotMember)
		w.may(pass, "user:read", false, rbac.ReasonMissingPermission)
	}
	pass := w.pass(boris.Token, 0)
	w.same("nowhere", []any{pass.Named, pass.Member, pass.Community.ID}, []any{false, false, int64(0)})
	w.may(pass, "shout:read", false, rbac.ReasonCommunityRequired)
	w.Promote(w.t, boris, "moderator")
	w.may(w.pass(boris.Token, 0), "user:block", true, rbac.ReasonRole)
	w.may(w.pass(boris.Token, owls), "shout:read", false, rbac.ReasonNotMember)
}

func passOfAPlatformAdmin(w *world) {
	_, owls := w.owls()
	root := w.admin("Root")
	pass := w.pass(root.Token, owls)
	w.same("where", []any{pass.PlatformAdmin, pass.Named, pass.Member, pass.Community.ID}, []any{true, true, false, owls})
	w.same("roles are stored ones, never invented", []int{len(pass.Local.Roles), len(pass.Ranks)}, []int{0, 0})
	w.may(pass, "shout:update_any", true, rbac.ReasonPlatformAdmin)
	w.may(pass, "policy:apply", true, rbac.ReasonPlatformAdmin)
	w.may(pass, "shout:fly", true, rbac.ReasonPlatformAdmin)
	w.may(pass, "user:block", true, rbac.ReasonRole)
	w.may(w.pass(root.Token, nowhere), "shout:read", false, rbac.ReasonNotMember)
	w.give(owls, root, "reader")
	member := w.pass(root.Token, owls)
	w.same("as a member", []any{member.Member, member.Local.Roles, member.PlatformAdmin}, []any{true, []string{"reader"}, true})
	w.may(member, "shout:read", true, rbac.ReasonRole)
	w.may(member, "shout:update_any", true, rbac.ReasonPlatformAdmin)
}

func passByDefault(w *world) {
	anna, owls := w.owls()
	w.same("the first community", owls, int64(1))
	larks := w.Found(w.t, anna, slugOf(anna, "larks"))
	pass := w.pass(anna.Token, 0)
	w.same("none named", []any{pass.Named, pass.Member, pass.Community.ID}, []any{true, true, owls})
	w.same("another named", w.pass(anna.Token, larks).Community.ID, larks)
	stranger := w.pass(w.person("Boris").Token, 0)
	w.same("a stranger", []any{stranger.Named, stranger.Member, stranger.Community.ID}, []any{true, false, int64(0)})
	w.may(stranger, "shout:read", false, rbac.ReasonNotMember)
}

func passOfAKey(w *world) {
	_, owls := w.owls()
	root := w.admin("Root")
	w.give(owls, root, "admin")
	all := w.pass(w.Key(w.t, root, "*"), owls)
	w.same("a key for everything", []any{all.User.UserID, all.PlatformAdmin, all.Limited()}, []any{root.UserID, true, false})
	w.may(all, "shout:update_any", true, rbac.ReasonRole)
	limited := w.pass(w.Key(w.t, root, "shout:update_any", "user:read"), owls)
	if limited.KeyID == "" || limited.Session.ID != "" || limited.PlatformAdmin || !limited.Limited() {
		w.t.Errorf("a limited key: %+v", limited)
	}
	w.may(limited, "shout:update_any", true, rbac.ReasonRole)
	w.may(limited, "shout:update_own", true, rbac.ReasonRole)
	w.may(limited, "shout:read", false, rbac.ReasonMissingPermission)
	w.may(limited, "user:read", true, rbac.ReasonRole)
	w.may(limited, "user:block", false, rbac.ReasonMissingPermission)
}

func passAfterAChange(w *world) {
	_, owls := w.owls()
	boris := w.member("Boris", owls, "reader")
	w.may(w.pass(boris.Token, owls), "shout:create", false, rbac.ReasonMissingPermission)
	_, err := w.Communities.AddRole(w.ctx(), owls, boris.UserID, "author")
	w.must(err)
	w.may(w.pass(boris.Token, owls), "shout:create", true, rbac.ReasonRole)
	w.give(owls, boris)
	pass := w.pass(boris.Token, owls)
	w.may(pass, "shout:create", false, rbac.ReasonMissingPermission)
	w.same("no roles are a membership", []any{pass.Member, len(pass.Local.Roles)}, []any{true, 0})
}

// forged is a token with another letter within its signature.
func forged(token string) string {
	other := byte('A')
	at := len(token) - 10
	if token[at] == other {
		other = 'B'
	}
	return token[:at] + string(other) + token[at+1:]
}

func notSignedIn(w *world) {
	anna, owls := w.owls()
	gone, blocked := w.member("Boris", owls, "reader"), w.member("Clara", owls, "reader")
	w.LogOut(w.t, gone)
	w.Block(w.t, blocked)
	for what, bearer := range map[string]string{
		"nothing": "", "nonsense": "nonsense", "two words": "two words", "a line break": "a\r\nb: c", "no key": "propusk_nonsense",
		"a forged token": forged(anna.Token), "who logged out": gone.Token, "who is blocked": blocked.Token,
	} {
		pass, err := w.Inspector.Inspect(w.ctx(), bearer, owls)
		if propusk.KindOf(err) != propusk.Unauthenticated {
			w.t.Errorf("%s: %v", what, err)
		}
		if pass.User.ID != 0 || pass.Member || pass.PlatformAdmin || pass.May(rbac.MustPermission("shout:read"), rbac.OwnerUnknown).Allowed {
			w.t.Errorf("%s comes with a pass: %+v", what, pass)
		}
	}
	_, err := w.Inspector.Inspect(w.ctx(), gone.Token, owls)
	w.refused(err, propusk.Unauthenticated, "session_ended")
	over, cancel := context.WithCancel(w.ctx())
	cancel()
	pass, err := w.Inspector.Inspect(over, anna.Token, owls)
	if err == nil || pass.User.ID != 0 {
		w.t.Errorf("nobody waits any more, and the answer is %v, %+v", err, pass)
	}
	if !errors.Is(err, context.Canceled) {
		w.t.Errorf("that nobody waits is told as %v", err)
	}
}

// passAgrees holds passes against checks, which are another way to the same answer.
func passAgrees(w *world) {
	anna, owls := w.owls()
	boris, clara, root := w.member("Boris", owls, "author"), w.person("Clara"), w.admin("Root")
	names := []string{
		"shout:read", "shout:create", "shout:update", "shout:update_own", "shout:update_any", "reaction:LIKE:create", "reaction:PROOF:create",
		"reaction:PROOF:update", "chat:read", "draft:update", "community:configure", "member:read", "policy:apply", "shout:fly", "fish:read",
		"user:read", "user:block", "access:check", "community:create",
	}
	for _, who := range []Person{anna, boris, clara, root} {
		for _, place := range []int64{owls, nowhere, 0} {
			pass := w.pass(who.Token, place)
			for owner, id := range map[rbac.Ownership]string{rbac.OwnerUnknown: "", rbac.OwnerSelf: who.UserID, rbac.OwnerOther: nobody} {
				w.agree(pass, who, place, owner, id, names)
			}
		}
	}
}

func (w *world) agree(pass propusk.Pass, who Person, place int64, owner rbac.Ownership, ownerID string, names []string) {
	w.t.Helper()
	questions := make([]propusk.Question, len(names))
	for i, name := range names {
		questions[i] = propusk.Question{Permission: name, CommunityID: place, OwnerID: ownerID}
		if pass.Platform.Grants.Knows(rbac.MustPermission(name)) {
			questions[i].CommunityID = 0
		}
	}
	decisions, err := w.as(who).CheckAll(w.ctx(), questions)
	w.must(err)
	for i, name := range names {
		if got := pass.May(rbac.MustPermission(name), owner); got != decisions[i] {
			w.t.Errorf("%s in %d, owner %q: the pass says %+v, the check %+v", name, place, ownerID, got, decisions[i])
		}
	}
}
