package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// hostile is one way to make a GraphQL server work more than the question is worth, or to guess more than once.
type hostile struct {
	name string
	// body is the whole request, as it is sent.
	body string
	// reason is extensions.reason of the refusal; "" where several are as good.
	reason string
}

// Sizes of what is sent. A mebibyte is what a request could have before anybody reads it; little is what must be read, and judged.
const (
	mebibyte = 1<<20 - 1<<10
	little   = 30 << 10
)

// hostiles are the classes, and after each class of size what comes just below the limit.
func hostiles() []hostile {
	long := strings.Repeat("x", mebibyte)
	short := strings.Repeat("x", little)
	return []hostile{
		{"fields 200 deep", query(deep(200)), "query_too_deep"},
		{"fragments in place, 200 deep", query(`{me` + inPlace(200, "id") + `}`), "query_too_deep"},
		{"300 aliases", query(aliased(300)), "too_many_aliases"},
		{"100,000 aliases", query(aliased(100_000)), ""},
		{"a fragment in itself", query(`{me{...f}} fragment f on User{...f}`), "invalid_document"},
		{"240 fragments in a circle", query(circle(240)), "invalid_document"},
		{"10,000 directives", query(`{me{id ` + strings.Repeat("@include(if:true)", 10_000) + `}}`), ""},
		{"900 directives that are none", query(`{me{id ` + strings.Repeat("@x ", 900) + `}}`), "invalid_document"},

		{"two logins by aliases", query(guesses(2)), "too_many_authentications"},
		{"30 logins by aliases", query(guesses(30)), "too_many_authentications"},
		{"logins in fragments", query(`mutation{...a ...b} fragment a on Mutation{` + guess("a") + `} fragment b on Mutation{` + guess("b") + `}`), "too_many_authentications"},
		{"a list of 100 logins", `[` + strings.Repeat(query(guesses(1))+`,`, 99) + query(guesses(1)) + `]`, "malformed_request"},
		{"100 operations that log in", query(many(100, `mutation q%d{`+strings.TrimPrefix(guess(""), ":")+`} `)), "invalid_document"},
		{"a login and a registration", query(`mutation{` + guess("a") + ` register(name:"N",email:"n@example.org",password:"a long sentence"){success}}`), "too_many_authentications"},

		{"one field 490 times", query(`{me{` + strings.Repeat("id ", 490) + `}}`), ""},
		{"one field 290 times", query(`{me{` + strings.Repeat("id ", 290) + `}}`), ""},
		{"one field 470 times, 17 in place", query(`{me` + inPlace(17, strings.Repeat("id ", 470)) + `}`), ""},
		{"one field 80 times, 17 in place", query(`{me` + inPlace(17, strings.Repeat("id ", 80)) + `}`), ""},
		{"190 operations of one fragment", query(many(190, `query q%d{...f} `) + ` fragment f on Query{me{` + strings.Repeat("id ", 300) + `}}`), ""},
		{"50 operations of a nested fragment", query(many(50, `query q%d{...f} `) + ` fragment f on Query{me` + inPlace(12, strings.Repeat("id ", 300)) + `}`), ""},
		{"overlapping fields and fragments", query(`{` + strings.Repeat(`me{id id id ...f ...f ...f}`, 48) + `} fragment f on User{` + strings.Repeat("id ", 150) + `}`), ""},
		{"overlapping fragments that circle", query(overlapping(12, `fragment f0 on __Type{ofType{...f0 ...f0 ...f0}}`)), ""},
		{"overlapping fragments, 3 to the 10", query(overlapping(10, chain("__Type", 10, 3, `{ofType{%s}}`, `{name}`))), ""},
		{"fragments of one another, 2 to the 100", query(`{me{...f0}} ` + chain("User", 100, 2, `{%s}`, `{id}`)), ""},
		{"types of fragments, 2 to the 24", query(`{__schema{types{...f0}}} ` + chain("__Type", 24, 2, `{%s}`, `{name}`)), "introspection_off"},
		{"the schema within itself", query(`{__schema{types` + strings.Repeat(`{fields{type`, 40) + `{name}` + strings.Repeat(`}}`, 40) + `}}`), ""},
		{"140 fragments side by side", query(`{me{` + many(140, `...f%d `) + `}}` + many(140, ` fragment f%d on User{id}`)), ""},
		{"280 fragments that nobody uses", query(`{me{id}}` + many(280, ` fragment f%d on User{id}`)), "invalid_document"},
		{"280 fragments of one name", query(`{...f}` + strings.Repeat(` fragment f on Query{me{id}}`, 280)), ""},
		{"390 operations", query(many(390, `query q%d{me{id}} `)), ""},
		{"490 variables", query(`query(` + many(490, `$v%d:Int `) + `){me{id}}`), "invalid_document"},
		{"490 variables of a long name", query(`query ` + long[:900_000] + `(` + many(490, `$v%d:Int `) + `){me{id}}`), ""},
		{"490 variables of a shorter name", query(`query ` + short[:24<<10] + `(` + many(490, `$v%d:Int `) + `){me{id}}`), ""},
		{"480 faults", query(`{` + strings.Repeat("x ", 480) + `}`), ""},
		{"290 faults", query(`{` + strings.Repeat("x ", 290) + `}`), "invalid_document"},

		{"a text of 1 MiB", query(`{can(permission:"` + long + `"){allowed}}`), ""},
		{"a text of 30 KiB", query(`{can(permission:"` + short + `"){allowed}}`), ""},
		{"a block text of 1 MiB", query(`{can(permission:"""` + long + `"""){allowed}}`), ""},
		{"a block text of many lines", query(`{can(permission:"""` + strings.Repeat("\n ", mebibyte/3) + `"""){allowed}}`), ""},
		{"a block text of 15,000 lines", query(`{can(permission:"""` + strings.Repeat("\n ", little/2) + `"""){allowed}}`), ""},
		{"a text of escapes", query(`{can(permission:"` + strings.Repeat(`\u0041`, mebibyte/7) + `"){allowed}}`), ""},
		{"a text of 5,000 escapes", query(`{can(permission:"` + strings.Repeat(`\u0041`, little/6) + `"){allowed}}`), ""},
		{"a name of 1 MiB", query(`{` + long + `}`), ""},
		{"a name of 30 KiB", query(`{` + short + `}`), "invalid_document"},
		{"an alias of 1 MiB", query(`{` + long + `:me{id}}`), ""},
		{"a number of 1 MiB", query(`{adminGetRoles(community:` + strings.Repeat("1", mebibyte) + `){success}}`), ""},
		{"a number of 30 KiB", query(`{adminGetRoles(community:` + strings.Repeat("1", little) + `){success}}`), "invalid_document"},
		{"a fraction of 1 MiB", query(`{adminGetRoles(community:1.` + strings.Repeat("1", mebibyte) + `){success}}`), ""},
		{"a comment of 1 MiB", query(`{me{id}} #` + long), ""},
		{"comments without end", query(`{me{id}}` + strings.Repeat("#\n", mebibyte/3)), ""},
		{"10,000 comments", query(`{me{id}}` + strings.Repeat("#\n", little/3)), ""},
		{"commas", query(`{me{id}}` + strings.Repeat(",", mebibyte)), ""},
		{"braces", query(strings.Repeat("{", mebibyte)), ""},
		{"brackets", query(strings.Repeat("[", mebibyte)), ""},
		{"parentheses", query(strings.Repeat("(", mebibyte)), ""},
		{"quotes", query(strings.Repeat(`"""`, mebibyte/6)), ""},
		{"30 KiB of braces", query(strings.Repeat("{", little)), ""},
		{"30 KiB of quotes", query(strings.Repeat(`"""`, little/3)), ""},

		{"lists 900 deep", query(`{can(permission:` + strings.Repeat("[", 900) + strings.Repeat("]", 900) + `){allowed}}`), "invalid_document"},
		{"objects 480 deep", query(`{can(permission:` + strings.Repeat("{a:", 480) + "1" + strings.Repeat("}", 480) + `){allowed}}`), "invalid_document"},
		{"a list that does not end", query(`{can(permission:` + strings.Repeat("[", 1900)), "invalid_document"},
		{"a body of brackets", strings.Repeat("[", mebibyte), "malformed_request"},
		{"variables 500,000 deep", variables(strings.Repeat("[", mebibyte/2) + strings.Repeat("]", mebibyte/2)), ""},
		{"variables 9,000 deep", variables(strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000)), ""},
		{"variables of 1 MiB", variables(`[` + strings.Repeat("0,", mebibyte/2-100) + `0]`), ""},
		{"variables of 125 KiB", variables(`[` + strings.Repeat("0,", 62<<10) + `0]`), ""},
		{"40,000 lists in a variable", variables(`[` + strings.Repeat("[],", 40_000) + `0]`), ""},
		{"40,000 objects in a variable", variables(`[` + strings.Repeat("{},", 40_000) + `0]`), ""},
		{"90,000 keys in a variable", variables(`{` + many(70_000, `"k%d":1,`) + `"k":1}`), ""},
		{"12,000 keys in a variable", variables(`{` + many(12_000, `"k%d":1,`) + `"k":1}`), ""},
		{"a key of 1 MiB in a variable", variables(`{"` + long + `":1}`), ""},
		{"29,000 rows of a bulk", rows(29_000), ""},
		{"3,600 rows of a bulk", rows(3600), ""},
	}
}

