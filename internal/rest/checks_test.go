package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
)

// TestWhoMayWhatHere is the meaning of a check, row by row.
func TestWhoMayWhatHere(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		v := settle(t, on)
		in := func(permission string, more ...any) map[string]any {
			q := map[string]any{"permission": permission, "community_id": v.id}
			for i := 0; i+1 < len(more); i += 2 {
				q[more[i].(string)] = more[i+1]
			}
			return q
		}
		mine, theirs := v.reader.UserID, v.victim.UserID
		for _, tt := range []struct {
			who  string
			q    map[string]any
			want string
		}{
			// A reader reads and reacts, and does not write.
			{v.reader.Token, in("shout:read"), "true role"},
			{v.reader.Token, in("shout:create"), "false missing_permission"},
			{v.reader.Token, in("reaction:LIKE:create"), "true role"},
			{v.reader.Token, in("reaction:PROOF:create"), "false missing_permission"},
			{v.reader.Token, in("chat:delete_own", "owner_id", mine), "true own"},
			{v.reader.Token, in("chat:delete", "owner_id", theirs), "false not_owner"},
			// An author's own and another's.
			{v.victim.Token, in("shout:update", "owner_id", theirs), "true own"},
			{v.victim.Token, in("shout:update_own", "owner_id", theirs), "true own"},
			{v.victim.Token, in("shout:update_own", "owner_id", mine), "false not_owner"},
			{v.victim.Token, in("shout:update"), "false missing_permission"}, // without an owner it means any
			{v.victim.Token, in("shout:update_own"), "true role"},            // the literal test of the seed
			// An editor's any.
			{v.editor.Token, in("shout:update", "owner_id", mine), "true role"},
			{v.editor.Token, in("shout:update"), "true role"},
			{v.editor.Token, in("topic:merge"), "true role"},
			{v.editor.Token, in("community:delete_own"), "false missing_permission"},
			{v.editor.Token, in("member:assign_role"), "false missing_permission"},
			// The admin, and what does not exist yet.
			{v.founder.Token, in("member:assign_role"), "true role"},
			{v.founder.Token, in("spaceship:launch"), "true role"},
			{v.editor.Token, in("spaceship:launch"), "false missing_permission"},
			// Elsewhere, nowhere, and who is not in it.
			{v.founder.Token, map[string]any{"permission": "shout:read", "community_id": v.other}, "false not_member"},
			{v.founder.Token, map[string]any{"permission": "shout:read", "community_id": 99999}, "false not_member"},
			{v.founder.Token, map[string]any{"permission": "shout:read", "community_id": -1}, "false not_member"},
			{v.founder.Token, map[string]any{"permission": "shout:read", "community_id": 0}, "false not_member"},
			{v.founder.Token, map[string]any{"permission": "shout:read"}, "false community_required"},
			// The platform.
			{v.founder.Token, map[string]any{"permission": "user:block"}, "true role"},
			{v.reader.Token, map[string]any{"permission": "user:block"}, "false missing_permission"},
			{v.root, map[string]any{"permission": "user:change_role"}, "true role"},
			{v.root, in("shout:read"), "true platform_admin"},
			{v.root, in("spaceship:launch"), "true platform_admin"},
			{v.root, map[string]any{"permission": "shout:read", "community_id": 99999}, "false not_member"},
			{v.root, map[string]any{"permission": "shout:read"}, "false community_required"},
			// About others, for who may ask.
			{v.root, in("shout:create", "user_id", theirs), "true role"},
			{v.root, in("shout:create", "user_id", mine), "false missing_permission"},
			{v.root, in("shout:create", "user_id", strings.ToUpper(theirs)), "true role"},
			{v.root, in("shout:create", "user_id", "00000000-0000-4000-8000-000000000000"), "false inactive"},
			{v.reader.Token, in("shout:create", "user_id", mine), "false missing_permission"}, // oneself is not another
		} {
			if got := v.ask(tt.who, tt.q); got != tt.want {
				t.Errorf("%v: %s, want %s", tt.q, got, tt.want)
			}
		}
		got := v.Call("POST", "/api/check", v.editor.Token, in("shout:create", "user_id", theirs))
		if got.Status != http.StatusForbidden || got.Text("permission") != "access:check" {
			t.Errorf("an editor asked about another and got %d %s", got.Status, got.Raw)
		}
	})
}

