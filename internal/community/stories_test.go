package community_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/community"
	"github.com/propusk/propusk/internal/store"
)

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestTheFounderIsTheAdmin(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna := w.promoted("Anna", "moderator")
		made, err := w.Communities.Create(w.ctx(), anna, community.Founding{Name: "Ночные совы", Description: "Мы не спим\nпо ночам"})
		w.must(err)
		same(t, "slug", made.Slug, "nochnye-sovy")
		same(t, "available", made.AvailableRoles, []string{"reader", "author", "artist", "expert", "editor", "admin"})
		same(t, "defaults", made.DefaultRoles, []string{"reader"})
		got, err := w.Communities.Get(w.ctx(), anna, made.ID)
		w.must(err)
		same(t, "profile", got, made)
		same(t, "my roles", got.Roles, []string{"admin"})
		again, err := w.Communities.Create(w.ctx(), anna, community.Founding{Name: "Ночные совы"})
		w.must(err)
		same(t, "second slug", again.Slug, "nochnye-sovy-2")
		_, err = w.Communities.Create(w.ctx(), anna, community.Founding{Name: "x", Slug: "nochnye-sovy"})
		w.refused(err, "slug_taken")
		_, err = w.Communities.Create(w.ctx(), w.person("Boris"), community.Founding{Name: "Mine"})
		w.refused(err, "missing_permission")
	})
}

func TestJoiningAndLeaving(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna, boris := w.person("Anna"), w.person("Boris")
		id := w.founds(anna, "owls")
		profile, err := w.Communities.Join(w.ctx(), boris, id)
		w.must(err)
		same(t, "roles", profile.Roles, []string{"reader"})
		same(t, "members", profile.MemberCount, 2)
		_, err = w.Communities.Join(w.ctx(), boris, id) // again changes nothing
		w.must(err)
		w.must(w.Communities.Leave(w.ctx(), boris, id))
		same(t, "after leaving", w.rolesOf(id, boris), "-")
		w.refused(w.Communities.Leave(w.ctx(), boris, id), "community_not_found")
		_, err = w.Communities.Join(w.ctx(), boris, id)
		w.must(err)

		w.must(w.Communities.Remove(w.ctx(), anna, id, boris.User.UserID))
		_, err = w.Communities.Join(w.ctx(), boris, id)
		w.refused(err, "admission_required")
		_, err = w.Communities.Admit(w.ctx(), anna, id, boris.User.UserID, nil)
		w.must(err)
		w.must(w.Communities.Leave(w.ctx(), boris, id))
		_, err = w.Communities.Join(w.ctx(), boris, id) // who was admitted may come and go again
		w.must(err)

		closed := propusk.JoiningClosed
		_, err = w.Communities.Edit(w.ctx(), anna, id, community.Edit{Joining: &closed})
		w.must(err)
		_, err = w.Communities.Join(w.ctx(), w.person("Clara"), id)
		w.refused(err, "joining_closed")
	})
}

// TestALostDefaultRoleDoesNotComeBackByJoining is the attack of a member who was silenced: leave, join, and read again.
func TestALostDefaultRoleDoesNotComeBackByJoining(t *testing.T) {
	t.Parallel()
	takes := map[string]func(w *world, admin propusk.Pass, id int64, them propusk.Pass) error{
		"remove_role": func(w *world, admin propusk.Pass, id int64, them propusk.Pass) error {
			_, err := w.Communities.RemoveRole(w.ctx(), admin, id, them.User.UserID, "reader")
			return err
		},
		"set_roles": func(w *world, admin propusk.Pass, id int64, them propusk.Pass) error {
			_, err := w.Communities.SetRoles(w.ctx(), admin, id, them.User.UserID, []string{})
			return err
		},
		"bulk": func(w *world, admin propusk.Pass, id int64, them propusk.Pass) error {
			_, err := w.Communities.Bulk(w.ctx(), admin, id, propusk.ModeReplace, []propusk.Assignment{{UserID: them.User.UserID, Roles: []string{}}})
			return err
		},
	}
	onEngines(t, func(w *world) {
		admin := w.person("Anna")
		id := w.founds(admin, "owls")
		for how, take := range takes {
			them := w.person("Boris")
			_, err := w.Communities.Join(w.ctx(), them, id)
			w.must(err)
			w.must(take(w, admin, id, them))
			same(t, how+": no roles are still a membership", w.rolesOf(id, them), "[]")
			w.must(w.Communities.Leave(w.ctx(), them, id))
			_, err = w.Communities.Join(w.ctx(), them, id)
			w.refused(err, "admission_required")
			// Given back by authority, it stays.
			_, err = w.Communities.SetRoles(w.ctx(), admin, id, them.User.UserID, []string{"reader"})
			w.must(err)
			w.must(w.Communities.Leave(w.ctx(), them, id))
			_, err = w.Communities.Join(w.ctx(), them, id)
			w.must(err)
		}
	})
}

