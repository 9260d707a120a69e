package graph_test

import (
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
)

const login = `mutation($email:String!,$password:String!){login(email:$email,password:$password)
	{success error access_token token_type expires_in refresh_token user{id email}}}`

func TestLoginLogoutAndWhatATokenIsWorth(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		s := apptest.Start(t, on)
		who := map[string]any{"email": apptest.AdminEmail, "password": apptest.AdminPassword}
		in := ask(s, "a dead token keeps nobody from logging in", login, who)
		in.is(t, map[string]any{"data.login.success": true, "data.login.expires_in": 3600, "data.login.user.email": apptest.AdminEmail, "errors": nil})
		access, _ := in.at("data.login.access_token").(string)
		refresh, _ := in.at("data.login.refresh_token").(string)
		ask(s, access, `{me{email}}`, nil).is(t, map[string]any{"data.me.email": apptest.AdminEmail})
		if got := s.Call("GET", "/api/users/me", access, nil); got.Status != 200 {
			t.Errorf("the token opens nothing beside GraphQL: %d", got.Status)
		}
		ask(s, access, `mutation($r:String){logout(refresh_token:$r){success error}}`, map[string]any{"r": refresh}).is(t, map[string]any{"data.logout.success": true})
		gone := ask(s, access, `{me{email}}`, nil)
		gone.is(t, map[string]any{"data.me": nil, "errors.0.extensions.code": "UNAUTHENTICATED", "errors.0.extensions.reason": "session_ended"})
		ask(s, access, `mutation{logout{success}}`, nil).is(t, map[string]any{"data.logout.success": false, "errors.0.extensions.code": "UNAUTHENTICATED"})

		again := ask(s, "", login, who)
		refresh, _ = again.at("data.login.refresh_token").(string)
		ask(s, "", `mutation($r:String){logout(refresh_token:$r){success}}`, map[string]any{"r": refresh}).is(t, map[string]any{"data.logout.success": true})
		token, _ := again.at("data.login.access_token").(string)
		if got := ask(s, token, `{me{email}}`, nil); got.code() != "UNAUTHENTICATED" {
			t.Errorf("a refresh token did not end its session: %s", got.Raw)
		}
	})
}

func TestGuessingIsThrottledAtBothDoorsTogether(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	wrong := map[string]any{"email": apptest.AdminEmail, "password": "a wrong one"}
	for i := range 10 {
		if i%2 == 0 {
			ask(s, "", login, wrong).is(t, map[string]any{"data.login.success": false, "errors.0.extensions.code": "UNAUTHENTICATED",
				"errors.0.extensions.reason": "invalid_credentials"})
		} else {
			s.Call("POST", "/api/users/login", "", wrong)
		}
	}
	got := ask(s, "", login, map[string]any{"email": apptest.AdminEmail, "password": apptest.AdminPassword})
	got.is(t, map[string]any{"data.login.success": false, "errors.0.extensions.code": "RATE_LIMITED"})
	if wait, _ := got.at("errors.0.extensions.retry_after").(float64); wait < 1 {
		t.Errorf("nobody says when to come back: %s", got.Raw)
	}
	if got := s.Call("POST", "/api/users/login", "", wrong); got.Status != 429 {
		t.Errorf("REST counts for itself: %d", got.Status)
	}
}

// Whatever is wrong with a request, its answer and the log repeat no value of it.
func TestNoSecretIsEchoed(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, func(c *config.Config) { _ = c.LogLevel.Set("debug") })
	const secret = "918273645546372819"
	for _, document := range []string{
		`mutation{login(email:"a@example.org",password:` + secret + `){success}}`,
		`mutation{login(email:"a@example.org",password:"` + secret + `"){success}}`,
		`mutation{login(email:"a@example.org",password:["` + secret + `"]){success}}`,
		`mutation{login(email:"a@example.org",password:"` + secret + `}`,
		`mutation{login(email:"a@example.org",password:{a:"` + secret + `"}){success}}`,
		`mutation{login(email:"a@example.org",passwort:"` + secret + `"){success}}`,
		`mutation{register(name:"A",email:"` + secret + `",password:"x` + secret + `"){success}}`,
		`mutation($p:Int="` + secret + `"){login(email:"a@example.org",password:$p){success}}`,
		`{adminGetRoles(community:"` + secret + `"){success}}`,
		`mutation{adminBulkAssignRoles(community_id:1,mode:"` + secret + `",assignments:[]){success}}`,
		`mutation{logout(refresh_token:"` + secret + `"){success}}`,
		`"` + secret + `"`,
	} {
		got := ask(s, "", document, nil)
		if got.Status != 200 || got.at("errors") == nil || strings.Contains(got.Raw, secret) {
			t.Errorf("%s: %d %s", document, got.Status, got.Raw)
		}
	}
	for _, variable := range []any{secret, []string{secret}, map[string]any{"a": secret}, 918273645546372819} {
		for _, kind := range []string{"String!", "Int!", "BulkMode!"} {
			got := ask(s, secret, `mutation($p:`+kind+`){login(email:"a@example.org",password:$p){success}}`, map[string]any{"p": variable})
			if strings.Contains(got.Raw, secret) {
				t.Errorf("%v as %s: %s", variable, kind, got.Raw)
			}
		}
	}
	if got := s.Call("POST", "/graphql", "", `{"query":"`+secret); strings.Contains(got.Raw, secret) {
		t.Errorf("half a body: %s", got.Raw)
	}
	if strings.Contains(s.Log.String(), secret) {
		t.Errorf("the log has it: %s", s.Log.String())
	}
}

