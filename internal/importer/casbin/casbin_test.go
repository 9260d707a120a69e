package casbin_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/importer/casbin"
	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/rbac"
	"github.com/propusk/propusk/rbac/policyfile"
)

var update = flag.Bool("update", false, "write what came out into the files want and policy.yaml in testdata")

// config is what the stories have in common.
func config() casbin.Config { return casbin.Config{Model: "testdata/model.conf"} }

func open(t *testing.T, c casbin.Config) *casbin.System {
	t.Helper()
	s, err := casbin.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Each directory in testdata holds a policy, with all that comes out of it in its files want and policy.yaml.
func TestStories(t *testing.T) {
	t.Parallel()
	stories, err := filepath.Glob("testdata/*/policy.csv")
	if err != nil || len(stories) < 3 {
		t.Fatalf("%d stories found, %v", len(stories), err)
	}
	for _, story := range stories {
		dir := filepath.Dir(story)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			c := config()
			c.Policy = story
			if subjects := filepath.Join(dir, "subjects.csv"); exists(subjects) {
				c.Subjects = subjects
			}
			s := open(t, c)
			compare(t, filepath.Join(dir, "want"), tell(t, s))
			policy, err := s.PolicyFile()
			if err != nil {
				t.Fatal(err)
			}
			compare(t, filepath.Join(dir, "policy.yaml"), string(policy))
			if _, err := policyfile.Parse("policy.yaml", policy); err != nil {
				t.Error(err)
			}
		})
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// tell writes all rows down, and checks that they were counted.
func tell(t *testing.T, s *casbin.System) string {
	t.Helper()
	var text strings.Builder
	var n source.Count
	for a := range all(t, s.Accounts(t.Context())) {
		n.Accounts++
		tellRow(&text, "account", a.Row, a.Email)
	}
	for c := range all(t, s.Communities(t.Context())) {
		n.Communities++
		tellRow(&text, "community", c.Row, fmt.Sprintf("%q %q closed=%v available=%q default=%q", c.Slug, c.Name, c.Closed, c.Available, c.Default))
		for _, role := range c.Roles {
			fmt.Fprintf(&text, "    role %s %q: %s\n", role.ID, role.Name, strings.Join(role.Permissions, " "))
		}
	}
	for m := range all(t, s.Members(t.Context())) {
		n.Members++
		tellRow(&text, "member", m.Row, fmt.Sprintf("%q in %q: %s", m.Account.Key, m.Community.Key, strings.Join(m.Roles, " ")))
	}
	if counted, err := s.Count(t.Context()); err != nil || counted != n {
		t.Errorf("counted %+v, %v; there are %+v", counted, err, n)
	}
	return text.String()
}

func all[T any](t *testing.T, rows iter.Seq2[T, error]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for row, err := range rows {
			if err != nil {
				t.Fatal(err)
			}
			if !yield(row) {
				return
			}
		}
	}
}

func tellRow(text *strings.Builder, kind string, row source.Row, is string) {
	if row.Refused != "" {
		fmt.Fprintf(text, "%s, %s: [%s] REFUSED: %s\n", kind, row.Where, row.Key, row.Refused)
		return
	}
	fmt.Fprintf(text, "%s, %s: [%s] %s\n", kind, row.Where, row.Key, is)
	for _, odd := range row.Odd {
		fmt.Fprintf(text, "    odd %s: %s\n", odd.Part, odd.Why)
	}
}

const documented = `[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, dom, obj, act
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act
`

