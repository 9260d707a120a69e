package librarytest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/rbac"
)

var members = []story{
	{name: "roles of members", tell: rolesOfMembers},
	{name: "roles are given and taken", tell: givenAndTaken},
	{name: "what cannot be given", tell: cannotBeGiven},
	{name: "who there is not", tell: unknownPeople},
	{name: "a community that there is not, and one that one is not in", tell: unknownCommunities},
	{name: "members without rights", tell: withoutRights},
	{name: "nobody grants above themselves", tell: aboveOneself},
	{name: "who is not signed in any more changes nothing", tell: actingSignedOut},
	{name: "the last admin stays", tell: lastAdmin},
	{name: "what a blocked member has", tell: blockedMember},
	{name: "one community has nothing to do with another", tell: twoCommunities},
	{name: "members page by page", tell: pages},
	{name: "members are found", tell: found},
	{name: "one member, by the words of the seed", tell: oneMember},
}

func rolesOfMembers(w *world) {
	anna, owls := w.owls()
	boris := w.member("Boris", owls, "expert", "reader", "author")
	w.has(owls, anna, "admin")
	w.has(owls, boris, "expert", "reader", "author") // as given
	roles, err := w.Communities.RolesOf(w.ctx(), owls, strings.ToUpper(boris.UserID))
	w.must(err)
	w.same("a user_id in capitals", roles, []string{"expert", "reader", "author"})
	permissions, err := w.Communities.PermissionsOf(w.ctx(), owls, boris.UserID)
	w.must(err)
	has := func(permission string) bool { return slices.Contains(permissions, permission) }
	if !slices.IsSorted(permissions) || !has("reaction:PROOF:create") || has("shout:update_any") {
		w.t.Errorf("permissions of an expert: %v", permissions)
	}
	permissions, err = w.Communities.PermissionsOf(w.ctx(), owls, anna.UserID)
	w.must(err)
	if permissions[0] != rbac.Everything || !slices.IsSorted(permissions) || !slices.Contains(permissions, "policy:apply") {
		w.t.Errorf("permissions of an admin: %v", permissions)
	}
	roles, err = w.as(boris).RolesOf(w.ctx(), owls, boris.UserID)
	w.must(err)
	w.same("about oneself", roles, []string{"expert", "reader", "author"})
	_, err = w.as(boris).RolesOf(w.ctx(), owls, anna.UserID)
	w.denied(err, "member:assign_role")
	_, err = w.as(boris).PermissionsOf(w.ctx(), owls, anna.UserID)
	w.denied(err, "member:assign_role")
}

func givenAndTaken(w *world) {
	_, owls := w.owls()
	boris := w.person("Boris")
	c, ctx := w.Communities, w.ctx()
	expect := func(what string, want ...string) func([]string, error) {
		return func(got []string, err error) {
			w.t.Helper()
			w.must(err)
			w.same(what, got, want)
			w.has(owls, boris, want...)
		}
	}
	expect("who is no member is admitted", "author")(c.AddRole(ctx, owls, boris.UserID, "author"))
	expect("one more", "author", "reader")(c.AddRole(ctx, owls, boris.UserID, "reader"))
	expect("again", "author", "reader")(c.AddRole(ctx, owls, boris.UserID, "reader"))
	expect("exactly these, each once", "expert", "reader")(c.SetRoles(ctx, owls, boris.UserID, []string{"expert", "reader", "expert"}))
	expect("one less", "reader")(c.RemoveRole(ctx, owls, boris.UserID, "expert"))
	expect("one that there was not", "reader")(c.RemoveRole(ctx, owls, boris.UserID, "editor"))
	expect("the last one: still a member")(c.RemoveRole(ctx, owls, boris.UserID, "reader"))
	expect("all at once", "reader")(c.SetRoles(ctx, owls, strings.ToUpper(boris.UserID), []string{"reader"}))
	expect("none at once")(c.SetRoles(ctx, owls, boris.UserID, nil))
	expect("admitted with none")(c.SetRoles(ctx, owls, boris.UserID, []string{}))
}

