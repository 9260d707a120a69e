package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	t         *testing.T
	ctx       context.Context
	c         *library.Client
	key, path string
	community int64
	author    person
	m         propusk.Member
	settings  propusk.RoleSettings
	asAuthor  context.Context
}

func newDiscours(t *testing.T) *discours {
	t.Helper()
	s := serve(t, setup{env: slices.Concat(cheap, withAdmin, []string{unlimited}), args: quiet})
	root := s.root(t)
	anna := s.person(t, "anna")
	d := &discours{server: s, t: t, ctx: t.Context(), path: s.founds(t, root, anna, "discours"), author: s.person(t, "author")}
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

// call is one row of the table as it is run.
type call struct {
	// inGo is the second column, run does that, and want is what comes of it.
	inGo string
	run  func() (any, error)
	want string
	// bearer sends body over REST, and says is part of the answer.
	bearer string
	body   any
	says   string
}

// calls are the rows by their first column. Each finds what those before it on the page have left.
func (d *discours) calls() map[string]call {
	all := d.helpers()
	maps.Copy(all, d.memberCalls())
	maps.Copy(all, d.settingsCalls())
	maps.Copy(all, d.decorators())
	return all
}

// What is part of answers over REST.
const (
	asWriter  = `"roles":["reader","author"]`
	asExpert  = `"roles":["reader","author","expert"]`
	isAllowed = `"allowed":true,"reason":"role"`
)

// asked is a question over REST, "" being about the one who asks.
func (d *discours) asked(permission, userID string) map[string]any {
	q := map[string]any{"permission": permission, "community_id": d.community}
	if userID != "" {
		q["user_id"] = userID
	}
	return q
}

// helpers are the functions of orm/community.py.
func (d *discours) helpers() map[string]call {
	question := propusk.Question{Permission: "shout:create", CommunityID: d.community, UserID: d.author.userID}
	roles := []string{"reader", "author"}
	rows := []propusk.Assignment{{UserID: d.author.userID, Roles: roles}}
	bulk := map[string]any{"mode": "replace", "members": []any{map[string]any{"user_id": d.author.userID, "roles": roles}}}
	return map[string]call{
		"get_user_roles_in_community": {
			"c.RolesOf(1, user)", func() (any, error) { return d.c.RolesOf(d.ctx, d.community, d.author.userID) },
			"[reader author] <nil>", d.key, nil, asWriter,
		},
		"check_user_permission_in_community": {
			"c.Check(propusk.Question{…})", func() (any, error) { return d.c.Check(d.ctx, question) }, "{true role} <nil>",
			d.key, d.asked("shout:create", d.author.userID), isAllowed,
		},
		"assign_role_to_user": {
			`c.AddRole(1, user, "expert")`, func() (any, error) { return d.c.AddRole(d.ctx, d.community, d.author.userID, "expert") },
			"[reader author expert] <nil>", d.key, nil, asExpert,
		},
		"remove_role_from_user": {
			`c.RemoveRole(1, user, "expert")`, func() (any, error) { return d.c.RemoveRole(d.ctx, d.community, d.author.userID, "expert") },
			"[reader author] <nil>", d.key, nil, asWriter,
		},
		"get_all_community_members_with_roles": {
			"c.Members(1, propusk.MemberFilter{})", func() (any, error) {
				page, err := d.c.Members(d.ctx, d.community, propusk.MemberFilter{})
				return page.Total, err
			}, "2 <nil>", d.key, nil, asWriter,
		},
		"bulk_assign_roles": {
			"c.BulkAssign(1, propusk.ModeReplace, rows)",
			func() (any, error) { return d.c.BulkAssign(d.ctx, d.community, propusk.ModeReplace, rows) },
			"[{" + d.author.userID + " unchanged [reader author]}] <nil>", d.key, bulk, `"status":"unchanged"`,
		},
		"get_role_permissions_for_community": {
			"c.RolePermissions(1)", func() (any, error) {
				lists, err := d.c.RolePermissions(d.ctx, d.community)
				return slices.Contains(lists["author"], "shout:create"), err
			}, "true <nil>", d.key, nil, `"shout:create"`,
		},
	}
}

// memberCalls are the methods of CommunityAuthor.
func (d *discours) memberCalls() map[string]call {
	return map[string]call{
		"ca.role_list": {
			"m.Roles()", func() (any, error) { return d.m.Roles(d.ctx) }, "[reader author] <nil>", d.key, nil, asWriter,
		},
		"ca.set_roles": { // and back again
			`m.SetRoles("reader", "editor")`, func() (any, error) { return d.m.SetRoles(d.ctx, "reader", "editor") },
			"[reader editor] <nil>", d.key, map[string]any{"roles": []string{"reader", "author"}}, asWriter,
		},
		"ca.has_role": {
			`m.HasRole("author")`, func() (any, error) { return d.m.HasRole(d.ctx, "author") }, "true <nil>", d.key, nil, asWriter,
		},
		"ca.add_role": {
			`m.AddRole("expert")`, func() (any, error) { return d.m.AddRole(d.ctx, "expert") }, "[reader author expert] <nil>", d.key, nil, asExpert,
		},
		"ca.remove_role": {
			`m.RemoveRole("expert")`, func() (any, error) { return d.m.RemoveRole(d.ctx, "expert") }, "[reader author] <nil>", d.key, nil, asWriter,
		},
		"ca.get_permissions": {
			"m.Permissions()", func() (any, error) {
				permissions, err := d.m.Permissions(d.ctx)
				return slices.Contains(permissions, "shout:create"), err
			}, "true <nil>", d.key, nil, `"shout:create"`,
		},
		"ca.has_permission": {
			`m.HasPermission("shout:create")`, func() (any, error) { return d.m.HasPermission(d.ctx, "shout:create") },
			"true <nil>", d.key, d.asked("shout:create", d.author.userID), isAllowed,
		},
	}
}

// settingsCalls are the methods of Community.
func (d *discours) settingsCalls() map[string]call {
	settings := map[string]any{"available_roles": d.settings.AvailableRoles, "default_roles": d.settings.DefaultRoles}
	const settled, said = "{[reader author expert editor admin] [reader]} <nil>", `"default_roles":["reader"]`
	return map[string]call{
		"community.set_available_roles`, `set_default_roles": {
			"c.SetRoleSettings(1, settings, false)", func() (any, error) { return d.c.SetRoleSettings(d.ctx, d.community, d.settings, false) },
			settled, d.key, settings, said,
		},
		"community.get_available_roles`, `get_default_roles": {
			"c.RoleSettings(1)", func() (any, error) { return d.c.RoleSettings(d.ctx, d.community) }, settled, d.key, nil, said,
		},
	}
}

// decorators are what stands before handlers; the author comes to them, and asks over REST.
func (d *discours) decorators() map[string]call {
	me := d.author.token
	batch := func(one, two string) map[string]any {
		return map[string]any{"checks": []any{d.asked(one, ""), d.asked(two, "")}}
	}
	return map[string]call{
		"get_user_roles_from_context": {
			"guard.RolesFrom(ctx)", func() (any, error) { return guard.RolesFrom(d.asAuthor), nil }, "[reader author] <nil>", me, nil, asWriter,
		},
		"require_permission": {
			`guard.Permission("shout:create")`, d.ruled(guard.Permission("shout:create")), "<nil> <nil>", me, d.asked("shout:create", ""), isAllowed,
		},
		"require_any_permission": {
			`guard.AnyPermission("shout:update_own", "shout:update_any")`, d.ruled(guard.AnyPermission("shout:update_own", "shout:update_any")),
			"<nil> <nil>", me, batch("shout:update_own", "shout:update_any"), "{" + isAllowed + `},{"allowed":false`,
		},
		"require_all_permissions": {
			`guard.AllPermissions("shout:read", "shout:create")`, d.ruled(guard.AllPermissions("shout:read", "shout:create")),
			"<nil> <nil>", me, batch("shout:read", "shout:create"), "{" + isAllowed + "},{" + isAllowed,
		},
		"require_role": {
			`guard.Role("author")`, d.ruled(guard.Role("author")), "<nil> <nil>", me, nil, asWriter,
		},
		"admin_only": { // an author meets a refusal
			"guard.AdminOnly()", d.ruled(guard.AdminOnly()), "missing_role this needs the role admin", me, nil, `"platform_admin":false`,
		},
		"authenticated_only": {
			"guard.Authenticated()", d.ruled(guard.Authenticated()), "<nil> <nil>", me, nil, `"user_id":"` + d.author.userID,
		},
		"RBACError": {
			"*propusk.Error`, `guard.WriteResult", d.ruled(guard.Permission("topic:merge")),
			"missing_permission this needs the permission topic:merge, which you do not have here", me, map[string]any{"name": "Owls"}, `"code":"missing_permission"`,
		},
	}
}

// ruled asks a rule on behalf of the author; of a refusal it returns the code.
func (d *discours) ruled(rule guard.Rule) func() (any, error) {
	return func() (any, error) {
		err := rule.Check(d.asAuthor)
		var refusal *propusk.Error
		if errors.As(err, &refusal) {
			return refusal.Code, err
		}
		return nil, err
	}
}

// tableRow is a line of the table: what it was called, what it is in Go, and the call over REST or what that answers.
var tableRow = regexp.MustCompile("^\\| `(.+)` \\| `(.+)` \\| (?:`([A-Z]+) ([^`]+)`|a problem .*) \\|$")

// discoursTable is the table of docs/from-discours.md, without its head.
func discoursTable(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile("../docs/from-discours.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "\n|---|---|---|\n")
	table, _, ended := strings.Cut(table, "\n\n")
	if !ok || !ended {
		t.Fatal("the page has no table")
	}
	return strings.Split(table, "\n")
}

// TestEveryRowForThoseWhoComeFromDiscours runs the table of docs/from-discours.md, in its order.
func TestEveryRowForThoseWhoComeFromDiscours(t *testing.T) {
	t.Parallel()
	d := newDiscours(t)
	calls := d.calls()
	for _, line := range discoursTable(t) {
		row := tableRow.FindStringSubmatch(line)
		if row == nil {
			t.Errorf("is no row: %s", line)
			continue
		}
		c, known := calls[row[1]]
		if !known || c.inGo != row[2] {
			t.Errorf("is not run: %s", line)
			continue
		}
		delete(calls, row[1])
		if answer, err := c.run(); fmt.Sprint(answer, " ", errorText(err)) != c.want {
			t.Errorf("%s in Go: %v %v, want %s", row[1], answer, err, c.want)
		}
		d.overREST(row, c)
	}
	for name := range calls {
		t.Errorf("%s is in no row of the page", name)
	}
}

func errorText(err error) string {
	if err == nil {
		return "<nil>"
	}
	return err.Error()
}

// overREST runs the third column. Where that is what a refusal looks like, the author edits the community.
func (d *discours) overREST(row []string, c call) {
	d.t.Helper()
	method, path, status := row[3], row[4], http.StatusOK
	if method == "" {
		method, path, status = "PATCH", "/api/communities/{id}", http.StatusForbidden
	}
	path = strings.NewReplacer("{id}", strconv.FormatInt(d.community, 10), "{user_id}", d.author.userID).Replace(path)
	got, err := d.try(method, path, c.bearer, c.body)
	if err != nil || got.status != status || !strings.Contains(got.raw, c.says) {
		d.t.Errorf("%s over REST: %v %v, want %d and %s", row[1], got, err, status, c.says)
	}
	if status == http.StatusForbidden && !strings.Contains(got.raw, `"permission":"`) {
		d.t.Errorf("%s over REST: the permission is not named: %s", row[1], got.raw)
	}
}
