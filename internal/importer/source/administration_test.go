package source_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/rbac/policyfile"
)

func TestTheAdministrationIsThatOfThePolicy(t *testing.T) {
	t.Parallel()
	entities := []string{"community", "member", "role", "policy"}
	own := slices.DeleteFunc(policyfile.Community().Reserved, func(permission string) bool {
		entity, _, _ := strings.Cut(permission, ":")
		return !slices.Contains(entities, entity)
	})
	wants := append(source.Administration(), "community:read", "community:update_own", "member:read")
	if diff := cmp.Diff(slices.Sorted(slices.Values(own)), slices.Sorted(slices.Values(wants))); diff != "" {
		t.Errorf("-policy +known:\n%s", diff)
	}
}
