package librarytest

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/rbac"
)

var roles = []story{
	{name: "what roles permit", tell: rolePermissions},
	{name: "which roles can be given", tell: roleSettings},
	{name: "settings that cannot be", tell: wrongSettings},
	{name: "a role that members hold stays, or is taken from them", tell: strip},
}

var concurrency = []story{
	{name: "many at once", tell: manyAtOnce},
	{name: "two admins cannot demote each other", tell: twoAdmins},
}

func rolePermissions(w *world) {
	anna, owls := w.owls()
	lists, err := w.Communities.RolePermissions(w.ctx(), owls)
	w.must(err)
	w.same("roles", slices.Sorted(maps.Keys(lists)), []string{"admin", "artist", "author", "editor", "expert", "reader"})
	before := []string{}
	for _, role := range allRoles().AvailableRoles {
		list := lists[role]
		if !slices.IsSorted(list) || len(list) == 0 {
			w.t.Errorf("%s: %v", role, list)
		}
		for _, p := range before {
			if !slices.Contains(list, p) {
				w.t.Errorf("%s lacks %s, which the role before has", role, p)
			}
		}
		before = list
	}
	if lists["admin"][0] != rbac.Everything || slices.Contains(lists["editor"], rbac.Everything) {
		w.t.Error("everything is not the admin's alone")
	}
	boris := w.member("Boris", owls, "editor")
	permissions, err := w.Communities.PermissionsOf(w.ctx(), owls, boris.UserID)
	w.must(err)
	w.same("an editor's permissions", permissions, lists["editor"])
	mine, err := w.as(anna).RolePermissions(w.ctx(), owls)
	w.must(err)
	w.same("as the founder sees them", mine, lists)
}

func roleSettings(w *world) {
	anna, owls := w.owls()
	is, err := w.Communities.RoleSettings(w.ctx(), owls)
	w.must(err)
	w.same("at first", is, allRoles())
	to := propusk.RoleSettings{AvailableRoles: []string{"admin", "reader", "author", "admin"}, DefaultRoles: []string{"author", "reader"}}
	want := propusk.RoleSettings{AvailableRoles: []string{"admin", "reader", "author"}, DefaultRoles: []string{"author", "reader"}}
	is, err = w.as(anna).SetRoleSettings(w.ctx(), owls, to, false)
	w.must(err)
	w.same("answered", is, want)
	is, err = w.Communities.RoleSettings(w.ctx(), owls)
	w.must(err)
	w.same("kept", is, want)
	least := propusk.RoleSettings{AvailableRoles: []string{"admin"}}
	is, err = w.Communities.SetRoleSettings(w.ctx(), owls, least, false)
	w.must(err)
	w.same("the least", is, least)
}

func wrongSettings(w *world) {
	_, owls := w.owls()
	for fields, bad := range map[string]propusk.RoleSettings{
		"available_roles":                     {AvailableRoles: []string{"reader"}, DefaultRoles: []string{"reader"}},
		"default_roles[0]":                    {AvailableRoles: []string{"reader", "admin"}, DefaultRoles: []string{"admin"}},
		"default_roles[1]":                    {AvailableRoles: []string{"reader", "admin"}, DefaultRoles: []string{"reader", "editor"}},
		"available_roles[1]":                  {AvailableRoles: []string{"admin", "king"}},
		"available_roles[1] default_roles[0]": {AvailableRoles: []string{"admin", "Reader"}, DefaultRoles: []string{"king"}},
	} {
		_, err := w.Communities.SetRoleSettings(w.ctx(), owls, bad, true)
		w.invalid(err, strings.Fields(fields)...)
	}
	_, err := w.Communities.SetRoleSettings(w.ctx(), owls, propusk.RoleSettings{}, true)
	w.invalid(err, "available_roles")
	is, err := w.Communities.RoleSettings(w.ctx(), owls)
	w.must(err)
	w.same("settings", is, allRoles())
}

func strip(w *world) {
	anna, owls := w.owls()
	boris, clara := w.member("Boris", owls, "reader", "expert"), w.member("Clara", owls, "expert")
	to := propusk.RoleSettings{AvailableRoles: []string{"reader", "editor", "admin"}, DefaultRoles: []string{"reader"}}
	_, err := w.Communities.SetRoleSettings(w.ctx(), owls, to, false)
	if refusal := w.refused(err, propusk.Conflict, "roles_in_use"); !strings.Contains(refusal.Message, "2 members") {
		w.t.Errorf("the count is not told: %s", refusal.Message)
	}
	w.has(owls, boris, "reader", "expert")
	is, err := w.as(anna).SetRoleSettings(w.ctx(), owls, to, true)
	w.must(err)
	w.same("settings", is, to)
	w.has(owls, boris, "reader")
	w.has(owls, clara)
	w.may(w.pass(clara.Token, owls), "shout:read", false, rbac.ReasonMissingPermission)
	lists, err := w.Communities.RolePermissions(w.ctx(), owls) // what is not available is a role still
	w.must(err)
	if len(lists["expert"]) == 0 {
		w.t.Error("a role that cannot be given is none any more")
	}
}

// callers is how many ask at the same moment.
const callers = 8

func manyAtOnce(w *world) {
	_, owls := w.owls()
	var people []Person
	for range callers {
		people = append(people, w.member("Somebody", owls, "reader"))
	}
	var all sync.WaitGroup
	for _, p := range people {
		all.Go(func() {
			for _, role := range []string{"author", "expert"} {
				if _, err := w.Communities.AddRole(w.ctx(), owls, p.UserID, role); err != nil {
					w.t.Errorf("%s: %v", role, err)
				}
				pass, err := w.Inspector.Inspect(w.ctx(), p.Token, owls)
				if err != nil || pass.User.UserID != p.UserID || !slices.Contains(pass.Local.Roles, role) {
					w.t.Errorf("the pass after %s: %v %v", role, pass.Local.Roles, err)
				}
			}
		})
	}
	all.Wait()
	for _, p := range people {
		w.has(owls, p, "reader", "author", "expert")
	}
}

func twoAdmins(w *world) {
	anna, owls := w.owls()
	boris := w.member("Boris", owls, "admin")
	var both sync.WaitGroup
	var errs [2]error
	c := []propusk.Communities{w.as(anna), w.as(boris)}
	both.Go(func() { _, errs[0] = c[0].RemoveRole(w.ctx(), owls, boris.UserID, "admin") })
	both.Go(func() { _, errs[1] = c[1].RemoveRole(w.ctx(), owls, anna.UserID, "admin") })
	both.Wait()
	if (errs[0] == nil) == (errs[1] == nil) {
		w.t.Errorf("%v and %v: one of the two must have won", errs[0], errs[1])
	}
	page, err := w.Communities.Members(w.ctx(), owls, propusk.MemberFilter{Role: "admin"})
	w.must(err)
	w.same("admins", page.Total, 1)
}
