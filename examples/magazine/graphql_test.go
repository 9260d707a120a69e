package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/examples/magazine/graph"
	"github.com/propusk/propusk/guard/gqlgenguard"
	"github.com/propusk/propusk/propusktest"
)

// world is a magazine in two communities. In the owls' everybody is named by the role there, and a stranger is one more author; the outsider
// is admin of the crows, where the raven writes; root is admin of the platform; nobody has no token.
type world struct {
	t      *testing.T
	server *propusktest.Server
	m      *magazine
	site   http.Handler
	people map[string]propusktest.Person
	owls   propusk.Community
	crows  propusk.Community
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, server: propusktest.Start(t), m: newMagazine()}
	w.people = map[string]propusktest.Person{"root": w.server.PlatformAdmin(), "nobody": {}}
	for _, name := range []string{"admin", "editor", "expert", "author", "stranger", "reader", "outsider", "raven"} {
		w.people[name] = w.server.Person(name)
	}
	w.owls = w.server.Community(w.people["admin"], "owls")
	w.crows = w.server.Community(w.people["outsider"], "crows")
	for _, role := range []string{"editor", "expert", "author", "reader"} {
		w.server.Give(w.owls, w.people[role], role)
	}
	w.server.Give(w.owls, w.people["stranger"], "author")
	w.server.Give(w.crows, w.people["raven"], "author")
	site, err := w.m.site(w.server.Propusk)
	if err != nil {
		t.Fatal(err)
	}
	w.site = site
	return w
}

// reply is what GraphQL answers.
type reply struct {
	Data   map[string]json.RawMessage `json:"data"`
	Errors []struct {
		Message    string `json:"message"`
		Extensions struct {
			Code       string `json:"code"`
			Reason     string `json:"reason"`
			Permission string `json:"permission"`
		} `json:"extensions"`
	} `json:"errors"`
}

// verdict is "CODE reason" of the first error, or "ok".
func (r reply) verdict() string {
	if len(r.Errors) == 0 {
		return "ok"
	}
	return strings.TrimSpace(r.Errors[0].Extensions.Code + " " + r.Errors[0].Extensions.Reason)
}

// send makes a request as somebody. community is for the header, where it is not 0.
func (w *world) send(who, method, path string, community int64, body any) *httptest.ResponseRecorder {
	w.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	r := httptest.NewRequest(method, path, strings.NewReader(string(raw)))
	r.Header.Set("Content-Type", "application/json")
	if token := w.people[who].Token; token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if community != 0 {
		r.Header.Set("X-Community-ID", fmt.Sprint(community))
	}
	recorder := httptest.NewRecorder()
	w.site.ServeHTTP(recorder, r)
	return recorder
}

// ask sends a query or mutation.
func (w *world) ask(who string, community int64, query string, variables map[string]any) reply {
	w.t.Helper()
	answered := w.send(who, http.MethodPost, "/graphql", community, map[string]any{"query": query, "variables": variables})
	var out reply
	if err := json.Unmarshal(answered.Body.Bytes(), &out); err != nil || answered.Code != http.StatusOK {
		w.t.Fatalf("%d %v\n%s", answered.Code, err, answered.Body)
	}
	return out
}

// mutate sends one mutation without its payload.
func (w *world) mutate(who string, community int64, field string) reply {
	w.t.Helper()
	return w.ask(who, community, "mutation { done: "+field+" { success error } }", nil)
}

// write lets somebody create an object, and returns its id.
func (w *world) write(who, kind string, in propusk.Community) int64 {
	w.t.Helper()
	field := fmt.Sprintf(`createShout(community_id: %d, title: "As it was")`, in.ID)
	if kind == "topic" {
		field = fmt.Sprintf(`create_topic(community_id: %d, topic_input: {title: "As it was"})`, in.ID)
	}
	out := w.ask(who, 0, "mutation { done: "+field+" { "+kind+" { id } } }", nil)
	var done map[string]struct{ ID int64 }
	if err := json.Unmarshal(out.Data["done"], &done); err != nil || done[kind].ID == 0 {
		w.t.Fatalf("%s cannot write: %v %+v", who, err, out)
	}
	return done[kind].ID
}

