package rbac_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/propusk/propusk/rbac"
)

func TestCompile(t *testing.T) {
	g := compile(t, magazine())
	reader := "chat:read chat:update_own page:read reaction:LIKE:create reaction:LIKE:read shout:read"
	writer := "chat:read chat:update_own page:read reaction:LIKE:create reaction:LIKE:read shout:create shout:read shout:update_own"
	for role, want := range map[string]string{
		"guest":  "",
		"reader": reader,
		"writer": writer,
		"editor": "chat:read chat:update_own member:read page:read page:update_any reaction:LIKE:create reaction:LIKE:read" +
			" reaction:PROOF:create reaction:PROOF:read shout:create shout:read shout:update_any shout:update_own",
		"admin": "* chat:read chat:update_own member:read member:remove page:read page:update_any reaction:LIKE:create" +
			" reaction:LIKE:read reaction:PROOF:create reaction:PROOF:read shout:create shout:merge shout:read shout:update_any shout:update_own",
	} {
		if diff := diff(want, strings.Join(g.Permissions(role), " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", role, diff)
		}
	}
}

func TestCompileInheritsFromSeveralParents(t *testing.T) {
	p := magazine()
	p.Roles = append(p.Roles,
		rbac.Role{ID: "usher", Permissions: []string{"member:remove"}},
		rbac.Role{ID: "chief", Inherits: []string{"usher", "writer", "reader"}})
	g := compile(t, p)
	want := append(g.Permissions("writer"), "member:remove")
	slices.Sort(want)
	if diff := diff(want, g.Permissions("chief")); diff != "" {
		t.Error(diff)
	}
}

// Who may touch any may touch their own, when there is such a thing.
func TestCompileAddsOwnForAny(t *testing.T) {
	p := magazine()
	p.Roles[4].Permissions = []string{"shout:update_any", "page:update_any"}
	want := []string{"page:update_any", "shout:update_any", "shout:update_own"}
	if diff := diff(want, compile(t, p).Permissions("guest")); diff != "" {
		t.Error(diff)
	}
}

func TestCompilePlatform(t *testing.T) {
	p := magazine()
	p.Scope, p.CreatorRole, p.DefaultRoles = rbac.ScopePlatform, "", nil
	compile(t, p)
}

func TestCompileRefuses(t *testing.T) {
	role := func(p *rbac.Policy, id string) *rbac.Role {
		return &p.Roles[slices.IndexFunc(p.Roles, func(r rbac.Role) bool { return r.ID == id })]
	}
	list := func(lines ...string) func(*rbac.Policy) {
		return func(p *rbac.Policy) { role(p, "guest").Permissions = lines }
	}
	inherit := func(id string, parents ...string) func(*rbac.Policy) {
		return func(p *rbac.Policy) { role(p, id).Inherits = parents }
	}
	for name, tt := range map[string]struct {
		edit func(*rbac.Policy)
		want string
	}{
		"no scope":      {func(p *rbac.Policy) { p.Scope = "" }, "scope: must be community or platform"},
		"unknown scope": {func(p *rbac.Policy) { p.Scope = "galaxy" }, "scope: must be community or platform"},

		"bad catalogue": {func(p *rbac.Policy) { p.Content[1] = "x" }, `catalogue.content[1]: permission "x"`},

		"malformed role": {func(p *rbac.Policy) { role(p, "guest").ID = "Guest\n" }, `roles[4]: role "Guest\n": must match`},
		"role twice":     {func(p *rbac.Policy) { role(p, "guest").ID = "reader" }, "roles[4]: role reader is there twice"},
		"long name":      {func(p *rbac.Policy) { role(p, "guest").Name = strings.Repeat("ы", 101) }, "roles.guest.name: must be printable"},
		"name of lines":  {func(p *rbac.Policy) { role(p, "guest").Name = "a\nb" }, "roles.guest.name: must be printable"},
		"invalid name":   {func(p *rbac.Policy) { role(p, "guest").Name = "a\xff" }, "roles.guest.name: must be printable"},
		"long text": {func(p *rbac.Policy) { role(p, "guest").Description = strings.Repeat("a", 1001) },
			"roles.guest.description: must be printable text of at most 1000"},

		"malformed pattern":        {list("shout:read", "sh*:x"), `roles.guest.permissions[1]: pattern "sh*:x": the entity must match`},
		"unknown permission":       {list("shout:fly"), `roles.guest.permissions[0]: "shout:fly" matches nothing`},
		"wildcard without match":   {list("*:fly"), `roles.guest.permissions[0]: "*:fly" matches nothing`},
		"two segments of three":    {list("reaction:*"), `"reaction:*" matches nothing`},
		"wildcard to reserved":     {list("*:remove"), `"*:remove" matches nothing`},
		"everything for non-admin": {list("*"), `roles.guest.permissions[0]: "*" is for role admin only, role guest`},

		"unknown parent": {inherit("writer", "reader", "raeder"), `roles.writer.inherits[1]: role writer inherits unknown role "raeder"`},
		"parent twice":   {inherit("writer", "reader", "reader"), "roles.writer.inherits[1]: role writer inherits reader twice"},
		"admin's heir":   {inherit("guest", "admin"), "roles.guest.inherits[0]: role guest cannot inherit admin"},
		"own parent":     {inherit("guest", "guest"), "roles.guest.inherits: roles inherit in a circle: guest → guest"},
		"circle":         {inherit("reader", "editor"), "roles.reader.inherits: roles inherit in a circle: reader → editor → writer → reader"},

		"no admin": {func(p *rbac.Policy) { role(p, "admin").ID = "boss" }, "roles: role admin is missing"},
		"weak admin": {func(p *rbac.Policy) { role(p, "admin").Permissions = []string{"shout:*"} },
			`roles.admin.permissions: must list "*"`},

		"unknown available":   {func(p *rbac.Policy) { p.AvailableRoles[0] = "raeder" }, `available_roles[0]: role "raeder" is not a role`},
		"available twice":     {func(p *rbac.Policy) { p.AvailableRoles[1] = "reader" }, "available_roles[1]: role reader is named twice"},
		"admin unavailable":   {func(p *rbac.Policy) { p.AvailableRoles = p.AvailableRoles[:3] }, "available_roles: must name admin"},
		"default admin":       {func(p *rbac.Policy) { p.DefaultRoles = roles("reader", "admin") }, "default_roles[1]: admin cannot be given by default"},
		"default unavailable": {func(p *rbac.Policy) { p.DefaultRoles = roles("guest") }, `default_roles[0]: role "guest" is not among available_roles`},
		"unknown default":     {func(p *rbac.Policy) { p.DefaultRoles = roles("raeder") }, `default_roles[0]: role "raeder" is not a role`},
		"default twice":       {func(p *rbac.Policy) { p.DefaultRoles = roles("reader", "reader") }, "default_roles[1]: role reader is named twice"},

		"weak creator":     {func(p *rbac.Policy) { p.CreatorRole = "editor" }, `creator_role: must be admin`},
		"no creator":       {func(p *rbac.Policy) { p.CreatorRole = "" }, `creator_role: must be admin`},
		"platform creator": {func(p *rbac.Policy) { p.Scope = rbac.ScopePlatform }, "creator_role: is for policies of a community only"},

		"too many roles": {func(p *rbac.Policy) {
			for i := range rbac.MaxRoles {
				p.Roles = append(p.Roles, rbac.Role{ID: fmt.Sprintf("r%d", i)})
			}
		}, "roles: there are more than 100 roles"},
		"too many lines": {list(slices.Repeat([]string{"shout:read"}, rbac.MaxPatterns)...), "roles: the roles list more than 5000 permissions"},
		"too large catalogue": {func(p *rbac.Policy) { p.Reserved = make([]string, rbac.MaxPermissions) },
			"catalogue: lists more than 2000 permissions"},
	} {
		t.Run(name, func(t *testing.T) {
			p := magazine()
			tt.edit(&p)
			g, err := rbac.Compile(p)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v\nwant %s", err, tt.want)
			}
			if g != nil {
				t.Error("grants came with an error")
			}
			if _, ok := errors.AsType[*rbac.PolicyError](err); !ok {
				t.Errorf("no PolicyError in %T", err)
			}
		})
	}
}

