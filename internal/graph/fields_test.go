package graph_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
)

// field is a field and how it answers to everybody.
type field struct {
	document string
	// needs is "" for public, user for signed in, reader, admin (of the community), moderator and root (of the platform).
	needs string
	// lesser is the code that the next below gets.
	lesser string
	// want is what the right caller finds below data.
	want map[string]any
}

// fields are told to one village after another in this order.
var fields = []field{
	{`{adminGetCommunityMembers(community_id:{id},role:"admin"){success total members{id last_name user_id is_active}}}`, "reader", "NOT_FOUND",
		map[string]any{"adminGetCommunityMembers.total": 1}},
	{`{adminGetCommunityRoleSettings(community_id:{id}){success community_id default_roles available_roles}}`, "reader", "NOT_FOUND",
		map[string]any{"adminGetCommunityRoleSettings.default_roles": "[reader]"}},
	{`{adminGetRoles(community:{id}){success roles{id name description icon custom edited members permissions}}}`, "reader", "NOT_FOUND",
		map[string]any{"adminGetRoles.roles.0.id": "reader", "adminGetRoles.roles.0.members": 3}},
	{`{adminGetUserCommunityRoles(author_id:{victim},community_id:{id}){success author_id community_id roles permissions}}`, "admin", "FORBIDDEN",
		map[string]any{"adminGetUserCommunityRoles.roles": "[reader author]"}},
	{`mutation{adminAddUserToRole(author_id:{victim},community_id:{id},role:"expert"){success roles}}`, "admin", "FORBIDDEN",
		map[string]any{"adminAddUserToRole.roles": "[reader author expert]"}},
	{`mutation{adminRemoveUserFromRole(author_id:{victim},community_id:{id},role:"author"){success roles}}`, "admin", "FORBIDDEN",
		map[string]any{"adminRemoveUserFromRole.roles": "[reader expert]"}},
	{`mutation{adminSetUserCommunityRoles(author_id:{victim},community_id:{id},roles:["reader"]){success roles}}`, "admin", "FORBIDDEN",
		map[string]any{"adminSetUserCommunityRoles.roles": "[reader]"}},
	{`mutation{adminBulkAssignRoles(community_id:{id},mode:add,assignments:[{author_id:{victim},roles:["artist"]}]){success results{author_id status roles}}}`,
		"admin", "FORBIDDEN", map[string]any{"adminBulkAssignRoles.results.0.status": "changed", "adminBulkAssignRoles.results.0.roles": "[reader artist]"}},
	{`mutation{adminUpdateCommunityRoleSettings(community_id:{id},default_roles:["reader"],available_roles:["reader","author","artist","editor","admin"])
		{success available_roles}}`, "admin", "FORBIDDEN", nil},
	{`mutation{adminCreateCustomRole(community_id:{id},role:{id:"scribe",name:"Scribe",permissions:["shout:read"]}){success role{id custom permissions}}}`,
		"admin", "FORBIDDEN", map[string]any{"adminCreateCustomRole.role.custom": true}},
	{`mutation{adminDeleteCustomRole(community_id:{id},role_id:"scribe"){success role_id}}`, "admin", "FORBIDDEN",
		map[string]any{"adminDeleteCustomRole.role_id": "scribe"}},
	{`{adminGetUsers(search:"clara"){success total page limit has_next users{id email role is_active created_at updated_at last_seen}}}`, "moderator", "FORBIDDEN",
		map[string]any{"adminGetUsers.total": 1, "adminGetUsers.users.0.role": "user"}},
	{`mutation{adminUpdateUser(id:{stranger},is_active:false){success user{id is_active}}}`, "moderator", "FORBIDDEN",
		map[string]any{"adminUpdateUser.user.is_active": false}},
	{`mutation{adminUpdateUser(id:{stranger},role:"moderator",is_active:true){success user{role is_active}}}`, "root", "FORBIDDEN",
		map[string]any{"adminUpdateUser.user.role": "moderator", "adminUpdateUser.user.is_active": true}},
	{`{me{id user_id name last_name slug email role is_active created_at updated_at last_seen}}`, "user", "", map[string]any{"me.role": "user"}},
	{`{myCommunities{success total communities{id slug name description joining member_count roles}}}`, "reader", "",
		map[string]any{"myCommunities.total": 1, "myCommunities.communities.0.roles": "[reader]"}},
	{`{can(permission:"shout:read",community_id:{id}){allowed reason}}`, "reader", "", map[string]any{"can.allowed": true, "can.reason": "role"}},
	{`mutation{editProfile(name:"Nina",slug:"nina"){success user{name slug}}}`, "user", "", map[string]any{"editProfile.user.slug": "nina"}},
	{`mutation{login(email:"root@example.org",password:"` + apptest.AdminPassword + `"){success token_type user{role}}}`, "", "",
		map[string]any{"login.token_type": "bearer", "login.user.role": "admin"}},
	{`mutation{register(name:"Nick",email:"nick@example.org",password:"a sentence of Nick's"){success user{name slug}}}`, "", "",
		map[string]any{"register.user.slug": "nick"}},
	{`mutation{logout{success}}`, "user", "", nil},
}

// above is everybody from the least to the greatest; who is next below somebody must be refused.
func (v *village) ladder() map[string][2]string {
	fresh := v.Register("Olga").Token
	return map[string][2]string{
		"user": {fresh, ""}, "reader": {v.reader.Token, fresh}, "admin": {v.founder.Token, v.reader.Token},
		"moderator": {v.founder.Token, v.reader.Token}, "root": {v.root, v.founder.Token},
	}
}

func TestEveryFieldAnswersTheRightCallerAndRefusesTheNextBelow(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		v := settle(t, on)
		ladder := v.ladder()
		for _, f := range fields {
			rung := ladder[f.needs]
			name := regexp.MustCompile(`\w+\(|\w+\{`).FindString(strings.TrimPrefix(f.document, "mutation"))
			if f.needs != "" {
				if got := v.ask("", f.document, nil); got.code() != "UNAUTHENTICATED" {
					t.Errorf("%s to nobody: %s", name, got.Raw)
				}
			}
			if f.lesser != "" {
				if got := v.ask(rung[1], f.document, nil); got.code() != f.lesser || got.at("errors.1") != nil {
					t.Errorf("%s to the next below: %s", name, got.Raw)
				}
			}
			got := v.ask(rung[0], f.document, nil)
			if got.Status != 200 || got.at("errors") != nil || strings.Contains(got.Raw, `"success":false`) {
				t.Errorf("%s to the right caller: %s", name, got.Raw)
			}
			for path, value := range f.want {
				got.is(t, map[string]any{"data." + path: value})
			}
		}
	})
}

// A field that nobody thought of in the table is a field that nobody tried without a token.
func TestTheTableHasEveryField(t *testing.T) {
	t.Parallel()
	schema, err := os.ReadFile("../../api/schema.graphql")
	if err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{"Query", "Mutation"} {
		body := regexp.MustCompile(`(?ms)^type ` + root + ` \{\n(.*?)^\}`).FindStringSubmatch(string(schema))[1]
		for _, name := range regexp.MustCompile(`(?m)^  (\w+)[(:]`).FindAllStringSubmatch(body, -1) {
			told := false
			for _, f := range fields {
				told = told || regexp.MustCompile(`\b`+name[1]+`[({]`).MatchString(f.document)
			}
			if !told {
				t.Errorf("%s is not in the table", name[1])
			}
		}
	}
}