// kept is everything that the magazine has.
func (w *world) kept() map[int64]object {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	all := map[int64]object{}
	for id, o := range w.m.objects {
		all[id] = *o
	}
	return all
}

// fill puts ids for the words of a field.
func (w *world) fill(field string, ids map[string]int64) string {
	words := []string{"OWLS", fmt.Sprint(w.owls.ID), "CROWS", fmt.Sprint(w.crows.ID)}
	for word, id := range ids {
		words = append(words, word, fmt.Sprint(id))
	}
	return strings.NewReplacer(words...).Replace(field)
}

// refusals are the reasons for which somebody is refused, by name.
type refusals map[string]string

// TestWhoMay is the list of decorators of the seed, each with everybody who tries.
func TestWhoMay(t *testing.T) {
	t.Parallel()
	const permission, owner, role, member = "missing_permission", "not_owner", "missing_role", "not_member"
	allow := func(names ...string) []string { return names }
	create := refusals{"reader": permission, "outsider": member, "raven": member}
	change := refusals{"stranger": owner, "expert": owner, "reader": permission, "outsider": member, "raven": member}
	for field, rule := range map[string]struct {
		allow []string
		deny  refusals
	}{
		`createShout(community_id: OWLS, title: "New")`:                 {allow("author", "stranger", "expert", "editor", "admin", "root"), create},
		`create_topic(community_id: OWLS, topic_input: {title: "New"})`: {allow("author", "stranger", "expert", "editor", "admin", "root"), create},
		`updateShout(shout_id: SHOUT, title: "New")`:                    {allow("author", "editor", "admin", "root"), change},
		`update_topic(topic_id: TOPIC, topic_input: {title: "New"})`:    {allow("author", "editor", "admin", "root"), change},
		`delete_topic(topic_id: TOPIC)`:                                 {allow("author", "editor", "admin", "root"), change},
		`merge_topics(community_id: OWLS, merge_input: {topic_id: TOPIC, into: OTHER})`: {allow("editor", "admin", "root"), refusals{
			"author": permission, "stranger": permission, "expert": permission, "reader": permission, "outsider": member, "raven": member,
		}},
		// The role is meant literally: an editor is no expert, and neither is the admin.
		`verifyEvidence(community_id: OWLS, shout_id: SHOUT)`: {allow("expert", "root"), refusals{
			"admin": role, "editor": role, "author": role, "stranger": role, "reader": role, "outsider": member, "raven": member,
		}},
		`deleteAnyContent(community_id: OWLS, content_id: SHOUT)`: {allow("admin", "root"), refusals{
			"editor": role, "expert": role, "author": role, "stranger": role, "reader": role, "outsider": role, "raven": role,
		}},
		`deleteAnyContent(community_id: OWLS, content_id: TOPIC)`: {allow("admin", "root"), refusals{
			"editor": role, "expert": role, "author": role, "stranger": role, "reader": role, "outsider": role, "raven": role,
		}},
	} {
		name, _, _ := strings.Cut(field, "(")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for who := range w.people {
				shout, topic, other := w.write("author", "shout", w.owls), w.write("author", "topic", w.owls), w.write("author", "topic", w.owls)
				want := "FORBIDDEN " + rule.deny[who]
				switch {
				case who == "nobody":
					want = "UNAUTHENTICATED not_signed_in"
				case slices.Contains(rule.allow, who):
					want = "ok"
				}
				before := w.kept()
				got := w.mutate(who, 0, w.fill(field, map[string]int64{"SHOUT": shout, "TOPIC": topic, "OTHER": other})).verdict()
				if got != want {
					t.Errorf("%s: %s, want %s", who, got, want)
				}
				if changed := !maps.Equal(before, w.kept()); changed != (want == "ok") {
					t.Errorf("%s: %s, and something has changed: %v", who, got, changed)
				}
			}
		})
	}
}