func TestModels(t *testing.T) {
	t.Parallel()
	replace := func(old, now string) string {
		if !strings.Contains(documented, old) {
			t.Fatalf("%q is not in the model", old)
		}
		return strings.Replace(documented, old, now, 1)
	}
	for _, c := range []struct{ name, model, want string }{
		{"the documented one", documented, ""},
		{"byte order mark, line ends", "\uFEFF" + strings.ReplaceAll(documented, "\n", "\r\n"), ""},
		{"no spaces", strings.ReplaceAll(documented, " ", ""), ""},
		{"comments", "# ours\n; too\n" + replace("_, _, _", "_, _, _ # in a domain"), ""},
		{"another order", replace("g(r.sub, p.sub, r.dom) && r.dom == p.dom", "r.dom == p.dom && g(r.sub, p.sub, r.dom)"), ""},
		{"lines that go on", replace("r.dom == p.dom && ", "r.dom == p.dom && \\\n   "), ""},
		{"nothing", "", "there is no line r = … under [request_definition]"},
		{"no domains", replace("r = sub, dom, obj, act", "r = sub, obj, act"), `:2: "r = sub, obj, act" under [request_definition] is not understood`},
		{"effect", replace("p = sub, dom, obj, act", "p = sub, dom, obj, act, eft"), ":4: "},
		{"deny", replace("some(where (p.eft == allow))", "!some(where (p.eft == deny))"), ":8: "},
		{"priority", replace("some(where (p.eft == allow))", "priority(p.eft) || deny"), ":8: "},
		{"keyMatch", replace("r.obj == p.obj", "keyMatch(r.obj, p.obj)"), ":10: "},
		{"regexMatch", replace("r.act == p.act", "regexMatch(r.act, p.act)"), ":10: "},
		{"superuser", replace("r.act == p.act", `r.act == p.act || r.sub == "root"`), ":10: "},
		{"a conjunct less", replace(" && r.act == p.act", ""), ":10: "},
		{"a conjunct twice", replace("r.act == p.act", "r.act == p.act && r.act == p.act"), ":10: "},
		{"roles without domains", replace("g = _, _, _", "g = _, _"), ":6: "},
		{"conditional roles", replace("g = _, _, _", "g = _, _, _, (_, _)"), ":6: "},
		{"a second kind of roles", replace("g = _, _, _", "g = _, _, _\ng2 = _, _"), `:7: "g2 = _, _" under [role_definition]`},
		{"a second matcher", documented + "m2 = r.sub == p.sub\n", ":11: "},
		{"defined twice", documented + documented, ":12: r is defined twice"},
		{"another section", documented + "[constraint_definition]\nc = sod(\"a\", \"b\")\n", ":12: "},
		{"the wrong section", replace("[role_definition]", "[matchers]"), ":6: "},
		{"no equals sign", documented + "nonsense\n", ":11: "},
		{"a line too long", documented + strings.Repeat("x", 70_000), ":11: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			model := file(t, "model.conf", c.model)
			_, err := casbin.Open(t.Context(), casbin.Config{Model: model, Policy: file(t, "policy.csv", "")})
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), model+c.want) && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want …%s…", err, c.want)
			}
			if err != nil && !strings.Contains(err.Error(), "twice") && !strings.Contains(err.Error(), "too long") && !strings.Contains(err.Error(), documentedMatcher) {
				t.Errorf("the error does not teach: %v", err)
			}
		})
	}
}

const documentedMatcher = "m = g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act"