func TestAnErrorNamesItsRequest(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	got := ask(s, "", `{me{id}}`, nil)
	got.is(t, map[string]any{"errors.0.extensions.request_id": got.Header.Get("X-Request-ID")})
	for header, value := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Type": "application/json"} {
		if got.Header.Get(header) != value {
			t.Errorf("%s is %q", header, got.Header.Get(header))
		}
	}
}

// A number tells nobody who has an account.
func TestNumbersRevealNothing(t *testing.T) {
	t.Parallel()
	v := settle(t)
	const roles = `query($a:Int!){adminGetUserCommunityRoles(author_id:$a,community_id:{id}){success error roles}}`
	const take = `mutation($a:Int!){adminRemoveUserFromRole(author_id:$a,community_id:{id},role:"reader"){success error}}`
	for name, of := range map[string]struct{ document, token string }{
		"reader's look": {roles, v.reader.Token}, "reader's act": {take, v.reader.Token}, "stranger's look": {roles, v.stranger.Token},
		"stranger's act": {take, v.stranger.Token}, "admin's look": {roles, v.founder.Token}, "admin's act": {take, v.founder.Token},
	} {
		somebody := v.ask(of.token, of.document, map[string]any{"a": v.known(v.Register("Fedor")).id})
		nobody := v.ask(of.token, of.document, map[string]any{"a": 1_000_000})
		if somebody.code() == "" || somebody.code() != nobody.code() || somebody.reason() != nobody.reason() {
			t.Errorf("%s: %s is not %s", name, somebody.Raw, nobody.Raw)
		}
	}
	v.ask(v.reader.Token, `{adminGetUserCommunityRoles(author_id:{reader},community_id:{id}){success roles}}`, nil).is(t, map[string]any{
		"data.adminGetUserCommunityRoles.roles": "[reader]",
	})
	v.ask(v.founder.Token, `{adminGetCommunityMembers(community_id:{id}){members{email}}}`, nil).is(t, map[string]any{
		"data.adminGetCommunityMembers.members.1.email": v.editor.Email,
	})
	v.ask(v.reader.Token, `{adminGetCommunityMembers(community_id:{id}){members{email}}}`, nil).is(t, map[string]any{
		"data.adminGetCommunityMembers.members.1.email": nil,
	})
}

func TestCanKnowsWhoseThingsAreMine(t *testing.T) {
	t.Parallel()
	v := settle(t)
	const can = `query($p:String!,$c:Int,$o:Int){can(permission:$p,community_id:$c,owner_id:$o){allowed reason}}`
	for name, of := range map[string]struct {
		who        person
		permission string
		community  any
		owner      any
		want       string
	}{
		"mine":                   {v.victim, "shout:update", v.id, v.victim.id, "map[allowed:true reason:own]"},
		"another's":              {v.victim, "shout:update", v.id, v.reader.id, "map[allowed:false reason:not_owner]"},
		"nobody's":               {v.victim, "shout:update", v.id, 1_000_000, "map[allowed:false reason:not_owner]"},
		"anybody's":              {v.editor, "shout:update", v.id, v.reader.id, "map[allowed:true reason:role]"},
		"where I am not":         {v.stranger, "shout:read", v.id, nil, "map[allowed:false reason:not_member]"},
		"where nobody is":        {v.reader, "shout:read", 0, nil, "map[allowed:false reason:not_member]"},
		"nowhere":                {v.reader, "shout:read", nil, nil, "map[allowed:false reason:community_required]"},
		"on the platform":        {v.founder, "user:block", nil, nil, "map[allowed:true reason:role]"},
		"on the platform, again": {v.reader, "user:block", nil, nil, "map[allowed:false reason:missing_permission]"},
	} {
		got := v.ask(of.who.Token, can, map[string]any{"p": of.permission, "c": of.community, "o": of.owner})
		t.Run(name, func(t *testing.T) { got.is(t, map[string]any{"data.can": of.want}) })
	}
	v.ask(v.reader.Token, can, map[string]any{"p": "shout:*"}).is(t, map[string]any{
		"data.can": nil, "errors.0.extensions.code": "INVALID", "errors.0.extensions.fields.0.field": "permission",
	})
}

