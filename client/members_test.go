package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
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

// same reports what an error and a value are not as they should be.
func same[T any](t *testing.T, what string, want T) func(T, error) {
	t.Helper()
	return func(got T, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", what, diff)
		}
	}
}

// refused reports when a call is not refused with that kind and code and those fields, or returns something beside.
func refused[T any](t *testing.T, want string) func(T, error) {
	t.Helper()
	return func(got T, err error) {
		t.Helper()
		if is := told(rbac.Decision{}, err); err == nil || is != want {
			t.Errorf("%s, want %s", is, want)
		}
		var none T
		if diff := cmp.Diff(none, got); diff != "" {
			t.Errorf("%s: beside the error there is\n%s", want, diff)
		}
	}
}

func TestMembersAndTheirRoles(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		v := settle(t, on)
		c, ctx := v.as(v.founder.Token), t.Context()
		who := v.author.UserID
		same(t, "roles", []string{"reader", "author"})(c.RolesOf(ctx, v.owls, who))
		same(t, "set", []string{"author", "reader"})(c.SetRoles(ctx, v.owls, who, []string{"author", "reader"}))
		same(t, "add", []string{"author", "reader", "expert"})(c.AddRole(ctx, v.owls, who, "expert"))
		same(t, "remove", []string{"author", "expert"})(c.RemoveRole(ctx, v.owls, who, "reader"))
		same(t, "roles then", []string{"author", "expert"})(c.RolesOf(ctx, v.owls, strings.ToUpper(who)))
		same(t, "admitted", []string{"reader"})(c.SetRoles(ctx, v.owls, v.stranger.UserID, []string{"reader"}))
		same(t, "none", []string{})(c.SetRoles(ctx, v.owls, v.stranger.UserID, nil))
		same(t, "of none", []string{})(c.PermissionsOf(ctx, v.owls, v.stranger.UserID))
		everything, err := c.PermissionsOf(ctx, v.owls, v.founder.UserID)
		if err != nil || len(everything) < 100 || everything[0] != rbac.Everything {
			t.Errorf("an admin may %v, %v", everything, err)
		}

		member := propusk.Member{Communities: c, CommunityID: v.owls, UserID: who}
		same(t, "the seed's words", true)(member.HasRole(ctx, "expert"))
		same(t, "has permission", true)(propusk.Member{Communities: v.as(v.root), CommunityID: v.owls, UserID: who}.HasPermission(ctx,
			"shout:create"))

		lists, err := c.RolePermissions(ctx, v.owls)
		if err != nil || len(lists) != 6 || len(lists["reader"]) == 0 || lists["admin"][0] != rbac.Everything {
			t.Errorf("roles permit %v, %v", lists, err)
		}
		all := []string{"reader", "author", "artist", "expert", "editor", "admin"}
		same(t, "settings", propusk.RoleSettings{AvailableRoles: all, DefaultRoles: []string{"reader"}})(c.RoleSettings(ctx, v.owls))
		fewer := propusk.RoleSettings{AvailableRoles: []string{"reader", "editor", "admin"}, DefaultRoles: []string{}}
		refused[propusk.RoleSettings](t, "conflict roles_in_use")(c.SetRoleSettings(ctx, v.owls, fewer, false))
		same(t, "stripped", fewer)(c.SetRoleSettings(ctx, v.owls, fewer, true))
		same(t, "roles after that", []string{})(c.RolesOf(ctx, v.owls, who))
	})
}

