package rbac_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/propusk/propusk/rbac"
)

func TestGrantsList(t *testing.T) {
	g := compile(t, magazine())
	if diff := diff(roles("admin", "editor", "guest", "reader", "writer"), g.Roles()); diff != "" {
		t.Error(diff)
	}
	if !g.Has("guest") || g.Has("nobody") || g.Has("") {
		t.Error("Has is wrong about guest or nobody")
	}
	if g.Permissions("nobody") != nil {
		t.Error("nobody holds something")
	}
	if !g.All(roles("guest", "admin")) || g.All(roles("editor", "nobody")) || g.All(nil) {
		t.Error("All is wrong")
	}
	union := g.Union(roles("reader", "guest", "writer", "nobody", "reader"))
	if diff := diff(g.Permissions("writer"), union); diff != "" {
		t.Error(diff)
	}
	if first := g.Union(roles("writer", "admin"))[0]; first != rbac.Everything {
		t.Errorf("%q comes before *", first)
	}
}

func TestGrantsCannotBeChangedFromOutside(t *testing.T) {
	p := magazine()
	g := compile(t, p)
	before := string(must(g.MarshalJSON()))
	list := g.Permissions("reader")
	list[0] = "member:remove"
	g.Union(roles("reader"))[0] = "member:remove"
	must(g.MarshalJSON())[3] = 'X'
	p.Roles[0].Permissions[0] = "member:remove"
	if after := string(must(g.MarshalJSON())); after != before || g.Permissions("reader")[0] == list[0] {
		t.Errorf("changed to %s", after)
	}
}

func must(data []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return data
}

// Nobody grants above themselves.
func TestCovers(t *testing.T) {
	g := compile(t, magazine())
	for _, tt := range []struct {
		holder, other []string
		missing       string
	}{
		{roles("editor"), roles("reader", "writer"), ""},
		{roles("reader", "editor"), roles("editor"), ""},
		{roles("writer"), roles("guest", "nobody"), ""},
		{roles("writer"), nil, ""},
		{nil, nil, ""},
		{roles("admin"), roles("admin", "editor"), ""},
		{roles("reader"), roles("writer"), "shout:create shout:update_own"},
		{roles("guest"), roles("reader"), strings.Join(g.Permissions("reader"), " ")},
		{roles("editor"), roles("writer", "admin"), "* member:remove shout:merge"},
		{roles("nobody"), roles("admin"), strings.Join(g.Permissions("admin"), " ")},
	} {
		if got := strings.Join(g.Missing(tt.holder, tt.other), " "); got != tt.missing {
			t.Errorf("%v lacks %q for %v, want %q", tt.holder, got, tt.other, tt.missing)
		}
		if got := g.Covers(tt.holder, tt.other); got != (tt.missing == "") {
			t.Errorf("%v covers %v: %t", tt.holder, tt.other, got)
		}
	}
}

func TestWithAndWithout(t *testing.T) {
	g := compile(t, magazine())
	with, err := g.With("usher", perms("member:remove", "old:right", "member:remove"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := diff([]string{"member:remove", "old:right"}, with.Permissions("usher")); diff != "" {
		t.Error(diff)
	}
	d := decisions{t, with}
	d.allow(roles("usher"), "old:right", noOwner, rbac.ReasonRole)
	d.allow(roles("writer"), "shout:update", self, rbac.ReasonOwn)
	if !with.Covers(roles("admin"), roles("usher")) {
		t.Error("admin does not cover a right the catalogue has lost")
	}
	if g.Has("usher") || g.Hash() == with.Hash() {
		t.Error("With changed its receiver")
	}
	without, err := with.Without("usher")
	if err != nil || without.Hash() != g.Hash() || !with.Has("usher") {
		t.Errorf("Without is not the inverse: %v", err)
	}
	if same, err := g.Without("nobody"); err != nil || same.Hash() != g.Hash() {
		t.Errorf("removing nobody: %v", err)
	}
	edited, err := g.With("reader", nil)
	if err != nil || edited.Allows(roles("reader"), perm("shout:read")) || !edited.Allows(roles("writer"), perm("shout:read")) {
		t.Errorf("an edited role keeps what it held: %v", err)
	}
	var none *rbac.Grants
	if first, err := none.With("usher", perms("member:remove")); err != nil || !first.Allows(roles("usher"), perm("member:remove")) {
		t.Errorf("the first role: %v", err)
	}
}

func TestWithRefuses(t *testing.T) {
	g := compile(t, magazine())
	var many []rbac.Permission
	for i := range rbac.MaxPermissions + 1 {
		many = append(many, perm(fmt.Sprintf("shout:act%d", i)))
	}
	for want, tt := range map[string]struct {
		role  string
		perms []rbac.Permission
	}{
		"role admin cannot be edited": {"admin", perms("shout:read")},
		"must match":                  {"Usher", perms("shout:read")},
		"is empty":                    {"usher", make([]rbac.Permission, 1)},
		"role usher holds more than 2000 permissions": {"usher", many},
	} {
		if with, err := g.With(tt.role, tt.perms); err == nil || with != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("With(%q): %v, want %q", tt.role, err, want)
		}
	}
	if _, err := g.With("usher", many[1:]); err != nil {
		t.Error(err)
	}
	if _, err := g.Without("admin"); err == nil {
		t.Error("admin was removed")
	}
	if _, err := g.Without("Usher"); err == nil {
		t.Error("a malformed role was removed")
	}
	for i := range rbac.MaxRoles - len(g.Roles()) {
		var err error
		if g, err = g.With(fmt.Sprintf("r%d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.With("onemore", nil); err == nil {
		t.Error("more than MaxRoles")
	}
}

func TestGrantsAreSafeForConcurrentUse(t *testing.T) {
	g := compile(t, magazine())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				g.Decide(roles("writer"), perm("shout:update"), self)
				g.Union(g.Roles())
				g.Covers(roles("writer"), roles("reader"))
				g.Hash()
				if _, err := g.With("usher", perms("member:remove")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
