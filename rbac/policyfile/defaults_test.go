package policyfile

import (
	"os"
	"testing"

	"github.com/propusk/propusk/rbac"
)

func TestSourceIsTheFileItself(t *testing.T) {
	for scope, file := range map[rbac.Scope]string{
		rbac.ScopePlatform:  "defaults/platform.yaml",
		rbac.ScopeCommunity: "defaults/community.yaml",
	} {
		data, err := os.ReadFile(file)
		if err != nil || Source(scope) != string(data) {
			t.Errorf("source of %s is not %s: %v", scope, file, err)
		}
	}
	if Source("") != "" || Source("galaxy") != "" {
		t.Error("a scope without a policy has a source")
	}
}

func TestBrokenDefaultPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a broken default policy was used")
		}
	}()
	mustParse("broken.yaml", "roles: none")
}
