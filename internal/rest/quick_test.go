package rest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/apptest"
)

// asked is what POST /api/check answers, but for what differs from request to request. Whoever names a character set is answered slowly.
func asked(t *testing.T, s *apptest.Server, token, body string, quickly bool) (told []string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, s.URL+"/api/check", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if !quickly {
		request.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	id := answer.Header.Get("X-Request-Id")
	answer.Header.Del("X-Request-Id")
	answer.Header.Del("Date")
	return []string{answer.Status, fmt.Sprint(answer.Header), strings.ReplaceAll(string(raw), id, "")}
}

// odd are bodies that one parser or another might take for something.
var odd = []string{
	`{}`, `[]`, `""`, `null`, `{"permission":null}`, `{"permission":"shout:create","community_id":null}`, `{"permission":"shout:create","user_id":null}`,
	`{"permission":"shout:create"} `, ` {"permission":"shout:create"}`, `{"permission":"shout:create"}{}`, `{"permission":"shout:create"`, `{"permission":"shout:create",}`,
	`{"Permission":"shout:create"}`, `{"permission":"shout:create","permission":"shout:read"}`, `{"permission":"shout:create","community":1}`,
	`{"permission":5}`, `{"permission":["shout:create"]}`, `{"permission":"shout:create","community_id":"1"}`, `{"permission":"shout:create","community_id":1.0}`,
	`{"permission":"shout:create","community_id":1e0}`, `{"permission":"shout:create","community_id":1.5}`, `{"permission":"shout:create","community_id":-0}`,
	`{"permission":"shout:create","community_id":9223372036854775807}`, `{"permission":"shout:create","community_id":9223372036854775808}`,
	`{"permission":"shout:create","community_id":01}`, `{"permission":"shout:create","community_id":true}`, `{"permission":"shout:create","owner_id":""}`,
	`{"permission":"shout:create","user_id":"nobody"}`, `{"permission":"shout:create","user_id":"00000000-0000-0000-0000-000000000000"}`,
	`{"permission":"` + strings.Repeat("x", 1001) + `"}`, `{"permission":"` + strings.Repeat("x", 5000) + `"}`, `{"permission":"shout:*"}`, `{"permission":"*"}`,
	`{"permission":"user:list","community_id":1}`, `{"permission":"user:list"}`, "{\"permission\":\"shout:\xff\"}", `{"permission":"shout:\u0063reate"}`,
	`{"permission":"shout:\ud800"}`, "\ufeff" + `{"permission":"shout:create"}`, `{"permission":"shout:create","community_id":0}`, `{"permission":"null:null"}`,
}

func TestAQuickAnswerIsTheAnswer(t *testing.T) {
	t.Parallel()
	v := settle(t)
	whole := fmt.Sprintf(`{"permission":"shout:create","community_id":%d}`, v.id)
	about := fmt.Sprintf(`{"permission":"shout:create","community_id":%d,"user_id":%q,"owner_id":%q}`, v.id, v.victim.UserID, strings.ToUpper(v.victim.UserID))
	for _, token := range []string{v.editor.Token, v.reader.Token, v.stranger.Token, v.root, "", "rubbish"} {
		for _, body := range append([]string{whole, about}, odd...) {
			for range 2 { // read, and remembered
				if diff := cmp.Diff(asked(t, v.Server, token, body, false), asked(t, v.Server, token, body, true)); diff != "" {
					t.Errorf("%.80q (-slow +quick):\n%s", body, diff)
				}
			}
		}
	}
}