func TestTheLastAdminStays(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna, boris, root := w.person("Anna"), w.person("Boris"), w.promoted("root", "admin")
		id := w.founds(anna, "owls")
		w.give(id, boris, "admin")
		_, err := w.Accounts.Block(w.ctx(), root, boris.User.UserID) // an admin who cannot log in is none
		w.must(err)
		const last = "last_community_admin"
		for _, by := range []propusk.Pass{anna, root, w.Operator()} {
			_, err := w.Communities.SetRoles(w.ctx(), by, id, anna.User.UserID, []string{"editor"})
			w.refused(err, last)
			_, err = w.Communities.RemoveRole(w.ctx(), by, id, anna.User.UserID, "admin")
			w.refused(err, last)
			w.refused(w.Communities.Remove(w.ctx(), by, id, anna.User.UserID), last)
			_, err = w.Communities.Bulk(w.ctx(), by, id, propusk.ModeReplace, []propusk.Assignment{{UserID: anna.User.UserID, Roles: []string{"editor"}}})
			w.refused(err, last)
		}
		w.refused(w.Communities.Leave(w.ctx(), anna, id), last)
		w.refused(w.Accounts.Delete(w.ctx(), anna), last)
		if err := w.Accounts.Delete(w.ctx(), anna); !strings.Contains(err.Error(), "owls") {
			t.Errorf("the community is not named: %v", err)
		}
		same(t, "Anna", w.rolesOf(id, anna), "[admin]")
		// The platform may block whom it must, whatever becomes of a community.
		_, err = w.Accounts.Block(w.ctx(), root, anna.User.UserID)
		w.must(err)
		_, err = w.Accounts.Unblock(w.ctx(), root, boris.User.UserID)
		w.must(err)
		w.must(w.Communities.Remove(w.ctx(), root, id, anna.User.UserID))
	})
}

// demotions is how often two admins demote each other at the same moment.
const demotions = 10

func TestTwoAdminsCannotDemoteEachOther(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) { twoAdmins(w, demotions) })
}

// twoAdmins races two admins of one community, on every path by which one can lose the role.
func twoAdmins(w *world, rounds int) {
	anna, boris := w.person("Anna"), w.person("Boris")
	id := w.founds(anna, "owls")
	w.give(id, boris, "admin")
	demote := []func(by, them propusk.Pass) error{
		func(by, them propusk.Pass) error {
			_, err := w.Communities.SetRoles(w.ctx(), by, id, them.User.UserID, []string{"editor"})
			return err
		},
		func(by, them propusk.Pass) error { return w.Communities.Remove(w.ctx(), by, id, them.User.UserID) },
		func(by, _ propusk.Pass) error { return w.Communities.Leave(w.ctx(), by, id) },
		func(by, them propusk.Pass) error {
			_, err := w.Communities.Bulk(w.ctx(), by, id, propusk.ModeReplace, []propusk.Assignment{{UserID: them.User.UserID, Roles: []string{"editor"}}})
			return err
		},
	}
	for round := range rounds {
		var both sync.WaitGroup
		first, second := demote[round%len(demote)], demote[(round/len(demote))%len(demote)]
		both.Go(func() { _ = first(anna, boris) })
		both.Go(func() { _ = second(boris, anna) })
		both.Wait()
		admins, err := w.Store.Now(w.ctx()).ActiveHolders(id, "admin", 2)
		w.must(err)
		if admins < 1 {
			w.t.Fatalf("round %d left no admin", round)
		}
		w.give(id, anna, "admin")
		w.give(id, boris, "admin")
	}
}