func TestCompileReportsEverything(t *testing.T) {
	p := magazine()
	p.Scope = ""
	p.Roles[0].Permissions[0] = "*:fly"
	p.Roles[1].Inherits = roles("nobody")
	_, err := rbac.Compile(p)
	var paths []string
	for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
		paths = append(paths, err.(*rbac.PolicyError).Path)
	}
	if diff := diff([]string{"roles.reader.permissions[0]", "roles.writer.inherits[0]", "scope"}, paths); diff != "" {
		t.Error(diff)
	}
	if _, ok := errors.AsType[*rbac.SyntaxError](err); ok {
		t.Error("a pattern without match is no error of syntax")
	}
	p.Roles[0].Permissions[0] = "fly"
	_, err = rbac.Compile(p)
	if _, ok := errors.AsType[*rbac.SyntaxError](err); !ok {
		t.Errorf("a malformed pattern is an error of syntax: %v", err)
	}
}

func TestCompileReportsAtMostAHundred(t *testing.T) {
	p := magazine()
	p.Roles[4].Permissions = slices.Repeat([]string{"bad"}, 1000)
	_, err := rbac.Compile(p)
	if n := len(err.(interface{ Unwrap() []error }).Unwrap()); n != 100 {
		t.Errorf("%d errors", n)
	}
}

// A ladder of pairs has 2^49 ways from top to bottom; none of them is walked
// twice.
func TestCompileOfManyPaths(t *testing.T) {
	p := magazine()
	for i := range (rbac.MaxRoles - len(p.Roles)) / 2 {
		var parents []string
		if i > 0 {
			parents = roles(fmt.Sprintf("left%d", i-1), fmt.Sprintf("right%d", i-1))
		}
		p.Roles = append(p.Roles,
			rbac.Role{ID: fmt.Sprintf("left%d", i), Inherits: parents},
			rbac.Role{ID: fmt.Sprintf("right%d", i), Inherits: parents})
	}
	p.Roles[5].Permissions = []string{"member:remove"} // left0
	top := p.Roles[len(p.Roles)-1].ID
	if diff := diff([]string{"member:remove"}, compile(t, p).Permissions(top)); diff != "" {
		t.Error(diff)
	}
}

func TestAncestors(t *testing.T) {
	p := magazine()
	p.Roles = append(p.Roles, rbac.Role{ID: "chief", Inherits: []string{"nobody", "guest", "writer", "reader"}})
	p.Roles[0].Inherits = []string{"chief"} // a circle must not hang it
	for role, want := range map[string][]string{
		"chief":  {"chief", "guest", "writer", "reader"},
		"guest":  {"guest"},
		"nobody": nil,
	} {
		if diff := diff(want, p.Ancestors(role)); diff != "" {
			t.Errorf("%s: %s", role, diff)
		}
	}
}
