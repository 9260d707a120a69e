// Package librarytest is what every propusk.Inspector and every propusk.Communities must do, told as stories. A story has people and
// communities of its own, and all run in parallel. No story allows one implementation what it refuses another.
package librarytest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/rbac"
)

// World is one implementation over a database, and what it takes to fill that one. Its functions end the test when they fail.
type World struct {
	// Inspector and Communities are what is tested; Communities may do everything, as the operator and platform admins may.
	Inspector   propusk.Inspector
	Communities propusk.Communities
	// As is Communities with the authority of whoever has the token or API key.
	As func(t *testing.T, bearer string) propusk.Communities

	// Register makes an ordinary account and logs it in.
	Register func(t *testing.T, name string) Person
	// Found founds a community under the default policy, whose admin the founder becomes, and returns its id.
	Found func(t *testing.T, founder Person, slug string) int64
	// Promote gives a role on the platform.
	Promote func(t *testing.T, who Person, role string)
	// Block makes an account inactive, LogOut ends the session of a token.
	Block, LogOut func(t *testing.T, who Person)
	// Key issues an API key to a platform admin, with those permissions or with "*".
	Key func(t *testing.T, issuer Person, permissions ...string) string
}

// Person is an account and an access token of it.
type Person struct {
	UserID, Token string
}

// Open makes a world. Worlds may share a database, except where a default community is asked for: that is community 1, the first to be
// founded.
type Open func(t *testing.T, defaultCommunity bool) World

// Run tells all stories to the worlds that open makes.
func Run(t *testing.T, open Open) {
	for _, chapter := range [][]story{inspections, checks, members, bulks, roles, concurrency} {
		for _, s := range chapter {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				s.tell(&world{World: open(t, s.defaultCommunity), t: t})
			})
		}
	}
}

type story struct {
	name string
	tell func(*world)
	// defaultCommunity is set where the story needs one.
	defaultCommunity bool
}

// world is a World with shortcuts that fail the test.
type world struct {
	World
	t *testing.T
}

const (
	// nobody is no account's user_id.
	nobody = "99999999-9999-4999-8999-999999999999"
	// nowhere is no community's id.
	nowhere = 1_000_000
)

func (w *world) ctx() context.Context { return w.t.Context() }

func (w *world) person(name string) Person {
	w.t.Helper()
	return w.Register(w.t, name)
}

func (w *world) admin(name string) Person {
	w.t.Helper()
	p := w.person(name)
	w.Promote(w.t, p, rbac.Admin)
	return p
}

// owls founds a community of a new person's, who is returned first.
func (w *world) owls() (Person, int64) {
	w.t.Helper()
	anna := w.person("Anna")
	return anna, w.Found(w.t, anna, slugOf(anna, "owls"))
}

// slugOf is a slug that nobody else founds a community under.
func slugOf(founder Person, name string) string { return name + "-" + founder.UserID }

// member makes a new person a member with those roles.
func (w *world) member(name string, community int64, roles ...string) Person {
	w.t.Helper()
	p := w.person(name)
	w.give(community, p, roles...)
	return p
}

func (w *world) give(community int64, p Person, roles ...string) {
	w.t.Helper()
	_, err := w.Communities.SetRoles(w.ctx(), community, p.UserID, roles)
	w.must(err)
}

func (w *world) as(p Person) propusk.Communities {
	w.t.Helper()
	return w.As(w.t, p.Token)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// has tells which roles somebody has by now.
func (w *world) has(community int64, p Person, want ...string) {
	w.t.Helper()
	got, err := w.Communities.RolesOf(w.ctx(), community, p.UserID)
	w.must(err)
	w.same("roles now", got, want)
}

// same takes nil and empty lists for the same.
func (w *world) same(what string, got, want any) {
	w.t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// refused wants a refusal of that kind and code, and returns it. Without a code any will do.
func (w *world) refused(err error, kind propusk.Kind, code string) propusk.Error {
	w.t.Helper()
	var refusal *propusk.Error
	switch {
	case !errors.As(err, &refusal):
		w.t.Errorf("not refused with kind %d and code %q, but: %v", kind, code, err)
		return propusk.Error{}
	case refusal.Kind != kind || (code != "" && refusal.Code != code) || refusal.Code == "" || refusal.Message == "":
		w.t.Errorf("refused with kind %d, code %q, message %q; want kind %d, code %q", refusal.Kind, refusal.Code, refusal.Message, kind, code)
	}
	return *refusal
}

// invalid wants a refusal of the input, and those fields named.
func (w *world) invalid(err error, fields ...string) {
	w.t.Helper()
	refusal := w.refused(err, propusk.Invalid, "invalid_input")
	var named []string
	for _, f := range refusal.Fields {
		named = append(named, f.Field)
		if f.Message == "" {
			w.t.Errorf("%s is refused without a word", f.Field)
		}
	}
	slices.Sort(named)
	w.same("fields that are refused", named, fields)
}

// denied is Forbidden for want of a permission, which is named.
func (w *world) denied(err error, permission string) {
	w.t.Helper()
	w.same("missing permission", w.refused(err, propusk.Forbidden, "missing_permission").Permission, permission)
}

// acts are one call of every method that is about one community, with arguments that would do.
func acts(ctx context.Context, c propusk.Communities, community int64, userID string) map[string]error {
	errs := map[string]error{}
	_, errs["RolesOf"] = c.RolesOf(ctx, community, userID)
	_, errs["PermissionsOf"] = c.PermissionsOf(ctx, community, userID)
	_, errs["Members"] = c.Members(ctx, community, propusk.MemberFilter{})
	_, errs["SetRoles"] = c.SetRoles(ctx, community, userID, []string{"reader"})
	_, errs["AddRole"] = c.AddRole(ctx, community, userID, "reader")
	_, errs["RemoveRole"] = c.RemoveRole(ctx, community, userID, "reader")
	_, errs["BulkAssign"] = c.BulkAssign(ctx, community, propusk.ModeAdd, []propusk.Assignment{{UserID: userID, Roles: []string{"reader"}}})
	_, errs["RolePermissions"] = c.RolePermissions(ctx, community)
	_, errs["RoleSettings"] = c.RoleSettings(ctx, community)
	_, errs["SetRoleSettings"] = c.SetRoleSettings(ctx, community, allRoles(), false)
	return errs
}

func allRoles() propusk.RoleSettings {
	return propusk.RoleSettings{
		AvailableRoles: []string{"reader", "author", "artist", "expert", "editor", "admin"}, DefaultRoles: []string{"reader"},
	}
}