// TestAPermissionOfOneCommunityIsNoneInAnother: whoever is somebody among the owls reaches for what the crows have, by every way to name
// one community to the rule and another to the operation. What is of another kind is not there either.
func TestAPermissionOfOneCommunityIsNoneInAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := map[string]int64{
		"MINE": w.write("author", "topic", w.owls), "MY_SHOUT": w.write("author", "shout", w.owls),
		"THEIRS": w.write("raven", "topic", w.crows), "THEIR_SHOUT": w.write("raven", "shout", w.crows),
	}
	before := w.kept()
	const member, gone = "FORBIDDEN not_member", "NOT_FOUND shout_or_topic_not_found"
	const shoutGone, topicGone = "NOT_FOUND shout_not_found", "NOT_FOUND topic_not_found"
	for name, attack := range map[string]struct {
		who    string
		header int64
		field  string
		want   string
	}{
		"delete, naming one's own":          {"admin", 0, `deleteAnyContent(community_id: OWLS, content_id: THEIRS)`, gone},
		"delete, naming theirs":             {"admin", 0, `deleteAnyContent(community_id: CROWS, content_id: THEIRS)`, "FORBIDDEN missing_role"},
		"delete, with one's own header":     {"admin", w.owls.ID, `deleteAnyContent(content_id: THEIRS)`, gone},
		"delete, null and the header":       {"admin", w.owls.ID, `deleteAnyContent(community_id: null, content_id: THEIRS)`, gone},
		"delete, both, and the header lies": {"admin", w.crows.ID, `deleteAnyContent(community_id: OWLS, content_id: THEIRS)`, gone},
		"delete, both, and the header is mine": {
			"admin", w.owls.ID, `deleteAnyContent(community_id: CROWS, content_id: THEIRS)`, "FORBIDDEN missing_role",
		},
		"delete, naming nothing":                {"admin", 0, `deleteAnyContent(content_id: THEIRS)`, "FORBIDDEN missing_role"},
		"delete nowhere, by root":               {"root", 0, `deleteAnyContent(content_id: THEIRS)`, gone},
		"delete elsewhere, by root":             {"root", 0, `deleteAnyContent(community_id: OWLS, content_id: THEIRS)`, gone},
		"delete in no community there is":       {"root", 0, `deleteAnyContent(community_id: 99, content_id: THEIRS)`, gone},
		"verify, naming one's own":              {"expert", 0, `verifyEvidence(community_id: OWLS, shout_id: THEIR_SHOUT)`, shoutGone},
		"verify, naming theirs":                 {"expert", 0, `verifyEvidence(community_id: CROWS, shout_id: THEIR_SHOUT)`, member},
		"verify, with one's own header":         {"expert", w.owls.ID, `verifyEvidence(shout_id: THEIR_SHOUT)`, shoutGone},
		"verify, naming nothing":                {"expert", 0, `verifyEvidence(shout_id: THEIR_SHOUT)`, "FORBIDDEN community_required"},
		"merge theirs into mine":                {"editor", 0, `merge_topics(community_id: OWLS, merge_input: {topic_id: THEIRS, into: MINE})`, topicGone},
		"merge mine into theirs":                {"editor", 0, `merge_topics(community_id: OWLS, merge_input: {topic_id: MINE, into: THEIRS})`, topicGone},
		"merge theirs, naming theirs":           {"editor", 0, `merge_topics(community_id: CROWS, merge_input: {topic_id: THEIRS, into: MINE})`, member},
		"write among them":                      {"author", 0, `createShout(community_id: CROWS, title: "Hoo")`, member},
		"write among them, with a header":       {"author", w.owls.ID, `create_topic(community_id: CROWS, topic_input: {title: "Hoo"})`, member},
		"write nowhere":                         {"author", 0, `createShout(title: "Hoo")`, "FORBIDDEN community_required"},
		"change theirs":                         {"editor", 0, `updateShout(shout_id: THEIR_SHOUT, title: "Hoo")`, member},
		"change theirs, with one's own header":  {"editor", w.owls.ID, `updateShout(shout_id: THEIR_SHOUT, title: "Hoo")`, member},
		"change a topic, with one's own header": {"admin", w.owls.ID, `update_topic(topic_id: THEIRS, topic_input: {title: "Hoo"})`, member},
		"delete a topic, with one's own header": {"admin", w.owls.ID, `delete_topic(topic_id: THEIRS)`, member},

		// The rule for topics says nothing of shouts.
		"delete a shout as a topic":  {"author", 0, `delete_topic(topic_id: MY_SHOUT)`, topicGone},
		"ask whose a shout is":       {"stranger", 0, `delete_topic(topic_id: MY_SHOUT)`, topicGone},
		"change a topic as a shout":  {"author", 0, `updateShout(shout_id: MINE, title: "Hoo")`, shoutGone},
		"verify a topic":             {"expert", 0, `verifyEvidence(community_id: OWLS, shout_id: MINE)`, shoutGone},
		"merge a shout":              {"editor", 0, `merge_topics(community_id: OWLS, merge_input: {topic_id: MY_SHOUT, into: MINE})`, topicGone},
		"merge a topic into a shout": {"editor", 0, `merge_topics(community_id: OWLS, merge_input: {topic_id: MINE, into: MY_SHOUT})`, topicGone},
	} {
		if got := w.mutate(attack.who, attack.header, w.fill(attack.field, ids)).verdict(); got != attack.want {
			t.Errorf("%s: %s, want %s", name, got, attack.want)
		}
		if !maps.Equal(before, w.kept()) {
			t.Fatalf("%s: it has changed something", name)
		}
	}

	t.Run("the other face has the same walls", func(t *testing.T) {
		w.server.Give(w.owls, w.people["admin"], "admin", "expert")
		for _, attack := range []struct {
			route string
			body  any
		}{
			{"DELETE /communities/OWLS/shouts/THEIR_SHOUT", nil},
			{"DELETE /communities/OWLS/topics/THEIRS", nil},
			{"PATCH /communities/OWLS/shouts/THEIR_SHOUT", input{Title: "Hoo"}},
			{"PATCH /communities/OWLS/topics/THEIRS", input{Title: "Hoo"}},
			{"POST /communities/OWLS/shouts/THEIR_SHOUT/verify", nil},
			{"POST /communities/OWLS/topics/THEIRS/merge", input{Into: ids["MINE"]}},
			{"POST /communities/OWLS/topics/MINE/merge", input{Into: ids["THEIRS"]}},
			{"POST /communities/OWLS/topics/MINE/merge", input{Into: ids["MY_SHOUT"]}},
		} {
			method, path, _ := strings.Cut(w.fill(attack.route, ids), " ")
			for _, who := range []string{"admin", "root"} {
				if got := w.send(who, method, path, 0, attack.body).Code; got != http.StatusNotFound {
					t.Errorf("%s, %s %s: %d", who, method, path, got)
				}
			}
		}
		if !maps.Equal(before, w.kept()) {
			t.Error("it has changed something")
		}
	})
}

