package main

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
)

// terminal is one person's at a database.
type terminal struct {
	t        *testing.T
	database string
}

func (c terminal) run(stdin, command string) (string, error) {
	c.t.Helper()
	args := append(words(command), settings(command, "--database="+c.database)...)
	return run(c.t, stdin, args...)
}

// words are parted by spaces, but not within single quotes.
func words(line string) (out []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}

// says runs a command that has to succeed and to print each of want.
func (c terminal) says(command string, want ...string) string {
	c.t.Helper()
	out, err := c.run("", command)
	if err != nil {
		c.t.Errorf("%s: %v\n%s", command, err, out)
	}
	c.contains(command, out, want)
	return out
}

// fails runs a command that has to end with an error of all of want.
func (c terminal) fails(command string, want ...string) string {
	c.t.Helper()
	out, err := c.run("", command)
	if err == nil {
		c.t.Errorf("%s is taken:\n%s", command, out)
		return out
	}
	c.contains(command, err.Error(), want)
	return out
}

// denies runs a check that has to be denied quietly, with each of want printed.
func (c terminal) denies(command string, want ...string) {
	c.t.Helper()
	out, err := c.run("", command)
	var told bytes.Buffer
	if code := status(checkCommand(), err, &told); code != 1 || told.Len() > 0 {
		c.t.Errorf("%s: exit code %d, told %q\n%s", command, code, told.String(), out)
	}
	c.contains(command, out, append(want, "denied: "))
}

func (c terminal) contains(command, out string, want []string) {
	c.t.Helper()
	for _, w := range want {
		if !strings.Contains(out, w) {
			c.t.Errorf("%s: no %q in\n%s", command, w, out)
		}
	}
}

// town is a terminal at a new database where Anna and Boris have accounts, and Anna the community night-owls.
func town(t *testing.T) terminal {
	t.Helper()
	c := terminal{t, "sqlite:" + filepath.Join(t.TempDir(), "propusk.db")}
	for _, address := range []string{"root", "anna", "boris"} {
		name := strings.ToUpper(address[:1]) + address[1:]
		if out, err := c.run("a perfectly ordinary sentence\n", "admin create "+address+"@example.org --name "+name); err != nil {
			t.Fatal(err, out)
		}
	}
	c.says("user change-role anna@example.org user")
	c.says("user change-role boris@example.org user")
	c.says("community create 'Night owls' --admin anna@example.org", "created: night-owls (1), Night owls, admin anna@example.org")
	return c
}

func TestLifeOfACommunityOnTheCommandLine(t *testing.T) {
	t.Parallel()
	c := town(t)
	c.says("community create 'Ночные совы' --slug owls --description 'Those who read' --admin boris@example.org", "created: owls (2)")
	c.fails("community create Owls --slug owls --admin anna@example.org", "another community has, or had, this slug")
	c.fails("community create Owls --slug Not/Good --admin anna@example.org", "slug: must be 1 to 64 lower-case letters")
	c.fails("community create Owls", "say who is to be its admin: --admin USER")
	c.fails("community create Owls --admin nobody@example.org", "nobody@example.org: there is no such user; propusk user list")

	c.says("community list", "ID  SLUG        NAME         MEMBERS  JOINING", "2   owls        Ночные совы  1        open", "2 of 2")
	c.says("community list --search NIGHT", "1   night-owls", "1 of 1")
	c.says("community list --limit 1 --page 2", "2   owls", "1 of 2")
	c.fails("community list --limit 0", "--page and --limit must be at least 1")

	c.says("community grant night-owls boris@example.org author",
		"admitted: boris@example.org is a member of night-owls (1) now; roles: author\n")
	c.says("community grant 1 boris@example.org editor", "granted: boris@example.org, editor in night-owls (1); roles: author, editor\n")
	c.says("community grant 1 boris@example.org editor",
		"nothing changed: boris@example.org has the role editor in night-owls (1) already; roles: author, editor\n")
	c.says("community members Night-Owls --role editor", "boris@example.org  Boris  author, editor", "1 of 1")
	c.says("community members 1 --search ann", "anna@example.org  Anna  admin", "1 of 1")
	c.fails("community members 1 --role king", "role: must be one of")
	c.fails("community members nowhere", "nowhere: there is no such community; propusk community list shows all")
	c.fails("community members 77", "77: there is no such community")

	c.says("community revoke night-owls boris@example.org author", "revoked: boris@example.org, author in night-owls (1); roles: editor\n")
	c.says("community revoke night-owls boris@example.org author", "nothing changed: boris@example.org has no role author")
	c.says("community revoke night-owls boris@example.org editor", "roles: none\n")
	c.says("community members 1", "boris@example.org  Boris  none")
	c.fails("community revoke night-owls anna@example.org admin", "last active admin of night-owls")
	c.fails("community revoke owls anna@example.org reader", "anna@example.org is no member of owls (2); propusk community members owls shows who is")
	c.fails("community grant owls anna@example.org king", `owls (2) has no role "king"; roles that can be given there: reader, author`)
	c.fails("community grant owls nobody@example.org reader", "nobody@example.org: there is no such user")

	c.says("user block boris@example.org")
	c.says("community grant 1 boris@example.org reader", "roles: reader (the account is blocked)\n")
	c.says("community members 1", "reader (the account is blocked)")
}