func TestMembersPageByPage(t *testing.T) {
	t.Parallel()
	v := settle(t)
	ctx := t.Context()
	page, err := v.as(v.founder.Token).Members(ctx, v.owls, propusk.MemberFilter{Limit: 3})
	if err != nil || len(page.Members) != 3 || page.Total != 4 || !page.HasNext {
		t.Fatalf("%+v, %v", page, err)
	}
	last, err := v.as(v.founder.Token).Members(ctx, v.owls, propusk.MemberFilter{Limit: 3, Page: 2})
	if err != nil || len(last.Members) != 1 || last.HasNext {
		t.Fatalf("%+v, %v", last, err)
	}
	found, err := v.as(v.founder.Token).Members(ctx, v.owls, propusk.MemberFilter{Role: "author", Search: v.author.Email})
	if err != nil || len(found.Members) != 1 || found.Total != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	m := found.Members[0]
	if m.CommunityID != v.owls || m.User.UserID != v.author.UserID || m.User.Email != v.author.Email || m.User.ID < 1 || !m.User.IsActive ||
		m.JoinedAt.IsZero() || m.Follower || len(m.Roles) != 2 {
		t.Errorf("%+v", m)
	}
	plain, err := v.as(v.reader.Token).Members(ctx, v.owls, propusk.MemberFilter{})
	if err != nil || len(plain.Members) != 4 || plain.Members[0].User.Email != "" {
		t.Errorf("a reader sees %+v, %v", plain, err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		v := settle(t, on)
		ctx, who := t.Context(), v.author.UserID
		reader, founder, stranger, nobody := v.as(v.reader.Token), v.as(v.founder.Token), v.as(v.stranger.Token), v.as("")
		const mayNot, notHere = "forbidden missing_permission member:assign_role", "not_found community_not_found"
		roles := refused[[]string]
		roles(t, mayNot)(reader.SetRoles(ctx, v.owls, who, []string{"editor"}))
		roles(t, mayNot)(reader.AddRole(ctx, v.owls, who, "editor"))
		roles(t, mayNot)(reader.RemoveRole(ctx, v.owls, who, "author"))
		roles(t, mayNot)(reader.RolesOf(ctx, v.owls, who))
		roles(t, notHere)(stranger.PermissionsOf(ctx, v.owls, v.stranger.UserID))
		for _, id := range []int64{0, -1, 99999, 1 << 40} {
			roles(t, notHere)(founder.SetRoles(ctx, id, who, nil))
			roles(t, notHere)(founder.RolesOf(ctx, id, who))
			refused[map[string][]string](t, notHere)(founder.RolePermissions(ctx, id))
			refused[propusk.RoleSettings](t, notHere)(founder.RoleSettings(ctx, id))
			refused[propusk.MemberPage](t, notHere)(founder.Members(ctx, id, propusk.MemberFilter{}))
			refused[[]propusk.Assigned](t, notHere)(founder.BulkAssign(ctx, id, propusk.ModeAdd, nil))
		}
		roles(t, "invalid invalid_input roles[1]")(founder.SetRoles(ctx, v.owls, who, []string{"reader", "king"}))
		roles(t, "not_found role_not_found")(founder.AddRole(ctx, v.owls, who, "king"))
		roles(t, "not_found user_not_found")(founder.AddRole(ctx, v.owls, owner(1), "reader"))
		roles(t, "conflict last_community_admin")(founder.RemoveRole(ctx, v.owls, v.founder.UserID, "admin"))
		roles(t, "unauthenticated not_signed_in")(nobody.RolesOf(ctx, v.owls, who))
		refused[propusk.MemberPage](t, "invalid invalid_input role")(founder.Members(ctx, v.owls, propusk.MemberFilter{Role: "king"}))
		refused[propusk.MemberPage](t, "invalid invalid_input limit")(founder.Members(ctx, v.owls, propusk.MemberFilter{Limit: 101}))
		refused[propusk.MemberPage](t, "invalid invalid_input page")(founder.Members(ctx, v.owls, propusk.MemberFilter{Page: -1}))
	})
}