// A role and activity change together, or neither does.
func TestUpdatingAUserIsAllOrNothing(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		v := settle(t, on)
		const update = `mutation($id:Int!,$role:String,$active:Boolean){adminUpdateUser(id:$id,role:$role,is_active:$active){success error user{role is_active}}}`
		root := int64(v.ask(v.root, `{me{id}}`, nil).at("data.me.id").(float64))
		for reason, variables := range map[string]map[string]any{
			"last_admin":         {"id": root, "active": false},
			"user_not_found":     {"id": 1_000_000, "role": "moderator"},
			"invalid_input":      {"id": v.victim.id, "role": "wizard", "active": false},
			"missing_permission": {"id": v.victim.id, "role": "moderator", "active": false},
		} {
			token := v.root
			if reason == "missing_permission" {
				token = v.founder.Token
			}
			got := v.ask(token, update, variables)
			got.is(t, map[string]any{"data.adminUpdateUser.success": false, "data.adminUpdateUser.user": nil, "errors.0.extensions.reason": reason})
		}
		if got := v.ask(v.founder.Token, update, map[string]any{"id": root, "active": false}); got.reason() != "above_own_rights" {
			t.Errorf("a moderator blocks an admin: %s", got.Raw)
		}
		v.ask(v.root, update, map[string]any{"id": v.victim.id}).is(t, map[string]any{"errors.0.extensions.code": "INVALID"})
		v.ask(v.victim.Token, `{me{role is_active}}`, nil).is(t, map[string]any{"data.me.role": "user", "data.me.is_active": true})
		v.ask(v.root, update, map[string]any{"id": v.victim.id, "role": "moderator", "active": false}).is(t, map[string]any{
			"data.adminUpdateUser.user": "map[is_active:false role:moderator]",
		})
		if got := v.ask(v.victim.Token, `{me{role}}`, nil); got.code() != "UNAUTHENTICATED" {
			t.Errorf("who is blocked goes on: %s", got.Raw)
		}
	})
}

// An API key acts for a service. What people do for themselves it cannot do, and its limit holds here too.
func TestAnAPIKeyManagesMembersAndIsNobody(t *testing.T) {
	t.Parallel()
	v := settle(t)
	issue := func(permissions ...string) string {
		made := v.Call("POST", "/api/admin/api-keys", v.root, map[string]any{"name": "site", "permissions": permissions})
		if made.Status != 201 {
			t.Fatalf("no key: %d %s", made.Status, made.Raw)
		}
		return made.Text("key")
	}
	const give = `mutation{adminAddUserToRole(author_id:{victim},community_id:{id},role:"expert"){success roles}}`
	v.ask(issue("*"), give, nil).is(t, map[string]any{"data.adminAddUserToRole.success": true})
	v.ask(issue("member:read"), give, nil).is(t, map[string]any{
		"errors.0.extensions.code": "FORBIDDEN", "errors.0.extensions.permission": "member:assign_role",
	})
	key := issue("*")
	for _, document := range []string{`{me{id}}`, `mutation{editProfile(name:"K"){success}}`, `mutation{logout{success}}`} {
		if got := v.ask(key, document, nil); got.code() != "FORBIDDEN" || got.reason() != "session_required" {
			t.Errorf("%s by a key: %s", document, got.Raw)
		}
	}
}

func TestMyCommunitiesAreAPageOfThoseIAmIn(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		v := settle(t, on)
		for _, slug := range []string{"larks", "crows"} {
			v.Call("POST", "/api/communities", v.founder.Token, map[string]string{"slug": slug, "name": slug})
		}
		const mine = `query($p:Int,$l:Int){myCommunities(page:$p,limit:$l){total has_next communities{slug roles member_count}}}`
		v.ask(v.founder.Token, mine, map[string]any{"p": 2, "l": 1}).is(t, map[string]any{
			"data.myCommunities": "map[communities:[map[member_count:1 roles:[admin] slug:larks]] has_next:true total:3]",
		})
		v.ask(v.reader.Token, mine, nil).is(t, map[string]any{
			"data.myCommunities": "map[communities:[map[member_count:4 roles:[reader] slug:owls]] has_next:false total:1]",
		})
		v.ask(v.stranger.Token, mine, nil).is(t, map[string]any{"data.myCommunities": "map[communities:[] has_next:false total:0]"})
	})
}

// What a request changes is judged anew for each change: a token that ends half-way ends there.
func TestChangesRunOneAfterAnotherAndEachIsJudged(t *testing.T) {
	t.Parallel()
	v := settle(t)
	got := v.ask(v.reader.Token, `mutation{a:editProfile(name:"Clara A"){success} logout{success} b:editProfile(name:"Clara B"){success}}`, nil)
	got.is(t, map[string]any{
		"data.a.success": true, "data.logout.success": true, "data.b.success": false, "errors.0.extensions.code": "UNAUTHENTICATED",
		"errors.0.path": "[b]",
	})
}
