package propusktest_test

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/embedded"
	"github.com/propusk/propusk/guard"
	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/propusktest"
	"github.com/propusk/propusk/rbac"
	"github.com/propusk/propusk/rbac/policyfile"
)

func TestMain(m *testing.M) { apptest.Main(m, func() error { return goleak.Find() }) }

// TestAPassToOrderIsWhatAServerGives compares every sort of caller with the same one on a real server, question by question.
func TestAPassToOrderIsWhatAServerGives(t *testing.T) {
	t.Parallel()
	s := propusktest.Start(t)
	root := s.PlatformAdmin()
	owls := s.Community(root, "owls")
	for what, c := range map[string]propusktest.Caller{
		"no roles":                  {},
		"two roles":                 {Roles: []string{"expert", "reader"}},
		"a stranger":                {Stranger: true},
		"a stranger who is admin":   {Stranger: true, PlatformRole: "admin"},
		"a member who is admin":     {Roles: []string{"reader"}, PlatformRole: "admin"},
		"a moderator":               {Roles: []string{"author"}, PlatformRole: "moderator"},
		"nowhere":                   {Nowhere: true},
		"nowhere, a moderator":      {Nowhere: true, PlatformRole: "moderator"},
		"nowhere, a platform admin": {Nowhere: true, PlatformRole: "admin"},
	} {
		t.Run(what, func(t *testing.T) { alike(t, s, owls, root, c) })
	}
	for _, role := range policyfile.Community().AvailableRoles {
		t.Run(role, func(t *testing.T) { alike(t, s, owls, root, propusktest.Caller{Roles: []string{role}}) })
	}
}

// alike makes the caller true on the server and compares the two passes.
func alike(t *testing.T, s *propusktest.Server, owls propusk.Community, root propusktest.Person, c propusktest.Caller) {
	person := s.Person("Anna")
	if c.PlatformRole != "" {
		promote(t, s, root, person, c.PlatformRole)
	}
	if !c.Stranger {
		s.Give(owls, person, c.Roles...)
	}
	in := owls
	if c.Nowhere {
		in = propusk.Community{}
	}
	want := s.Pass(person, in)
	c.UserID, c.CommunityID = person.UserID, owls.ID
	got := c.Pass()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b *rbac.Grants) bool { return a.Hash() == b.Hash() }),
		cmpopts.IgnoreFields(propusk.Pass{}, "Session"),
		cmpopts.IgnoreFields(propusk.User{}, "ID", "Name", "Slug", "Email", "CreatedAt", "UpdatedAt", "LastSeen"),
		cmpopts.IgnoreFields(propusk.Community{}, "Slug", "Name", "CreatorID", "MemberCount", "CreatedAt", "UpdatedAt")); diff != "" {
		t.Errorf("pass (-server +to order):\n%s", diff)
	}
	compareDecisions(t, want, got)
	compareRules(t, want, got)
}

func promote(t *testing.T, s *propusktest.Server, root, person propusktest.Person, role string) {
	t.Helper()
	body := `{"user_id":"` + person.UserID + `","role":"` + role + `"}`
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/api/admin/change-role", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+root.Token)
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(answer.Body)
	if closed := answer.Body.Close(); err != nil || closed != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("change-role: %d %s %v %v", answer.StatusCode, said, err, closed)
	}
}

func compareDecisions(t *testing.T, server, made propusk.Pass) {
	t.Helper()
	platform, community := policyfile.Platform(), policyfile.Community()
	names := slices.Concat(platform.Content, platform.Reserved, community.Content, community.Reserved,
		[]string{"shout:update", "shout:fly", "nothing:read", "reaction:LIKE:update"})
	for _, name := range names {
		p := rbac.MustPermission(name)
		for _, owner := range []rbac.Ownership{rbac.OwnerUnknown, rbac.OwnerSelf, rbac.OwnerOther} {
			if want, got := server.May(p, owner), made.May(p, owner); want != got {
				t.Errorf("may %s (%v): %+v, a server says %+v", name, owner, got, want)
			}
			if want, got := server.Decide(p, owner), made.Decide(p, owner); want != got {
				t.Errorf("decide %s (%v): %+v, a server says %+v", name, owner, got, want)
			}
		}
	}
}

