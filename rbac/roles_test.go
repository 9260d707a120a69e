package rbac_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/propusk/propusk/rbac"
)

func TestValidRole(t *testing.T) {
	for id, want := range map[string]bool{
		"reader": true, "a": true, "a-b_9": true, "a" + strings.Repeat("b", 31): true,
		"": false, "Reader": false, "9a": false, "-a": false, "_a": false, "a b": false, "a,b": false, "a\n": false, "é": false,
		"aé": false, "*": false, "a" + strings.Repeat("b", 32): false,
	} {
		if rbac.ValidRole(id) != want {
			t.Errorf("ValidRole(%q) is not %t", id, want)
		}
	}
}

func TestParseRoles(t *testing.T) {
	for csv, want := range map[string]struct{ roles, bad []string }{
		"":                              {},
		" \t\n":                         {},
		"reader":                        {roles: roles("reader")},
		"reader,author,expert":          {roles: roles("reader", "author", "expert")},
		"expert , reader,\texpert\r\n":  {roles: roles("expert", "reader")},
		"reader,Admin,reader":           {roles: roles("reader"), bad: roles("Admin")},
		"not-admin,administrator":       {roles: roles("not-admin", "administrator")},
		"reader;admin":                  {bad: roles("reader;admin")},
		"reader,":                       {roles: roles("reader"), bad: roles("")},
		", reader x,9":                  {bad: roles("", " reader x", "9")},
		"reader,\u00a0admin,ad\x00min,": {roles: roles("reader"), bad: roles("\u00a0admin", "ad\x00min", "")},
		`["admin"]`:                     {bad: roles(`["admin"]`)},
	} {
		got, bad := rbac.ParseRoles(csv)
		if diff := diff([][]string{want.roles, want.bad}, [][]string{got, bad}); diff != "" {
			t.Errorf("ParseRoles(%q) (-want +got):\n%s", csv, diff)
		}
	}
}

// A token of the database that is part of a role's id, or contains one, is not
// that role.
func TestRolesAreComparedWhole(t *testing.T) {
	g := compile(t, magazine())
	for _, csv := range []string{"adm", "administrator", "not-admin", "admin_", "reader admin", "ADMIN", "Admin"} {
		held, _ := rbac.ParseRoles(csv)
		if g.Decide(held, perm("member:remove"), self).Allowed {
			t.Errorf("%q is admin", csv)
		}
	}
}

func TestFormatRoles(t *testing.T) {
	got, err := rbac.FormatRoles(roles("expert", "reader", "expert"))
	if err != nil || got != "expert,reader" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := rbac.FormatRoles(nil); err != nil || got != "" {
		t.Errorf("%q, %v", got, err)
	}
	for _, id := range []string{"", " reader", "reader,admin", "Reader"} {
		if csv, err := rbac.FormatRoles(roles("reader", id)); err == nil || csv != "" {
			t.Errorf("%q was written as %q", id, csv)
		}
	}
}

func TestRolesAreBounded(t *testing.T) {
	var many []string
	for i := range rbac.MaxRoles + 1 {
		many = append(many, fmt.Sprintf("r%d", i))
	}
	if _, err := rbac.FormatRoles(many); err == nil {
		t.Error("more than MaxRoles were written")
	}
	got, bad := rbac.ParseRoles(strings.Join(many, ","))
	if len(got) != rbac.MaxRoles || !slices.Equal(bad, many[rbac.MaxRoles:]) {
		t.Errorf("%d roles, bad %q", len(got), bad)
	}
}

func FuzzParseRoles(f *testing.F) {
	f.Add("reader,author,expert")
	f.Add(" reader , Admin,,reader\n")
	f.Fuzz(func(t *testing.T, csv string) {
		got, bad := rbac.ParseRoles(csv)
		for i, role := range got {
			if !rbac.ValidRole(role) || slices.Contains(got[:i], role) {
				t.Fatalf("%q in %q", role, got)
			}
		}
		for _, token := range bad {
			if rbac.ValidRole(token) && len(got) < rbac.MaxRoles {
				t.Fatalf("%q is bad", token)
			}
		}
		written, err := rbac.FormatRoles(got)
		if err != nil {
			t.Fatal(err)
		}
		if again, bad := rbac.ParseRoles(written); !slices.Equal(again, got) || bad != nil {
			t.Fatalf("%q came back as %q, %q", got, again, bad)
		}
	})
}