// TestTheNextRequestSees that a change holds for whatever starts after it was answered.
func TestTheNextRequestSees(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		v := settle(t, on)
		create := map[string]any{"permission": "shout:create", "community_id": v.id}
		expect := func(what, want string) {
			t.Helper()
			if got := v.ask(v.victim.Token, create); got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		for range 5 {
			expect("an author", "true role")
			v.roles(v.victim, "reader")
			expect("made a reader", "false missing_permission")
			v.ok("POST", v.path("/members/"+v.victim.UserID+"/roles/author"), v.founder.Token, nil)
			expect("an author again", "true role")
			v.ok("DELETE", v.path("/members/"+v.victim.UserID), v.founder.Token, nil)
			expect("removed", "false not_member")
			v.roles(v.victim, "author")
			expect("admitted", "true role")
			v.ok("PUT", v.path("/role-settings"), v.founder.Token, `{"available_roles":["reader","editor","admin"],"default_roles":["reader"],"on_in_use":"strip"}`)
			expect("stripped", "false missing_permission")
			v.ok("PUT", v.path("/role-settings"), v.founder.Token, `{"available_roles":["reader","author","artist","expert","editor","admin"],"default_roles":["reader"]}`)
			v.roles(v.victim, "author")
			v.ok("PATCH", v.path("/roles/author"), v.founder.Token, `{"permissions":["shout:read"]}`)
			expect("an author of less", "false missing_permission")
			v.ok("POST", v.path("/policy/apply"), v.founder.Token, `{}`)
			expect("an author of the policy", "true role")
		}
		v.ok("PUT", "/api/admin/block/"+v.victim.UserID, v.root, nil)
		if got := v.Call("POST", "/api/check", v.victim.Token, create); got.Status != http.StatusUnauthorized {
			t.Errorf("a blocked account got %d %s", got.Status, got.Raw)
		}
		create["user_id"] = v.victim.UserID
		if got := v.ask(v.root, create); got != "false inactive" {
			t.Errorf("about a blocked account: %s", got)
		}
		v.ok("POST", "/api/users/logout", v.editor.Token, nil)
		if got := v.Call("POST", "/api/check", v.editor.Token, `{"permission":"shout:read"}`); got.Status != http.StatusUnauthorized {
			t.Errorf("after logout: %d", got.Status)
		}
		v.ok("DELETE", v.path(""), v.founder.Token, nil)
		if got := v.ask(v.reader.Token, map[string]any{"permission": "shout:read", "community_id": v.id}); got != "false not_member" {
			t.Errorf("in a deleted community: %s", got)
		}
	})
}

func TestABatchIsItsChecks(t *testing.T) {
	t.Parallel()
	v := settle(t)
	var asked []map[string]any
	for i := range 1000 {
		permission := []string{"shout:read", "shout:create", "member:assign_role", "user:block", "spaceship:launch"}[i%5]
		q := map[string]any{"permission": permission, "user_id": []string{v.reader.UserID, v.founder.UserID, v.victim.UserID}[i%3]}
		if permission != "user:block" {
			q["community_id"] = []int64{v.id, v.other, 99999}[i/7%3]
		}
		asked = append(asked, q)
	}
	got := v.ok("POST", "/api/check/batch", v.root, map[string]any{"checks": asked})
	results := got.Body["results"].([]any)
	for i, q := range asked {
		if i%17 != 0 {
			continue
		}
		r := results[i].(map[string]any)
		if one := v.ask(v.root, q); one != fmt.Sprint(r["allowed"], " ", r["reason"]) {
			t.Errorf("%v: alone %s, in the batch %v", q, one, r)
		}
	}
	asked = append(asked, asked[0])
	if got := v.Call("POST", "/api/check/batch", v.root, map[string]any{"checks": asked}); got.Status != http.StatusUnprocessableEntity {
		t.Errorf("1,001 checks: %d", got.Status)
	}
}