// TestEachFieldIsJudgedByItself: what was allowed to one field of a request is not allowed to the next one.
func TestEachFieldIsJudgedByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := map[string]int64{"MINE": w.write("author", "shout", w.owls), "THEIRS": w.write("raven", "shout", w.crows)}
	out := w.ask("admin", 0, w.fill(`mutation {
		a: deleteAnyContent(community_id: OWLS, content_id: MINE) { success shout { title } }
		b: deleteAnyContent(community_id: CROWS, content_id: THEIRS) { success error shout { title } }
	}`, ids), nil)
	const deleted = `{"success":true,"shout":{"title":"As it was"}}`
	const refused = `{"success":false,"error":"this needs the role admin","shout":null}`
	if string(out.Data["a"]) != deleted || string(out.Data["b"]) != refused || out.verdict() != "FORBIDDEN missing_role" {
		t.Errorf("%s\n%s\n%s", out.Data["a"], out.Data["b"], out.verdict())
	}
	kept := w.kept()
	if _, ok := kept[ids["THEIRS"]]; !ok || len(kept) != 1 {
		t.Errorf("left are %v", kept)
	}
}

// TestWhoWasTheOwner: what somebody wrote stays theirs, and the right to change it goes with the role.
func TestWhoWasTheOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.write("author", "shout", w.owls)
	update := fmt.Sprintf(`updateShout(shout_id: %d, title: "Newer")`, id)
	for _, step := range []struct{ role, want string }{
		{"author", "ok"}, {"reader", "FORBIDDEN missing_permission"}, {"author", "ok"},
	} {
		w.server.Give(w.owls, w.people["author"], step.role)
		if got := w.mutate("author", 0, update).verdict(); got != step.want {
			t.Errorf("as %s: %s, want %s", step.role, got, step.want)
		}
	}
}

