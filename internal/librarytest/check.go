package librarytest

import (
	"slices"
	"strings"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/rbac"
)

var checks = []story{
	{name: "a check says why", tell: checksSayWhy},
	{name: "a check without a community", tell: checksByDefault, defaultCommunity: true},
	{name: "a check about somebody else needs access:check", tell: checksAboutOthers},
	{name: "a malformed check is an error, never an answer", tell: malformedChecks},
	{name: "checks are answered in their order", tell: manyChecks},
}

// decided asks with full authority.
func (w *world) decided(q propusk.Question, allowed bool, why rbac.Reason) {
	w.t.Helper()
	decision, err := w.Communities.Check(w.ctx(), q)
	w.must(err)
	if want := (rbac.Decision{Allowed: allowed, Reason: why}); decision != want {
		w.t.Errorf("%+v: %+v, want %+v", q, decision, want)
	}
}

func checksSayWhy(w *world) {
	_, owls := w.owls()
	boris, clara, root := w.member("Boris", owls, "author"), w.member("Clara", owls, "editor"), w.admin("Root")
	blocked := w.member("Dora", owls, "editor")
	w.Block(w.t, blocked)
	ask := func(permission string, community int64, user, owner string) propusk.Question {
		return propusk.Question{Permission: permission, CommunityID: community, UserID: user, OwnerID: owner}
	}
	w.decided(ask("shout:create", owls, boris.UserID, ""), true, rbac.ReasonRole)
	w.decided(ask("shout:create", owls, strings.ToUpper(boris.UserID), ""), true, rbac.ReasonRole)
	w.decided(ask("topic:merge", owls, boris.UserID, ""), false, rbac.ReasonMissingPermission)
	w.decided(ask("shout:fly", owls, boris.UserID, ""), false, rbac.ReasonMissingPermission)
	w.decided(ask("shout:update", owls, boris.UserID, boris.UserID), true, rbac.ReasonOwn)
	w.decided(ask("shout:update", owls, boris.UserID, strings.ToUpper(boris.UserID)), true, rbac.ReasonOwn)
	w.decided(ask("shout:update", owls, boris.UserID, clara.UserID), false, rbac.ReasonNotOwner)
	w.decided(ask("shout:update", owls, boris.UserID, ""), false, rbac.ReasonMissingPermission)
	w.decided(ask("shout:update_own", owls, boris.UserID, ""), true, rbac.ReasonRole) // the literal test
	w.decided(ask("shout:update", owls, clara.UserID, boris.UserID), true, rbac.ReasonRole)
	w.decided(ask("shout:read", nowhere, boris.UserID, ""), false, rbac.ReasonNotMember)
	w.decided(ask("shout:read", -1, boris.UserID, ""), false, rbac.ReasonNotMember)
	w.decided(ask("shout:read", 0, boris.UserID, ""), false, rbac.ReasonCommunityRequired)
	w.decided(ask("shout:read", owls, w.person("Emil").UserID, ""), false, rbac.ReasonNotMember)
	w.decided(ask("shout:read", owls, nobody, ""), false, rbac.ReasonInactive)
	w.decided(ask("shout:read", owls, blocked.UserID, ""), false, rbac.ReasonInactive)
	w.decided(ask("policy:apply", owls, root.UserID, ""), true, rbac.ReasonPlatformAdmin)
	w.decided(ask("policy:apply", nowhere, root.UserID, ""), false, rbac.ReasonNotMember)
	w.decided(ask("user:block", 0, root.UserID, ""), true, rbac.ReasonRole)
	w.decided(ask("user:block", 0, clara.UserID, ""), false, rbac.ReasonMissingPermission)
	w.decided(ask("shout:read", owls, "", ""), true, rbac.ReasonPlatformAdmin) // whoever may do everything, about themselves
}

func checksByDefault(w *world) {
	_, owls := w.owls()
	boris := w.member("Boris", owls, "reader")
	w.decided(propusk.Question{Permission: "shout:read", UserID: boris.UserID}, true, rbac.ReasonRole)
	w.decided(propusk.Question{Permission: "shout:read", UserID: boris.UserID, CommunityID: nowhere}, false, rbac.ReasonNotMember)
	w.decided(propusk.Question{Permission: "shout:read", UserID: boris.UserID, CommunityID: -1}, false, rbac.ReasonNotMember)
}

