package policyfile_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/rbac"
	"github.com/propusk/propusk/rbac/policyfile"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden pins every role's full list: a change of the default policies, or
// of what a wildcard means, shows as a diff of who may do what.
func TestGolden(t *testing.T) {
	for _, policy := range []rbac.Policy{policyfile.Platform(), policyfile.Community()} {
		grants := compile(t, policy)
		for _, role := range policy.Roles {
			name := string(policy.Scope) + "-" + role.ID + ".txt"
			t.Run(name, func(t *testing.T) {
				got := lines(grants.Permissions(role.ID))
				file := filepath.Join("testdata", "golden", name)
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatalf("%v (write it with go test -run TestGolden -update)", err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("list of %s changed (-golden +now):\n%s", role.ID, diff)
				}
			})
		}
	}
}

func lines(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return strings.Join(list, "\n") + "\n"
}

func compile(t *testing.T, policy rbac.Policy) *rbac.Grants {
	t.Helper()
	grants, err := rbac.Compile(policy)
	if err != nil {
		t.Fatal(err)
	}
	return grants
}
