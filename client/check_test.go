package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/client"
	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/rbac"
)

const batchCall = "POST /api/check/batch"

func TestChecks(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		v := settle(t, on)
		in := func(permission, owner string) propusk.Question {
			return propusk.Question{Permission: permission, CommunityID: v.owls, OwnerID: owner}
		}
		about := func(userID string) propusk.Question {
			return propusk.Question{Permission: "shout:read", CommunityID: v.owls, UserID: userID}
		}
		for _, tt := range []struct {
			who  string
			q    propusk.Question
			want string
		}{
			{v.reader.Token, in("shout:read", ""), "true role"},
			{v.reader.Token, in("shout:create", ""), "false missing_permission"},
			{v.author.Token, in("shout:update", v.author.UserID), "true own"},
			{v.author.Token, in("shout:update", strings.ToUpper(v.author.UserID)), "true own"},
			{v.author.Token, in("shout:update", v.reader.UserID), "false not_owner"},
			{v.root, in("spaceship:launch", ""), "true platform_admin"},
			{v.stranger.Token, in("shout:read", ""), "false not_member"},
			{v.reader.Token, propusk.Question{Permission: "shout:read"}, "false community_required"},
			{v.reader.Token, propusk.Question{Permission: "shout:read", CommunityID: -7}, "false not_member"},
			{v.reader.Token, propusk.Question{Permission: "shout:read", CommunityID: 1 << 40}, "false not_member"},
			{v.stranger.Token, propusk.Question{Permission: "user:block"}, "true role"},
			{v.root, about(v.reader.UserID), "true role"},
			{v.root, about(v.stranger.UserID), "false not_member"},
			{v.root, about("00000000-0000-4000-8000-000000000000"), "false inactive"},
			{v.reader.Token, about(v.reader.UserID), "true role"},
			{v.reader.Token, about(v.author.UserID), "forbidden missing_permission access:check"},
			{v.reader.Token, about("boris"), "invalid invalid_input user_id"},
			{v.reader.Token, in("shout:*", ""), "invalid invalid_input permission"},
			{v.reader.Token, in("shout:read", "me"), "invalid invalid_input owner_id"},
			{v.reader.Token, in("user:block", ""), "invalid invalid_input community_id"},
			{"", in("shout:read", ""), "unauthenticated not_signed_in"},
			{"propusk_nonsense", in("shout:read", ""), "unauthenticated invalid_token"},
		} {
			c := v.as(tt.who)
			if got := told(c.Check(t.Context(), tt.q)); got != tt.want {
				t.Errorf("%+v: %s, want %s", tt.q, got, tt.want)
			}
			all, err := c.CheckAll(t.Context(), []propusk.Question{tt.q})
			first := rbac.Decision{}
			if err == nil {
				first = all[0]
			}
			if got := strings.ReplaceAll(told(first, err), "checks[0].", ""); got != tt.want {
				t.Errorf("%+v in CheckAll: %s, want %s", tt.q, got, tt.want)
			}
		}
	})
}

// told is a decision or an error in a few words.
func told(d rbac.Decision, err error) string {
	var e *propusk.Error
	if !errors.As(err, &e) {
		return fmt.Sprint(d.Allowed, " ", d.Reason)
	}
	if d != (rbac.Decision{}) {
		return "a decision beside an error"
	}
	words := []string{kinds[e.Kind], e.Code}
	for _, f := range e.Fields {
		words = append(words, f.Field)
	}
	if e.Permission != "" {
		words = append(words, e.Permission)
	}
	return strings.Join(words, " ")
}

var kinds = map[propusk.Kind]string{
	propusk.Internal: "internal", propusk.Invalid: "invalid", propusk.Unauthenticated: "unauthenticated", propusk.Forbidden: "forbidden",
	propusk.NotFound: "not_found", propusk.Conflict: "conflict", propusk.RateLimited: "rate_limited", propusk.Unavailable: "unavailable",
}

