package rbac_test

import (
	"testing"

	"github.com/propusk/propusk/rbac"
)

const (
	noOwner = rbac.OwnerUnknown
	self    = rbac.OwnerSelf
	other   = rbac.OwnerOther
)

// decisions is a table of who may do what to whose object.
type decisions struct {
	t      *testing.T
	grants *rbac.Grants
}

func (d decisions) allow(roles []string, p string, o rbac.Ownership, why rbac.Reason) {
	d.t.Helper()
	d.expect(roles, p, o, rbac.Decision{Allowed: true, Reason: why})
}

func (d decisions) deny(roles []string, p string, o rbac.Ownership, why rbac.Reason) {
	d.t.Helper()
	d.expect(roles, p, o, rbac.Decision{Reason: why})
}

func (d decisions) expect(roles []string, p string, o rbac.Ownership, want rbac.Decision) {
	d.t.Helper()
	if got := d.grants.Decide(roles, perm(p), o); got != want {
		d.t.Errorf("%v %s (owner %d): %+v, want %+v", roles, p, o, got, want)
	}
	if got := d.grants.Holder(roles).Decide(perm(p), o); got != want {
		d.t.Errorf("the holder of %v %s (owner %d): %+v, want %+v", roles, p, o, got, want)
	}
}

func TestDecide(t *testing.T) {
	d := decisions{t, compile(t, magazine())}
	const (
		role    = rbac.ReasonRole
		own     = rbac.ReasonOwn
		missing = rbac.ReasonMissingPermission
		foreign = rbac.ReasonNotOwner
	)
	reader, writer, editor, admin := roles("reader"), roles("writer"), roles("editor"), roles("admin")

	// A permission without own and any is a matter of roles, whoever owns it.
	for _, o := range []rbac.Ownership{noOwner, self, other} {
		d.allow(reader, "shout:read", o, role)
		d.deny(reader, "shout:create", o, missing)
		d.allow(writer, "shout:create", o, role)
		d.allow(editor, "reaction:PROOF:create", o, role)
		d.deny(writer, "reaction:PROOF:create", o, missing)
	}

	// Without an owner, "update" means any, and "update_own" is taken literally.
	d.deny(reader, "shout:update", noOwner, missing)
	d.deny(writer, "shout:update", noOwner, missing)
	d.allow(editor, "shout:update", noOwner, role)
	d.deny(reader, "shout:update_own", noOwner, missing)
	d.allow(writer, "shout:update_own", noOwner, role)
	d.allow(editor, "shout:update_own", noOwner, role)

	// With an owner, "update" and "update_own" are the same question.
	for _, update := range []string{"shout:update", "shout:update_own"} {
		d.deny(reader, update, self, missing)
		d.deny(reader, update, other, missing)
		d.allow(writer, update, self, own)
		d.deny(writer, update, other, foreign)
		d.allow(editor, update, self, role)
		d.allow(editor, update, other, role)
	}

	// Being the owner gives nobody the right to any.
	d.deny(writer, "shout:update_any", self, missing)
	d.allow(editor, "shout:update_any", self, role)
	d.allow(editor, "shout:update_any", other, role)

	// There is no page:update_own; the editor's page:update_any is enough for it.
	d.allow(editor, "page:update_own", self, role)
	d.deny(editor, "page:update_own", noOwner, missing)
	d.allow(editor, "page:update", noOwner, role)

	// Roles add up, in any order, with roles that do not exist among them.
	d.allow(roles("guest", "nobody", "writer"), "shout:update", self, own)
	d.allow(roles("writer", "guest", "editor"), "shout:update", other, role)
	d.deny(roles("nobody", ""), "shout:read", noOwner, missing)
	d.deny(nil, "shout:read", self, missing)

	// Admin may do everything, also what does not exist.
	for _, o := range []rbac.Ownership{noOwner, self, other} {
		d.allow(admin, "shout:update", o, role)
		d.allow(admin, "shout:update_own", o, role)
		d.allow(admin, "member:remove", o, role)
		d.allow(admin, "not_yet:INVENTED:thing", o, role)
		d.deny(editor, "not_yet:INVENTED:thing", o, missing)
	}
	d.allow(roles("guest", "admin"), "shout:read", noOwner, role)

	// An ownership out of range is nobody's.
	d.deny(writer, "shout:update", 7, foreign)
	d.deny(writer, "shout:update_own", 7, foreign)
}

