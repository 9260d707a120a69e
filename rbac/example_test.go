package rbac_test

import (
	"fmt"

	"github.com/propusk/propusk/rbac"
)

func Example() {
	grants, err := rbac.Compile(rbac.Policy{
		Scope:          rbac.ScopeCommunity,
		AvailableRoles: []string{"author", "editor", "admin"},
		CreatorRole:    "admin",
		Content:        []string{"shout:read", "shout:update_own", "shout:update_any"},
		Roles: []rbac.Role{
			{ID: "author", Permissions: []string{"*:read", "*:update_own"}},
			{ID: "editor", Inherits: []string{"author"}, Permissions: []string{"*:update_any"}},
			{ID: "admin", Permissions: []string{"*"}},
		},
	})
	if err != nil {
		panic(err)
	}
	update := rbac.MustPermission("shout:update")
	fmt.Println(grants.Decide([]string{"author"}, update, rbac.OwnerSelf))
	fmt.Println(grants.Decide([]string{"author"}, update, rbac.OwnerOther))
	fmt.Println(grants.Decide([]string{"editor"}, update, rbac.OwnerOther))
	fmt.Println(grants.Permissions("editor"))
	// Output:
	// {true own}
	// {false not_owner}
	// {true role}
	// [shout:read shout:update_any shout:update_own]
}