func TestCheckAllAsksAThousandAtATime(t *testing.T) {
	t.Parallel()
	v := settle(t)
	w := tap(t, v.URL)
	c := dial(t, w.URL, v.reader.Token)
	questions := make([]propusk.Question, 2500)
	for i := range questions {
		questions[i] = propusk.Question{Permission: []string{"shout:read", "shout:create"}[i%2], CommunityID: v.owls}
	}
	decisions, err := c.CheckAll(t.Context(), questions)
	if err != nil || len(decisions) != len(questions) || w.count(batchCall) != 3 {
		t.Fatalf("%d decisions in %d calls, %v", len(decisions), w.count(batchCall), err)
	}
	for i, d := range decisions {
		if d.Allowed != (i%2 == 0) {
			t.Fatalf("question %d: %+v", i, d)
		}
	}
	questions[1234] = propusk.Question{Permission: "user:block", CommunityID: v.owls} // which only the server knows to be wrong
	decisions, err = c.CheckAll(t.Context(), questions)
	if got := told(rbac.Decision{}, err); got != "invalid invalid_input checks[1234].community_id" || decisions != nil {
		t.Errorf("%s", got)
	}
	before := w.count(batchCall)
	if decisions, err := c.CheckAll(t.Context(), nil); err != nil || len(decisions) != 0 || w.count(batchCall) != before {
		t.Errorf("no questions: %v %v", decisions, err)
	}
}

// flood asks questions at once, in an order of their own, and returns what was told of each when all are answered.
type flood struct {
	c    *client.Client
	all  sync.WaitGroup
	mu   sync.Mutex
	told map[string]string
}

func (f *flood) ask(ctx context.Context, name string, q propusk.Question) (answered <-chan struct{}) {
	done := make(chan struct{})
	f.all.Go(func() {
		defer close(done)
		got := told(f.c.Check(ctx, q))
		f.mu.Lock()
		defer f.mu.Unlock()
		f.told[name] = got
	})
	return done
}

// jam is a client all of whose calls are under way and held up, so that every further question waits.
func jam(t *testing.T, v *village, token string) (f *flood, w *wire, pass chan struct{}) {
	t.Helper()
	w = tap(t, v.URL)
	pass = w.holdUp()
	f = &flood{c: dial(t, w.URL, token), told: map[string]string{}}
	for i := range flights {
		f.ask(t.Context(), fmt.Sprint("first ", i), propusk.Question{Permission: fmt.Sprintf("first:n%d", i), CommunityID: v.owls})
		w.wait(t)
	}
	return f, w, pass
}

const flights = 4

// queued waits until n callers wait.
func queued(t *testing.T, c *client.Client, n int) {
	t.Helper()
	for start := time.Now(); client.Waiting(c) != n; time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatalf("%d callers wait, not %d", client.Waiting(c), n)
		}
	}
}

func TestQuestionsThatComeMeanwhileGoTogether(t *testing.T) {
	t.Parallel()
	v := settle(t)
	f, w, pass := jam(t, v, v.reader.Token)
	for i := range 100 {
		permission := []string{"shout:read", "shout:create", "chat:read", "topic:read"}[i%4]
		f.ask(t.Context(), fmt.Sprint(i), propusk.Question{Permission: permission, CommunityID: v.owls})
	}
	queued(t, f.c, 100)
	close(pass)
	f.all.Wait()
	if got := w.count(batchCall); got != flights+1 {
		t.Errorf("%d calls for %d questions", got, flights+100)
	}
	for i := range 100 {
		want := "true role"
		if i%4 == 1 {
			want = "false missing_permission"
		}
		if got := f.told[fmt.Sprint(i)]; got != want {
			t.Errorf("question %d: %s", i, got)
		}
	}
}

func TestALoneCheckWaitsForNobody(t *testing.T) {
	t.Parallel()
	v := settle(t)
	w := tap(t, v.URL)
	c := dial(t, w.URL, v.reader.Token)
	for range 3 {
		if got := told(c.Check(t.Context(), propusk.Question{Permission: "shout:read", CommunityID: v.owls})); got != "true role" {
			t.Error(got)
		}
	}
	if w.count(batchCall) != 3 {
		t.Errorf("%d calls for 3 questions: something was remembered", w.count(batchCall))
	}
}

