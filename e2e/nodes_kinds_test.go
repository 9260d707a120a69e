package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// subject is somebody who may do something and from whom that is taken, once.
type subject struct {
	kind                     *revocation
	name, userID, token      string
	community, by            string // by is the token of who takes it
	answered                 atomic.Int64
	took                     time.Duration
	on                       string // which node answered
	tries, unanswered, wrong atomic.Int64

	mu      sync.Mutex
	details []string // of what was wrong
}

// revocation is one way in which what somebody may do comes to an end.
type revocation struct {
	name string
	// alone is whether it needs a community of its own.
	alone bool
	// prepare makes what is particular about it, when the subject is there and is an author in the community.
	prepare func(c *client, root string, s *subject) error
	revoke  func(c *client, s *subject) (answer, error)
	// itself is whether the subject does it: tried again it is refused for want of a session before anything is changed, which says nothing
	// about other nodes.
	itself bool
}

const (
	atStake     = "shout:create" // is what authors may and readers may not
	newPassword = "a quite extraordinary sentence"
)

var everyRevocation = []*revocation{
	{name: "role removed", revoke: func(c *client, s *subject) (answer, error) {
		return c.try("DELETE", s.member()+"/roles/author", s.by, nil)
	}},
	{name: "member removed", revoke: func(c *client, s *subject) (answer, error) {
		return c.try("DELETE", s.member(), s.by, nil)
	}},
	{name: "logout", itself: true, prepare: ownHand, revoke: func(c *client, s *subject) (answer, error) {
		return c.try("POST", "/api/users/logout", s.token, nil)
	}},
	{name: "logout of all", itself: true, prepare: ownHand, revoke: func(c *client, s *subject) (answer, error) {
		return c.try("POST", "/api/users/logout-all", s.by, nil)
	}},
	{name: "password changed", itself: true, prepare: ownHand, revoke: func(c *client, s *subject) (answer, error) {
		return c.try("POST", "/api/users/change-password", s.by, form{"current_password": ordinaryPassword, "new_password": newPassword})
	}},
	{name: "blocked", revoke: func(c *client, s *subject) (answer, error) {
		return c.try("PUT", "/api/admin/block/"+s.userID, s.by, nil)
	}},
	{name: "role no longer available", alone: true, revoke: func(c *client, s *subject) (answer, error) {
		return c.try("PUT", s.path()+"/role-settings", s.by, map[string]any{
			"available_roles": []string{"reader", "editor", "admin"}, "default_roles": []string{"reader"}, "on_in_use": "strip",
		})
	}},
	{name: "custom role changed", alone: true, prepare: scribe, revoke: func(c *client, s *subject) (answer, error) {
		return c.try("PATCH", s.path()+"/roles/scribe", s.by, map[string]any{"permissions": []string{"shout:read"}})
	}},
}

// someRevocations are all of them, or in short runs one of each sort: of a membership, of a session, and of what a community permits.
func someRevocations() []*revocation {
	if hold {
		return everyRevocation
	}
	return []*revocation{everyRevocation[0], everyRevocation[2], everyRevocation[len(everyRevocation)-1]}
}

// ownHand gives the subject a second session, by which it ends the first.
func ownHand(c *client, _ string, s *subject) (err error) {
	s.by, err = signIn(c, s.name)
	return err
}

// scribe makes the subject what only this community knows.
func scribe(c *client, root string, s *subject) error {
	role := map[string]any{"id": "scribe", "name": "Scribe", "permissions": []string{"shout:read", atStake}}
	if _, err := expect(c, http.StatusCreated, "POST", s.path()+"/roles", root, role); err != nil {
		return err
	}
	_, err := expect(c, http.StatusOK, "PUT", s.member()+"/roles", root, map[string]any{"roles": []string{"scribe"}})
	return err
}

func (s *subject) path() string   { return "/api/communities/" + s.community }
func (s *subject) member() string { return s.path() + "/members/" + s.userID }

// expect is call for goroutines, which must not end a test.
func expect(c *client, want int, method, path, token string, body any) (answer, error) {
	got, err := c.steady(method, path, token, body)
	if err == nil && got.status != want {
		err = fmt.Errorf("%s %s: want %d, got %v", method, path, want, got)
	}
	return got, err
}

func signIn(c *client, name string) (token string, err error) {
	got, err := expect(c, http.StatusOK, "POST", "/api/users/login", "", form{"email": address(name), "password": ordinaryPassword})
	return got.text("access_token"), err
}