func TestAnExplanationNamesTheLine(t *testing.T) {
	t.Parallel()
	v := settle(t)
	explain := func(token, permission string, more ...string) string {
		q := map[string]any{"permission": permission, "community_id": v.id}
		for i := 0; i+1 < len(more); i += 2 {
			q[more[i]] = more[i+1]
		}
		if strings.HasPrefix(permission, "user:") {
			delete(q, "community_id")
		}
		raw := v.ok("POST", "/api/check/explain", token, q).Raw
		return raw
	}
	has := func(raw string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(raw, part) {
				t.Errorf("%s is not in %s", part, raw)
			}
		}
	}
	has(explain(v.editor.Token, "shout:create"), `"allowed":true`, `"role":"editor"`, `"path":["editor"]`, `"line":"*:create"`, `["editor","expert","artist","author"]`)
	has(explain(v.editor.Token, "shout:update", "owner_id", v.editor.UserID), `"permission":"shout:update_any"`, `"line":"*:update_any"`)
	has(explain(v.reader.Token, "shout:create"), `"allowed":false`, `"missing":"shout:create"`, `"given_by":["author","artist","expert","editor","admin"]`)
	has(explain(v.founder.Token, "spaceship:launch"), `"line":"*"`, `"role":"admin"`)
	has(explain(v.root, "shout:read"), `"reason":"platform_admin"`)
	has(explain(v.founder.Token, "user:block"), `"scope":"platform"`, `"role":"moderator"`, `"line":"user:block"`)
	has(explain(v.reader.Token, "user:block"), `"given_by":["admin","moderator"]`)
	outside := explain(v.stranger.Token, "shout:create")
	has(outside, `"reason":"not_member"`, `"given_by":[]`)
	v.ok("PATCH", v.path("/roles/author"), v.founder.Token, `{"permissions":["shout:create"]}`)
	has(explain(v.victim.Token, "shout:create"), `"line":""`, `"path":["author"]`)
}

func TestAPassTellsWhoAndWhat(t *testing.T) {
	t.Parallel()
	v := settle(t)
	at := fmt.Sprintf("/api/pass?community_id=%d", v.id)
	lists := func(a apptest.Answer, field string) []string {
		var body map[string]json.RawMessage
		var list []string
		_ = json.Unmarshal([]byte(a.Raw), &body)
		_ = json.Unmarshal(body[field], &list)
		return list
	}
	got := v.ok("GET", at, v.victim.Token, nil)
	if !slices.Equal(lists(got, "roles"), []string{"reader", "author"}) || !slices.Contains(lists(got, "permissions"), "shout:create") ||
		got.Body["platform_admin"] != false || got.Body["session"] == nil || len(lists(got, "platform_permissions")) != 0 {
		t.Errorf("an author: %s", got.Raw)
	}
	got = v.ok("GET", at, v.root, nil) // stored roles, never invented ones
	if len(lists(got, "roles")) != 0 || len(lists(got, "permissions")) != 0 || got.Body["platform_admin"] != true || got.Body["community"] == nil {
		t.Errorf("a platform admin: %s", got.Raw)
	}
	inside, nowhere := v.ok("GET", at, v.stranger.Token, nil), v.ok("GET", "/api/pass?community_id=99999", v.stranger.Token, nil)
	if inside.Raw != nowhere.Raw || inside.Body["community"] != nil {
		t.Errorf("who is no member: %s, where there is nothing: %s", inside.Raw, nowhere.Raw)
	}
}

