package community_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/community"
	"github.com/propusk/propusk/internal/config"
)

var testRoles = []string{"guest", "painter", "twin", "judge", "lead", "admin"}

// above is the oracle: what "nobody grants above themselves" means, said in sets of permissions and nothing else.
func (w *world) above(actor []string, touched ...string) bool {
	held := w.Communities.Grants.Union(actor)
	if slices.Contains(held, "*") {
		return false
	}
	for _, p := range w.Communities.Grants.Union(touched) {
		if !slices.Contains(held, p) {
			return true
		}
	}
	return false
}

// deed is one of the paths on which rights are given or taken.
type deed struct {
	name string
	// takes tells that it grants nothing: it is the same deed, whatever could be granted.
	takes bool
	// touches are the roles whose rights the deed touches.
	touches func(granted, has string) []string
	do      func(w *world, actor propusk.Pass, id int64, them propusk.Pass, granted, has string) error
}

func deeds() []deed {
	both := func(granted, has string) []string { return []string{granted, has} }
	return []deed{
		{"set_roles", false, both, func(w *world, actor propusk.Pass, id int64, them propusk.Pass, granted, _ string) error {
			_, err := w.Communities.SetRoles(w.ctx(), actor, id, them.User.UserID, []string{granted})
			return err
		}},
		{"add_role", false, both, func(w *world, actor propusk.Pass, id int64, them propusk.Pass, granted, _ string) error {
			_, err := w.Communities.AddRole(w.ctx(), actor, id, them.User.UserID, granted)
			return err
		}},
		{"bulk replace", false, both, func(w *world, actor propusk.Pass, id int64, them propusk.Pass, granted, _ string) error {
			_, err := w.Communities.Bulk(w.ctx(), actor, id, propusk.ModeReplace, []propusk.Assignment{{UserID: them.User.UserID, Roles: []string{granted}}})
			return err
		}},
		{"bulk add", false, both, func(w *world, actor propusk.Pass, id int64, them propusk.Pass, granted, _ string) error {
			_, err := w.Communities.Bulk(w.ctx(), actor, id, propusk.ModeAdd, []propusk.Assignment{{AuthorID: them.User.ID, Roles: []string{granted}}})
			return err
		}},
		{
			"remove_role", true, func(_, has string) []string { return []string{has} },
			func(w *world, actor propusk.Pass, id int64, them propusk.Pass, _, has string) error {
				_, err := w.Communities.RemoveRole(w.ctx(), actor, id, them.User.UserID, has)
				return err
			},
		},
		{
			"remove", true, func(_, has string) []string { return []string{has} },
			func(w *world, actor propusk.Pass, id int64, them propusk.Pass, _, _ string) error {
				return w.Communities.Remove(w.ctx(), actor, id, them.User.UserID)
			},
		},
	}
}

func everybodyMayTry(c *config.Config) { c.Policy = "testdata/everybody.yaml" }

// TestNobodyGrantsAboveThemselves goes through every actor, every role that could be given and every role that the target could have.
func TestNobodyGrantsAboveThemselves(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		founder, second := w.person("founder"), w.person("second")
		id := w.founds(founder, "studio")
		w.give(id, second, "admin") // so that no admin here is the last one
		them := w.person("them")
		for _, actorRole := range testRoles {
			actor := w.person("actor-" + actorRole)
			w.give(id, actor, actorRole)
			for _, granted := range testRoles {
				for _, has := range testRoles {
					before, is := fmt.Sprint([]string{has}), ""
					for _, d := range deeds() {
						if d.takes && granted != testRoles[0] {
							continue
						}
						if is != before { // most deeds are refused, and leave it as it is
							w.give(id, them, has)
						}
						err := d.do(w, actor, id, them, granted, has)
						is = w.rolesOf(id, them)
						name := fmt.Sprintf("%s by %s, granting %s to a %s", d.name, actorRole, granted, has)
						if w.above([]string{actorRole}, d.touches(granted, has)...) {
							if !errors.Is(err, &propusk.Error{Code: "above_own_rights"}) {
								t.Errorf("%s: %v, want above_own_rights", name, err)
							}
							if is != before {
								t.Errorf("%s: was refused and changed %s to %s", name, before, is)
							}
						} else if err != nil {
							t.Errorf("%s: %v", name, err)
						}
					}
				}
			}
		}
	}, everybodyMayTry)
}