func TestShrinkingWhatIsAvailable(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna, boris := w.person("Anna"), w.person("Boris")
		id := w.founds(anna, "owls")
		w.give(id, boris, "reader", "expert")
		to := propusk.RoleSettings{AvailableRoles: []string{"reader", "editor", "admin"}, DefaultRoles: []string{"reader"}}
		_, err := w.Communities.SetRoleSettings(w.ctx(), anna, id, to, false)
		w.refused(err, "roles_in_use")
		if !strings.Contains(fmt.Sprint(err), "held by 1 member") {
			t.Errorf("the count is not told: %v", err)
		}
		_, err = w.Communities.SetRoleSettings(w.ctx(), anna, id, to, true)
		w.must(err)
		same(t, "Boris", w.rolesOf(id, boris), "[reader]")
		_, err = w.Communities.AddRole(w.ctx(), anna, id, boris.User.UserID, "expert")
		w.refused(err, "invalid_input")
		for what, bad := range map[string]propusk.RoleSettings{
			"without admin":          {AvailableRoles: []string{"reader"}, DefaultRoles: []string{"reader"}},
			"admin by default":       {AvailableRoles: []string{"reader", "admin"}, DefaultRoles: []string{"admin"}},
			"default not available":  {AvailableRoles: []string{"reader", "admin"}, DefaultRoles: []string{"editor"}},
			"a role there is not":    {AvailableRoles: []string{"reader", "admin", "king"}, DefaultRoles: []string{"reader"}},
			"a default there is not": {AvailableRoles: []string{"reader", "admin"}, DefaultRoles: []string{"king"}},
		} {
			if _, err := w.Communities.SetRoleSettings(w.ctx(), anna, id, bad, true); !errors.Is(err, &propusk.Error{Code: "invalid_input"}) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func TestARoleOfOnesOwn(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna, boris := w.person("Anna"), w.person("Boris")
		id, other := w.founds(anna, "owls"), w.founds(anna, "larks")
		made, err := w.Communities.CreateRole(w.ctx(), anna, id, community.NewRole{
			ID: "translator", Name: "Переводчик", Icon: "🌍", Permissions: []string{"shout:update_any", "shout:read", "shout:read"},
		})
		w.must(err)
		same(t, "list", made.Permissions, []string{"shout:read", "shout:update_any", "shout:update_own"})
		_, err = w.Communities.AddRole(w.ctx(), anna, id, boris.User.UserID, "translator")
		w.must(err)
		w.decides(boris, id, "shout:update_any", true)
		_, err = w.Communities.AddRole(w.ctx(), anna, other, boris.User.UserID, "translator")
		w.refused(err, "role_not_found")

		list := []string{"shout:read"}
		_, err = w.Communities.EditRole(w.ctx(), anna, id, "translator", community.RoleEdit{Permissions: &list})
		w.must(err)
		w.decides(boris, id, "shout:update_any", false)
		w.decides(boris, id, "shout:read", true)

		none := []string{}
		edited, err := w.Communities.EditRole(w.ctx(), anna, id, "translator", community.RoleEdit{Permissions: &none})
		w.must(err)
		same(t, "emptied", len(edited.Permissions), 0)
		w.decides(boris, id, "shout:read", false)

		w.refused(w.Communities.DeleteRole(w.ctx(), anna, id, "translator", false), "roles_in_use")
		w.must(w.Communities.DeleteRole(w.ctx(), anna, id, "translator", true))
		same(t, "Boris", w.rolesOf(id, boris), "[]")
		w.refused(w.Communities.DeleteRole(w.ctx(), anna, id, "translator", true), "role_not_found")
		w.refused(w.Communities.DeleteRole(w.ctx(), anna, id, "reader", true), "standard_role")

		for what, bad := range map[string]community.NewRole{
			"a wildcard":          {ID: "x", Name: "X", Permissions: []string{"shout:*"}},
			"everything":          {ID: "x", Name: "X", Permissions: []string{"*"}},
			"unknown":             {ID: "x", Name: "X", Permissions: []string{"shout:fly"}},
			"one of the platform": {ID: "x", Name: "X", Permissions: []string{"user:block"}},
			"a bad id":            {ID: "X!", Name: "X", Permissions: []string{"shout:read"}},
		} {
			if _, err := w.Communities.CreateRole(w.ctx(), anna, id, bad); !errors.Is(err, &propusk.Error{Code: "invalid_input"}) {
				t.Errorf("%s: %v", what, err)
			}
		}
		_, err = w.Communities.CreateRole(w.ctx(), anna, id, community.NewRole{ID: "reader", Name: "X", Permissions: list})
		w.refused(err, "role_exists")
		_, err = w.Communities.EditRole(w.ctx(), anna, id, "admin", community.RoleEdit{Permissions: &list})
		w.refused(err, "invalid_input")
	})
}