// query is a body with a document alone.
func query(document string) string {
	raw, err := json.Marshal(map[string]string{"query": document})
	if err != nil {
		panic(err) // a text is always JSON
	}
	return string(raw)
}

// variables is a body with that for the roles that somebody is to be given.
func variables(json string) string {
	return `{"query":"mutation($v:[String!]!){adminSetUserCommunityRoles(author_id:1,community_id:1,roles:$v){success}}","variables":{"v":` + json + `}}`
}

func rows(n int) string {
	list := strings.Repeat(`{"author_id":1,"roles":["reader"]},`, n)
	list = list[:min(len(list), mebibyte/35*35)]
	return `{"query":"mutation($v:[RoleAssignment!]!){adminBulkAssignRoles(community_id:1,assignments:$v){success}}","variables":{"v":[` + list[:len(list)-1] + `]}}`
}

// many writes a form n times, with a number in each.
func many(n int, form string) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, form, i)
	}
	return text.String()
}

func deep(n int) string { return `{me` + strings.Repeat("{me", n) + strings.Repeat("}", n) + `}` }

// inPlace puts a selection into n fragments within one another.
func inPlace(n int, selection string) string {
	return `{` + strings.Repeat("...{", n) + selection + strings.Repeat("}", n) + `}`
}

func aliased(n int) string { return `{` + many(n, `a%d:me{id} `) + `}` }