func file(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRolesAreRenamed(t *testing.T) {
	t.Parallel()
	const policy = "g, a@example.org, admin, owls\ng, a@example.org, Chief Editor, owls\np, admin, owls, article, delete\np, Chief Editor, owls, article, read\n"
	for _, c := range []struct {
		name   string
		rename map[string]string
		want   string
	}{
		{"both", map[string]string{"admin": "boss", "Chief Editor": "chief"}, ""},
		{"to admin", map[string]string{"Chief Editor": "admin"}, "in Propusk the role admin holds everything"},
		{"to no id", map[string]string{"admin": "The Boss"}, "a role is a lower-case letter"},
		{"to the same", map[string]string{"admin": "boss", "Chief Editor": "boss"}, "would both be boss"},
		{"what is not there", map[string]string{"editor": "chief"}, `the policy has no role "editor"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conf := config()
			conf.Policy, conf.Rename = file(t, "policy.csv", policy), c.rename
			s, err := casbin.Open(t.Context(), conf)
			if err != nil {
				if c.want == "" || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want …%s…", err, c.want)
				}
				return
			}
			if got := tell(t, s); c.want != "" || !strings.Contains(got, `role boss "admin": article:delete`) || !strings.Contains(got, `in "owls": chief boss`) {
				t.Errorf("want …%s…, got\n%s", c.want, got)
			}
		})
	}
}

func TestFilesOfSubjects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, subjects, want string }{
		{"good", "\uFEFFsubject,email\nboris,boris@example.org\n", ""},
		{"one column", "boris\n", "each line is subject,email"},
		{"no address", "boris,boris\n", "subjects.csv:1: the email must be an address"},
		{"twice", "boris,a@example.org\nboris,b@example.org\n", `subjects.csv:2: the subject "boris" is there twice`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conf := config()
			conf.Policy, conf.Subjects = file(t, "policy.csv", "g, boris, writer, owls\n"), file(t, "subjects.csv", c.subjects)
			s, err := casbin.Open(t.Context(), conf)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want …%s…", err, c.want)
			}
			if err == nil && !strings.Contains(tell(t, s), "account, subject \"boris\": [boris] boris@example.org\n") {
				t.Errorf("boris is not known:\n%s", tell(t, s))
			}
		})
	}
}

func TestFilesThatAreNotThere(t *testing.T) {
	t.Parallel()
	good := file(t, "model.conf", documented)
	for _, c := range []casbin.Config{{Model: "/nonexistent"}, {Model: good, Policy: "/nonexistent"}, {Model: good, Policy: good, Subjects: "/nonexistent"}} {
		if _, err := casbin.Open(t.Context(), c); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestTooManyPermissionsForACatalogue(t *testing.T) {
	t.Parallel()
	var policy strings.Builder
	for i := range rbac.MaxPermissions {
		fmt.Fprintf(&policy, "p, r, owls, thing, a%d\n", i)
	}
	policy.WriteString("g, a@example.org, r, owls\n")
	c := config()
	c.Policy = file(t, "policy.csv", policy.String())
	if _, err := open(t, c).PolicyFile(); err == nil || !strings.Contains(err.Error(), "it can have 2000") {
		t.Errorf("got %v", err)
	}
}

func TestAReadingCanBeStopped(t *testing.T) {
	t.Parallel()
	c := config()
	c.Policy = "testdata/magazine/policy.csv"
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := casbin.Open(stopped, c); !errors.Is(err, context.Canceled) {
		t.Errorf("opened: %v", err)
	}
	s := open(t, c)
	for _, err := range s.Accounts(stopped) {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	for _, err := range s.Members(stopped) {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	for range s.Communities(t.Context()) {
		break // must not go on, and not panic
	}
}

// However a policy is spoilt, no row comes twice, roles hold only what Propusk understands, and nobody becomes admin.
func FuzzPolicy(f *testing.F) {
	for _, story := range []string{"magazine", "quarantine", "deep"} {
		text, err := os.ReadFile(filepath.Join("testdata", story, "policy.csv"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("p,r,line 2,a,b\nx,y\ng,a@b.c,r,line 2")
	f.Add("g,a@b.c,admin,d\np,admin,d,x,y\n\"\",\n\"p,\n#\n ,\ng,\"a\nb\",c,d")
	f.Fuzz(func(t *testing.T, text string) {
		c := config()
		c.Policy = file(t, "policy.csv", text)
		s, err := casbin.Open(t.Context(), c)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		once := func(kind string, row source.Row) {
			if seen[kind+row.Key] || row.Key == "" || row.Where == "" {
				t.Errorf("%s %+v comes twice, or has no key or place", kind, row)
			}
			seen[kind+row.Key] = true
		}
		for a := range all(t, s.Accounts(t.Context())) {
			once("account", a.Row)
		}
		for c := range all(t, s.Communities(t.Context())) {
			once("community", c.Row)
			checkRoles(t, c)
		}
		for m := range all(t, s.Members(t.Context())) {
			once("member", m.Row)
			if slices.Contains(m.Roles, rbac.Admin) || m.Refused == "" && !seen["account"+m.Account.Key] {
				t.Errorf("%+v is admin, or nobody", m)
			}
		}
		if policy, err := s.PolicyFile(); err == nil && len(policy) <= policyfile.MaxSize {
			if _, err := policyfile.Parse("policy.yaml", policy); err != nil {
				t.Errorf("%v\n%s", err, policy)
			}
		}
	})
}

func checkRoles(t *testing.T, c source.Community) {
	t.Helper()
	if c.Refused == "" && (len(c.Available) != len(c.Roles)+1 || c.Available[len(c.Roles)] != rbac.Admin) {
		t.Errorf("available are %q", c.Available)
	}
	for i, role := range c.Roles {
		if role.ID == rbac.Admin || !rbac.ValidRole(role.ID) || c.Available[i] != role.ID || slices.Contains(c.Available[:i], role.ID) {
			t.Errorf("role %q of %q", role.ID, c.Available)
		}
		for _, permission := range role.Permissions {
			if _, err := rbac.ParsePermission(permission); err != nil {
				t.Error(err)
			}
		}
	}
}

func FuzzModel(f *testing.F) {
	f.Add(documented)
	f.Add("[a]\nb\\\n\n=\n[")
	policy := file(f, "policy.csv", "")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := casbin.Open(t.Context(), casbin.Config{Model: file(t, "model.conf", text), Policy: policy})
		if err == nil && strings.Count(text, "r.sub") != 1 {
			t.Errorf("another model is understood:\n%s", text)
		}
	})
}