// TestAVariableThatWasNotSetIsNotTheCaller: a service that asks about a guest, whose user_id it does not have, is not answered about itself; nor is
// it somebody's own when nobody is named, nor in the default community when none is.
func TestAVariableThatWasNotSetIsNotTheCaller(t *testing.T) {
	t.Parallel()
	v := settle(t, func(c *config.Config) { c.DefaultCommunity = 1 })
	for _, unset := range []any{nil, ""} {
		for _, field := range []string{"user_id", "owner_id"} {
			q := map[string]any{"permission": "shout:read", "community_id": v.id, field: unset}
			for path, body := range map[string]any{
				"/api/check": q, "/api/check/explain": q, "/api/check/batch": map[string]any{"checks": []any{q}},
			} {
				got := v.Call("POST", path, v.root, body)
				if got.Status != http.StatusUnprocessableEntity || !strings.Contains(got.Raw, field) {
					t.Errorf("%s with %s %v: %d %s", path, field, unset, got.Status, got.Raw)
				}
			}
		}
	}
	for _, path := range []string{v.path("/permissions?user_id="), v.path("/permissions?user_id"), "/api/pass?community_id="} {
		if got := v.Call("GET", path, v.founder.Token, nil); got.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", path, got.Status, got.Raw)
		}
	}
	for _, unset := range []any{nil, 0} {
		if got := v.ask(v.reader.Token, map[string]any{"permission": "shout:read", "community_id": unset}); got != "false not_member" {
			t.Errorf("in no community (%v): %s", unset, got)
		}
	}
}

func TestADefaultCommunity(t *testing.T) {
	t.Parallel()
	v := settle(t, func(c *config.Config) { c.DefaultCommunity = 1 })
	if got := v.ask(v.reader.Token, map[string]any{"permission": "shout:read"}); v.id != 1 || got != "true role" {
		t.Errorf("in the default community %d: %s", v.id, got)
	}
	if got := v.ask(v.founder.Token, map[string]any{"permission": "user:block"}); got != "true role" {
		t.Errorf("a permission of the platform: %s", got)
	}
	if got := v.ok("GET", "/api/pass", v.reader.Token, nil); got.Body["community"] == nil {
		t.Errorf("a pass: %s", got.Raw)
	}
}

// TestAnAPIKeyDoesWhatItSaysAndNoMore is a service at the door.
func TestAnAPIKeyDoesWhatItSaysAndNoMore(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		v := settle(t, on)
		issue := func(permissions string) string {
			made := v.Call("POST", "/api/admin/api-keys", v.root, `{"name":"site","permissions":`+permissions+`}`)
			if made.Status != http.StatusCreated || !strings.HasPrefix(made.Text("key"), "propusk_") {
				t.Fatalf("issuing: %d %s", made.Status, made.Raw)
			}
			return made.Text("key")
		}
		checker := issue(`["access:check"]`)
		about := map[string]any{"permission": "shout:create", "community_id": v.id, "user_id": v.victim.UserID}
		if got := v.ask(checker, about); got != "true role" {
			t.Errorf("about an author: %s", got)
		}
		// It asks, and does nothing else that its issuer, a platform admin, could.
		for path, method := range map[string]string{
			v.path("/members/" + v.victim.UserID + "/roles/editor"): "POST", "/api/admin/block/" + v.victim.UserID: "PUT", "/api/admin/users": "GET",
			"/api/admin/audit": "GET", v.path("/members"): "GET", v.path("/members/" + v.victim.UserID): "DELETE", v.path("/policy/apply"): "POST",
		} {
			var body any
			if strings.HasSuffix(path, "apply") {
				body = "{}"
			}
			if got := v.Call(method, path, checker, body); got.Status != http.StatusForbidden {
				t.Errorf("%s %s with a key for checks: %d %s", method, path, got.Status, got.Raw)
			}
		}
		for path, method := range map[string]string{
			"/api/users/me": "GET", "/api/users/sessions": "GET", "/api/users/logout-all": "POST", "/api/admin/api-keys": "GET",
		} {
			for _, key := range []string{checker, issue(`["*"]`)} {
				if got := v.Call(method, path, key, nil); got.Status != http.StatusForbidden || got.Text("code") != "session_required" {
					t.Errorf("%s %s with a key: %d %s", method, path, got.Status, got.Raw)
				}
			}
		}
		if got := v.Call("DELETE", "/api/users/me", issue(`["*"]`), nil); got.Status != http.StatusForbidden {
			t.Errorf("a key deleted its issuer: %d", got.Status)
		}
		// One that may give roles gives those that it holds itself.
		assigner := issue(`["member:assign_role","shout:read","shout:create"]`)
		got := v.Call("POST", v.path("/members/"+v.victim.UserID+"/roles/editor"), assigner, nil)
		if got.Status != http.StatusForbidden || got.Text("code") != "above_own_rights" {
			t.Errorf("a key made an editor: %d %s", got.Status, got.Raw)
		}
		if got := v.Call("POST", v.path("/members/"+v.reader.UserID+"/roles/editor"), issue(`["*"]`), nil); got.Status != http.StatusOK {
			t.Errorf("a key for everything: %d %s", got.Status, got.Raw)
		}
		keys := v.ok("GET", "/api/admin/api-keys", v.root, nil)
		if strings.Contains(keys.Raw, checker) {
			t.Error("a key is shown again")
		}
		first := keys.Body["keys"].([]any)
		for _, k := range first {
			v.ok("DELETE", "/api/admin/api-keys/"+k.(map[string]any)["id"].(string), v.root, nil)
		}
		if got := v.Call("POST", "/api/check", checker, about); got.Status != http.StatusUnauthorized {
			t.Errorf("a revoked key: %d", got.Status)
		}
		if strings.Contains(v.Log.String(), checker) {
			t.Error("a key is in the log")
		}
	})
}

