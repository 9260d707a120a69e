package client_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/propusk/propusk/client"
	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
)

func TestMain(m *testing.M) { apptest.Main(m, func() error { return goleak.Find() }) }

// patience is for what has to come about in the end, on however busy a machine.
const patience = time.Minute

// village is a server with two communities: owls, where most things happen, and larks.
type village struct {
	*apptest.Server
	t                                         *testing.T
	founder, editor, reader, author, stranger apptest.Person
	root                                      string
	owls, larks                               int64
}

func settle(t *testing.T, options ...func(*config.Config)) *village {
	t.Helper()
	s := apptest.Start(t, options...)
	v := &village{
		Server: s, t: t, founder: s.WithRole("Anna", "moderator"), editor: s.Register("Boris"), reader: s.Register("Clara"),
		author: s.Register("Egor"), stranger: s.WithRole("Dora", "moderator"), root: s.Admin(),
	}
	v.owls, v.larks = v.found(v.founder, "owls"), v.found(v.stranger, "larks")
	v.roles(v.editor, "editor")
	v.roles(v.reader, "reader")
	v.roles(v.author, "reader", "author")
	return v
}

func (v *village) found(by apptest.Person, slug string) int64 {
	v.t.Helper()
	made := v.ok("POST", "/api/communities", by.Token, map[string]string{"slug": slug, "name": "The " + slug})
	return int64(made.Body["id"].(float64))
}

func (v *village) path(below string) string {
	return fmt.Sprintf("/api/communities/%d%s", v.owls, below)
}

// roles sets somebody's roles among the owls.
func (v *village) roles(p apptest.Person, roles ...string) {
	v.t.Helper()
	v.ok("PUT", v.path("/members/"+p.UserID+"/roles"), v.founder.Token, map[string]any{"roles": append([]string{}, roles...)})
}

func (v *village) ok(method, path, token string, body any) apptest.Answer {
	v.t.Helper()
	got := v.Call(method, path, token, body)
	if got.Status != http.StatusOK && got.Status != http.StatusCreated {
		v.t.Fatalf("%s %s: %d %s", method, path, got.Status, got.Raw)
	}
	return got
}

// key issues an API key.
func (v *village) key(token string, permissions ...string) string {
	v.t.Helper()
	return v.ok("POST", "/api/admin/api-keys", token, map[string]any{"name": "key", "permissions": permissions}).Text("key")
}

// as is a client with those credentials.
func (v *village) as(credentials string) *client.Client { return dial(v.t, v.URL, credentials) }

func dial(t testing.TB, address, credentials string, options ...client.Option) *client.Client {
	t.Helper()
	// Calls that a test holds up wait for longer than the test has patience, unless it says otherwise.
	c, err := client.New(address, credentials, append([]client.Option{client.Timeout(2 * patience)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// wire stands between client and server, counts what passes, and can hold it up.
type wire struct {
	URL   string
	mu    sync.Mutex
	calls map[string]int
	// arrived gets the path of each call; hold, when set, lets one call pass for each value, and all when closed.
	arrived chan string
	hold    chan struct{}
}

func tap(t *testing.T, server string) *wire {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{calls: map[string]int{}, arrived: make(chan string, 10_000)}
	kept := &http.Transport{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = kept
	proxy.ErrorHandler = func(rw http.ResponseWriter, _ *http.Request, _ error) { rw.WriteHeader(http.StatusBadGateway) }
	server1 := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.calls[r.Method+" "+r.URL.EscapedPath()]++
		hold := w.hold
		w.mu.Unlock()
		w.arrived <- r.URL.Path
		if hold != nil {
			<-hold
		}
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() {
		server1.Close()
		kept.CloseIdleConnections()
	})
	w.URL = server1.URL
	return w
}

func (w *wire) count(call string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[call]
}

// holdUp lets calls pass one by one from now on.
func (w *wire) holdUp() chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold = make(chan struct{})
	return w.hold
}

// pass waits for one call to arrive.
func (w *wire) wait(t *testing.T) {
	t.Helper()
	select {
	case <-w.arrived:
	case <-time.After(patience):
		t.Fatal("no call arrived")
	}
}

// impostor is a server that answers everything in the same way.
func impostor(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s.URL
}

// says answers with status, type and body.
func says(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}
