package casbin

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/rbac/policyfile"
)

func TestPropusksOwnPermissionsAreKnown(t *testing.T) {
	t.Parallel()
	entities := []string{"community", "member", "role", "policy"}
	own := slices.DeleteFunc(policyfile.Community().Reserved, func(permission string) bool {
		entity, _, _ := strings.Cut(permission, ":")
		return !slices.Contains(entities, entity)
	})
	for _, c := range []struct {
		name      string
		is, wants []string
	}{{"own", ownPermissions, own}, {"platform", platformPermissions, policyfile.Platform().Reserved}} {
		if diff := cmp.Diff(slices.Sorted(slices.Values(c.wants)), slices.Sorted(slices.Values(c.is))); diff != "" {
			t.Errorf("%s (-policy +known):\n%s", c.name, diff)
		}
	}
}
