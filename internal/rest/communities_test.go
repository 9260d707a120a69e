package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/rest"
)

// village is a community and people in and around it. The founder is its admin.
type village struct {
	*apptest.Server
	t                                         *testing.T
	id                                        int64
	founder, editor, reader, stranger, victim apptest.Person
	root                                      string
	other                                     int64 // another community, of the stranger
}

func settle(t *testing.T, options ...func(*config.Config)) *village {
	t.Helper()
	return settleOn(t, apptest.Start(t, options...), "owls", "larks")
}

// settleOn founds a village where there may be others. The names of its communities must be its own.
func settleOn(t *testing.T, s *apptest.Server, owls, larks string) *village {
	t.Helper()
	v := &village{
		Server: s, t: t, founder: s.WithRole("Anna", "moderator"), editor: s.Register("Boris"), reader: s.Register("Clara"),
		stranger: s.WithRole("Dora", "moderator"), victim: s.Register("Egor"), root: s.Admin(),
	}
	v.id, v.other = v.found(v.founder, owls), v.found(v.stranger, larks)
	v.roles(v.editor, "reader", "editor")
	v.ok("POST", v.path("/join"), v.reader.Token, nil)
	v.roles(v.victim, "reader", "author")
	return v
}

func (v *village) found(by apptest.Person, slug string) int64 {
	v.t.Helper()
	made := v.Call("POST", "/api/communities", by.Token, map[string]string{"slug": slug, "name": "The " + slug, "description": "We are " + slug})
	if made.Status != http.StatusCreated {
		v.t.Fatalf("founding %s: %d %s", slug, made.Status, made.Raw)
	}
	return int64(made.Body["id"].(float64))
}

func (v *village) path(below string) string { return fmt.Sprintf("/api/communities/%d%s", v.id, below) }

// roles sets somebody's roles by the founder's power.
func (v *village) roles(p apptest.Person, roles ...string) {
	v.t.Helper()
	v.ok("PUT", v.path("/members/"+p.UserID+"/roles"), v.founder.Token, map[string]any{"roles": append([]string{}, roles...)})
}

func (v *village) ok(method, path, token string, body any) apptest.Answer {
	v.t.Helper()
	got := v.Call(method, path, token, body)
	if got.Status != http.StatusOK {
		v.t.Fatalf("%s %s: %d %s", method, path, got.Status, got.Raw)
	}
	return got
}

// ask is one check, as "true role" and the like.
func (v *village) ask(token string, question map[string]any) string {
	v.t.Helper()
	got := v.ok("POST", "/api/check", token, question)
	return fmt.Sprint(got.Body["allowed"], " ", got.Body["reason"])
}

// local is one operation in a community and how it answers to everybody. In path and body {id}, {victim}, {stranger} and {reader} stand for those.
type local struct {
	method, path, body string
	status             int
	// needs is the least of user (who is no member), reader, editor, admin (of the community) and moderator (of the platform).
	needs string
	// hidden operations answer who is no member as if there were no community.
	hidden bool
	bad    map[string]string
}