func compareRules(t *testing.T, server, made propusk.Pass) {
	t.Helper()
	rules := map[string]guard.Rule{"AdminOnly": guard.AdminOnly(), "Authenticated": guard.Authenticated()}
	for _, role := range policyfile.Community().AvailableRoles {
		rules["Role "+role], rules["RoleAtLeast "+role] = guard.Role(role), guard.RoleAtLeast(role)
	}
	for name, rule := range rules {
		want := rule.Check(guard.WithPass(context.Background(), server))
		got := rule.Check(guard.WithPass(context.Background(), made))
		if (want == nil) != (got == nil) || (want != nil && want.Error() != got.Error()) {
			t.Errorf("%s: %v, a server says %v", name, got, want)
		}
	}
}

// TestAPassUnderAnotherPolicy needs no server either.
func TestAPassUnderAnotherPolicy(t *testing.T) {
	t.Parallel()
	policy := rbac.Policy{
		Scope: rbac.ScopeCommunity, AvailableRoles: []string{"pupil", "teacher", "admin"}, DefaultRoles: []string{"pupil"}, CreatorRole: "admin",
		Content: []string{"lesson:read", "lesson:create"},
		Roles: []rbac.Role{
			{ID: "pupil", Permissions: []string{"lesson:read"}},
			{ID: "teacher", Inherits: []string{"pupil"}, Permissions: []string{"lesson:create"}},
			{ID: "admin", Permissions: []string{"*"}},
		},
	}
	pass := propusktest.Caller{Policy: &policy, Roles: []string{"teacher"}, CommunityID: 7}.Pass()
	for permission, want := range map[string]bool{"lesson:create": true, "lesson:read": true, "shout:read": false} {
		if got := pass.May(rbac.MustPermission(permission), rbac.OwnerUnknown); got.Allowed != want {
			t.Errorf("%s: %+v, want %t", permission, got, want)
		}
	}
	if diff := cmp.Diff([]string{"teacher", "pupil"}, pass.Ranks); diff != "" || pass.Community.ID != 7 {
		t.Errorf("community %d, ranks:\n%s", pass.Community.ID, diff)
	}
}

func TestARoleThatThereIsNotIsAMistakeInTheTest(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]propusktest.Caller{
		`"redaer"`:  {Roles: []string{"redaer"}},
		`"emperor"`: {PlatformRole: "emperor"},
		"compile":   {Policy: &rbac.Policy{}},
	} {
		func() {
			defer func() {
				if said, ok := recover().(string); !ok || !strings.Contains(said, what) {
					t.Errorf("%s: it said %q", what, said)
				}
			}()
			c.Pass()
		}()
	}
}

// TestTheServerIsReal asks it over the network.
func TestTheServerIsReal(t *testing.T) {
	t.Parallel()
	s := propusktest.Start(t)
	anna, boris := s.Person("Anna"), s.Person("Boris")
	owls := s.Community(anna, "owls")
	s.Give(owls, boris, "reader", "expert")
	for person, want := range map[propusktest.Person]string{anna: `"roles":["admin"]`, boris: `"roles":["reader","expert"]`} {
		path := "/api/pass?community_id=" + strconv.FormatInt(owls.ID, 10)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+person.Token)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(answer.Body)
		if closed := answer.Body.Close(); err != nil || closed != nil || !strings.Contains(string(said), want) {
			t.Errorf("%s: %v %v %s", person.Email, err, closed, said)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "mine.db")
	s := propusktest.Start(t, func(c *embedded.Config) { c.Database, c.DefaultCommunity = "sqlite:"+file, 1 })
	anna := s.Person("Anna")
	s.Community(anna, "owls")
	if pass := s.Pass(anna, propusk.Community{}); pass.Community.Slug != "owls" {
		t.Errorf("the default community is %q", pass.Community.Slug)
	}
	named := propusktest.Start(t, func(c *embedded.Config) {
		c.AdminEmail, c.AdminPassword = "root@example.net", "another ordinary sentence"
	})
	if root := named.PlatformAdmin(); root.Email != "root@example.net" || !named.Pass(root, propusk.Community{}).PlatformAdmin {
		t.Errorf("the administrator is %s", root.Email)
	}
}