// A policy may have both shout:delete and shout:delete_own.
func TestDecideLiteralBesideOwn(t *testing.T) {
	p := magazine()
	p.Content = append(p.Content, "shout:delete", "shout:delete_own")
	p.Roles[1].Permissions = append(p.Roles[1].Permissions, "shout:delete_own")
	p.Roles[4].Permissions = []string{"shout:delete"}
	d := decisions{t, compile(t, p)}
	d.allow(roles("guest"), "shout:delete", noOwner, rbac.ReasonRole)
	d.allow(roles("guest"), "shout:delete", other, rbac.ReasonRole)
	d.deny(roles("guest"), "shout:delete_own", self, rbac.ReasonMissingPermission)
	d.allow(roles("writer"), "shout:delete", self, rbac.ReasonOwn)
	d.deny(roles("writer"), "shout:delete", other, rbac.ReasonNotOwner)
	d.deny(roles("writer"), "shout:delete", noOwner, rbac.ReasonMissingPermission)
}

// Nor do shout:delete and shout:delete_any get in each other's way.
func TestDecideLiteralBesideAny(t *testing.T) {
	for first, second := range map[string]string{"a": "b", "b": "a"} {
		g, err := new(rbac.Grants).With(first, perms("shout:delete_any"))
		if err != nil {
			t.Fatal(err)
		}
		if g, err = g.With(second, perms("shout:delete")); err != nil {
			t.Fatal(err)
		}
		d := decisions{t, g}
		d.allow(roles(first), "shout:delete", noOwner, rbac.ReasonRole)
		d.allow(roles(first), "shout:delete", other, rbac.ReasonRole)
		d.allow(roles(first), "shout:delete_own", self, rbac.ReasonRole)
		d.allow(roles(second), "shout:delete", noOwner, rbac.ReasonRole)
		d.deny(roles(second), "shout:delete_any", noOwner, rbac.ReasonMissingPermission)
		d.deny(roles(second), "shout:delete_own", self, rbac.ReasonMissingPermission)
	}
}

// Names with two suffixes are names like any other: holding
// "x_any_own" must not become a way to "x_any", nor "x_own_any" one to "x_own".
func TestDecideTakesOneSuffixOnly(t *testing.T) {
	g, err := new(rbac.Grants).With("odd", perms("shout:update_any_own", "shout:delete_own_any"))
	if err != nil {
		t.Fatal(err)
	}
	d := decisions{t, g}
	for _, o := range []rbac.Ownership{noOwner, self, other} {
		d.deny(roles("odd"), "shout:update_any", o, rbac.ReasonMissingPermission)
		d.deny(roles("odd"), "shout:update", o, rbac.ReasonMissingPermission)
		d.deny(roles("odd"), "shout:delete_own", o, rbac.ReasonMissingPermission)
		d.deny(roles("odd"), "shout:delete", o, rbac.ReasonMissingPermission)
		d.allow(roles("odd"), "shout:update_any_own", o, rbac.ReasonRole)
		d.allow(roles("odd"), "shout:delete_own_any", o, rbac.ReasonRole)
	}
}

func TestZeroDenies(t *testing.T) {
	everyone := roles("reader", "admin", "")
	for _, g := range []*rbac.Grants{nil, {}} {
		d := decisions{t, g}
		d.deny(everyone, "shout:read", self, rbac.ReasonMissingPermission)
		if g.Allows(everyone, perm("shout:read")) || g.All(everyone) || g.Has("admin") {
			t.Errorf("%v allows", g)
		}
		if len(g.Roles())+len(g.Permissions("admin"))+len(g.Union(everyone)) > 0 {
			t.Errorf("%v holds something", g)
		}
	}
	g := compile(t, magazine())
	if g.Allows(everyone, rbac.Permission{}) || g.Decide(everyone, rbac.Permission{}, self).Allowed {
		t.Error("the zero permission is allowed")
	}
	if (rbac.Decision{}).Allowed {
		t.Error("the zero decision allows")
	}
}