// A slug may look like an id. The id of a community is never its own choice, so nobody is misled by a slug.
func TestASlugOfDigits(t *testing.T) {
	t.Parallel()
	c := town(t)
	c.says("community create Trap --slug 1 --admin boris@example.org", "created: 1 (2)")
	c.says("community create Year --slug 2026 --admin boris@example.org", "created: 2026 (3)")
	c.says("community members 1", "anna@example.org")
	c.says("community members 2026", "boris@example.org")
	c.fails("community members 99999999999", "there is no such community")
}

func TestCommandsMakeNoDatabaseByMistake(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "misspelt.db")
	c := terminal{t, "sqlite:" + path}
	for _, command := range []string{
		"community create Owls --admin anna@example.org", "community list", "check anna@example.org user:block", "policy apply --all",
	} {
		c.fails(command, "there is no database")
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is one now: %v", err)
	}
}

func TestCheckExplains(t *testing.T) {
	t.Parallel()
	c := town(t)
	c.says("community grant night-owls boris@example.org expert")
	const boris, here = "check boris@example.org ", " --community night-owls"

	c.says(boris+"reaction:PROOF:create"+here, "allowed: boris@example.org may reaction:PROOF:create in night-owls (1)",
		"a role permits it [role]", `by          role expert, which holds reaction:PROOF:create by its line "reaction:PROOF:*"`)
	c.says(boris+"shout:read"+here, `inherited expert ← artist ← author ← reader, by the line "*:read" of reader`)
	c.says(boris+"shout:update --owner boris@example.org"+here, "[own]", `by the line "*:update_own" of author`)
	c.says("check anna@example.org no_such:thing"+here, "role admin, which holds everything (*) by its line \"*\"")
	c.says("check root@example.org shout:create"+here, "[platform_admin]", "roles       none")
	c.says("check root@example.org user:block", "may user:block on the platform", "roles       admin")
	c.says(boris+"shout:read --default-community 1", "in night-owls (1)")

	c.denies(boris+"shout:update --owner anna@example.org"+here, "this one is of anna@example.org [not_owner]", "given by    editor, admin",
		"to give it  propusk community grant night-owls boris@example.org editor")
	c.denies(boris+"shout:delete_any"+here, "no role permits it [missing_permission]", "roles       expert", "missing     shout:delete_any")
	c.denies(boris+"shout:raed"+here, "the policy's catalogue has no such permission")
	c.denies(boris+"user:block", "roles       user", "given by    admin, moderator", "user change-role boris@example.org moderator")
	c.denies(boris+"shout:read", "say in which, with --community [community_required]")

	c.says("community create Elsewhere --admin anna@example.org")
	c.denies(boris+"topic:merge --community elsewhere", "not a member of elsewhere (2) [not_member]", "given by    editor, admin")
	c.says("user block boris@example.org")
	c.denies(boris+"shout:read"+here, "the account is blocked, so its roles permit nothing; propusk user unblock restores it [inactive]")

	c.fails(boris+"shout:*"+here, "PERMISSION must be a concrete permission such as shout:create")
	c.fails(boris+"user:block"+here, "--community must be left out: this is a permission of the platform")
	c.fails(boris+"shout:read --community nowhere", "--community: nowhere: there is no such community")
	c.fails(boris+"shout:read --owner nobody@example.org"+here, "--owner: nobody@example.org: there is no such user")
	c.fails(boris+"shout:read --default-community 9", "--default-community: there is no such community")
	c.fails("check nobody@example.org shout:read", "nobody@example.org: there is no such user")
}

