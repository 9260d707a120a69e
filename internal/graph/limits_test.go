package graph_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
)

// nested is the schema within itself.
func nested(levels int) string {
	return `{__schema{types` + strings.Repeat(`{fields{type`, levels) + `{name}` + strings.Repeat(`}}`, levels) + `}}`
}

// bomb is a document of fragments that use the next one twice: 2^n fields in n lines.
func bomb(n int) string {
	var text strings.Builder
	text.WriteString(`query{me{...f0}}`)
	for i := range n {
		fmt.Fprintf(&text, " fragment f%d on User{...f%d ...f%d}", i, i+1, i+1)
	}
	fmt.Fprintf(&text, " fragment f%d on User{id}", n)
	return text.String()
}

func aliases(n int) string {
	var text strings.Builder
	text.WriteString("{")
	for i := range n {
		fmt.Fprintf(&text, "a%d:me{id} ", i)
	}
	return text.String() + "}"
}

// atOnce is how long an answer may take that costs the server next to nothing.
const atOnce = time.Second

// quickest sends a document, and again while the answer takes long: that may be because of what else the machine has to do, which only adds.
func (v *village) quickest(token, document string, variables map[string]any) (got reply, least time.Duration) {
	v.t.Helper()
	for tries := 0; tries < 10 && (tries == 0 || least > atOnce); tries++ {
		start := time.Now()
		got = v.ask(token, document, variables)
		if took := time.Since(start); tries == 0 || took < least {
			least = took
		}
	}
	return got, least
}

// What is too much is refused before any of it runs, and at once.
func TestWhatIsTooMuchIsRefusedAtOnce(t *testing.T) {
	v := settle(t)
	guess := `:login(email:"root@example.org",password:"a wrong one"){success}`
	for name, is := range map[string]struct{ document, reason string }{
		"aliases":                  {aliases(31), "too_many_aliases"},
		"a long list":              {`{adminGetCommunityMembers(community_id:1,limit:1000){members{id name}}}`, "query_too_complex"},
		"the longest list":         {`{adminGetCommunityMembers(community_id:1,limit:2147483647){members{id name}}}`, "query_too_complex"},
		"fields upon fields":       {bomb(100), "query_too_complex"},
		"fragments in place":       {`{me{` + strings.Repeat("...{id ", 380) + strings.Repeat("}", 380) + `}}`, "query_too_deep"},
		"a field again and again":  {`{me{` + strings.Repeat("id ", 501) + `}}`, "query_too_complex"},
		"tokens":                   {`{me{` + strings.Repeat("id ", 2000) + `}}`, "document_too_long"},
		"fragments of one another": {`{me{...a}} fragment a on User{...b} fragment b on User{...a}`, "invalid_document"},
		"two guesses":              {`mutation{a` + guess + ` b` + guess + `}`, "too_many_authentications"},
		"two guesses in fragments": {`mutation{...a b` + guess + `} fragment a on Mutation{a` + guess + `}`, "too_many_authentications"},
		"a guess and a register": {`mutation{a` + guess + ` register(name:"x",email:"x@example.org",password:"a good long one"){success}}`,
			"too_many_authentications"},
		"two bulks": {`mutation($r:[RoleAssignment!]!){a:adminBulkAssignRoles(community_id:{id},assignments:$r){success}
			b:adminBulkAssignRoles(community_id:{id},assignments:$r){success}}`, "too_many_bulks"},
		"two changes of one name": {`mutation{adminAddUserToRole(author_id:1,community_id:1,role:"reader"){success}
			adminAddUserToRole(author_id:1,community_id:1,role:"reader"){error}}`, "invalid_document"},
		"a long document":      {`{me{id}} #` + strings.Repeat("x", 32<<10), "document_too_long"},
		"no Int":               {`{adminGetRoles(community:99999999999999999999){success}}`, "invalid_document"},
		"an Int of 33 bits":    {`{adminGetRoles(community:4294967297){success}}`, "invalid_document"},
		"a default no Int has": {`query($n:Int!=99999999999999999999){adminGetRoles(community:$n){success}}`, "invalid_document"},
		"no operation":         {`fragment a on User{id}`, "invalid_document"},
		"no GraphQL":           {`{`, "invalid_document"},
		"the schema":           {`{__schema{types{name}}}`, "introspection_off"},
		"a type":               {`{me{id} __type(name:"User"){name}}`, "introspection_off"},
	} {
		got, took := v.quickest(v.founder.Token, is.document, map[string]any{"r": []any{}})
		if took > atOnce {
			t.Errorf("%s took %v", name, took)
		}
		if got.reason() != is.reason || got.code() != "INVALID" || got.at("data") != nil {
			t.Errorf("%s: %s", name, got.Raw)
		}
	}
	if got := v.ask(v.founder.Token, aliases(30), nil); got.at("errors") != nil {
		t.Errorf("thirty aliases: %s", got.Raw)
	}
	for name, variable := range map[string]any{"33 bits": 1 << 32, "many digits": 1e300, "half": 0.5, "text": "1", "nothing": nil} {
		got := v.ask(v.founder.Token, `query($n:Int!){adminGetRoles(community:$n){success}}`, map[string]any{"n": variable})
		if got.code() != "INVALID" {
			t.Errorf("a variable of %s: %s", name, got.Raw)
		}
	}
	if log := v.Log.String(); strings.Contains(log, "panic") {
		t.Errorf("something panicked: %s", log)
	}
}

