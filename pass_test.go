package propusk_test

import (
	"slices"
	"testing"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/rbac"
)

// lists are compiled lists of permissions, as a server keeps them.
func lists(t *testing.T, text string) *rbac.Grants {
	t.Helper()
	grants, err := rbac.DecodeGrants([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return grants
}

func limit(t *testing.T, permission string) *rbac.Grants {
	t.Helper()
	grants, err := (*rbac.Grants)(nil).With("key", []rbac.Permission{rbac.MustPermission(permission)})
	if err != nil {
		t.Fatal(err)
	}
	return grants
}

const studio = `{"admin":["*","shout:create","shout:read"],"author":["shout:create","shout:read"],"reader":["shout:read"]}`

// TestWhoCoversWhom is who may act upon whom.
func TestWhoCoversWhom(t *testing.T) {
	t.Parallel()
	grants := lists(t, studio)
	for _, tt := range []struct {
		name   string
		holder propusk.Standing
		other  []string
		want   bool
	}{
		{"an author, a reader", propusk.Standing{Roles: []string{"author"}, Grants: grants}, []string{"reader"}, true},
		{"an author, nobody", propusk.Standing{Roles: []string{"author"}, Grants: grants}, nil, true},
		{"a reader, an author", propusk.Standing{Roles: []string{"reader"}, Grants: grants}, []string{"author"}, false},
		{"an author, somebody with a role that there is not", propusk.Standing{Roles: []string{"author"}, Grants: grants}, []string{"reader", "ghost"}, false},
		{"an admin, somebody with a role that there is not", propusk.Standing{Roles: []string{"admin"}, Grants: grants}, []string{"ghost"}, true},
		{"an admin's key for reading, a reader", propusk.Standing{Roles: []string{"admin"}, Grants: grants, Limit: limit(t, "shout:read")}, []string{"reader"}, true},
		{"an admin's key for reading, an author", propusk.Standing{Roles: []string{"admin"}, Grants: grants, Limit: limit(t, "shout:read")}, []string{"author"}, false},
		{"an admin's key for reading, an admin", propusk.Standing{Roles: []string{"admin"}, Grants: grants, Limit: limit(t, "shout:read")}, []string{"admin"}, false},
		{"the zero Standing, nobody", propusk.Standing{}, nil, false},
		{"the zero Standing, a reader", propusk.Standing{}, []string{"reader"}, false},
	} {
		if got := tt.holder.Covers(tt.other); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}

// TestAZeroPassMayNothing, not even where it is put into a community.
func TestAZeroPassMayNothing(t *testing.T) {
	t.Parallel()
	in := propusk.Pass{Named: true, Community: propusk.Community{ID: 1}, Local: propusk.Standing{Grants: lists(t, studio)}}
	for name, pass := range map[string]propusk.Pass{"nowhere": {}, "somewhere": in} {
		if pass.May(rbac.MustPermission("shout:read"), rbac.OwnerSelf).Allowed || pass.Decide(rbac.MustPermission("shout:read"), rbac.OwnerSelf).Allowed ||
			pass.Anywhere() || pass.Covers([]string{"reader"}) || len(pass.Missing([]string{"shout:read"})) != 1 {
			t.Errorf("a zero pass %s may something", name)
		}
	}
}

// TestALimitIsNeverPassed: whatever the account may, a key may what is in its list.
func TestALimitIsNeverPassed(t *testing.T) {
	t.Parallel()
	platform := lists(t, `{"admin":["*","user:block"],"user":[]}`)
	only := limit(t, "shout:read")
	pass := propusk.Pass{
		Named: true, Community: propusk.Community{ID: 1}, Platform: propusk.Standing{Roles: []string{"admin"}, Grants: platform, Limit: only},
		Local: propusk.Standing{Grants: lists(t, studio), Limit: only},
	}
	for permission, want := range map[string]bool{"shout:read": true, "shout:create": false, "user:block": false, "spaceship:launch": false} {
		if got := pass.May(rbac.MustPermission(permission), rbac.OwnerUnknown).Allowed; got != want {
			t.Errorf("%s: %t, want %t", permission, got, want)
		}
	}
	if missing := pass.Missing([]string{"shout:read", "shout:create", "*"}); !slices.Equal(missing, []string{"shout:create", "*"}) {
		t.Errorf("missing %v", missing)
	}
}