// decides checks what the next request of somebody would be told.
func (w *world) decides(p propusk.Pass, id int64, permission string, want bool) {
	w.t.Helper()
	decision, err := w.Access.Check(w.ctx(), p, propusk.Question{Permission: permission, CommunityID: id})
	w.must(err)
	if decision.Allowed != want {
		w.t.Errorf("%s in %d: %+v, want %t", permission, id, decision, want)
	}
}

func TestAPolicyIsAppliedOnPurpose(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna, boris := w.person("Anna"), w.person("Boris")
		id := w.founds(anna, "owls")
		w.give(id, boris, "reader", "editor")
		less := []string{"shout:read"}
		_, err := w.Communities.EditRole(w.ctx(), anna, id, "editor", community.RoleEdit{Permissions: &less})
		w.must(err)
		_, err = w.Communities.CreateRole(w.ctx(), anna, id, community.NewRole{ID: "translator", Name: "T", Permissions: []string{"shout:update_any"}})
		w.must(err)
		w.decides(boris, id, "topic:merge", false)

		preview, err := w.Communities.ApplyPolicy(w.ctx(), anna, id, true, false)
		w.must(err)
		if preview.Applied || len(preview.Roles) != 1 || preview.Roles[0].Role != "editor" || preview.Roles[0].Members != 1 ||
			!slices.Contains(preview.Roles[0].Gains, "topic:merge") || len(preview.Roles[0].Loses) != 0 {
			t.Errorf("preview: %+v", preview)
		}
		same(t, "kept", preview.Kept, []string{"translator"})
		w.decides(boris, id, "topic:merge", false)

		_, err = w.Communities.ApplyPolicy(w.ctx(), anna, id, false, false)
		w.must(err)
		w.decides(boris, id, "topic:merge", true)
		roles, err := w.Communities.Roles(w.ctx(), anna, id)
		w.must(err)
		same(t, "roles", len(roles), 7)
		again, err := w.Communities.ApplyPolicy(w.ctx(), anna, id, true, false)
		w.must(err)
		same(t, "nothing more to do", len(again.Roles), 0)
		_, err = w.Communities.ApplyPolicy(w.ctx(), boris, id, true, false)
		w.refused(err, "missing_permission")
	})
}