// TestNobodyAdmitsAboveThemselves is the same for those who are no members yet.
func TestNobodyAdmitsAboveThemselves(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		id := w.founds(w.person("founder"), "studio")
		for _, actorRole := range testRoles {
			actor, them := w.person("actor"), w.person("them")
			w.give(id, actor, actorRole)
			for _, granted := range testRoles {
				_, err := w.Communities.Admit(w.ctx(), actor, id, them.User.UserID, []string{granted})
				if above := w.above([]string{actorRole}, granted); above != errors.Is(err, &propusk.Error{Code: "above_own_rights"}) || (!above && err != nil) {
					t.Errorf("%s admits with %s: %v", actorRole, granted, err)
				}
				if err == nil {
					w.must(w.Communities.Remove(w.ctx(), w.Operator(), id, them.User.UserID))
				}
			}
			// The default role is the community's grant, whoever opens the door.
			_, err := w.Communities.Admit(w.ctx(), actor, id, them.User.UserID, nil)
			w.must(err)
		}
	}, everybodyMayTry)
}

// TestNobodyEditsAboveThemselves is the same for what a role permits, for defaults and for what is available.
func TestNobodyEditsAboveThemselves(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		founder := w.person("founder")
		for _, actorRole := range testRoles {
			for _, edited := range testRoles[:5] {
				id := w.founds(founder, "studio-"+actorRole+"-"+edited)
				actor, holder := w.person("actor"), w.person("holder")
				w.give(id, actor, actorRole)
				w.give(id, holder, edited, "guest")
				w.editsWithin(id, actor, actorRole, edited)
			}
		}
	}, everybodyMayTry)
}

func (w *world) editsWithin(id int64, actor propusk.Pass, actorRole, edited string) {
	w.t.Helper()
	own := func(role string) *[]string {
		list := slices.DeleteFunc(w.Communities.Grants.Permissions(role), func(p string) bool { return p == "*" })
		return &list
	}
	expect := func(what string, err error, touched ...string) {
		w.t.Helper()
		above := w.above([]string{actorRole}, touched...)
		if above != errors.Is(err, &propusk.Error{Code: "above_own_rights"}) || (!above && err != nil) {
			w.t.Errorf("%s %s %s: %v", actorRole, what, edited, err)
		}
	}
	_, err := w.Communities.EditRole(w.ctx(), actor, id, edited, community.RoleEdit{Permissions: own(edited)})
	expect("edits", err, edited)
	for _, list := range testRoles[:5] {
		_, err := w.Communities.CreateRole(w.ctx(), actor, id, community.NewRole{ID: "new-" + list, Name: "New", Permissions: *own(list)})
		expect("creates a role with the list of "+list+" beside", err, list)
	}
	settings := propusk.RoleSettings{AvailableRoles: testRoles, DefaultRoles: []string{"guest", edited}}
	is, err := w.Communities.RoleSettings(w.ctx(), actor, id)
	w.must(err)
	settings.AvailableRoles = is.AvailableRoles
	_, err = w.Communities.SetRoleSettings(w.ctx(), actor, id, settings, false)
	if edited != "guest" {
		expect("makes a default of", err, edited)
	}
	_, err = w.Communities.ApplyPolicy(w.ctx(), actor, id, false, false)
	expect("applies the policy over", err, "admin")
}