func cannotBeGiven(w *world) {
	_, owls := w.owls()
	boris := w.member("Boris", owls, "reader")
	c, ctx := w.Communities, w.ctx()
	_, err := c.SetRoles(ctx, owls, boris.UserID, []string{"author", "king", "Reader"})
	w.invalid(err, "roles[1]", "roles[2]")
	_, err = c.SetRoles(ctx, owls, boris.UserID, []string{"reader,admin"})
	w.invalid(err, "roles[0]")
	_, err = c.SetRoles(ctx, owls, boris.UserID, slices.Repeat([]string{"reader"}, rbac.MaxRoles+1))
	w.refused(err, propusk.Invalid, "invalid_input")
	// What is in the path of a request too: nothing in it leads elsewhere.
	for _, role := range []string{"king", "../roles/admin", "a b", "%2e%2e", "роль", "reader?x=1", "reader#x", "..", ".", "a/b", ""} {
		_, err = c.AddRole(ctx, owls, boris.UserID, role)
		w.unknown(err, "role_not_found")
		_, err = c.RemoveRole(ctx, owls, boris.UserID, role)
		w.unknown(err, "role_not_found")
	}
	less := allRoles()
	less.AvailableRoles = []string{"reader", "admin"}
	_, err = c.SetRoleSettings(ctx, owls, less, false)
	w.must(err)
	_, err = c.SetRoles(ctx, owls, boris.UserID, []string{"editor"})
	w.invalid(err, "roles[0]") // no longer available
	_, err = c.AddRole(ctx, owls, boris.UserID, "editor")
	w.refused(err, propusk.Invalid, "invalid_input")
	w.has(owls, boris, "reader")
}

// unknown is a refusal of a name that is nobody's: as not found, or as no such name at all.
func (w *world) unknown(err error, code string) {
	w.t.Helper()
	if propusk.KindOf(err) == propusk.Invalid {
		w.refused(err, propusk.Invalid, "invalid_input")
		return
	}
	w.refused(err, propusk.NotFound, code)
}

func unknownPeople(w *world) {
	_, owls := w.owls()
	boris := w.person("Boris")
	c, ctx := w.Communities, w.ctx()
	_, err := c.SetRoles(ctx, owls, nobody, []string{"reader"})
	w.refused(err, propusk.NotFound, "user_not_found")
	_, err = c.AddRole(ctx, owls, nobody, "reader")
	w.refused(err, propusk.NotFound, "user_not_found")
	// Who is no member, and who has no account, are the same to those who only look.
	for _, id := range []string{boris.UserID, nobody} {
		_, err = c.RolesOf(ctx, owls, id)
		w.refused(err, propusk.NotFound, "member_not_found")
		_, err = c.PermissionsOf(ctx, owls, id)
		w.refused(err, propusk.NotFound, "member_not_found")
		_, err = c.RemoveRole(ctx, owls, id, "reader")
		w.refused(err, propusk.NotFound, "member_not_found")
	}
	for _, id := range []string{"boris", "../" + nobody, "{" + nobody + "}", strings.ReplaceAll(nobody, "-", ""), nobody + "/..", " ", "%00"} {
		for method, err := range acts(ctx, c, owls, id) {
			if strings.HasPrefix(method, "Role") && method != "RolesOf" || method == "Members" || method == "SetRoleSettings" {
				continue // not about somebody
			}
			if kind := propusk.KindOf(err); err == nil || (kind != propusk.NotFound && kind != propusk.Invalid) {
				w.t.Errorf("%s of user_id %q: %v", method, id, err)
			}
		}
	}
	w.has(owls, w.member("Clara", owls, "reader"), "reader") // and the community is as it was
}