// TestConnectionsAreKept: questions one after the other, of whatever sort and with whatever answer, go over one connection.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64
	s := httptest.NewUnstartedServer(says(http.StatusForbidden, "application/problem+json", `{"code":"x","detail":"y"}`))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	c := dial(t, s.URL, "token")
	for range 20 {
		_, checked := c.Check(t.Context(), propusk.Question{Permission: "shout:read", CommunityID: 1})
		_, inspected := c.Inspect(t.Context(), "other", 1)
		if checked == nil || inspected == nil {
			t.Fatal("a refusal was lost")
		}
	}
	// net/http opens another one when its own goroutine for writing does not get to run for 50 ms after the answer, as on a busy machine.
	if n := opened.Load(); n > 5 {
		t.Errorf("%d connections", n)
	}
}

// TestAQuestionIsNotAnsweredFromBeforeIt: a call that is under way may have been decided before a role was taken; who asks after that
// must not be given its answer.
func TestAQuestionIsNotAnsweredFromBeforeIt(t *testing.T) {
	t.Parallel()
	v := settle(t)
	q := propusk.Question{Permission: "shout:create", CommunityID: v.owls}
	answered, release := make(chan struct{}), make(chan struct{})
	var decided atomic.Bool
	late := impostor(t, func(w http.ResponseWriter, r *http.Request) {
		got := v.Call("POST", "/api/check/batch", v.author.Token, map[string]any{"checks": []asked{{Permission: q.Permission,
			CommunityID: v.owls}}})
		if decided.CompareAndSwap(false, true) { // and on its way
			close(answered)
			<-release
		}
		says(got.Status, got.Header.Get("Content-Type"), got.Raw)(w, r)
	})
	f := &flood{c: dial(t, late, v.author.Token), told: map[string]string{}}
	f.ask(t.Context(), "before", q)
	<-answered
	v.roles(v.author, "reader")
	if got := told(f.c.Check(t.Context(), q)); got != "false missing_permission" {
		t.Errorf("after the role was taken: %s", got)
	}
	close(release)
	f.all.Wait()
	if got := f.told["before"]; got != "true role" {
		t.Errorf("before the role was taken: %s", got)
	}
}