func TestStatus(t *testing.T) {
	t.Parallel()
	for _, end := range []struct {
		of   *cobra.Command
		err  error
		code int
		told string
	}{
		{checkCommand(), nil, 0, ""},
		{checkCommand(), errDenied, 1, ""},
		{checkCommand(), errors.New("no"), 2, "propusk: no\n"},
		{checkCommand(), errors.Join(errDenied, errors.New("the disk is full")), 2, "propusk: denied\nthe disk is full\n"},
		{versionCommand(), errors.New("no"), 1, "propusk: no\n"},
	} {
		var told bytes.Buffer
		if code := status(end.of, end.err, &told); code != end.code || told.String() != end.told {
			t.Errorf("%s, %v: exit code %d and %q", end.of.Name(), end.err, code, told.String())
		}
	}
}

// withCurator is the default policy with one more role, in which editors may not merge topics any more and curators may.
func withCurator(t *testing.T) string {
	t.Helper()
	source, err := run(t, "", "policy", "show", "community", "--source")
	if err != nil {
		t.Fatal(err)
	}
	for old, changed := range map[string]string{
		"[reader, author, artist,":  "[reader, author, curator, artist,",
		"\n  artist:\n":             "\n  curator:\n    name: Curator\n    inherits: [author]\n    permissions: [\"topic:merge\"]\n  artist:\n",
		"      - \"topic:merge\"\n": "",
		"      - \"draft:*\"\n":     "      - \"draft:*\"\n      - \"role:manage\"\n",
	} {
		if !strings.Contains(source, old) {
			t.Fatalf("the default policy has no %q any more", old)
		}
		source = strings.Replace(source, old, changed, 1)
	}
	path := filepath.Join(t.TempDir(), "curator.yaml")
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return " --policy=" + path
}

func TestPolicyApply(t *testing.T) {
	t.Parallel()
	c := town(t)
	own := withCurator(t)
	c.says("community grant 1 boris@example.org editor")
	c.says("community create Elsewhere --admin anna@example.org")

	// A new file changes nothing by itself.
	const merges, curates = "check boris@example.org topic:merge --community 1", "community grant 1 boris@example.org curator"
	c.says(merges+own, "by the community's own list: a custom or edited role, or an earlier policy")
	c.says("policy apply --community night-owls", "night-owls (1) has this policy already")

	// A dry run tells and changes nothing either.
	change := []string{
		"night-owls (1)\n", "  + curator: a new role, with ", "  editor, held by 1 member\n", "    + role:manage\n    - topic:merge\n",
		"  available: reader, author, artist, expert, editor, admin, curator; given on joining: reader\n",
	}
	dry := "this was a dry run: nothing was changed"
	for range 2 {
		c.says("policy apply --community night-owls --dry-run"+own, append(change, dry)...)
		c.says("policy apply --all --dry-run"+own, append(change, dry, "2 to change, 0 with this policy already, 0 refused")...)
		c.says(merges)
		c.fails(curates, `no role "curator"`)
	}

	// Then in earnest, first in one community, then in those that are left.
	if out := c.says("policy apply --community night-owls"+own, change...); strings.Contains(out, dry) {
		t.Error("it says that it was a dry run")
	}
	c.denies(merges+own, "given by    admin, curator")
	c.says("policy apply --all"+own, "elsewhere (2)\n", "1 changed, 1 with this policy already, 0 refused")

	// The way back: who holds a role that goes is in the way, others are not held up.
	c.says(curates, "roles: editor, curator")
	refused := "1 member of curator: change their roles first, or say --strip to take it from them"
	c.fails("policy apply --community 1", "night-owls (1) refused: "+refused)
	c.fails("policy apply --community 1 --dry-run", "night-owls (1) would refuse: "+refused)
	out := c.fails("policy apply --all", "communities that refused: 1\nnight-owls (1) refused: "+refused)
	c.contains("policy apply --all", out, []string{"elsewhere (2)\n", "  - curator: the role goes", "held by nobody", "1 changed, 0 with this policy already, 1 refused"})
	c.says("community members 1", "editor, curator")

	out = c.says("policy apply --all --strip --dry-run", "held by 1 member\n", "would take roles from 1 member", dry)
	if strings.Contains(out, "lost a role") {
		t.Error("a dry run says that somebody lost a role")
	}
	c.says("community members 1", "editor, curator")
	c.says("policy apply --all --strip", "  1 member lost a role", "1 changed, 1 with this policy already, 0 refused; took roles from 1 member")
	c.says("community members 1", "boris@example.org  Boris  editor ")
	c.says(merges, `role editor, which holds topic:merge by its line "topic:merge"`)

	c.fails("policy apply", "say where: --community COMMUNITY, or --all")
	c.fails("policy apply --all --community 1", "say where: --community COMMUNITY, or --all")
	c.fails("policy apply --community nowhere", "nowhere: there is no such community")
	c.fails("policy apply --all --policy=/nonexistent.yaml", "no such file")
}