// TestRefusals: what went wrong is told by a code for programs, and in a mutation by the seed's success and error as well.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	topic := w.write("author", "topic", w.owls)
	for _, c := range []struct{ who, field, code, reason, message string }{
		{
			"nobody", `createShout(community_id: OWLS, title: "Hoo")`, "UNAUTHENTICATED", "not_signed_in",
			"this needs the header Authorization: Bearer with an access token",
		},
		{
			"reader", `createShout(community_id: OWLS, title: "Hoo")`, "FORBIDDEN", "missing_permission",
			"this needs the permission shout:create, which you do not have here",
		},
		{
			"stranger", `delete_topic(topic_id: TOPIC)`, "FORBIDDEN", "not_owner",
			"this is allowed to its owner, and it is not yours",
		},
		{"editor", `verifyEvidence(community_id: OWLS, shout_id: 1)`, "FORBIDDEN", "missing_role", "this needs the role expert in this community"},
		{"editor", `deleteAnyContent(community_id: OWLS, content_id: TOPIC)`, "FORBIDDEN", "missing_role", "this needs the role admin"},
		{"raven", `delete_topic(topic_id: TOPIC)`, "FORBIDDEN", "not_member", "you are not a member of this community"},
		{"editor", `delete_topic(topic_id: 99)`, "NOT_FOUND", "topic_not_found", "there is no such topic"},
		{
			"admin", `deleteAnyContent(community_id: OWLS, content_id: 99)`, "NOT_FOUND", "shout_or_topic_not_found",
			"there is no such shout or topic",
		},
		{
			"editor", `merge_topics(community_id: OWLS, merge_input: {topic_id: TOPIC, into: TOPIC})`, "INVALID", "invalid_input",
			"the input was refused; into: must be another topic",
		},
		{
			"author", `createShout(community_id: 0, title: "Hoo")`, "INVALID", "invalid_input",
			"the input was refused; community_id: must be the id of a community",
		},
	} {
		out := w.mutate(c.who, 0, w.fill(c.field, map[string]int64{"TOPIC": topic}))
		if got, want := out.verdict(), c.code+" "+c.reason; got != want || len(out.Errors) != 1 {
			t.Errorf("%s %s: %s, want %s", c.who, c.field, got, want)
			continue
		}
		if got := out.Errors[0].Message; got != c.message {
			t.Errorf("%s %s: %s", c.who, c.field, got)
		}
		if got, want := string(out.Data["done"]), fmt.Sprintf(`{"success":false,"error":%q}`, c.message); got != want {
			t.Errorf("%s %s: %s, want %s", c.who, c.field, got, want)
		}
	}

	out := w.ask("nobody", 0, "{ me { name } }", nil)
	if out.verdict() != "UNAUTHENTICATED not_signed_in" || string(out.Data["me"]) != "null" || len(out.Errors) != 1 {
		t.Errorf("a query: %s %+v", out.Data["me"], out.Errors)
	}
	if out := w.ask("admin", 0, "mutation { deleteEverything }", nil); out.verdict() != "GRAPHQL_VALIDATION_FAILED" {
		t.Errorf("a mutation that there is not: %s", out.verdict())
	}
	if got := w.send("admin", http.MethodPost, "/graphql", 0, "{ me }").Code; got != http.StatusUnprocessableEntity {
		t.Errorf("a body that is no object: %d", got)
	}
}