// DELETE …/members/{id}/roles/.. would be DELETE …/members/{id} to whoever tidies paths on the way.
func TestNoNameLeadsToAnotherRoute(t *testing.T) {
	t.Parallel()
	v := settle(t)
	w := tap(t, v.URL)
	c, ctx := dial(t, w.URL, v.founder.Token), t.Context()
	for _, name := range []string{"", ".", "..", "../..", "a/b", "%2e%2e", "..%2f", "x?y", "x#y", "роль", "a b", "Reader", "reader\n", "/",
		`..\`} {
		refused[[]string](t, "not_found role_not_found")(c.AddRole(ctx, v.owls, v.author.UserID, name))
		refused[[]string](t, "not_found role_not_found")(c.RemoveRole(ctx, v.owls, v.author.UserID, name))
		refused[[]string](t, "invalid invalid_input user_id")(c.AddRole(ctx, v.owls, name, "reader"))
		refused[[]string](t, "invalid invalid_input user_id")(c.SetRoles(ctx, v.owls, name, nil))
		refused[[]string](t, "invalid invalid_input user_id")(c.RolesOf(ctx, v.owls, name))
		refused[[]string](t, "invalid invalid_input user_id")(c.PermissionsOf(ctx, v.owls, name))
	}
	if len(w.arrived) != 0 {
		t.Errorf("%d calls were made", len(w.arrived))
	}
	same(t, "still there", []string{"reader", "author"})(c.RolesOf(ctx, v.owls, v.author.UserID))
}

func TestBulk(t *testing.T) {
	t.Parallel()
	apptest.Engines(t, func(t *testing.T, on func(*config.Config)) {
		v := settle(t, on)
		c, ctx := v.as(v.founder.Token), t.Context()
		rows := []propusk.Assignment{
			{UserID: v.author.UserID, Roles: []string{"expert"}}, {UserID: v.stranger.UserID, Roles: []string{"reader"}},
			{AuthorID: 3, Roles: []string{"editor"}}, // Boris, the third account
		}
		same(t, "bulk", []propusk.Assigned{
			{UserID: v.author.UserID, Status: propusk.StatusChanged, Roles: []string{"reader", "author", "expert"}},
			{UserID: v.stranger.UserID, Status: propusk.StatusAdded, Roles: []string{"reader"}},
			{UserID: v.editor.UserID, Status: propusk.StatusUnchanged, Roles: []string{"editor"}},
		})(c.BulkAssign(ctx, v.owls, propusk.ModeAdd, rows))
		bad := refused[[]propusk.Assigned]
		bad(t, "invalid invalid_input members[1].roles")(c.BulkAssign(ctx, v.owls, propusk.ModeReplace, []propusk.Assignment{
			{UserID: v.author.UserID, Roles: []string{}}, {UserID: v.reader.UserID},
		}))
		bad(t, "invalid invalid_input mode")(c.BulkAssign(ctx, v.owls, `sideways"`, rows))
		bad(t, "invalid invalid_input members[0].roles[0]")(c.BulkAssign(ctx, v.owls, propusk.ModeAdd, []propusk.Assignment{
			{UserID: v.author.UserID, Roles: []string{"king"}},
		}))
		bad(t, "invalid invalid_input members")(c.BulkAssign(ctx, v.owls, propusk.ModeAdd, make([]propusk.Assignment, 100_001)))
		same(t, "nothing of that happened", []string{"reader"})(c.RolesOf(ctx, v.owls, v.reader.UserID))
		// Refused before the rows are sent, however many.
		many := make([]propusk.Assignment, 100_000)
		for i := range many {
			many[i] = propusk.Assignment{UserID: v.author.UserID, Roles: []string{"reader"}}
		}
		for credentials, refusal := range map[string]string{
			v.reader.Token: "forbidden missing_permission member:assign_role", "nonsense": "unauthenticated invalid_token",
		} {
			bad(t, refusal)(dial(t, v.URL, credentials, waits(t)).BulkAssign(ctx, v.owls, propusk.ModeAdd, many))
		}
	})
}