func unknownCommunities(w *world) {
	_, owls := w.owls()
	boris := w.person("Boris")
	stranger := acts(w.ctx(), w.as(boris), owls, boris.UserID)
	for _, err := range stranger {
		w.refused(err, propusk.NotFound, "community_not_found")
	}
	for method, err := range acts(w.ctx(), w.as(boris), nowhere, boris.UserID) {
		w.same("as one that there is not: "+method, fmt.Sprint(err), fmt.Sprint(stranger[method]))
	}
	for _, id := range []int64{nowhere, 0, -1, 1 << 40} {
		for method, err := range acts(w.ctx(), w.Communities, id, boris.UserID) {
			if err == nil {
				w.t.Errorf("%s works in community %d", method, id)
			}
			w.refused(err, propusk.NotFound, "community_not_found")
		}
	}
}

func withoutRights(w *world) {
	anna, owls := w.owls()
	boris := w.member("Boris", owls, "reader")
	nobodys := w.member("Clara", owls)
	errs := acts(w.ctx(), w.as(boris), owls, anna.UserID)
	for method, permission := range map[string]string{
		"RolesOf": "member:assign_role", "PermissionsOf": "member:assign_role", "SetRoles": "member:assign_role", "AddRole": "member:assign_role",
		"RemoveRole": "member:assign_role", "BulkAssign": "member:assign_role", "SetRoleSettings": "community:configure",
	} {
		w.denied(errs[method], permission)
	}
	for _, method := range []string{"Members", "RolePermissions", "RoleSettings"} { // for readers
		w.must(errs[method])
	}
	errs = acts(w.ctx(), w.as(nobodys), owls, anna.UserID)
	for _, method := range []string{"Members", "RolePermissions", "RoleSettings"} {
		w.denied(errs[method], "member:read")
	}
	w.has(owls, anna, "admin")
}

// aboveOneself lets a service act that may give roles and holds nothing else.
func aboveOneself(w *world) {
	anna, owls := w.owls()
	root := w.admin("Root")
	boris, empty := w.member("Boris", owls, "reader"), w.member("Clara", owls)
	service := w.As(w.t, w.Key(w.t, root, "member:assign_role", "member:read", "community:configure"))
	const above = "above_own_rights"
	_, err := service.AddRole(w.ctx(), owls, empty.UserID, "reader")
	w.refused(err, propusk.Forbidden, above)
	_, err = service.SetRoles(w.ctx(), owls, anna.UserID, nil)
	w.refused(err, propusk.Forbidden, above)
	_, err = service.RemoveRole(w.ctx(), owls, boris.UserID, "reader")
	w.refused(err, propusk.Forbidden, above)
	_, err = service.BulkAssign(w.ctx(), owls, propusk.ModeReplace, []propusk.Assignment{{UserID: boris.UserID, Roles: []string{}}})
	w.refused(err, propusk.Forbidden, above)
	less := allRoles()
	less.AvailableRoles = []string{"reader", "admin"}
	_, err = service.SetRoleSettings(w.ctx(), owls, less, false)
	w.refused(err, propusk.Forbidden, above)
	w.has(owls, boris, "reader")
	_, err = service.SetRoles(w.ctx(), owls, w.person("Dora").UserID, nil) // gives nothing
	w.must(err)
}

func actingSignedOut(w *world) {
	anna, owls := w.owls()
	boris := w.member("Boris", owls, "reader")
	c := w.as(anna)
	_, err := c.AddRole(w.ctx(), owls, boris.UserID, "author")
	w.must(err)
	w.LogOut(w.t, anna)
	for method, err := range acts(w.ctx(), c, owls, boris.UserID) {
		if propusk.KindOf(err) != propusk.Unauthenticated {
			w.t.Errorf("%s after logging out: %v", method, err)
		}
	}
	w.has(owls, boris, "reader", "author")
}