// Each of these made gqlgen's validator walk, or tell, far more than was sent: seconds of a processor for a thousand bytes from nobody.
func TestWhatTakesLongToCheckIsNotChecked(t *testing.T) {
	v := settle(t, func(c *config.Config) { _ = c.GraphQLIntrospection.Set("on") })
	circle := `{__schema{types{` + strings.Repeat(`ofType{`, 12) + `name` + strings.Repeat(`}`, 12) + ` ...F}}} fragment F on __Type{ofType{...F ...F ...F}}`
	var operations strings.Builder
	for i := range 190 {
		fmt.Fprintf(&operations, "query q%d{...f} ", i)
	}
	operations.WriteString(`fragment f on Query{me{` + strings.Repeat("id ", 90) + `}}`)
	var types strings.Builder
	types.WriteString(`{__schema{types{...f0}}}`)
	for i := range 40 {
		fmt.Fprintf(&types, " fragment f%d on __Type{...f%d ...f%d}", i, i+1, i+1)
	}
	types.WriteString(` fragment f40 on __Type{name}`)
	overlap := `{` + strings.Repeat(`me{id id id ...F ...F ...F} `, 48) + `} fragment F on User{` + strings.Repeat("id ", 100) + `}`
	for name, document := range map[string]string{
		"types of fragments": types.String(), "fragments that circle": circle, "operations of one fragment": operations.String(),
		"overlapping fields": overlap,
	} {
		if got, took := v.quickest("", document, nil); got.code() != "INVALID" || got.at("data") != nil || took > atOnce {
			t.Errorf("%s, after %v: %.300s", name, took, got.Raw)
		}
	}
}

func TestAFaultIsToldInFewWords(t *testing.T) {
	t.Parallel()
	v := settle(t)
	name := strings.Repeat("n", 24_000)
	got := v.ask("", `query `+name+`(`+strings.Repeat(`$v:Int `, 300)+`){me{id}}`, nil)
	if got.code() != "INVALID" || len(got.Raw) > 20_000 {
		t.Errorf("%d bytes: %.200s", len(got.Raw), got.Raw)
	}
}

// A variable that gqlgen stumbles over while the operation runs would leave half of it done, and the answer says nothing of it.
func TestAMisfitIsFoundBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	v := settle(t)
	const rename = `a:editProfile(name:"Changed"){success} `
	for name, of := range map[string]struct {
		document string
		value    any
	}{
		"a number no Int holds": {`mutation($x:Int!){` + rename + `b:adminUpdateUser(id:$x,is_active:true){success}}`, 1 << 32},
		"one in a list": {`mutation($x:[RoleAssignment!]!){` + rename + `b:adminBulkAssignRoles(community_id:{id},assignments:$x){success}}`,
			[]any{map[string]any{"author_id": 1 << 32, "roles": []string{}}}},
		"null where none may be": {`mutation($x:BulkMode){` + rename + `b:adminBulkAssignRoles(community_id:{id},mode:$x,assignments:[]){success}}`, nil},
		"a mode in capitals":     {`mutation($x:BulkMode!){` + rename + `b:adminBulkAssignRoles(community_id:{id},mode:$x,assignments:[]){success}}`, "ADD"},
		"a number for a text":    {`mutation($x:String!){` + rename + `b:adminAddUserToRole(author_id:1,community_id:{id},role:$x){success}}`, 7},
	} {
		got := v.ask(v.founder.Token, of.document, map[string]any{"x": of.value})
		if got.code() != "INVALID" || got.at("data") != nil {
			t.Errorf("%s: %s", name, got.Raw)
		}
	}
	v.ask(v.founder.Token, `{me{name}}`, nil).is(t, map[string]any{"data.me.name": "Anna"})
	if log := v.Log.String(); strings.Contains(log, "ERROR") {
		t.Errorf("what a client did wrong is told as our fault: %s", log)
	}
}