func TestAllowsIsLiteral(t *testing.T) {
	g := compile(t, magazine())
	for _, tt := range []struct {
		roles []string
		perm  string
		want  bool
	}{
		{roles("writer"), "shout:update_own", true},
		{roles("writer"), "shout:update", false},
		{roles("editor"), "shout:update", false},
		{roles("editor"), "page:update_own", false},
		{roles("guest", "reader"), "chat:read", true},
		{roles("admin"), "shout:update", true},
	} {
		if got := g.Allows(tt.roles, perm(tt.perm)); got != tt.want {
			t.Errorf("%v %s: %t", tt.roles, tt.perm, got)
		}
	}
}

func TestDecisionsDoNotAllocate(t *testing.T) {
	g := compile(t, magazine())
	held, p := roles("reader", "nobody", "writer"), perm("shout:update_own")
	for name, f := range map[string]func(){
		"Decide":          func() { g.Decide(held, p, self) },
		"Allows":          func() { g.Allows(held, p) },
		"ParsePermission": func() { _, _ = rbac.ParsePermission("reaction:LIKE:create") },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	g := compile(b, magazine())
	one, three := roles("writer"), roles("reader", "writer", "editor")
	p := perm("shout:update")
	b.Run("one role", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g.Decide(one, p, self)
		}
	})
	b.Run("three roles", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g.Decide(three, p, other)
		}
	})
}

func BenchmarkParsePermission(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = rbac.ParsePermission("reaction:LIKE:create")
	}
}

func TestGrantsKnowWhatTheirCatalogueKnows(t *testing.T) {
	t.Parallel()
	policy := magazine()
	grants := compile(t, policy)
	catalogue, err := rbac.NewCatalogue(policy.Content, policy.Reserved)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range append(policy.Content, "shout:update", "shout:delete", "chat:update", "user:block", "spaceship:launch", "shout:read_own") {
		p := rbac.MustPermission(text)
		if got, want := grants.Knows(p), catalogue.Knows(p); got != want {
			t.Errorf("%s: %t, want %t", p, got, want)
		}
	}
	if (*rbac.Grants)(nil).Knows(rbac.MustPermission("shout:read")) {
		t.Error("no grants know a permission")
	}
}

// A holder of roles decides as the roles do, and to make one changes nothing of them.
func TestAHolderDecidesAsItsRolesDo(t *testing.T) {
	grants := compile(t, magazine())
	names := append(grants.Roles(), "nobody")
	fresh := compile(t, magazine())
	for _, one := range names {
		for _, two := range names {
			for _, three := range names {
				held := []string{one, two, three}
				holder := grants.Holder(held)
				for _, p := range append(grants.Permissions(rbac.Admin), "shout:fly", "shout:update") {
					if p == rbac.Everything {
						continue
					}
					for _, o := range []rbac.Ownership{noOwner, self, other} {
						if got, want := holder.Decide(perm(p), o), fresh.Decide(held, perm(p), o); got != want {
							t.Fatalf("%v %s (owner %d): %+v, want %+v", held, p, o, got, want)
						}
					}
				}
			}
		}
	}
	for name, nobody := range map[string]rbac.Holder{
		"zero": {}, "no grants": (*rbac.Grants)(nil).Holder(names), "no roles": grants.Holder(nil), "unknown": grants.Holder(roles("nobody")),
	} {
		if got := nobody.Decide(perm("shout:read"), self); got.Allowed {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := grants.Holder(roles("admin")).Decide(rbac.Permission{}, self); got.Allowed {
		t.Errorf("no permission: %+v", got)
	}
}