func locals() []local {
	const in = "/api/communities/{id}"
	return []local{
		{
			method: "POST", path: "/api/communities", body: `{"slug":"bats","name":"Bats"}`, status: 201, needs: "moderator",
			bad: map[string]string{
				`{"slug":"Bats!","name":"B"}`: "body.slug", `{"slug":"b"}`: "body.name", `{"name":" "}`: "body.name", `{"name":"B","id":7}`: "body.id",
				`{"name":"B","name":"C"}`: "body",
			},
		},
		{method: "GET", path: "/api/communities?search=ow&page=1&limit=10", status: 200, needs: "user", bad: map[string]string{"?limit=0": "query.limit"}},
		{method: "GET", path: in, status: 200, needs: "user"},
		{
			method: "PATCH", path: in, body: `{"name":"Night owls","joining":"closed"}`, status: 200, needs: "editor", hidden: true,
			bad: map[string]string{`{"joining":"maybe"}`: "body.joining", `{"slug":"A"}`: "body.slug", `{"roles":[]}`: "body.roles", `{"name":""}`: "body.name"},
		},
		{method: "DELETE", path: in, status: 200, needs: "admin", hidden: true},
		{method: "POST", path: in + "/follow", status: 200, needs: "user"},
		{method: "DELETE", path: in + "/follow", status: 200, needs: "user"},
		{method: "POST", path: in + "/join", status: 200, needs: "user"},
		{method: "POST", path: in + "/leave", status: 200, needs: "reader", hidden: true},
		{
			method: "GET", path: in + "/members?role=reader&search=an&page=1&limit=10", status: 200, needs: "reader", hidden: true,
			bad: map[string]string{"?role=king": "query.role", "?limit=1000": "query.limit", "?sort=name": "query.sort"},
		},
		{
			method: "POST", path: in + "/members", body: `{"user_id":"{stranger}","roles":["author"]}`, status: 201, needs: "admin", hidden: true,
			bad: map[string]string{
				`{"user_id":"x"}`: "body.user_id", `{}`: "body.user_id", `{"user_id":"{stranger}","roles":["king"]}`: "body.roles[0]",
				`{"user_id":"{stranger}","roles":"author"}`: "body.roles",
			},
		},
		{method: "DELETE", path: in + "/members/{victim}", status: 200, needs: "admin", hidden: true},
		{
			method: "PUT", path: in + "/members/{victim}/roles", body: `{"roles":["expert"]}`, status: 200, needs: "admin", hidden: true,
			bad: map[string]string{`{"roles":["king"]}`: "body.roles[0]", `{"roles":null}`: "body.roles", `{}`: "body.roles", `{"roles":["Reader"]}`: "body.roles[0]"},
		},
		{method: "POST", path: in + "/members/{victim}/roles/expert", status: 200, needs: "admin", hidden: true},
		{method: "DELETE", path: in + "/members/{victim}/roles/author", status: 200, needs: "admin", hidden: true},
		{
			method: "POST", path: in + "/members/bulk", body: `{"mode":"add","members":[{"user_id":"{victim}","roles":["expert"]}]}`, status: 200, needs: "admin", hidden: true,
			bad: map[string]string{
				`{"mode":"drop","members":[]}`: "body.mode",
				`{"mode":"add"}`:               "body.members",
				`{"members":[]}`:               "body.mode",
				`{"mode":"add","members":[{"user_id":"{victim}","roles":["king"]}]}`:        "body.members[0].roles[0]",
				`{"mode":"add","members":[{"user_id":"{victim}","role":"reader"}]}`:         "body.members[0].role",
				`{"mode":"add","members":[{"roles":["reader"]}]}`:                           "body.members[0]",
				`{"mode":"add","members":[{"user_id":"{victim}"}]}`:                         "body.members[0].roles",
				`{"mode":"add","members":[{"user_id":"{victim}","roles":[],"roles":[""]}]}`: "body.members[0].roles",
				`{"mode":"add","mode":"replace","members":[]}`:                              "body.mode",
				`{"mode":"add","members":{}}`:                                               "",
				`{"mode":"add","members":[],"dry_run":true}`:                                `body.\"dry_run\"`,
				`[]`: "", `{"mode":`: "", `{"mode":"add","members":[]} {}`: "",
			},
		},
		{method: "GET", path: in + "/role-settings", status: 200, needs: "reader", hidden: true},
		{
			method: "PUT", path: in + "/role-settings", body: `{"available_roles":["reader","author","editor","admin"],"default_roles":["reader"]}`, status: 200,
			needs: "admin", hidden: true,
			bad: map[string]string{
				`{"available_roles":["admin"]}`:                                         "body.default_roles",
				`{"available_roles":["reader"],"default_roles":[]}`:                     "body.available_roles",
				`{"available_roles":["admin"],"default_roles":["reader"]}`:              "body.default_roles[0]",
				`{"available_roles":["admin","x"],"default_roles":[]}`:                  "body.available_roles[1]",
				`{"available_roles":["admin"],"default_roles":[],"on_in_use":"ignore"}`: "body.on_in_use",
			},
		},
		{method: "GET", path: in + "/roles", status: 200, needs: "reader", hidden: true},
		{
			method: "POST", path: in + "/roles", body: `{"id":"translator","name":"Translator","permissions":["shout:update_any"]}`, status: 201, needs: "admin", hidden: true,
			bad: map[string]string{
				`{"id":"Translator","name":"T","permissions":[]}`:          "body.id",
				`{"id":"t","name":"T"}`:                                    "body.permissions",
				`{"id":"t","name":"T","permissions":["*"]}`:                "body.permissions[0]",
				`{"id":"t","name":"T","permissions":["shout:*"]}`:          "body.permissions[0]",
				`{"id":"t","name":"T","permissions":["shout:read","x:y"]}`: "body.permissions[1]",
			},
		},
		{
			method: "PATCH", path: in + "/roles/author", body: `{"permissions":["shout:read"]}`, status: 200, needs: "admin", hidden: true,
			bad: map[string]string{`{"permissions":["shout:fly"]}`: "body.permissions[0]", `{"id":"x"}`: "body.id"},
		},
		{method: "DELETE", path: in + "/roles/{custom}", status: 200, needs: "admin", hidden: true},
		{
			method: "POST", path: in + "/policy/apply", body: `{"dry_run":true}`, status: 200, needs: "admin", hidden: true,
			bad: map[string]string{`{"on_in_use":"ignore"}`: "body.on_in_use", `{"force":true}`: "body.force"},
		},
		{method: "GET", path: in + "/permissions?user_id={victim}", status: 200, needs: "admin", hidden: true, bad: map[string]string{"?user_id=7": "query.user_id"}},
		{method: "GET", path: "/api/pass?community_id={id}", status: 200, needs: "user", bad: map[string]string{"?community_id=x": "query.community_id", "?community_id=0": "query.community_id"}},
		{
			method: "POST", path: "/api/check", body: `{"permission":"shout:create","community_id":{id}}`, status: 200, needs: "user",
			bad: badQuestions("body."),
		},
		{
			method: "POST", path: "/api/check/batch", body: `{"checks":[{"permission":"shout:create","community_id":{id}}]}`, status: 200, needs: "user",
			bad: map[string]string{`{"checks":[]}`: "body.checks", `{"checks":[{"permission":"shout:read"},{"permission":"*"}]}`: "body.checks[1].permission"},
		},
		{
			method: "POST", path: "/api/check/explain", body: `{"permission":"shout:create","community_id":{id}}`, status: 200, needs: "user",
			bad: badQuestions("body."),
		},
		{
			method: "POST", path: "/api/admin/api-keys", body: `{"name":"site","permissions":["access:check"]}`, status: 201, needs: "platform admin",
			bad: map[string]string{
				`{"name":"x","permissions":[]}`: "body.permissions", `{"name":"x","permissions":["shout:*"]}`: "body.permissions[0]",
				`{"name":"x","permissions":["*","shout:read"]}`: "body.permissions[0]", `{"name":"x","permissions":["shout:read"],"expires_in":1}`: "body.expires_in",
			},
		},
		{method: "GET", path: "/api/admin/api-keys", status: 200, needs: "platform admin"},
		{method: "DELETE", path: "/api/admin/api-keys/{key}", status: 200, needs: "platform admin"},
		{method: "GET", path: "/api/admin/audit/bulk/{bulk}", status: 200, needs: "platform admin", bad: map[string]string{"?limit=0": "query.limit"}},
	}
}

