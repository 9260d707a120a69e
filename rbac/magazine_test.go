package rbac_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/propusk/propusk/rbac"
)

// magazine is the policy most tests speak about: reader → writer → editor →
// admin, and guest, who stands aside.
func magazine() rbac.Policy {
	return rbac.Policy{
		Scope:          rbac.ScopeCommunity,
		AvailableRoles: []string{"reader", "writer", "editor", "admin"},
		DefaultRoles:   []string{"reader"},
		CreatorRole:    "admin",
		Content: []string{
			"shout:read", "shout:create", "shout:update_own", "shout:update_any", "shout:merge",
			"page:read", "page:update_any", // no page:update_own
			"reaction:LIKE:read", "reaction:LIKE:create", "reaction:PROOF:read", "reaction:PROOF:create",
		},
		Reserved: []string{"chat:read", "chat:update_own", "member:read", "member:remove"},
		Roles: []rbac.Role{
			{ID: "reader", Name: "Reader", Permissions: []string{"*:read", "chat:*", "reaction:LIKE:*"}},
			{ID: "writer", Inherits: []string{"reader"}, Permissions: []string{"*:create", "shout:update_own"}},
			{ID: "editor", Inherits: []string{"writer"}, Permissions: []string{"*:update_any", "reaction:*:*", "member:read"}},
			{ID: "admin", Inherits: []string{"editor"}, Permissions: []string{"*"}},
			{ID: "guest", Description: "sees nothing yet"},
		},
	}
}

func compile(t testing.TB, p rbac.Policy) *rbac.Grants {
	t.Helper()
	g, err := rbac.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func perm(s string) rbac.Permission { return rbac.MustPermission(s) }

func perms(texts ...string) []rbac.Permission {
	var list []rbac.Permission
	for _, s := range texts {
		list = append(list, perm(s))
	}
	return list
}

// diff is "" when what was wanted is what there is. It is here because whoever imports this package has the modules of its tests in go.sum.
func diff(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return fmt.Sprintf("want %q\ngot  %q", want, got)
}

// roles reads better than a slice literal in a table.
func roles(ids ...string) []string { return ids }
