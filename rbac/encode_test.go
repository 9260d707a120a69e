package rbac_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/propusk/propusk/rbac"
)

func TestEncode(t *testing.T) {
	g, err := rbac.DecodeGrants([]byte("{\"writer\": [\"shout:update_own\",\n\"shout:create\"], \"admin\": [\"a:b\", \"*\"], \"guest\": [ ]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"admin":["*","a:b"],"guest":[],"writer":["shout:create","shout:update_own"]}`
	if got := string(must(g.MarshalJSON())); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if g.Hash() != sha256.Sum256([]byte(want)) {
		t.Error("the hash is of other bytes")
	}
	if out, err := json.Marshal(map[string]any{"grants": g}); err != nil || string(out) != `{"grants":`+want+`}` {
		t.Errorf("inside other JSON: %s, %v", out, err)
	}
}

func TestEncodeOfNothing(t *testing.T) {
	empty, err := rbac.DecodeGrants([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []*rbac.Grants{nil, {}, empty} {
		if got := string(must(g.MarshalJSON())); got != "{}" || g.Hash() != empty.Hash() {
			t.Errorf("%v is %s", g, got)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	var many, held []string
	for i := range rbac.MaxRoles + 1 {
		many = append(many, fmt.Sprintf(`"r%d":[]`, i))
	}
	for i := range rbac.MaxPermissions + 1 {
		held = append(held, fmt.Sprintf(`"a:b%d"`, i))
	}
	for data, want := range map[string]string{
		``:                           "not valid JSON",
		`null`:                       "must be an object",
		`[]`:                         "must be an object",
		`"reader"`:                   "must be an object",
		`{`:                          "not valid JSON",
		`{"reader"`:                  "not valid JSON",
		`{1:[]}`:                     "not valid JSON",
		`{"reader":`:                 "not valid JSON",
		`{"reader":[`:                "not valid JSON",
		`{"reader":["shout:read",]}`: "not valid JSON",
		`{"reader":["shout:read" "shout:create"]}`: "not valid JSON",
		`{"reader":[]]`:                            "not valid JSON",
		`{"reader":[]`:                             "not valid JSON",
		`{"reader":[]} {}`:                         "more after the object",
		`{"reader":[]}x`:                           "more after the object",
		`{"reader":null}`:                          "must be an object of lists",
		`{"reader":"shout:read"}`:                  "must be an object of lists",
		`{"reader":[1]}`:                           "a text is missing",
		`{"reader":[["shout:read"]]}`:              "a text is missing",
		`{"reader":[],"reader":["shout:read"]}`:    "role reader is there twice",
		`{"reader":[],"re\u0061der":[]}`:           "role reader is there twice",
		`{"Reader":[]}`:                            `role "Reader": must match`,
		`{"":[]}`:                                  "must match",
		`{"reader":["shout:read","shout:read"]}`:   "role reader: shout:read is there twice",
		`{"reader":["shout:*"]}`:                   `role reader: permission "shout:*"`,
		`{"reader":["*"]}`:                         `role reader: permission "*"`,
		`{"reader":["shout"]}`:                     `role reader: permission "shout"`,
		"{\"reader\":[\"shout:read\xff\"]}":        "role reader: permission",
		`{"admin":["shout:read"]}`:                 `role admin: must hold "*"`,
		`{"admin":[]}`:                             `role admin: must hold "*"`,
		`{"admin":["*","*"]}`:                      "role admin: * is there twice",
		`{` + strings.Join(many, ",") + `}`:        "more than 100 roles",
		`{"r":[` + strings.Join(held, ",") + `]}`:  "role r holds more than 2000 permissions",
		strings.Repeat("[", 100_000):               "must be an object",
		`{"r":` + strings.Repeat("[", 100_000):     "a text is missing",
		`{"r":` + strings.Repeat(`{"r":`, 100_000): "must be an object of lists",
	} {
		g, err := rbac.DecodeGrants([]byte(data))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "grants: ") {
			t.Errorf("%.60s: %v, want %q", data, err, want)
		}
		if g != nil {
			t.Errorf("%.60s: grants came with an error", data)
		}
	}
	full := `{"admin":["*",` + strings.Join(held[1:], ",") + `]}`
	if _, err := rbac.DecodeGrants([]byte(full)); err != nil {
		t.Errorf("an admin of MaxPermissions: %v", err)
	}
}

func FuzzDecodeGrants(f *testing.F) {
	f.Add([]byte(`{"reader":["shout:read"],"admin":["*"]}`))
	f.Add([]byte(`{"reader":[],"reader":[]}`))
	f.Add([]byte(`{"re\u0061der":["a:b","A:b"]} `))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := rbac.DecodeGrants(data)
		if err != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("read what is no JSON: %q", data)
		}
		canonical := must(g.MarshalJSON())
		again, err := rbac.DecodeGrants(canonical)
		if err != nil || again.Hash() != g.Hash() || string(must(again.MarshalJSON())) != string(canonical) {
			t.Fatalf("%q is not stable: %v", canonical, err)
		}
		for _, role := range g.Roles() {
			if g.All([]string{role}) != (role == rbac.Admin) {
				t.Fatalf("role %s holds everything: %t", role, role != rbac.Admin)
			}
			for _, p := range g.Permissions(role) {
				if p != rbac.Everything && !g.Allows([]string{role}, perm(p)) {
					t.Fatalf("role %s lists %s and does not allow it", role, p)
				}
			}
		}
	})
}