// cast makes that many subjects of each kind.
func (c *cluster) cast(t *testing.T, kinds []*revocation, each int) (all []*subject) {
	t.Helper()
	c.casts++
	shared, err := found(c.nodes[0].server().client, c.root, fmt.Sprintf("common-%d", c.casts))
	if err != nil {
		t.Fatal(err)
	}
	for n := range each {
		for _, kind := range kinds {
			all = append(all, &subject{kind: kind, name: fmt.Sprintf("s%d-%d-%d", c.casts, n, len(all)), community: shared, by: c.root})
		}
	}
	var next atomic.Int64
	var hands sync.WaitGroup
	for hand := range 8 {
		hands.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(all) && !t.Failed(); i = int(next.Add(1)) - 1 {
				if err := all[i].enter(c.nodes[hand%len(c.nodes)].server().client, c.root); err != nil {
					t.Errorf("%s: %v", all[i].kind.name, err)
				}
			}
		})
	}
	hands.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return all
}

// enter makes the subject.
func (s *subject) enter(c *client, root string) error {
	got, err := expect(c, http.StatusCreated, "POST", "/api/users/register", "", registration(s.name))
	if err != nil {
		return err
	}
	s.userID = got.text("user_id")
	if s.token, err = signIn(c, s.name); err != nil {
		return err
	}
	if s.kind.alone {
		if s.community, err = found(c, root, s.name); err != nil {
			return err
		}
	}
	if _, err = expect(c, http.StatusOK, "PUT", s.member()+"/roles", root, map[string]any{"roles": []string{"reader", "author"}}); err != nil {
		return err
	}
	if s.kind.prepare == nil {
		return nil
	}
	return s.kind.prepare(c, root, s)
}

func found(c *client, root, slug string) (id string, err error) {
	got, err := expect(c, http.StatusCreated, "POST", "/api/communities", root, form{"slug": slug, "name": slug})
	var made struct{ ID json.Number }
	if err == nil {
		err = json.Unmarshal([]byte(got.raw), &made)
	}
	return made.ID.String(), err
}

// verdict is what an answer says about whether the subject still may.
type verdict int

const (
	failed verdict = iota // says nothing
	denied
	allowed
)

// question is one way to ask whether the subject still may.
type question struct {
	name string
	ask  func(c *client, s *subject) verdict
}

// put asks where all is well. A machine that tells many stories at once may keep a server from its database for a moment, and then it is asked again.
func (q question) put(c *client, s *subject) verdict {
	v := q.ask(c, s)
	for begun := time.Now(); !hold && v == failed && time.Since(begun) < patience; v = q.ask(c, s) {
		<-time.After(20 * time.Millisecond)
	}
	return v
}

var questions = []question{
	{"POST /api/check", func(c *client, s *subject) verdict {
		about := map[string]any{"permission": atStake, "community_id": json.Number(s.community)}
		return judge(c.try("POST", "/api/check", s.token, about))(`"allowed":true`)
	}},
	{"GET /api/pass", func(c *client, s *subject) verdict {
		return judge(c.try("GET", "/api/pass?community_id="+s.community, s.token, nil))(`"` + atStake + `"`)
	}},
}

// ofSessions is what only the end of a session or of an account denies.
var ofSessions = question{"GET /api/users/me", func(c *client, s *subject) verdict {
	return judge(c.try("GET", "/api/users/me", s.token, nil))(`"user_id"`)
}}

// questions are all that the revocation decides.
func (r *revocation) questions() []question {
	if r.itself || r.name == "blocked" {
		return append([]question{ofSessions}, questions...)
	}
	return questions
}

// judge takes an answer with that text in it as a permission, and one without it or with 401 or 403 as a refusal.
func judge(got answer, err error) func(text string) verdict {
	return func(text string) verdict {
		switch {
		case err != nil:
			return failed
		case got.status == http.StatusOK && strings.Contains(got.raw, text):
			return allowed
		case got.status == http.StatusOK, got.status == http.StatusUnauthorized, got.status == http.StatusForbidden:
			return denied
		default:
			return failed
		}
	}
}

// blame fails the test if something was wrong, and says what.
func (s *subject) blame(t *testing.T) int64 {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.details) > 0 {
		t.Errorf("%s, answered on %s after %v: %d requests that were sent after the answer were allowed: %v",
			s.kind.name, s.on, s.took, len(s.details), s.details[:min(len(s.details), 5)])
	}
	return int64(len(s.details))
}