// TestAPolicyThatLosesARole moves a community to a policy without roles that members hold.
func TestAPolicyThatLosesARole(t *testing.T) {
	t.Parallel()
	database := sqliteFile(t)
	w := newWorld(t, database)
	anna, boris := w.person("Anna"), w.person("Boris")
	id := w.founds(anna, "owls")
	w.give(id, boris, "reader", "artist")
	_, err := w.Communities.CreateRole(w.ctx(), anna, id, community.NewRole{ID: "own", Name: "Own", Permissions: []string{"shout:create", "community:read"}})
	w.must(err)

	next := newWorld(t, database, everybodyMayTry)
	next.decides(boris, id, "shout:read", true) // the new policy alone touches nobody
	_, err = next.Communities.ApplyPolicy(w.ctx(), anna, id, false, false)
	next.refused(err, "roles_in_use")
	change, err := next.Communities.ApplyPolicy(w.ctx(), anna, id, false, true)
	next.must(err)
	same(t, "stripped", change.Stripped, 1)
	same(t, "Boris", next.rolesOf(id, boris), "[]")
	same(t, "settings", change.Settings, propusk.RoleSettings{
		AvailableRoles: []string{"admin", "own", "guest", "painter", "twin", "judge", "lead"}, DefaultRoles: []string{},
	})
	roles, err := next.Communities.Roles(w.ctx(), anna, id)
	next.must(err)
	same(t, "own role, without what there is no more", roles[len(roles)-1].Permissions, []string{"community:read"})
	events, _, err := next.Audit.List(w.ctx(), w.Operator(), store.AuditFilter{Action: "policy.apply", Limit: 10})
	next.must(err)
	if len(events) != 1 || !strings.Contains(events[0].Before, `"default_roles":["reader"]`) || !strings.Contains(events[0].After, `"default_roles":[]`) {
		t.Errorf("the audit of the lists: %+v", events)
	}
}

// TestTheAuditSaysWhoLostARole, whatever took it from them.
func TestTheAuditSaysWhoLostARole(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna, boris, clara := w.person("Anna"), w.person("Boris"), w.person("Clara")
		id := w.founds(anna, "owls")
		_, err := w.Communities.CreateRole(w.ctx(), anna, id, community.NewRole{ID: "own", Name: "Own", Permissions: []string{"shout:create"}})
		w.must(err)
		w.give(id, boris, "own", "artist", "reader")
		w.give(id, clara, "artist")
		without := propusk.RoleSettings{AvailableRoles: []string{"reader", "own", "admin"}, DefaultRoles: []string{"reader"}}
		_, err = w.Communities.SetRoleSettings(w.ctx(), anna, id, without, true)
		w.must(err)
		w.must(w.Communities.DeleteRole(w.ctx(), anna, id, "own", true))
		for _, p := range []struct {
			who  propusk.Pass
			want []string
		}{
			{boris, []string{`[own reader] → [reader] {"rows":1,"taken":["own"]}`, `[own artist reader] → [own reader] {"rows":2,"taken":["artist"]}`}},
			{clara, []string{`[artist] → [] {"rows":2,"taken":["artist"]}`}},
			{anna, nil},
		} {
			events, _, err := w.Audit.List(w.ctx(), w.Operator(), store.AuditFilter{Target: p.who.User.UserID, Action: "member.strip", Limit: 10})
			w.must(err)
			same(t, "events of "+p.who.User.Name, len(events), len(p.want))
			for i, e := range events {
				is := fmt.Sprintf("%v → %v %s", e.Row.Before, e.Row.After, e.After)
				same(t, p.who.User.Name, is, p.want[i])
				same(t, "actor", e.Actor, anna.User.UserID)
			}
		}
	})
}