// waits is for the server's word before a body, which may take a busy machine longer than the second that a client gives it.
func waits(t *testing.T) client.Option {
	t.Helper()
	transport := &http.Transport{ExpectContinueTimeout: patience}
	t.Cleanup(transport.CloseIdleConnections)
	return client.HTTPClient(&http.Client{Transport: transport})
}

func TestABulkThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	whole := make(chan error, 1)
	c := dial(t, impostor(t, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		whole <- err
	}), secret)
	rows := make([]propusk.Assignment, 2000)
	for i := range rows {
		rows[i] = propusk.Assignment{UserID: owner(i), Roles: []string{strings.Repeat("a", 40<<10)}}
	}
	refused[[]propusk.Assigned](t, "invalid invalid_input members")(c.BulkAssign(t.Context(), 1, propusk.ModeAdd, rows))
	if err := <-whole; err == nil {
		t.Error("what was cut off looks whole to the server")
	}
}

// everyCall makes each call there is.
func everyCall(ctx context.Context, c *client.Client, userID string) map[string]error {
	errs := map[string]error{}
	_, errs["Inspect"] = c.Inspect(ctx, "a.token", 1)
	_, errs["Check"] = c.Check(ctx, propusk.Question{Permission: "shout:read", CommunityID: 1})
	_, errs["CheckAll"] = c.CheckAll(ctx, []propusk.Question{{Permission: "shout:read", CommunityID: 1}})
	_, errs["RolesOf"] = c.RolesOf(ctx, 1, userID)
	_, errs["PermissionsOf"] = c.PermissionsOf(ctx, 1, userID)
	_, errs["Members"] = c.Members(ctx, 1, propusk.MemberFilter{Search: "somebody@example.org"})
	_, errs["RolePermissions"] = c.RolePermissions(ctx, 1)
	_, errs["RoleSettings"] = c.RoleSettings(ctx, 1)
	_, errs["SetRoles"] = c.SetRoles(ctx, 1, userID, []string{"reader"})
	_, errs["AddRole"] = c.AddRole(ctx, 1, userID, "reader")
	_, errs["RemoveRole"] = c.RemoveRole(ctx, 1, userID, "reader")
	_, errs["BulkAssign"] = c.BulkAssign(ctx, 1, propusk.ModeAdd, []propusk.Assignment{{UserID: userID}})
	_, errs["SetRoleSettings"] = c.SetRoleSettings(ctx, 1, propusk.RoleSettings{}, false)
	return errs
}

var changes = map[string]bool{"SetRoles": true, "AddRole": true, "RemoveRole": true, "BulkAssign": true, "SetRoleSettings": true}

const secret = "propusk_secretsecretsecret"

// checkAll compares every call's error: want for reads, and wantChange for changes.
func checkAll(t *testing.T, name string, c *client.Client, want, wantChange string) {
	t.Helper()
	for call, err := range everyCall(t.Context(), c, owner(1)) {
		expected := want
		if changes[call] {
			expected = wantChange
		}
		if got := told(rbac.Decision{}, err); err == nil || got != expected {
			t.Errorf("%s, %s: %s, want %s", name, call, got, expected)
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			if text := fmt.Sprintf("%v %+v %#v", e, e, e); strings.Contains(text, secret) || strings.Contains(text, "somebody") {
				t.Errorf("%s, %s: the error tells too much: %s", name, call, text)
			}
		}
	}
}

func TestAServerThatIsNotThereAllowsNothing(t *testing.T) {
	t.Parallel()
	// Nobody listens there. Where a server was just now, the next moment somebody else's may be.
	c := dial(t, "http://127.0.0.1:1", secret)
	checkAll(t, "down", c, "unavailable unreachable", "unavailable unreachable")
}

