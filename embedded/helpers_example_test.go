package embedded_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/embedded"
	"github.com/propusk/propusk/rbac"
)

// village is a community in which Boris is a reader and an author, for one example.
type village struct {
	*embedded.Propusk
	owls  propusk.Community
	boris propusk.User
	dir   string
}

func settle(ctx context.Context) village {
	dir, err := os.MkdirTemp("", "village")
	check(err)
	p, err := embedded.Open(ctx, embedded.Config{Database: "sqlite:" + filepath.Join(dir, "village.db"), PasswordMemoryKiB: 64, PasswordIterations: 1})
	check(err)
	_, err = seed(ctx, p)
	check(err)
	page, err := p.Members(ctx, 1, propusk.MemberFilter{Search: "Boris"})
	check(err)
	boris := page.Members[0].User
	_, err = p.SetRoles(ctx, 1, boris.UserID, []string{"reader", "author"})
	check(err)
	return village{Propusk: p, owls: propusk.Community{ID: 1}, boris: boris, dir: dir}
}

// leave ends the village.
func (v village) leave() {
	check(v.Close())
	check(os.RemoveAll(v.dir))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// get_user_roles_in_community of the seed.
func ExamplePropusk_RolesOf() {
	ctx := context.Background()
	v := settle(ctx)
	defer v.leave()
	roles, err := v.RolesOf(ctx, v.owls.ID, v.boris.UserID)
	fmt.Println(roles, err)
	// Output: [reader author] <nil>
}

// check_user_permission_in_community of the seed. The answer says why, and may take into account whose the object is.
func ExamplePropusk_Check() {
	ctx := context.Background()
	v := settle(ctx)
	defer v.leave()
	for _, q := range []propusk.Question{
		{Permission: "shout:create", CommunityID: v.owls.ID, UserID: v.boris.UserID},
		{Permission: "topic:merge", CommunityID: v.owls.ID, UserID: v.boris.UserID},
		{Permission: "shout:update", CommunityID: v.owls.ID, UserID: v.boris.UserID, OwnerID: v.boris.UserID},
	} {
		decision, err := v.Check(ctx, q)
		fmt.Println(q.Permission, decision.Allowed, decision.Reason, err)
	}
	// Output:
	// shout:create true role <nil>
	// topic:merge false missing_permission <nil>
	// shout:update true own <nil>
}

// One question about whoever shows a token, where no Pass is wanted.
func ExamplePropusk_May() {
	ctx := context.Background()
	v := settle(ctx)
	defer v.leave()
	token, err := v.Login(ctx, "boris@example.org", "a perfectly ordinary sentence")
	check(err)
	decision, err := v.May(ctx, token, v.owls.ID, rbac.MustPermission("shout:create"), rbac.OwnerUnknown)
	fmt.Println(decision.Allowed, err)
	// Output: true <nil>
}

// assign_role_to_user of the seed.
func ExamplePropusk_AddRole() {
	ctx := context.Background()
	v := settle(ctx)
	defer v.leave()
	roles, err := v.AddRole(ctx, v.owls.ID, v.boris.UserID, "expert")
	fmt.Println(roles, err)
	_, err = v.AddRole(ctx, v.owls.ID, v.boris.UserID, "astronaut")
	fmt.Println(err)
	// Output:
	// [reader author expert] <nil>
	// there is no such role in this community
}

// remove_role_from_user of the seed.
func ExamplePropusk_RemoveRole() {
	ctx := context.Background()
	v := settle(ctx)
	defer v.leave()
	roles, err := v.RemoveRole(ctx, v.owls.ID, v.boris.UserID, "author")
	fmt.Println(roles, err)
	// Output: [reader] <nil>
}

// get_all_community_members_with_roles of the seed, page by page.
func ExamplePropusk_Members() {
	ctx := context.Background()
	v := settle(ctx)
	defer v.leave()
	page, err := v.Members(ctx, v.owls.ID, propusk.MemberFilter{})
	for _, member := range page.Members {
		fmt.Println(member.User.Name, member.Roles)
	}
	fmt.Println(page.Total, page.HasNext, err)
	// Output:
	// Anna [admin]
	// Boris [reader author]
	// 2 false <nil>
}

// bulk_assign_roles of the seed: all rows or none.
func ExamplePropusk_BulkAssign() {
	ctx := context.Background()
	v := settle(ctx)
	defer v.leave()
	dora, err := v.Register(ctx, embedded.Registration{Name: "Dora", Email: "dora@example.org", Password: "a perfectly ordinary sentence"})
	check(err)
	done, err := v.BulkAssign(ctx, v.owls.ID, propusk.ModeReplace, []propusk.Assignment{
		{UserID: v.boris.UserID, Roles: []string{"reader", "author"}},
		{UserID: dora.UserID, Roles: []string{"expert", "editor"}},
	})
	for _, row := range done {
		fmt.Println(row.Status, row.Roles)
	}
	fmt.Println(err)
	// Output:
	// unchanged [reader author]
	// added [expert editor]
	// <nil>
}

// get_role_permissions_for_community of the seed: full lists, without inheritance.
func ExamplePropusk_RolePermissions() {
	ctx := context.Background()
	v := settle(ctx)
	defer v.leave()
	lists, err := v.RolePermissions(ctx, v.owls.ID)
	for _, role := range []string{"reader", "author", "admin"} {
		fmt.Println(role, lists[role][0])
	}
	fmt.Println(len(lists), err)
	// Output:
	// reader bookmark:create
	// author bookmark:create
	// admin *
	// 6 <nil>
}

// set_available_roles and set_default_roles of the seed, in one change, and get_available_roles and get_default_roles.
func ExamplePropusk_SetRoleSettings() {
	ctx := context.Background()
	v := settle(ctx)
	defer v.leave()
	_, err := v.SetRoleSettings(ctx, v.owls.ID, propusk.RoleSettings{
		AvailableRoles: []string{"reader", "author", "expert", "admin"}, DefaultRoles: []string{"reader"},
	}, false)
	fmt.Println(err)
	settings, err := v.RoleSettings(ctx, v.owls.ID)
	fmt.Println(settings.AvailableRoles, settings.DefaultRoles, err)
	// Boris holds author: it stays available unless the caller says to take it from him.
	_, err = v.SetRoleSettings(ctx, v.owls.ID, propusk.RoleSettings{AvailableRoles: []string{"reader", "admin"}, DefaultRoles: []string{"reader"}}, false)
	fmt.Println(propusk.KindOf(err) == propusk.Conflict)
	// Output:
	// <nil>
	// [reader author expert admin] [reader] <nil>
	// true
}

// CommunityAuthor of the seed: one user in one community.
func Example_member() {
	ctx := context.Background()
	v := settle(ctx)
	defer v.leave()
	boris := propusk.Member{Communities: v, CommunityID: v.owls.ID, UserID: v.boris.UserID}

	fmt.Println(boris.Roles(ctx))                         // role_list
	fmt.Println(boris.HasRole(ctx, "author"))             // has_role
	fmt.Println(boris.AddRole(ctx, "expert"))             // add_role
	fmt.Println(boris.RemoveRole(ctx, "author"))          // remove_role
	fmt.Println(boris.SetRoles(ctx, "reader", "editor"))  // set_roles
	fmt.Println(boris.HasPermission(ctx, "shout:create")) // has_permission
	permissions, err := boris.Permissions(ctx)            // get_permissions
	fmt.Println(permissions[0], err)
	// Output:
	// [reader author] <nil>
	// true <nil>
	// [reader author expert] <nil>
	// [reader expert] <nil>
	// [reader editor] <nil>
	// true <nil>
	// bookmark:create <nil>
}