// TestTwoFacesOfTheSameObjects: what is written through one is read through the other.
func TestTwoFacesOfTheSameObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.write("author", "shout", w.owls)
	at := fmt.Sprintf("/communities/%d/shouts/%d", w.owls.ID, id)
	w.send("author", http.MethodPatch, at, 0, input{Title: "By REST"})

	const query = `query Read($in: Int, $id: Int!) { shout(community_id: $in, shout_id: $id) { id community_id owner title verified } }`
	want := fmt.Sprintf(`{"id":%d,"community_id":%d,"owner":%q,"title":"By REST","verified":false}`, id, w.owls.ID, w.people["author"].UserID)
	for name, c := range map[string]struct {
		who    string
		header int64
		in     any
		want   string
	}{
		"a reader":              {"reader", 0, w.owls.ID, "ok"},
		"with the header":       {"reader", w.owls.ID, nil, "ok"},
		"the argument wins":     {"reader", w.crows.ID, w.owls.ID, "ok"},
		"not a member":          {"outsider", 0, w.owls.ID, "FORBIDDEN not_member"},
		"not in that community": {"outsider", 0, w.crows.ID, "NOT_FOUND shout_not_found"},
		"nobody":                {"nobody", 0, w.owls.ID, "UNAUTHENTICATED not_signed_in"},
	} {
		out := w.ask(c.who, c.header, query, map[string]any{"in": c.in, "id": id})
		if got := out.verdict(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if got := string(out.Data["shout"]); got != want && c.want == "ok" || got != "null" && c.want != "ok" {
			t.Errorf("%s: %s", name, got)
		}
	}

	if out := w.mutate("admin", w.owls.ID, fmt.Sprintf(`deleteAnyContent(content_id: %d)`, id)); out.verdict() != "ok" {
		t.Error(out.verdict())
	}
	if got := w.send("reader", http.MethodGet, at, 0, nil).Code; got != http.StatusNotFound {
		t.Errorf("after it was deleted: %d", got)
	}
}

func TestMe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for in, want := range map[int64]string{
		w.owls.ID:  `{"name":"editor","roles":["editor"]}`,
		w.crows.ID: `{"name":"editor","roles":[]}`,
	} {
		if got := w.ask("editor", 0, fmt.Sprintf("{ me(community_id: %d) { name roles } }", in), nil); string(got.Data["me"]) != want {
			t.Errorf("%s %s", got.Data["me"], got.verdict())
		}
	}
}

// TestNoFieldIsForgotten, and the directives are those of the library.
func TestNoFieldIsForgotten(t *testing.T) {
	t.Parallel()
	if open := gqlgenguard.Uncovered(graph.NewExecutableSchema(graph.Config{}).Schema()); len(open) > 0 {
		t.Errorf("nothing guards %q", open)
	}
	pasted, err := os.ReadFile("graph/schema.graphql")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(pasted), gqlgenguard.Schema) {
		t.Error("paste gqlgenguard.Schema into graph/schema.graphql again, as it is")
	}
}