func TestAServerThatIsNoneAllowsNothing(t *testing.T) {
	t.Parallel()
	const odd, unknown = "unavailable odd_answer", "unavailable outcome_unknown"
	huge := func(contentType string, status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType)
			if strings.HasSuffix(r.URL.Path, "/bulk") && status == http.StatusOK {
				w.Header().Set("Content-Length", strconv.Itoa(65<<20))
			}
			w.WriteHeader(status)
			block := []byte(strings.Repeat(" ", 1<<20))
			for range 5 {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}
	}
	for name, tt := range map[string]struct {
		answer      http.HandlerFunc
		read, write string
	}{
		"garbage":     {says(http.StatusOK, "application/json", "\x00\x01{"), odd, unknown},
		"nothing":     {says(http.StatusOK, "application/json", ""), odd, unknown},
		"no object":   {says(http.StatusOK, "application/json", "[]"), odd, unknown},
		"no keys":     {says(http.StatusOK, "application/json", "{}"), odd, unknown},
		"200 problem": {says(http.StatusOK, "application/problem+json", `{"code":"x","detail":"x"}`), odd, unknown},
		"a gateway":   {says(http.StatusGatewayTimeout, "text/html", "504"), odd, unknown},
		"endless":     {huge("application/json", http.StatusOK), odd, unknown},
		"endless 403": {huge("application/problem+json", http.StatusForbidden), odd, unknown},
		"cut off":     {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "unavailable unreachable", unknown},
		"elsewhere":   {says(http.StatusFound, "text/html", ""), odd, unknown},
		"limited": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			says(http.StatusTooManyRequests, "application/problem+json", `{"code":"slow_down","detail":"x"}`)(w, r)
		}, "rate_limited slow_down", "rate_limited slow_down"},
		"busy": {says(http.StatusServiceUnavailable, "application/problem+json", `{"code":"busy","detail":"x"}`), "unavailable busy",
			"unavailable busy"},
	} {
		c := dial(t, impostor(t, tt.answer), secret)
		checkAll(t, name, c, tt.read, tt.write)
		c.Close()
	}
}

func TestARefusalIsTakenOverAsItIs(t *testing.T) {
	t.Parallel()
	for status, kind := range map[int]propusk.Kind{
		400: propusk.Invalid, 413: propusk.Invalid, 422: propusk.Invalid, 401: propusk.Unauthenticated, 403: propusk.Forbidden,
		404: propusk.NotFound, 409: propusk.Conflict, 429: propusk.RateLimited, 500: propusk.Internal, 503: propusk.Unavailable,
	} {
		c := dial(t, impostor(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			says(status, "application/problem+json",
				`{"title":"T","status":200,"code":"some_code","detail":"why","permission":"a:b","request_id":"r","errors":[`+
					`{"location":"body.roles[0]","message":"one"},{"location":"query.page","message":"two"},`+
					`{"location":"path.user_id","message":"three"},`+
					`{"location":"body","message":"four"}]}`)(w, r)
		}), secret)
		_, err := c.SetRoles(t.Context(), 1, owner(1), nil)
		want := &propusk.Error{
			Kind: kind, Code: "some_code", Message: "why", Permission: "a:b", RetryAfter: 7 * time.Second, Fields: []propusk.FieldError{
				{Field: "roles[0]", Message: "one"}, {Field: "page", Message: "two"}, {Field: "user_id", Message: "three"},
				{Field: "body", Message: "four"},
			},
		}
		var got *propusk.Error
		_ = errors.As(err, &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d (-want +got)\n%s", status, diff)
		}
		pass, err := c.Inspect(t.Context(), "token", 1)
		switch got := propusk.KindOf(orNone(err)); {
		case !cmp.Equal(pass, propusk.Pass{}):
			t.Errorf("%d: a pass beside an error", status)
		case kind == propusk.Unauthenticated || kind == propusk.RateLimited:
			if got != kind {
				t.Errorf("%d: %v", status, err)
			}
		case got != propusk.Unavailable:
			t.Errorf("%d: %v", status, err)
		}
	}
}