func badQuestions(at string) map[string]string {
	long := `"` + strings.Repeat("a", 200) + `:read"`
	bad := map[string]string{`{"permission":"user:block","community_id":1}`: at + "community_id", `{"permission":"shout:read","owner_id":"7"}`: at + "owner_id"}
	for _, permission := range []string{`""`, `"*"`, `"shout:*"`, `"*:read"`, `"shout"`, `"shout:read:x"`, `"Shout:read"`, `" shout:read"`, `"shout:read\u0000"`, long, `7`} {
		bad[`{"permission":`+permission+`,"community_id":1}`] = at + "permission"
	}
	return bad
}

func TestEveryEndpointOfCommunities(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		for i, e := range locals() {
			t.Run(e.method+" "+e.path, func(t *testing.T) {
				t.Parallel()
				v := settleOn(t, s.For(t), fmt.Sprint("owls-", i), fmt.Sprint("larks-", i))
				e.path, e.body = v.fill(e.path), v.fill(e.body)
				e.refusesStrangers(t, v)
				e.refusesLesserRoles(t, v)
				e.refusesBadInput(t, v)
				if got := v.Call(e.method, e.path, v.holder(e.needs), e.sent()); got.Status != e.status {
					t.Errorf("the right caller got %d, not %d: %s", got.Status, e.status, got.Raw)
				}
			})
		}
	})
}