func lastAdmin(w *world) {
	anna, owls := w.owls()
	c, ctx := w.Communities, w.ctx()
	const last = "last_community_admin"
	_, err := c.SetRoles(ctx, owls, anna.UserID, []string{"editor"})
	w.refused(err, propusk.Conflict, last)
	_, err = c.SetRoles(ctx, owls, anna.UserID, nil)
	w.refused(err, propusk.Conflict, last)
	_, err = w.as(anna).RemoveRole(ctx, owls, anna.UserID, "admin")
	w.refused(err, propusk.Conflict, last)
	_, err = c.BulkAssign(ctx, owls, propusk.ModeReplace, []propusk.Assignment{{UserID: anna.UserID, Roles: []string{"editor"}}})
	w.refused(err, propusk.Conflict, last)
	w.has(owls, anna, "admin")
	boris := w.member("Boris", owls, "admin")
	w.Block(w.t, boris)
	_, err = c.RemoveRole(ctx, owls, anna.UserID, "admin") // who cannot log in is no admin
	w.refused(err, propusk.Conflict, last)
	w.give(owls, w.person("Clara"), "admin")
	roles, err := c.RemoveRole(ctx, owls, anna.UserID, "admin")
	w.must(err)
	w.same("the founder, when somebody else is admin", roles, []string{})
}

func blockedMember(w *world) {
	_, owls := w.owls()
	boris := w.member("Boris", owls, "reader", "author")
	w.Block(w.t, boris)
	w.has(owls, boris, "reader", "author")
	permissions, err := w.Communities.PermissionsOf(w.ctx(), owls, boris.UserID)
	w.must(err)
	w.same("what the roles of a blocked account permit", permissions, []string{})
	page, err := w.Communities.Members(w.ctx(), owls, propusk.MemberFilter{Role: "author"})
	w.must(err)
	if len(page.Members) != 1 || page.Members[0].User.IsActive {
		w.t.Errorf("members: %+v", page.Members)
	}
}

func twoCommunities(w *world) {
	anna, owls := w.owls()
	boris := w.member("Boris", owls, "editor")
	larks := w.Found(w.t, anna, slugOf(anna, "larks"))
	_, err := w.Communities.RolesOf(w.ctx(), larks, boris.UserID)
	w.refused(err, propusk.NotFound, "member_not_found")
	w.give(larks, boris, "reader")
	w.has(owls, boris, "editor")
	w.has(larks, boris, "reader")
	less := allRoles()
	less.AvailableRoles = []string{"reader", "admin"}
	_, err = w.Communities.SetRoleSettings(w.ctx(), larks, less, false)
	w.must(err)
	_, err = w.Communities.AddRole(w.ctx(), owls, boris.UserID, "author")
	w.must(err)
}