// TestNoKeyIsAboveItsIssuer issues keys for every permission of the platform, by every role there.
func TestNoKeyIsAboveItsIssuer(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		admin := w.promoted("root", "admin")
		_, secret, err := w.Access.IssueKey(w.ctx(), admin, access.NewKey{Name: "all", Permissions: []string{"*"}})
		w.must(err)
		_, narrow, err := w.Access.IssueKey(w.ctx(), admin, access.NewKey{Name: "checks", Permissions: []string{"access:check", "shout:create"}})
		w.must(err)
		for _, role := range []string{"user", "moderator"} {
			_, _, err := w.Access.IssueKey(w.ctx(), w.promoted(role, role), access.NewKey{Name: "x", Permissions: []string{"access:check"}})
			w.refused(err, "missing_permission")
		}
		pass, err := w.Access.Inspect(w.ctx(), narrow)
		w.must(err)
		if _, err := w.Accounts.ChangeRole(w.ctx(), pass, w.person("x").User.UserID, "moderator"); err == nil {
			t.Error("a key for checks made a moderator")
		}
		if _, _, err := w.Access.IssueKey(w.ctx(), pass, access.NewKey{Name: "x", Permissions: []string{"*"}}); err == nil {
			t.Error("a key issued a key")
		}
		// The issuer loses the role, and the key with it.
		_, err = w.Accounts.ChangeRole(w.ctx(), w.Operator(), w.promoted("other", "admin").User.UserID, "admin")
		w.must(err)
		_, err = w.Accounts.ChangeRole(w.ctx(), w.Operator(), admin.User.UserID, "moderator")
		w.must(err)
		pass, err = w.Access.Inspect(w.ctx(), secret)
		w.must(err)
		if pass.PlatformAdmin || pass.Platform.Everything() || slices.Contains(pass.Platform.Permissions(), "*") {
			t.Error("the key of a former admin is an admin's")
		}
		// The account is blocked, and the key dies.
		_, err = w.Accounts.Block(w.ctx(), w.Operator(), admin.User.UserID)
		w.must(err)
		if _, err := w.Access.Inspect(w.ctx(), secret); propusk.KindOf(err) != propusk.Unauthenticated {
			t.Errorf("the key of a blocked account: %v", err)
		}
		_, err = w.Accounts.Unblock(w.ctx(), w.Operator(), admin.User.UserID)
		w.must(err)
		if _, err := w.Access.Inspect(w.ctx(), secret); propusk.KindOf(err) != propusk.Unauthenticated {
			t.Errorf("the key came back with the account: %v", err)
		}
	})
}

// TestPlatformRolesGrantNothingAboveThemselves goes through every actor, granted role and target role of the platform.
func TestPlatformRolesGrantNothingAboveThemselves(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		roles := []string{"user", "moderator", "admin"}
		w.promoted("root", "admin") // so that no admin here is the last one
		for _, actorRole := range roles {
			actor := w.promoted("actor", actorRole)
			for _, granted := range roles {
				for _, has := range roles {
					them := w.promoted("them", has)
					_, err := w.Accounts.ChangeRole(w.ctx(), actor, them.User.UserID, granted)
					if allowed := actorRole == "admin"; allowed != (err == nil) {
						t.Errorf("%s makes a %s %s: %v", actorRole, has, granted, err)
					}
				}
			}
		}
	})
}

// TestPowerEndsAtTheCommunity lets an admin of one community try every deed in another.
func TestPowerEndsAtTheCommunity(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		here, there := w.founds(w.person("anna"), "here"), w.founds(w.person("boris"), "there")
		mighty, them, moderator := w.person("mighty"), w.person("them"), w.promoted("moderator", "moderator")
		w.give(here, mighty, "admin")
		w.give(there, them, "guest")
		for _, actor := range []propusk.Pass{mighty, moderator} {
			for _, d := range deeds() {
				w.refused(d.do(w, actor, there, them, "painter", "guest"), "community_not_found")
			}
		}
		w.give(there, mighty, "guest")
		for _, d := range deeds() {
			if err := d.do(w, mighty, there, them, "admin", "guest"); err == nil && strings.Contains(w.rolesOf(there, them), "admin") {
				t.Errorf("%s: the admin of one community made an admin in another", d.name)
			}
		}
	}, everybodyMayTry)
}
