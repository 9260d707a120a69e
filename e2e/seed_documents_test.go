package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The three documents of the seed, letter by letter, as whoever comes from Discours has them in files.
func TestTheDocumentsOfTheSeedRunFromFiles(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *server) {
		root, anna, boris := s.root(t), s.person(t, "anna"), s.person(t, "boris")
		community := s.founds(t, root, anna, "owls")
		s.gives(t, root, community, boris, "reader")
		in, borisID := json.Number(filepath.Base(community)), s.numberOf(t, boris)

		given := s.runs(t, anna, "AdminSetUserCommunityRoles", map[string]any{"author_id": borisID, "community_id": in, "roles": []string{"reader", "expert"}})
		is(t, given, `{"adminSetUserCommunityRoles": {"success": true, "error": null, "author_id": `+borisID.String()+`, "community_id": `+in.String()+`,
			"roles": ["reader", "expert"]}}`)

		page := s.runs(t, anna, "AdminGetCommunityMembers", map[string]any{"community_id": in})
		members := page["adminGetCommunityMembers"].(map[string]any)["members"].([]any)
		for _, member := range members {
			delete(member.(map[string]any), "created_at")
		}
		is(t, page, `{"adminGetCommunityMembers": {"success": true, "error": null, "total": 2, "page": 1, "limit": 50, "has_next": false, "members": [
			{"id": `+s.numberOf(t, anna).String()+`, "name": "anna", "slug": "anna-smirnova", "email": "anna@example.org", "roles": ["admin"], "is_follower": false},
			{"id": `+borisID.String()+`, "name": "boris", "slug": "boris-smirnova", "email": "boris@example.org", "roles": ["reader", "expert"], "is_follower": false}]}}`)

		settings := s.runs(t, anna, "AdminUpdateCommunityRoleSettings", map[string]any{
			"community_id": in, "default_roles": []string{"reader"}, "available_roles": []string{"reader", "author", "expert", "admin"},
		})
		is(t, settings, `{"adminUpdateCommunityRoleSettings": {"success": true, "error": null, "community_id": `+in.String()+`,
			"default_roles": ["reader"], "available_roles": ["reader", "author", "expert", "admin"]}}`)

		// What was done here holds at the other door.
		var got struct{ Roles []string }
		decode(t, s.call(t, http.StatusOK, "GET", community+"/permissions?user_id="+boris.userID, anna.token, nil), &got)
		if !slices.Equal(got.Roles, []string{"reader", "expert"}) {
			t.Errorf("over REST he has %v", got.Roles)
		}
	})
}

// runs sends a document from its file and returns the data, which must come without errors.
func (s *server) runs(t *testing.T, who person, document string, variables map[string]any) map[string]any {
	t.Helper()
	text, err := os.ReadFile("../internal/graph/testdata/" + document + ".graphql")
	if err != nil {
		t.Fatal(err)
	}
	got := s.call(t, http.StatusOK, "POST", "/graphql", who.token, map[string]any{"query": string(text), "variables": variables})
	var body struct {
		Data   map[string]any
		Errors []any
	}
	decode(t, got, &body)
	if len(body.Errors) > 0 {
		t.Fatalf("%s: %s", document, got.raw)
	}
	return body.Data
}

func (s *server) numberOf(t *testing.T, who person) json.Number {
	t.Helper()
	var me struct{ ID json.Number }
	decode(t, s.call(t, http.StatusOK, "GET", "/api/users/me", who.token, nil), &me)
	return me.ID
}

func is(t *testing.T, got map[string]any, want string) {
	t.Helper()
	var wanted map[string]any
	decode(t, answer{raw: want}, &wanted)
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func decode(t *testing.T, from answer, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(from.raw), into); err != nil {
		t.Fatalf("%v in %s", err, from)
	}
}
