package rbac_test

import (
	"testing"

	"github.com/propusk/propusk/rbac"
)

func TestExplain(t *testing.T) {
	p := magazine()
	p.Roles = append(p.Roles, rbac.Role{ID: "chief", Inherits: roles("reader", "editor"), Permissions: []string{"not a pattern"}})
	for _, tt := range []struct {
		role, perm string
		want       []rbac.Source
	}{
		{"reader", "shout:read", []rbac.Source{{Path: roles("reader"), Pattern: "*:read"}}},
		{"writer", "shout:read", []rbac.Source{{Path: roles("writer", "reader"), Pattern: "*:read"}}},
		{"writer", "member:remove", nil},
		{"writer", "shout:update", nil},
		{"nobody", "shout:read", nil},
		{"editor", "reaction:LIKE:create", []rbac.Source{
			{Path: roles("editor"), Pattern: "reaction:*:*"},
			{Path: roles("editor", "writer", "reader"), Pattern: "reaction:LIKE:*"},
		}},
		{"editor", "shout:update_own", []rbac.Source{
			{Path: roles("editor"), Pattern: "*:update_any", Implied: true},
			{Path: roles("editor", "writer"), Pattern: "shout:update_own"},
		}},
		{"editor", "page:update_own", nil},
		{"chief", "chat:read", []rbac.Source{{Path: roles("chief", "reader"), Pattern: "chat:*"}}},
		{"chief", "shout:create", []rbac.Source{{Path: roles("chief", "editor", "writer"), Pattern: "*:create"}}},
		{"admin", "member:remove", []rbac.Source{{Path: roles("admin"), Pattern: "*"}}},
		{"admin", "not_yet:there", []rbac.Source{{Path: roles("admin"), Pattern: "*"}}},
	} {
		if diff := diff(tt.want, p.Explain(tt.role, perm(tt.perm))); diff != "" {
			t.Errorf("why may %s %s (-want +got):\n%s", tt.role, tt.perm, diff)
		}
	}
}

func TestExplainOfNothing(t *testing.T) {
	p := magazine()
	if got := p.Explain("admin", rbac.Permission{}); got != nil {
		t.Errorf("the zero permission is held: %v", got)
	}
	p.Content[0] = "broken"
	if got := p.Explain("admin", perm("shout:read")); got != nil {
		t.Errorf("a broken catalogue explains: %v", got)
	}
}