func circle(n int) string {
	text := `{me{...f0}}`
	for i := range n {
		text += fmt.Sprintf(" fragment f%d on User{...f%d}", i, (i+1)%n)
	}
	return text
}

// chain is fragments f0 to fn of a type. Each has the next one several times, in a selection of that form, and the last one the leaf.
func chain(of string, n, times int, form, leaf string) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "fragment f%d on %s"+form+" ", i, of, strings.Repeat(fmt.Sprintf(" ...f%d", i+1), times))
	}
	fmt.Fprintf(&text, "fragment f%d on %s%s", n, of, leaf)
	return text.String()
}

// overlapping has types of types beside a fragment f0 that has the same.
func overlapping(n int, fragments string) string {
	return `{__schema{types{` + strings.Repeat("ofType{", n) + "name" + strings.Repeat("}", n) + ` ...f0}}} ` + fragments
}

// guess is a login that would succeed, so that a session more tells of it.
func guess(alias string) string {
	return alias + `:login(email:"` + adminEmail + `",password:"` + adminPassword + `"){success}`
}

func guesses(n int) string {
	var text strings.Builder
	for i := range n {
		text.WriteString(guess(fmt.Sprintf("a%d", i)) + " ")
	}
	return `mutation{` + text.String() + `}`
}

// send sends a body as it is.
func (c *client) send(t *testing.T, body string) answer {
	t.Helper()
	response, err := c.http.Post(c.url+"/graphql", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatalf("%v, for %.60s", err, body)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%v, for %.60s", err, body)
	}
	return answer{status: response.StatusCode, header: response.Header, raw: string(raw)}
}

// refused fails unless all of the request was refused, in words that are clear and not many.
func (h hostile) refused(t *testing.T, got answer) {
	t.Helper()
	var told struct {
		Data   map[string]map[string]any
		Errors []struct{ Extensions struct{ Code, Reason string } }
	}
	if err := json.Unmarshal([]byte(got.raw), &told); err != nil || len(told.Errors) == 0 {
		t.Errorf("%s is not refused: %d %.300s", h.name, got.status, got.raw)
		return
	}
	why := told.Errors[0].Extensions
	statuses := []int{http.StatusOK, http.StatusBadRequest, http.StatusRequestEntityTooLarge}
	if !slices.Contains(statuses, got.status) || !slices.Contains([]string{"INVALID", "UNAUTHENTICATED"}, why.Code) {
		t.Errorf("%s is not refused clearly: %d %.300s", h.name, got.status, got.raw)
	}
	if h.reason != "" && why.Reason != h.reason {
		t.Errorf("%s is refused for %s, not for %s", h.name, why.Reason, h.reason)
	}
	for field, payload := range told.Data {
		if payload != nil && payload["success"] != false {
			t.Errorf("%s: %s is answered", h.name, field)
		}
	}
	if len(got.raw) > 64<<10 {
		t.Errorf("%s is answered with %d bytes", h.name, len(got.raw))
	}
}

// everything is what the requests must not change: who there is, and who is logged in.
func (s *server) everything(t *testing.T, root string) string {
	t.Helper()
	users := s.call(t, http.StatusOK, "GET", "/api/admin/users", root, nil)
	sessions := s.call(t, http.StatusOK, "GET", "/api/users/sessions", root, nil)
	return fmt.Sprintf("%d people, %d sessions", strings.Count(users.raw, `"user_id"`), strings.Count(sessions.raw, `"created_at"`))
}

// TestHostileQueriesAreRefused sends each class once.
func TestHostileQueriesAreRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, setup{env: slices.Concat(cheap, withAdmin, []string{unlimited}), args: quiet})
	root := s.root(t)
	before := s.everything(t, root)
	for _, h := range hostiles() {
		h.refused(t, s.send(t, h.body))
	}
	if after := s.everything(t, root); after != before {
		t.Errorf("there were %s, and are %s", before, after)
	}
	if said := s.err.String(); strings.Contains(said, "panic") || strings.Contains(said, "ERROR") {
		t.Errorf("the log tells of failures:\n%s", last(said, 10))
	}
}