func TestABulkIsAllOrNothing(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna, boris, clara := w.person("Anna"), w.person("Boris"), w.person("Clara")
		id := w.founds(anna, "owls")
		w.give(id, boris, "reader")
		rows := []propusk.Assignment{
			{UserID: boris.User.UserID, Roles: []string{"author", "reader"}},
			{AuthorID: clara.User.ID, Roles: []string{"expert", "editor"}},
			{UserID: anna.User.UserID, Roles: []string{"admin"}},
		}
		results, err := w.Communities.Bulk(w.ctx(), anna, id, propusk.ModeAdd, rows)
		w.must(err)
		same(t, "results", results, []propusk.Assigned{
			{UserID: boris.User.UserID, Status: propusk.StatusChanged, Roles: []string{"reader", "author"}},
			{UserID: clara.User.UserID, Status: propusk.StatusAdded, Roles: []string{"expert", "editor"}},
			{UserID: anna.User.UserID, Status: propusk.StatusUnchanged, Roles: []string{"admin"}},
		})
		results, err = w.Communities.Bulk(w.ctx(), anna, id, propusk.ModeReplace, rows[:2])
		w.must(err)
		same(t, "replaced", results[0].Roles, []string{"author", "reader"})

		for what, bad := range map[string]struct {
			row   propusk.Assignment
			field string
		}{
			"an unknown account":   {propusk.Assignment{UserID: "00000000-0000-4000-8000-000000000000", Roles: []string{"reader"}}, "members[1].user_id"},
			"an unknown number":    {propusk.Assignment{AuthorID: 1 << 30, Roles: []string{"reader"}}, "members[1].author_id"},
			"the same twice":       {propusk.Assignment{AuthorID: boris.User.ID, Roles: []string{"reader"}}, "members[1].author_id"},
			"nobody":               {propusk.Assignment{Roles: []string{"reader"}}, "members[1]"},
			"a role there is not":  {propusk.Assignment{UserID: clara.User.UserID, Roles: []string{"reader", "king"}}, "members[1].roles[1]"},
			"no list":              {propusk.Assignment{UserID: clara.User.UserID}, "members[1].roles"},
			"two names of one row": {propusk.Assignment{UserID: clara.User.UserID, AuthorID: clara.User.ID, Roles: []string{}}, "members[1]"},
		} {
			_, err := w.Communities.Bulk(w.ctx(), anna, id, propusk.ModeReplace, []propusk.Assignment{{UserID: boris.User.UserID, Roles: []string{"editor"}}, bad.row})
			var refused *propusk.Error
			if !errors.As(err, &refused) || refused.Kind != propusk.Invalid || len(refused.Fields) != 1 || refused.Fields[0].Field != bad.field {
				t.Errorf("%s: %v", what, err)
			}
		}
		same(t, "Boris", w.rolesOf(id, boris), "[author reader]")
		events, _, err := w.Audit.List(w.ctx(), w.Operator(), store.AuditFilter{Target: clara.User.UserID, Action: "member.bulk", Limit: 10})
		w.must(err)
		if len(events) != 1 || events[0].Row == nil || !slices.Equal(events[0].Row.After, []string{"expert", "editor"}) {
			t.Errorf("the audit of Clara: %+v", events)
		}
		rowsOf, total, err := w.Audit.Rows(w.ctx(), w.Operator(), events[0].BulkID, 0, 10)
		w.must(err)
		same(t, "rows of the bulk", total, 2)
		same(t, "first row", rowsOf[0].Before, []string{"reader"})
	})
}

// TestABulkMayDemoteItsCaller lets an admin demote themselves and others in one bulk.
func TestABulkMayDemoteItsCaller(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna, boris := w.person("Anna"), w.person("Boris")
		id := w.founds(anna, "owls")
		w.give(id, boris, "admin")
		_, err := w.Communities.Bulk(w.ctx(), anna, id, propusk.ModeReplace, []propusk.Assignment{{UserID: anna.User.UserID, Roles: []string{"reader"}}})
		w.must(err)
		same(t, "Anna", w.rolesOf(id, anna), "[reader]")
	})
}

// TestAnEndedSessionChangesNothing: between the first look and the change somebody logs out.
func TestAnEndedSessionChangesNothing(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna, boris := w.person("Anna"), w.person("Boris")
		id := w.founds(anna, "owls")
		w.must(w.Sessions.Logout(w.ctx(), anna))
		for _, d := range deeds() {
			w.refused(d.do(w, anna, id, boris, "reader", "reader"), "session_ended")
		}
	})
}