func TestWhoGivesUpSpoilsNothing(t *testing.T) {
	t.Parallel()
	v := settle(t)
	f, w, pass := jam(t, v, v.reader.Token)
	impatient, giveUp := context.WithCancel(t.Context())
	same := propusk.Question{Permission: "shout:read", CommunityID: v.owls}
	f.ask(t.Context(), "patient", same)
	queued(t, f.c, 1)
	f.ask(impatient, "impatient, the same", same)
	f.ask(impatient, "impatient, another", propusk.Question{Permission: "chat:read", CommunityID: v.owls})
	queued(t, f.c, 3)
	giveUp()
	queued(t, f.c, 1) // nobody waits for the other any more
	close(pass)
	f.all.Wait()
	for name, want := range map[string]string{
		"patient": "true role", "impatient, the same": "unavailable timed_out", "impatient, another": "unavailable timed_out",
		"first 0": "false missing_permission",
	} {
		if got := f.told[name]; got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if w.count(batchCall) != flights+1 {
		t.Errorf("%d calls", w.count(batchCall))
	}
}

func TestWhoGivesUpWhileTheCallIsUnderWaySpoilsNothing(t *testing.T) {
	t.Parallel()
	v := settle(t)
	f, w, pass := jam(t, v, v.reader.Token)
	impatient, giveUp := context.WithCancel(t.Context())
	gaveUp := f.ask(impatient, "impatient", propusk.Question{Permission: "chat:read", CommunityID: v.owls})
	f.ask(t.Context(), "patient", propusk.Question{Permission: "shout:read", CommunityID: v.owls})
	queued(t, f.c, 2)
	pass <- struct{}{}
	w.wait(t) // both are under way
	giveUp()
	select {
	case <-gaveUp: // before there is an answer, which might be taken as well
	case <-time.After(patience):
		t.Error("who gives up waits for the answer")
	}
	close(pass)
	f.all.Wait()
	if f.told["patient"] != "true role" || f.told["impatient"] != "unavailable timed_out" {
		t.Errorf("%v", f.told)
	}
}

func TestAMalformedQuestionIsItsOwnTrouble(t *testing.T) {
	t.Parallel()
	v := settle(t)
	f, w, pass := jam(t, v, v.reader.Token)
	for i := range 50 {
		f.ask(t.Context(), fmt.Sprint("good ", i), propusk.Question{Permission: "shout:read", CommunityID: v.owls, OwnerID: owner(i)})
	}
	// Only the server knows that this is a permission of the platform.
	f.ask(t.Context(), "bad", propusk.Question{Permission: "user:block", CommunityID: v.owls})
	f.ask(t.Context(), "worse", propusk.Question{Permission: "user:read", CommunityID: v.owls})
	queued(t, f.c, 52)
	close(pass)
	f.all.Wait()
	for i := range 50 {
		if got := f.told[fmt.Sprint("good ", i)]; got != "true role" {
			t.Errorf("question %d: %s", i, got)
		}
	}
	for _, name := range []string{"bad", "worse"} {
		if got := f.told[name]; got != "invalid invalid_input community_id" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if w.count(batchCall) != flights+2 {
		t.Errorf("%d calls", w.count(batchCall))
	}
}

func owner(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }

func TestAQuestionAboutOthersIsItsOwnTrouble(t *testing.T) {
	t.Parallel()
	v := settle(t)
	key := v.key(v.root, "shout:read")
	for name, tt := range map[string]struct{ token, byName string }{
		"a reader": {v.reader.Token, "true role"},
		// A key that names its issuer asks about the person, for which it needs access:check.
		"a key": {key, "forbidden missing_permission access:check"},
	} {
		f, w, pass := jam(t, v, tt.token)
		me := v.ok("GET", "/api/pass", tt.token, nil).Body["user"].(map[string]any)["user_id"].(string)
		about := func(userID string) propusk.Question {
			return propusk.Question{Permission: "shout:read", CommunityID: v.owls, UserID: userID}
		}
		f.ask(t.Context(), "me", about(""))
		f.ask(t.Context(), "me by name", about(strings.ToUpper(me)))
		f.ask(t.Context(), "a friend", about(v.author.UserID))
		f.ask(t.Context(), "another", about(v.stranger.UserID))
		queued(t, f.c, 4)
		close(pass)
		f.all.Wait()
		mine := "true role"
		if name == "a key" {
			mine = "true platform_admin"
		}
		want := map[string]string{
			"me": mine, "me by name": tt.byName, "a friend": "forbidden missing_permission access:check",
			"another": "forbidden missing_permission access:check",
		}
		for question := range want {
			if f.told[question] != want[question] {
				t.Errorf("%s, %s: %s", name, question, f.told[question])
			}
		}
		if w.count(batchCall) != flights+2 {
			t.Errorf("%s: %d calls", name, w.count(batchCall))
		}
	}
}

func TestACheckEndsWithItsContext(t *testing.T) {
	t.Parallel()
	never := impostor(t, hangs(make(chan struct{}, 10)))
	c := dial(t, never, "token", client.Timeout(50*time.Millisecond))
	q := propusk.Question{Permission: "shout:read", CommunityID: 1}
	if got := told(c.Check(t.Context(), q)); got != "unavailable timed_out" {
		t.Error(got)
	}
	slow := dial(t, never, "token")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := slow.Check(ctx, q)
	if told(rbac.Decision{}, err) != "unavailable timed_out" || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	_, err = slow.CheckAll(ctx, []propusk.Question{q})
	if told(rbac.Decision{}, err) != "unavailable timed_out" {
		t.Error(err)
	}
}

// hangs answers nothing until the client has gone, which a server notices when it has read all.
func hangs(arrived chan<- struct{}) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-r.Context().Done()
	}
}

func TestAClosedClientDenies(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, flights)
	never := impostor(t, hangs(arrived))
	f := &flood{c: dial(t, never, "token"), told: map[string]string{}}
	f.ask(t.Context(), "under way", propusk.Question{Permission: "shout:read", CommunityID: 1})
	<-arrived
	f.c.Close()
	f.all.Wait()
	if got := f.told["under way"]; got != "unavailable timed_out" {
		t.Error(got)
	}
	if got := told(f.c.Check(t.Context(), propusk.Question{Permission: "shout:read"})); got != "unavailable closed" {
		t.Error(got)
	}
	if _, err := f.c.Inspect(t.Context(), "token", 1); told(rbac.Decision{}, err) != "unavailable closed" {
		t.Error(err)
	}
	f.c.Close() // once more does no harm
}