func (e local) sent() any {
	if e.body == "" {
		return nil
	}
	return e.body
}

// fill puts what exists only by now into a path or a body.
func (v *village) fill(text string) string {
	v.t.Helper()
	if strings.Contains(text, "{custom}") {
		v.Call("POST", v.path("/roles"), v.founder.Token, `{"id":"translator","name":"T","permissions":["shout:read"]}`)
	}
	if strings.Contains(text, "{key}") {
		made := v.Call("POST", "/api/admin/api-keys", v.root, `{"name":"x","permissions":["access:check"]}`)
		text = strings.ReplaceAll(text, "{key}", made.Text("id"))
	}
	if strings.Contains(text, "{bulk}") {
		v.ok("POST", v.path("/members/bulk"), v.founder.Token, v.fill(`{"mode":"add","members":[{"user_id":"{victim}","roles":["artist"]}]}`))
		events := v.ok("GET", "/api/admin/audit?action=member.bulk", v.root, nil).Body["events"].([]any)
		text = strings.ReplaceAll(text, "{bulk}", fmt.Sprint(events[0].(map[string]any)["bulk_id"]))
	}
	return strings.NewReplacer("{id}", fmt.Sprint(v.id), "{victim}", v.victim.UserID, "{stranger}", v.stranger.UserID, "{reader}", v.reader.UserID,
		"{custom}", "translator").Replace(text)
}

func (v *village) holder(needs string) string {
	return map[string]string{
		"user": v.stranger.Token, "reader": v.reader.Token, "editor": v.editor.Token, "admin": v.founder.Token, "moderator": v.founder.Token,
		"platform admin": v.root,
	}[needs]
}

func (e local) refusesStrangers(t *testing.T, v *village) {
	for who, token := range map[string]string{"anonymous": "", "with nonsense": "x", "with a forged key": "propusk_" + strings.Repeat("A", 43)} {
		if got := v.Call(e.method, e.path, token, e.sent()); got.Status != http.StatusUnauthorized {
			t.Errorf("a stranger %s got %d %s", who, got.Status, got.Raw)
		}
	}
	if !e.hidden {
		return
	}
	there := v.Call(e.method, e.path, v.stranger.Token, e.sent())
	nowhere := v.Call(e.method, strings.Replace(e.path, fmt.Sprintf("/%d", v.id), "/99999", 1), v.stranger.Token, e.sent())
	if there.Status != http.StatusNotFound || anonymous(there.Raw) != anonymous(nowhere.Raw) {
		t.Errorf("who is no member got\n%s and where there is nothing\n%s", there.Raw, nowhere.Raw)
	}
}

