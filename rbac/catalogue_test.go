package rbac_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/propusk/propusk/rbac"
)

func catalogue(t *testing.T, content, reserved []string) *rbac.Catalogue {
	t.Helper()
	c, err := rbac.NewCatalogue(content, reserved)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCatalogue(t *testing.T) {
	c := catalogue(t, []string{"shout:read", "page:update_any"}, []string{"chat:update_own"})
	for _, tt := range []struct {
		perm  string
		class rbac.Class
		knows bool
	}{
		{"shout:read", rbac.Content, true},
		{"chat:update_own", rbac.Reserved, true},
		{"chat:update", rbac.Unlisted, true},
		{"chat:update_any", rbac.Unlisted, false},
		{"page:update_any", rbac.Content, true},
		{"page:update_own", rbac.Unlisted, true},
		{"page:update", rbac.Unlisted, true},
		{"page:update_any_own", rbac.Unlisted, false},
		{"shout:read_own", rbac.Unlisted, false},
		{"shout:write", rbac.Unlisted, false},
	} {
		p := perm(tt.perm)
		if c.Class(p) != tt.class || c.Has(p) != (tt.class != rbac.Unlisted) || c.Knows(p) != tt.knows {
			t.Errorf("%s: class %d, has %t, knows %t", p, c.Class(p), c.Has(p), c.Knows(p))
		}
	}
	list := c.Permissions()
	if diff := diff("[chat:update_own page:update_any shout:read]", fmt.Sprint(list)); diff != "" {
		t.Error(diff)
	}
	list[0] = perm("a:b")
	if c.Permissions()[0] == list[0] {
		t.Error("the caller can write into the catalogue")
	}
}

func TestZeroCatalogueListsNothing(t *testing.T) {
	for _, c := range []*rbac.Catalogue{nil, {}} {
		p := perm("shout:read")
		if c.Has(p) || c.Knows(p) || len(c.Permissions()) > 0 || rbac.Disjoint(c, c) != nil {
			t.Errorf("%v lists something", c)
		}
		if _, err := c.Resolve([]string{"shout:read"}); err == nil {
			t.Errorf("%v resolves", c)
		}
	}
	c := catalogue(t, []string{"shout:update_own"}, nil)
	if c.Has(rbac.Permission{}) || c.Knows(rbac.Permission{}) {
		t.Error("the zero permission is listed")
	}
}

func TestNewCatalogueRefuses(t *testing.T) {
	_, err := rbac.NewCatalogue(
		[]string{"shout:read", "shout:*", "shout:read"},
		[]string{"chat:read", "shout:write", "chat"})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`catalogue.content[1]: permission "shout:*": a wildcard is not a permission`,
		"catalogue.content[2]: shout:read is listed twice",
		"catalogue.reserved[1]: entity shout is both content and reserved",
		`catalogue.reserved[2]: permission "chat": must have two or three segments`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
	many := make([]string, rbac.MaxPermissions)
	for i := range many {
		many[i] = fmt.Sprintf("shout:act%d", i)
	}
	if _, err := rbac.NewCatalogue(many, nil); err != nil {
		t.Error(err)
	}
	if _, err := rbac.NewCatalogue(many, []string{"chat:read"}); err == nil {
		t.Error("one more than MaxPermissions was accepted")
	}
}

func TestResolve(t *testing.T) {
	p := magazine()
	c := catalogue(t, p.Content, p.Reserved)
	got, err := c.Resolve([]string{"shout:update_any", "member:read", "page:update_any", "member:read"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := diff("[member:read page:update_any shout:update_any shout:update_own]", fmt.Sprint(got)); diff != "" {
		t.Error(diff)
	}
	_, err = c.Resolve([]string{"shout:read", "*", "shout:*", "shout:fly", "chat:update"})
	for _, want := range []string{
		`permissions[1]: permission "*"`, `permissions[2]: permission "shout:*": a wildcard`,
		"permissions[3]: shout:fly is not in the catalogue", "permissions[4]: chat:update is not in the catalogue",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
	if _, err := c.Resolve(make([]string, rbac.MaxPermissions+1)); err == nil || strings.Contains(err.Error(), "[0]") {
		t.Errorf("too many permissions: %v", err)
	}
}

func TestDisjoint(t *testing.T) {
	for _, tt := range []struct {
		a, b    string
		overlap string
	}{
		{"community:create", "community:read", ""},
		{"shout:read", "shout:read", "shout:read"},
		{"shout:update_own", "shout:update_any", "shout:update"},
		{"shout:update", "shout:update_own", "shout:update"},
		{"shout:update_any", "shout:update_own", "shout:update"},
	} {
		a, b := catalogue(t, []string{tt.a}, nil), catalogue(t, nil, []string{tt.b})
		for _, err := range []error{rbac.Disjoint(a, b), rbac.Disjoint(b, a)} {
			if tt.overlap == "" && err != nil || tt.overlap != "" && (err == nil || !strings.Contains(err.Error(), tt.overlap+" ")) {
				t.Errorf("%s and %s: %v", tt.a, tt.b, err)
			}
		}
	}
}