func checksAboutOthers(w *world) {
	anna, owls := w.owls()
	boris := w.member("Boris", owls, "reader")
	q := propusk.Question{Permission: "shout:read", CommunityID: owls}
	for _, mine := range []string{"", boris.UserID, strings.ToUpper(boris.UserID)} {
		q.UserID = mine
		decision, err := w.as(boris).Check(w.ctx(), q)
		w.must(err)
		w.same("about oneself", decision, rbac.Decision{Allowed: true, Reason: rbac.ReasonRole})
	}
	for _, theirs := range []string{anna.UserID, nobody} {
		q.UserID = theirs
		decision, err := w.as(boris).Check(w.ctx(), q)
		w.denied(err, "access:check")
		w.same("what comes with a refusal", decision, rbac.Decision{})
		_, err = w.as(boris).CheckAll(w.ctx(), []propusk.Question{{Permission: "shout:read"}, q})
		w.denied(err, "access:check")
	}
	service := w.As(w.t, w.Key(w.t, w.admin("Root"), "access:check"))
	decision, err := service.Check(w.ctx(), propusk.Question{Permission: "shout:read", CommunityID: owls, UserID: boris.UserID})
	w.must(err)
	w.same("a key for checks", decision, rbac.Decision{Allowed: true, Reason: rbac.ReasonRole})
}

func malformedChecks(w *world) {
	anna, owls := w.owls()
	for _, permission := range []string{
		"", "*", "shout", "shout:*", "Shout:read", "shout:read:", ":", "shout:read\n", strings.Repeat("a", 200) + ":read",
	} {
		decision, err := w.Communities.Check(w.ctx(), propusk.Question{Permission: permission, CommunityID: owls, UserID: anna.UserID})
		w.invalid(err, "permission")
		w.same("what comes with an error", decision, rbac.Decision{})
	}
	_, err := w.Communities.Check(w.ctx(), propusk.Question{Permission: "user:block", CommunityID: owls})
	w.invalid(err, "community_id") // of the platform
	_, err = w.Communities.Check(w.ctx(), propusk.Question{Permission: "shout:read", CommunityID: owls, UserID: "anna", OwnerID: "boris"})
	w.invalid(err, "owner_id", "user_id")
	good := propusk.Question{Permission: "shout:read", CommunityID: owls}
	for field, bad := range map[string]propusk.Question{
		"permission": {Permission: "shout:*", CommunityID: owls}, "community_id": {Permission: "user:block", CommunityID: owls},
		"owner_id": {Permission: "shout:read", CommunityID: owls, OwnerID: "boris"},
	} {
		decisions, err := w.Communities.CheckAll(w.ctx(), []propusk.Question{good, bad, good})
		w.invalid(err, "checks[1]."+field)
		w.same("answers beside an error", len(decisions), 0)
	}
}

func manyChecks(w *world) {
	_, owls := w.owls()
	boris := w.member("Boris", owls, "reader")
	var questions []propusk.Question
	var want []bool
	for i := range 1001 {
		q := propusk.Question{Permission: "shout:read", CommunityID: owls, UserID: boris.UserID}
		if i%3 == 1 {
			q.Permission = "shout:create"
		}
		questions, want = append(questions, q), append(want, i%3 != 1)
	}
	decisions, err := w.Communities.CheckAll(w.ctx(), questions)
	w.must(err)
	got := make([]bool, len(decisions))
	for i, d := range decisions {
		got[i] = d.Allowed
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("%d answers are not those to %d questions", len(got), len(want))
	}
	faulty := append(questions, propusk.Question{Permission: "shout:*", CommunityID: owls})
	_, err = w.Communities.CheckAll(w.ctx(), faulty)
	w.invalid(err, "checks[1001].permission")
	decisions, err = w.Communities.CheckAll(w.ctx(), nil)
	w.must(err)
	w.same("answers to no question", len(decisions), 0)
}