func pages(w *world) {
	anna, owls := w.owls()
	want := []string{anna.UserID}
	for i := range 4 {
		want = append(want, w.member(fmt.Sprintf("Member %d", i), owls, "reader").UserID)
	}
	var got []string
	for number := 1; ; number++ {
		page, err := w.Communities.Members(w.ctx(), owls, propusk.MemberFilter{Page: number, Limit: 2})
		w.must(err)
		w.same("total", page.Total, len(want))
		for _, m := range page.Members {
			got = append(got, m.User.UserID)
		}
		if len(page.Members) > 2 || number > len(want) {
			w.t.Fatalf("page %d: %d members", number, len(page.Members))
		}
		if !page.HasNext {
			break
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	w.same("all pages", got, want)
	page, err := w.Communities.Members(w.ctx(), owls, propusk.MemberFilter{Page: 9, Limit: 2})
	w.must(err)
	w.same("beyond the end", []any{len(page.Members), page.Total, page.HasNext}, []any{0, len(want), false})
	for field, bad := range map[string]propusk.MemberFilter{
		"page": {Page: -1}, "limit": {Limit: 101}, "role": {Role: "king"}, "search": {Search: strings.Repeat("a", 201)},
	} {
		_, err = w.Communities.Members(w.ctx(), owls, bad)
		w.invalid(err, field)
	}
	_, err = w.Communities.Members(w.ctx(), owls, propusk.MemberFilter{Limit: -1})
	w.invalid(err, "limit")
}

func found(w *world) {
	_, owls := w.owls()
	boris := w.member("Борис Щукин", owls, "author", "expert")
	clara := w.member("Clara", owls, "reader")
	for what, f := range map[string]propusk.MemberFilter{
		"role": {Role: "expert"}, "name": {Search: "щУКИ"}, "both": {Role: "author", Search: "борис"},
	} {
		page, err := w.Communities.Members(w.ctx(), owls, f)
		w.must(err)
		if len(page.Members) != 1 || page.Total != 1 || page.HasNext {
			w.t.Fatalf("%s: %+v", what, page)
		}
		is := page.Members[0]
		w.same(what, []any{is.User.UserID, is.User.Name, is.CommunityID, is.Follower, is.User.IsActive},
			[]any{boris.UserID, "Борис Щукин", owls, false, true})
		w.same("roles", is.Roles, []string{"author", "expert"})
		if is.User.ID < 1 || is.User.Slug == "" || is.User.Email == "" || time.Since(is.JoinedAt).Abs() > time.Hour {
			w.t.Errorf("%s: %+v", what, is)
		}
	}
	// Texts are texts, whatever they mean to those who carry them.
	for _, search := range []string{"%", "_", "a&role=admin", "x?y#z", "'; DROP TABLE author", "nobody at all"} {
		page, err := w.Communities.Members(w.ctx(), owls, propusk.MemberFilter{Search: search})
		w.must(err)
		w.same(search, []int{len(page.Members), page.Total}, []int{0, 0})
	}
	page, err := w.as(clara).Members(w.ctx(), owls, propusk.MemberFilter{})
	w.must(err)
	for _, m := range page.Members {
		w.same("addresses that a reader sees", m.User.Email, "")
	}
	if len(page.Members) != 3 {
		w.t.Errorf("%d members", len(page.Members))
	}
}

func oneMember(w *world) {
	_, owls := w.owls()
	boris := w.person("Boris")
	m, ctx := propusk.Member{Communities: w.Communities, CommunityID: owls, UserID: boris.UserID}, w.ctx()
	has, err := m.HasRole(ctx, "reader")
	w.refused(err, propusk.NotFound, "member_not_found")
	w.same("a role of no member", has, false)
	may, err := m.HasPermission(ctx, "shout:read")
	w.must(err)
	w.same("a permission of no member", may, false)
	roles, err := m.SetRoles(ctx, "author")
	w.must(err)
	w.same("set_roles", roles, []string{"author"})
	roles, err = m.AddRole(ctx, "expert")
	w.must(err)
	w.same("add_role", roles, []string{"author", "expert"})
	roles, err = m.RemoveRole(ctx, "author")
	w.must(err)
	w.same("remove_role", roles, []string{"expert"})
	roles, err = m.Roles(ctx)
	w.must(err)
	w.same("role_list", roles, []string{"expert"})
	for role, want := range map[string]bool{"expert": true, "reader": false} { // literal: an expert is no reader
		has, err := m.HasRole(ctx, role)
		w.must(err)
		w.same("has_role "+role, has, want)
	}
	for permission, want := range map[string]bool{
		"shout:read": true, "shout:update_own": true, "shout:update": false, "shout:update_any": false,
	} {
		may, err := m.HasPermission(ctx, permission)
		w.must(err)
		w.same("has_permission "+permission, may, want)
	}
	may, err = m.HasPermission(ctx, "shout:*")
	w.invalid(err, "permission")
	w.same("a wildcard", may, false)
	permissions, err := m.Permissions(ctx)
	w.must(err)
	want, err := w.Communities.PermissionsOf(ctx, owls, boris.UserID)
	w.must(err)
	w.same("get_permissions", permissions, want)
}
