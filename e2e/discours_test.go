package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/propusk/propusk"
	library "github.com/propusk/propusk/client"
	"github.com/propusk/propusk/guard"
)

// discours is a server with a community, as somebody finds it who comes from the platform of the seed.
type discours struct {
	*server
	t          *testing.T
	ctx        context.Context
	c          *library.Client
	key, path  string
	community  int64
	author     person
	m          propusk.Member
	settings   propusk.RoleSettings
	asAuthor   context.Context
	permission string
}

func newDiscours(t *testing.T) *discours {
	t.Helper()
	s := serve(t, setup{env: slices.Concat(cheap, withAdmin, []string{unlimited}), args: quiet})
	root := s.root(t)
	anna := s.person(t, "anna")
	d := &discours{server: s, t: t, ctx: t.Context(), path: s.founds(t, root, anna, "discours"), author: s.person(t, "author"), permission: "shout:create"}
	d.community, _ = strconv.ParseInt(strings.TrimPrefix(d.path, "/api/communities/"), 10, 64)
	d.gives(t, anna.token, d.path, d.author, "reader", "author")
	d.key = s.call(t, http.StatusCreated, "POST", "/api/admin/api-keys", root, map[string]any{"name": "discours", "permissions": []string{"*"}}).text("key")
	var err error
	if d.c, err = library.New(s.url, d.key); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.c.Close)
	d.m = propusk.Member{Communities: d.c, CommunityID: d.community, UserID: d.author.userID}
	d.settings = propusk.RoleSettings{AvailableRoles: []string{"reader", "author", "expert", "editor", "admin"}, DefaultRoles: []string{"reader"}}
	pass, err := d.c.Inspect(d.ctx, d.author.token, d.community)
	if err != nil {
		t.Fatal(err)
	}
	d.asAuthor = guard.WithPass(d.ctx, pass)
	return d
}

// inGo is what the second column of the table says.
func (d *discours) inGo() map[string]func() error {
	only := func(_ any, err error) error { return err }
	question := propusk.Question{Permission: d.permission, CommunityID: d.community, UserID: d.author.userID}
	rows := []propusk.Assignment{{AuthorID: 3, Roles: []string{"reader", "author"}}}
	return map[string]func() error{
		"get_user_roles_in_community":          func() error { return only(d.c.RolesOf(d.ctx, d.community, d.author.userID)) },
		"check_user_permission_in_community":   func() error { return only(d.c.Check(d.ctx, question)) },
		"assign_role_to_user":                  func() error { return only(d.c.AddRole(d.ctx, d.community, d.author.userID, "expert")) },
		"remove_role_from_user":                func() error { return only(d.c.RemoveRole(d.ctx, d.community, d.author.userID, "expert")) },
		"get_all_community_members_with_roles": func() error { return only(d.c.Members(d.ctx, d.community, propusk.MemberFilter{})) },
		"bulk_assign_roles":                    func() error { return only(d.c.BulkAssign(d.ctx, d.community, propusk.ModeReplace, rows)) },
		"get_role_permissions_for_community":   func() error { return only(d.c.RolePermissions(d.ctx, d.community)) },
		"ca.role_list":                         func() error { return only(d.m.Roles(d.ctx)) },
		"ca.set_roles":                         func() error { return only(d.m.SetRoles(d.ctx, "reader", "author")) },
		"ca.has_role":                          func() error { return only(d.m.HasRole(d.ctx, "author")) },
		"ca.add_role":                          func() error { return only(d.m.AddRole(d.ctx, "expert")) },
		"ca.remove_role":                       func() error { return only(d.m.RemoveRole(d.ctx, "expert")) },
		"ca.get_permissions":                   func() error { return only(d.m.Permissions(d.ctx)) },
		"ca.has_permission":                    func() error { return only(d.m.HasPermission(d.ctx, d.permission)) },
		"community.set_available_roles":        func() error { return only(d.c.SetRoleSettings(d.ctx, d.community, d.settings, false)) },
		"community.get_available_roles":        func() error { return only(d.c.RoleSettings(d.ctx, d.community)) },
		"get_user_roles_from_context":          func() error { return only(guard.RolesFrom(d.asAuthor), nil) },
		"require_permission":                   func() error { return guard.Permission(d.permission).Check(d.asAuthor) },
		"require_any_permission":               func() error { return guard.AnyPermission("shout:update_own", "shout:update_any").Check(d.asAuthor) },
		"require_all_permissions":              func() error { return guard.AllPermissions("shout:read", "shout:create").Check(d.asAuthor) },
		"require_role":                         func() error { return guard.Role("author").Check(d.asAuthor) },
		"admin_only":                           func() error { return expectRefusal(guard.AdminOnly().Check(d.asAuthor)) },
		"authenticated_only":                   func() error { return guard.Authenticated().Check(d.asAuthor) },
		"RBACError":                            func() error { return expectRefusal(guard.Permission("topic:merge").Check(d.asAuthor)) },
	}
}

// expectRefusal turns a refusal, which is what an author meets here, into success.
func expectRefusal(err error) error {
	if propusk.KindOf(err) == propusk.Forbidden {
		return nil
	}
	return err
}

// bodies are what is sent with the calls of the third column.
func (d *discours) bodies() map[string]any {
	question := map[string]any{"permission": d.permission, "community_id": d.community, "user_id": d.author.userID}
	batch := map[string]any{"checks": []any{question}}
	return map[string]any{
		"check_user_permission_in_community": question, "ca.has_permission": question, "require_permission": question,
		"require_any_permission": batch, "require_all_permissions": batch,
		"bulk_assign_roles":             map[string]any{"mode": "replace", "members": []any{map[string]any{"user_id": d.author.userID, "roles": []string{"reader", "author"}}}},
		"ca.set_roles":                  map[string]any{"roles": []string{"reader", "author"}},
		"community.set_available_roles": map[string]any{"available_roles": d.settings.AvailableRoles, "default_roles": d.settings.DefaultRoles},
	}
}

// tableRow is a line of the table: what it was called, and the call over REST, if the last column is one.
var tableRow = regexp.MustCompile("(?m)^\\| `([^`]+)`.*\\| (?:`([A-Z]+) ([^`]+)`|a problem .*) \\|$")

// TestEveryRowForThoseWhoComeFromDiscours runs the table of docs/from-discours.md, in its order.
func TestEveryRowForThoseWhoComeFromDiscours(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/from-discours.md")
	if err != nil {
		t.Fatal(err)
	}
	d := newDiscours(t)
	inGo, bodies := d.inGo(), d.bodies()
	for _, row := range tableRow.FindAllStringSubmatch(string(page), -1) {
		name, method, path := row[1], row[2], row[3]
		run, known := inGo[name]
		if !known {
			t.Errorf("%s is run by nothing", name)
			continue
		}
		delete(inGo, name)
		if err := run(); err != nil {
			t.Errorf("%s in Go: %v", name, err)
		}
		if method == "" {
			continue
		}
		path = strings.NewReplacer("{id}", strconv.FormatInt(d.community, 10), "{user_id}", d.author.userID).Replace(path)
		got, err := d.try(method, path, d.key, bodies[name])
		if err != nil || got.status != http.StatusOK || !json.Valid([]byte(got.raw)) {
			t.Errorf("%s over REST: %v %v", name, got, err)
		}
	}
	for name := range inGo {
		t.Errorf("%s is in no row of the page", name)
	}
}