// A credential goes to the server that was named, and nowhere else.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	other := impostor(t, func(http.ResponseWriter, *http.Request) { t.Error("followed") })
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := impostor(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other+r.URL.Path, status) })
		follows := &http.Client{}
		checkAll(t, fmt.Sprint(status), dial(t, server, secret), "unavailable odd_answer", "unavailable outcome_unknown")
		checkAll(t, fmt.Sprint(status), dial(t, server, secret, client.HTTPClient(follows)), "unavailable odd_answer",
			"unavailable outcome_unknown")
		if follows.CheckRedirect != nil {
			t.Error("the given client was changed")
		}
		follows.CloseIdleConnections()
	}
}

// A check may be sent twice, as it changes nothing; a change may not.
func TestAKeptConnectionThatBreaks(t *testing.T) {
	t.Parallel()
	v := settle(t)
	var asked atomic.Int32
	var breaks atomic.Bool // the next call on a connection that was kept gets no answer
	var kept sync.Map
	server := impostor(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked.Add(1)
		if _, is := kept.LoadOrStore(r.RemoteAddr, true); is && breaks.CompareAndSwap(true, false) {
			panic(http.ErrAbortHandler)
		}
		got := v.Call(r.Method, r.URL.RequestURI(), v.founder.Token, json.RawMessage(body))
		says(got.Status, got.Header.Get("Content-Type"), got.Raw)(w, r)
	})
	c := dial(t, server, v.founder.Token)
	// until calls until a connection broke. Nearly all are kept, but net/http does not promise it.
	until := func(call func()) (calls, sent int32) {
		t.Helper()
		before := asked.Load()
		for breaks.Store(true); breaks.Load(); calls++ {
			if calls == 100 {
				t.Fatal("no connection is kept")
			}
			call()
		}
		return calls, asked.Load() - before
	}
	questions, sent := until(func() {
		if got := told(c.Check(t.Context(), propusk.Question{Permission: "shout:read", CommunityID: v.owls})); got != "true role" {
			t.Error(got)
		}
	})
	if sent != questions+1 {
		t.Errorf("%d calls for %d questions", sent, questions)
	}
	same(t, "set", []string{"reader"})(c.SetRoles(t.Context(), v.owls, v.author.UserID, []string{"reader"}))
	changes, sent := until(func() {
		roles, err := c.SetRoles(t.Context(), v.owls, v.author.UserID, []string{"author"})
		if breaks.Load() {
			same(t, "set", []string{"author"})(roles, err)
		} else {
			refused[[]string](t, "unavailable outcome_unknown")(roles, err)
		}
	})
	if sent != changes {
		t.Errorf("%d calls for %d changes: one was repeated", sent, changes)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "example.org", "ftp://example.org", "https://", "https://?x", "https://example.org?x=1", "https://example.org/?",
		"https://example.org/#",
		"https://user:hunter2@example.org", "http:example.org", "https://example.org/a/../b", "https://example.org/a//b", "https://:443", "://",
		"https://example.org/\n", "https://user:hunter2@exa mple.org",
	} {
		c, err := client.New(bad, "")
		if err == nil || c != nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := client.New("http://example.org", "no key\n"); err == nil || strings.Contains(err.Error(), "no key\n") {
		t.Errorf("odd credentials: %v", err)
	}
	if _, err := client.New("http://example.org", "", client.Timeout(0)); err == nil {
		t.Error("no time at all")
	}
	var paths []string
	server := impostor(t, func(_ http.ResponseWriter, r *http.Request) { paths = append(paths, r.Method+" "+r.URL.EscapedPath()) })
	for _, prefix := range []string{"", "/", "/auth", "/auth/", "/a%20b/c"} {
		_, _ = dial(t, server+prefix, "x").AddRole(t.Context(), 7, owner(1), "reader")
	}
	const path = "/api/communities/7/members/00000000-0000-4000-8000-000000000001/roles/reader"
	want := []string{"POST " + path, "POST " + path, "POST /auth" + path, "POST /auth" + path, "POST /a%20b/c" + path}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