func TestOddDecisionsDeny(t *testing.T) {
	t.Parallel()
	q := propusk.Question{Permission: "shout:read", CommunityID: 1}
	bodies := []string{
		``, `null`, `{}`, `[]`, `{"results":null}`, `{"results":[]}`, `{"results":[{}]}`, `{"results":[{"allowed":true}]}`,
		`{"results":[{"reason":"role"}]}`,
		`{"results":[{"allowed":true,"reason":""}]}`, `{"results":[{"allowed":true,"reason":"not_member"}]}`,
		`{"results":[{"allowed":true,"reason":"because"}]}`,
		`{"results":[{"allowed":false,"reason":"role"}]}`, `{"results":[{"allowed":false,"reason":""}]}`,
		`{"results":[{"allowed":"true","reason":"role"}]}`,
		`{"results":[{"allowed":1,"reason":"role"}]}`, `{"results":[{"Allowed":true,"reason":"role"}]}`,
		`{"results":[{"allowed":null,"reason":"role"}]}`,
		`{"results":[{"allowed":false,"allowed":true,"reason":"role"}]}`,
		`{"results":[{"allowed":true,"reason":"role"},{"allowed":true,"reason":"role"}]}`,
		`{"results":[{"allowed":true,"reason":"role"}]`, `{"results":[{"allowed":true,"reason":"role"}]}x`, `{"allowed":true,"reason":"role"}`,
		`{"results":[{"allowed":true,"reason":"role"}],"results":[{"allowed":true,"reason":"role"}]}`,
		`{"results":[{"allowed":true,"reason":"role"` + "\xff" + `}]}`,
		`{"results":[{"allowed":true,"reason":"role"}],"x":"` + strings.Repeat("x", 4<<20) + `"}`,
	}
	const good = `{"results":[{"allowed":true,"reason":"role"}]}`
	answers := map[string]http.HandlerFunc{
		"a page":    says(http.StatusOK, "text/html", good),
		"no type":   says(http.StatusOK, "", good),
		"a problem": says(http.StatusOK, "application/problem+json", good),
		"201":       says(http.StatusCreated, "application/json", good),
		"206":       says(http.StatusPartialContent, "application/json", good),
		"a gateway": says(http.StatusBadGateway, "text/html", "<h1>502</h1>"),
		"404":       says(http.StatusNotFound, "text/html", "not here"),
		"403":       says(http.StatusForbidden, "application/json", `{"code":"x","detail":"y"}`),
		"odd 403":   says(http.StatusForbidden, "application/problem+json", `{"detail":"y"}`),
		"418":       says(http.StatusTeapot, "application/problem+json", `{"code":"x","detail":"y"}`),
		"elsewhere": says(http.StatusNotFound, "application/problem+json", `{"code":"no_such_route","detail":"y"}`),
		"cut short": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(good))
		},
		"no answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for i, body := range bodies {
		answers[fmt.Sprintf("body %d %.60s", i, body)] = says(http.StatusOK, "application/json", body)
	}
	for name, answer := range answers {
		c := dial(t, impostor(t, answer), "token")
		d, err := c.Check(t.Context(), q)
		if propusk.KindOf(orNone(err)) != propusk.Unavailable || d != (rbac.Decision{}) {
			t.Errorf("%s: %+v %v", name, d, err)
		}
		all, err := c.CheckAll(t.Context(), []propusk.Question{q})
		if propusk.KindOf(orNone(err)) != propusk.Unavailable || all != nil {
			t.Errorf("%s: %+v %v", name, all, err)
		}
		c.Close()
	}
	c := dial(t, impostor(t, says(http.StatusOK, "application/json; charset=utf-8", good)), "token")
	if got := told(c.Check(t.Context(), q)); got != "true role" {
		t.Errorf("the truth is refused: %s", got)
	}
	newer := `{"results":[{"allowed":false,"reason":"suspended","until":5}]}`
	c = dial(t, impostor(t, says(http.StatusOK, "application/json", newer)), "token")
	if diff := cmp.Diff("false suspended", told(c.Check(t.Context(), q))); diff != "" {
		t.Errorf("a newer server (-want +got)\n%s", diff)
	}
}

func orNone(err error) error {
	if err == nil {
		return errors.New("none")
	}
	return err
}