// TestMembersAreSearchedWithoutLeakingAddresses: who may not see addresses cannot guess them by searching either.
func TestMembersAreSearchedWithoutLeakingAddresses(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		v := settle(t, on)
		total := func(token, query string) float64 {
			return v.ok("GET", v.path("/members?"+query), token, nil).Body["total"].(float64)
		}
		if n := total(v.founder.Token, "search=egor-"); n != 1 {
			t.Errorf("the admin found %v by address", n)
		}
		if n := total(v.reader.Token, "search=example.org"); n != 0 {
			t.Errorf("a reader found %v by address", n)
		}
		if raw := v.ok("GET", v.path("/members"), v.reader.Token, nil).Raw; strings.Contains(raw, "@") {
			t.Errorf("a reader sees an address: %s", raw)
		}
		if raw := v.ok("GET", v.path("/members"), v.founder.Token, nil).Raw; strings.Count(raw, "@example.org") != 4 {
			t.Errorf("the admin does not see addresses: %s", raw)
		}
		for query, want := range map[string]float64{"role=reader": 3, "role=author": 1, "role=expert": 0, "search=BOR": 1, "search=b": 1, "search=r": 0, "search=%25": 0, "role=reader&search=clara": 1} {
			if n := total(v.reader.Token, query); n != want {
				t.Errorf("%s: %v, want %v", query, n, want)
			}
		}
	})
}

func TestABulkBodyIsBounded(t *testing.T) {
	t.Parallel()
	v := settle(t)
	rows := strings.Repeat(`{"author_id":1,"roles":[]},`, 100_000)
	got := v.Call("POST", v.path("/members/bulk"), v.founder.Token, `{"mode":"add","members":[`+rows+`{"author_id":1,"roles":[]}]}`)
	if got.Status != http.StatusUnprocessableEntity || !strings.Contains(got.Raw, "100000 rows") {
		t.Errorf("100,001 rows: %d %s", got.Status, got.Raw)
	}
	got = v.Call("POST", v.path("/members/bulk"), v.founder.Token, `{"mode":"add","members":[`+strings.Repeat(" ", 64<<20)+`]}`)
	if got.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("64 MiB and more: %d %s", got.Status, got.Raw)
	}
}

// TestABulkIsCalledJSON: what no other call takes, this one does not take either.
func TestABulkIsCalledJSON(t *testing.T) {
	t.Parallel()
	v := settle(t)
	for contentType, want := range map[string]int{
		"": 200, "application/json": 200, "Application/JSON; charset=utf-8": 200, "text/plain": 415, "application/x-www-form-urlencoded": 415,
	} {
		for path, body := range map[string]string{"/members/bulk": `{"mode":"add","members":[]}`, "/policy/apply": `{"dry_run":true}`} {
			request, err := http.NewRequest("POST", v.URL+v.path(path), strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+v.founder.Token)
			request.Header.Set("Content-Type", contentType)
			got, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			if got.StatusCode != want {
				t.Errorf("%s as %q: %d, want %d", path, contentType, got.StatusCode, want)
			}
			_ = got.Body.Close()
		}
	}
}