func TestPagesAreBounded(t *testing.T) {
	t.Parallel()
	v := settle(t)
	for _, of := range []string{"limit:0", "limit:-1", "limit:101", "page:0", "page:1000001"} {
		for _, root := range []string{`adminGetUsers(` + of + `){success error}`, `myCommunities(` + of + `){success}`,
			`adminGetCommunityMembers(community_id:{id},` + of + `){success}`} {
			got := v.ask(v.founder.Token, `{`+root+`}`, nil)
			field, _, _ := strings.Cut(of, ":")
			got.is(t, map[string]any{"errors.0.extensions.code": "INVALID", "errors.0.extensions.fields.0.field": field})
		}
	}
	v.ask(v.founder.Token, `{adminGetUsers(limit:null,page:null){limit page}}`, nil).is(t, map[string]any{
		"data.adminGetUsers.limit": 50, "data.adminGetUsers.page": 1,
	})
	got := v.ask(v.founder.Token, `{adminGetUsers(search:"a\u0000b"){success}}`, nil)
	got.is(t, map[string]any{"errors.0.extensions.code": "INVALID", "errors.0.extensions.fields.0.field": "search"})
}

func TestTheSchemaIsNotToldWithinItself(t *testing.T) {
	t.Parallel()
	v := settle(t, func(c *config.Config) { _ = c.GraphQLIntrospection.Set("on") })
	if got := v.ask("", nested(4), nil); got.code() != "INVALID" || got.at("data") != nil {
		t.Errorf("a schema within a schema: %.200s", got.Raw)
	}
	if got := v.ask("", nested(1), nil); got.at("data.__schema.types.0.fields") == nil && got.at("errors") != nil {
		t.Errorf("the schema is not told: %.200s", got.Raw)
	}
}

// A browser asks before it sends JSON to another origin, and does not before it sends forms or text.
func TestOnlyJSONByPOSTIsTaken(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	const document = `{"query":"{__typename}"}`
	send := func(method, kind, body string) apptest.Answer {
		request, _ := http.NewRequest(method, s.URL+"/graphql", strings.NewReader(body))
		request.Header.Set("Content-Type", kind)
		return s.Send(request)
	}
	if got := send("POST", "application/json; charset=utf-8", document); got.Status != 200 || got.Raw != `{"data":{"__typename":"Query"}}` {
		t.Errorf("JSON: %d %s", got.Status, got.Raw)
	}
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/graphql", "json"} {
		if got := send("POST", kind, document); got.Status != 415 || (reply{got}).reason() != "unsupported_media_type" {
			t.Errorf("%q: %d %s", kind, got.Status, got.Raw)
		}
	}
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE", "QUERY"} {
		if got := send(method, "application/json", document); got.Status != 405 || got.Header.Get("Allow") != "POST" {
			t.Errorf("%s: %d %s", method, got.Status, got.Raw)
		}
	}
	for name, body := range map[string]string{
		"a list": `[` + document + `]`, "no JSON": `{`, "nothing": ``, "a text": `"{me{id}}"`, "another key": `{"query":"{__typename}","id":1}`,
		"a key twice": `{"query":"{__typename}","query":"{me{id}}"}`, "a key within twice": `{"query":"{__typename}","variables":{"a":1,"a":2}}`,
		"another case": `{"QUERY":"{__typename}"}`, "more": document + document, "a list of variables": `{"query":"{__typename}","variables":[]}`,
		"no document": `{"query":"  "}`, "no text": `{"query":7}`,
	} {
		if got := send("POST", "application/json", body); got.Status != 400 || (reply{got}).reason() != "malformed_request" {
			t.Errorf("%s: %d %s", name, got.Status, got.Raw)
		}
	}
	// Not more by much: what a server does not read may break the connection before the answer is read.
	large := `{"query":"{__typename}","variables":{"a":"` + strings.Repeat("x", 128<<10) + `"}}`
	if got := send("POST", "application/json", large); got.Status != 413 || (reply{got}).reason() != "request_entity_too_large" {
		t.Errorf("128 KiB and more: %d %s", got.Status, got.Raw)
	}
}

func TestIntrospectionIsOffUnlessItIsSwitchedOn(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, func(c *config.Config) {
		if err := c.GraphQLIntrospection.Set("on"); err != nil {
			t.Fatal(err)
		}
	})
	const standard = `query{__schema{queryType{name} types{kind name fields(includeDeprecated:true){name args{name type{...T}} type{...T}} inputFields{name}}}}
		fragment T on __Type{kind name ofType{kind name ofType{kind name ofType{kind name ofType{kind name ofType{kind name ofType{kind name}}}}}}}`
	if got := ask(s, "", standard, nil); got.at("errors") != nil || got.at("data.__schema.queryType.name") != "Query" {
		t.Errorf("%.300s", got.Raw)
	}
	off := apptest.Start(t)
	if got := ask(off, "", `{adminGetUser{id}}`, nil); strings.Contains(got.Raw, "Did you mean") {
		t.Errorf("names are suggested: %s", got.Raw)
	}
}
