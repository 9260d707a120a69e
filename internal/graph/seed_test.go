package graph_test

import (
	"testing"

	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
)

// The documents in testdata are those of the description of roles in Discours, letter by letter.
func TestTheDocumentsOfDiscoursRunUnchanged(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		v := settle(t, on)
		page := v.ask(v.founder.Token, seed(t, "AdminGetCommunityMembers"), map[string]any{"community_id": v.id})
		page.is(t, map[string]any{
			"data.adminGetCommunityMembers.success": true, "data.adminGetCommunityMembers.error": nil,
			"data.adminGetCommunityMembers.total": 4, "data.adminGetCommunityMembers.page": 1, "data.adminGetCommunityMembers.limit": 50,
			"data.adminGetCommunityMembers.has_next": false, "data.adminGetCommunityMembers.members.0.id": v.founder.id,
			"data.adminGetCommunityMembers.members.0.email": v.founder.Email, "data.adminGetCommunityMembers.members.0.roles": "[admin]",
			"data.adminGetCommunityMembers.members.0.is_follower": false, "errors": nil,
		})
		if joined, _ := page.at("data.adminGetCommunityMembers.members.0.created_at").(float64); joined < 1.7e9 || joined > 1<<31 {
			t.Errorf("created_at is %v, which are no Unix seconds of our days", joined)
		}
		v.ask(v.founder.Token, seed(t, "AdminGetCommunityMembers"), map[string]any{"community_id": v.id, "page": 2, "limit": 3}).is(t, map[string]any{
			"data.adminGetCommunityMembers.page": 2, "data.adminGetCommunityMembers.limit": 3, "data.adminGetCommunityMembers.total": 4,
			"data.adminGetCommunityMembers.members.1": nil, "data.adminGetCommunityMembers.members.0.id": v.victim.id,
		})
		v.ask(v.founder.Token, seed(t, "AdminGetCommunityMembers"), map[string]any{"community_id": v.id, "limit": 100}).is(t, map[string]any{"errors": nil})

		v.ask(v.founder.Token, seed(t, "AdminSetUserCommunityRoles"), map[string]any{
			"author_id": v.victim.id, "community_id": v.id, "roles": []string{"reader", "expert"},
		}).is(t, map[string]any{
			"data.adminSetUserCommunityRoles.success": true, "data.adminSetUserCommunityRoles.error": nil,
			"data.adminSetUserCommunityRoles.author_id": v.victim.id, "data.adminSetUserCommunityRoles.community_id": v.id,
			"data.adminSetUserCommunityRoles.roles": "[reader expert]", "errors": nil,
		})

		v.ask(v.founder.Token, seed(t, "AdminUpdateCommunityRoleSettings"), map[string]any{
			"community_id": v.id, "default_roles": []string{"reader", "author"}, "available_roles": []string{"reader", "author", "expert", "editor", "admin"},
		}).is(t, map[string]any{
			"data.adminUpdateCommunityRoleSettings.success": true, "data.adminUpdateCommunityRoleSettings.community_id": v.id,
			"data.adminUpdateCommunityRoleSettings.default_roles":   "[reader author]",
			"data.adminUpdateCommunityRoleSettings.available_roles": "[reader author expert editor admin]", "errors": nil,
		})
	})
}

func TestARefusalIsToldInThePayloadAndUnderErrors(t *testing.T) {
	t.Parallel()
	v := settle(t)
	give := map[string]any{"author_id": v.victim.id, "community_id": v.id, "roles": []string{"reader"}}
	for name, of := range map[string]struct {
		token, code, permission string
	}{
		"nobody":   {"", "UNAUTHENTICATED", ""},
		"reader":   {v.reader.Token, "FORBIDDEN", "member:assign_role"},
		"stranger": {v.stranger.Token, "NOT_FOUND", ""},
	} {
		got := v.ask(of.token, seed(t, "AdminSetUserCommunityRoles"), give)
		got.is(t, map[string]any{
			"data.adminSetUserCommunityRoles.success": false, "data.adminSetUserCommunityRoles.roles": "[]",
			"errors.0.extensions.code": of.code, "errors.0.path": "[adminSetUserCommunityRoles]", "errors.1": nil,
			"errors.0.message": got.at("data.adminSetUserCommunityRoles.error"),
		})
		if said, _ := got.at("errors.0.extensions.permission").(string); said != of.permission || got.at("errors.0.message") == "" {
			t.Errorf("%s is told %s", name, got.Raw)
		}
	}
	wrong := v.ask(v.founder.Token, seed(t, "AdminSetUserCommunityRoles"), map[string]any{
		"author_id": v.victim.id, "community_id": v.id, "roles": []string{"reader", "wizard"},
	})
	wrong.is(t, map[string]any{
		"data.adminSetUserCommunityRoles.success": false, "errors.0.extensions.code": "INVALID",
		"errors.0.extensions.fields.0.field": "roles[1]", "errors.0.extensions.reason": "invalid_input",
	})
	v.ask(v.founder.Token, seed(t, "AdminSetUserCommunityRoles"), map[string]any{
		"author_id": v.founder.id, "community_id": v.id, "roles": []string{"reader"},
	}).is(t, map[string]any{"errors.0.extensions.code": "CONFLICT", "errors.0.extensions.reason": "last_community_admin"})
}