var requestID = regexp.MustCompile(`"request_id":"[^"]*"`)

// anonymous is an answer without what is in no two answers the same.
func anonymous(raw string) string { return requestID.ReplaceAllString(raw, "") }

func (e local) refusesLesserRoles(t *testing.T, v *village) {
	lesser := map[string][]apptest.Person{
		"editor": {v.reader}, "admin": {v.reader, v.editor}, "moderator": {v.reader, v.editor}, "platform admin": {v.reader, v.founder},
	}[e.needs]
	for _, p := range lesser {
		got := v.Call(e.method, e.path, p.Token, e.sent())
		if got.Status != http.StatusForbidden || got.Text("permission") == "" {
			t.Errorf("%s got %d %s", p.Email, got.Status, got.Raw)
		}
	}
}

func (e local) refusesBadInput(t *testing.T, v *village) {
	for bad, location := range e.bad {
		path, body := e.path, any(v.fill(bad))
		if strings.HasPrefix(bad, "?") {
			path, body = strings.Split(e.path, "?")[0]+bad, nil
		}
		got := v.Call(e.method, path, v.holder(e.needs), body)
		if got.Status < 400 || got.Status > 499 || (location != "" && !strings.Contains(got.Raw, `"location":"`+location+`"`)) {
			t.Errorf("%s was answered with %d, and %s is not named: %s", bad, got.Status, location, got.Raw)
		}
	}
}

// TestNoEndpointIsForgotten compares the tables of endpoints with the description of the API.
func TestNoEndpointIsForgotten(t *testing.T) {
	t.Parallel()
	told := map[string]bool{}
	shape := regexp.MustCompile(`\{[^}]*\}|/roles/(expert|author)$|\?.*`)
	note := func(method, path string) {
		path = shape.ReplaceAllStringFunc(path, func(s string) string {
			switch {
			case strings.HasPrefix(s, "?"):
				return ""
			case strings.HasPrefix(s, "/roles/"):
				return "/roles/{}"
			}
			return "{}"
		})
		told[method+" "+path] = true
	}
	for _, e := range endpoints() {
		note(e.method, e.path)
	}
	for _, e := range locals() {
		note(e.method, e.path)
	}
	raw, err := new(rest.Door).OpenAPI().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var api struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal(raw, &api); err != nil {
		t.Fatal(err)
	}
	for path, methods := range api.Paths {
		for method := range methods {
			name := strings.ToUpper(method) + " " + regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(path, "{}")
			if !told[name] {
				t.Errorf("%s is in no table", name)
			}
		}
	}
}

// TestNoDefaultRolesAreToldToo: to members "none" is an answer, and to others there is none.
func TestNoDefaultRolesAreToldToo(t *testing.T) {
	t.Parallel()
	v := settle(t)
	v.ok("PUT", v.path("/role-settings"), v.founder.Token, map[string]any{"available_roles": []string{"reader", "author", "editor", "admin"}, "default_roles": []string{}})
	if got := v.ok("GET", v.path(""), v.founder.Token, nil); !strings.Contains(got.Raw, `"default_roles":[]`) {
		t.Errorf("to a member: %s", got.Raw)
	}
	if got := v.ok("GET", v.path(""), v.stranger.Token, nil); strings.Contains(got.Raw, "_roles") {
		t.Errorf("to a stranger: %s", got.Raw)
	}
}

// TestAFaultInARoleIsLocatedOnce: where it is, and beside it what is wrong.
func TestAFaultInARoleIsLocatedOnce(t *testing.T) {
	t.Parallel()
	v := settle(t)
	got := v.Call("POST", v.path("/roles"), v.founder.Token, map[string]any{"id": "x", "name": "X", "permissions": []string{"shout:read", "shout:fly"}})
	if !strings.Contains(got.Raw, `{"location":"body.permissions[1]","message":"shout:fly is not in the catalogue"}`) {
		t.Error(got.Raw)
	}
}