func TestPolicyApplyKeepsRolesOfTheCommunitysOwn(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	c := terminal{t, s.Config.Database}
	c.says("community create Owls --admin " + apptest.AdminEmail)
	made := s.Call(http.MethodPost, "/api/communities/1/roles", s.Admin(), map[string]any{
		"id": "greeter", "name": "Greeter", "permissions": []string{"member:admit"},
	})
	if made.Status != http.StatusCreated {
		t.Fatal(made.Raw)
	}
	c.says("check "+apptest.AdminEmail+" member:admit --community owls", `role admin`)
	c.says("policy apply --all"+withCurator(t), "  kept, of the community's own: greeter\n", "greeter, curator; given on joining")
}

// A role that the community only renamed returns to the policy too, and a dry run says so before.
func TestPolicyApplyTellsOfEditedRoles(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	c := terminal{t, s.Config.Database}
	c.says("community create Owls --admin " + apptest.AdminEmail)
	renamed := s.Call(http.MethodPatch, "/api/communities/1/roles/reader", s.Admin(), map[string]any{"name": "Fledgling"})
	if renamed.Status != http.StatusOK {
		t.Fatal(renamed.Raw)
	}
	const edited = "  edited by the community, as in the policy again: reader\n"
	c.says("policy apply --all --dry-run", "owls (1)\n", edited, "1 to change, 0 with this policy already")
	c.says("policy apply --community owls", edited)
	c.says("policy apply --all", "0 changed, 1 with this policy already")
}

// The operator's changes hold for the next request to a server on the same database, and the audit knows who made them.
func TestARunningServerSeesTheCommandLineAtOnce(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		c := terminal{t, s.Config.Database}
		anna, boris := s.Register("Anna"), s.Register("Boris")
		c.says("community create 'Night owls' --admin " + anna.Email)
		may := func() any {
			question := map[string]any{"permission": "topic:merge", "community_id": 1}
			return s.Call(http.MethodPost, "/api/check", boris.Token, question).Body["allowed"]
		}
		for range 5 {
			c.says("community grant night-owls "+boris.Email+" editor", "roles: editor")
			if may() != true {
				t.Error("granted, and denied")
			}
			c.says("check " + boris.UserID + " topic:merge --community night-owls")
			c.says("community revoke night-owls "+boris.Email+" editor", "roles: none")
			if may() != false {
				t.Error("revoked, and allowed")
			}
			c.denies("check "+boris.UserID+" topic:merge --community night-owls", "roles       none")
		}
		c.says("community grant night-owls " + boris.Email + " editor")
		c.says("policy apply --all"+withCurator(t), "1 changed")
		if may() != false {
			t.Error("the policy took it, and it is allowed")
		}
		for action, target := range map[string]string{
			"community.create": "community:1", "member.add_role": boris.UserID, "member.remove_role": boris.UserID, "policy.apply": "community:1",
		} {
			told := s.Call(http.MethodGet, "/api/admin/audit?action="+action+"&target="+target+"&actor=operator", s.Admin(), nil)
			if n, _ := told.Body["total"].(float64); n < 1 {
				t.Errorf("the audit knows of no %s by the operator: %s", action, told.Raw)
			}
		}
	})
}

func TestProgress(t *testing.T) {
	t.Parallel()
	if newProgress(&bytes.Buffer{}, 10) != nil {
		t.Error("it shows itself where nobody looks")
	}
	var none *progress
	none.step()
	none.clear()

	var out bytes.Buffer
	start := time.Unix(0, 0)
	now := start
	p := &progress{w: &out, now: func() time.Time { return now }, total: 4, started: start}
	step := func(at time.Duration, want string) {
		t.Helper()
		now = start.Add(at)
		out.Reset()
		p.step()
		if out.String() != want {
			t.Errorf("after %v it shows %q, not %q", at, out.String(), want)
		}
	}
	step(time.Second, "")
	step(2*time.Second, "2/4, 50%")
	step(2050*time.Millisecond, "")
	p.clear()
	step(3*time.Second, "4/4, 100%")
	step(4*time.Second, "\r\033[K5/5, 100%")
	out.Reset()
	p.clear()
	p.clear()
	if out.String() != "\r\033[K" {
		t.Errorf("clearing twice writes %q", out.String())
	}
}
