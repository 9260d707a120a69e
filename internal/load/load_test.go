package load_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk/internal/load"
)

// server plays as much of Propusk as a load test sees, and lies or stands still where a test has it do so.
type server struct {
	// incoming are connections that nobody has accepted yet.
	incoming chan net.Conn
	closed   chan struct{}

	mu sync.Mutex
	// people are the accounts that are there, and whether each has the role.
	people map[string]bool
	made   int
	// communities counts those that are there, foreign the requests that would change something of others.
	communities int
	foreign     []string

	checks atomic.Int64
	// stale has a role that was taken still permit, deaf one that was given not permit.
	stale, deaf bool
	// check, when set, answers the n-th check instead.
	check func(n int64, w http.ResponseWriter) (answered bool)
	// exclusive refuses to register, and lasting refuses to delete.
	exclusive, lasting bool
}

// answersAfter is how long the server takes for an answer.
const answersAfter = time.Millisecond

// beside tells a story where nothing takes time but waiting, and the network is inside of the process: then each request takes as long as the
// server waits, however busy the machine is.
func beside(t *testing.T, tell func(t *testing.T, s *server)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { tell(t, newServer(t)) })
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{incoming: make(chan net.Conn), closed: make(chan struct{}), people: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/pass", s.answer(`{"platform_admin":true,"platform_permissions":["*"]}`))
	mux.HandleFunc("GET /api/communities", s.answer(`{"communities":[{"id":3,"is_member":false}],"has_next":false}`))
	mux.HandleFunc("GET /api/communities/{id}/members", s.answer(`{"members":[{"user_id":"anna"},{"user_id":"boris"}]}`))
	mux.HandleFunc("GET /api/communities/{id}/roles", s.answer(
		`{"roles":[{"id":"admin","permissions":["*","x:y"]},{"id":"editor","permissions":["shout:delete_any"]},{"id":"idle","permissions":[]}]}`))
	mux.HandleFunc("PATCH /api/communities/{id}", s.answer(`{}`))
	mux.HandleFunc("POST /api/communities/{id}/members", s.answer(`{}`))
	mux.HandleFunc("POST /api/communities", s.found)
	mux.HandleFunc("DELETE /api/communities/{id}", s.disband)
	mux.HandleFunc("POST /api/users/register", s.register)
	mux.HandleFunc("POST /api/users/login", s.login)
	mux.HandleFunc("POST /api/users/logout", s.answer(`{}`))
	mux.HandleFunc("DELETE /api/users/me", s.leave)
	mux.HandleFunc("POST /api/communities/{id}/members/{who}/roles/{role}", s.role(true))
	mux.HandleFunc("DELETE /api/communities/{id}/members/{who}/roles/{role}", s.role(false))
	mux.HandleFunc("POST /api/check", s.decide)
	answering := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(answersAfter)
		mux.ServeHTTP(w, r)
	})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = answering.Serve(s) }) // until it is closed
	t.Cleanup(func() {
		if err := answering.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return s
}

// Accept implements net.Listener.
func (s *server) Accept() (net.Conn, error) {
	select {
	case c := <-s.incoming:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (s *server) Close() error {
	close(s.closed)
	return nil
}

// Addr implements net.Listener.
func (s *server) Addr() net.Addr { return &net.TCPAddr{} }

// dial connects to the server.
func (s *server) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case s.incoming <- theirs:
		return ours, nil
	case <-s.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *server) answer(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"code":%q,"detail":"no"}`, code)
}

func (s *server) found(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.communities++
	fmt.Fprint(w, `{"id":7}`)
}

func (s *server) disband(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lasting || r.PathValue("id") != "7" {
		refuse(w, http.StatusInternalServerError, "internal")
		return
	}
	s.communities--
	fmt.Fprint(w, `{}`)
}

// register makes an account whose user_id, and whose token, is the local part of its address.
func (s *server) register(w http.ResponseWriter, r *http.Request) {
	var in struct{ Email string }
	_ = json.NewDecoder(r.Body).Decode(&in)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exclusive {
		refuse(w, http.StatusForbidden, "registration_closed")
		return
	}
	name, _, _ := strings.Cut(in.Email, "@")
	s.people[name] = false
	s.made++
	fmt.Fprintf(w, `{"user_id":%q}`, name)
}

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	var in struct{ Email string }
	_ = json.NewDecoder(r.Body).Decode(&in)
	name, _, _ := strings.Cut(in.Email, "@")
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, is := s.people[name]; !is && name != "root" {
		refuse(w, http.StatusUnauthorized, "invalid_credentials")
		return
	}
	fmt.Fprintf(w, `{"access_token":%q,"expires_in":3600}`, name)
}

func token(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

func (s *server) leave(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.people, token(r))
	fmt.Fprint(w, `{}`)
}

func (s *server) role(has bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, is := s.people[r.PathValue("who")]; !is || r.PathValue("id") != "7" || r.PathValue("role") != "editor" {
			s.foreign = append(s.foreign, r.URL.Path)
		}
		s.people[r.PathValue("who")] = has
		fmt.Fprint(w, `{}`)
	}
}

func (s *server) decide(w http.ResponseWriter, r *http.Request) {
	n := s.checks.Add(1)
	if s.check != nil && s.check(n, w) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	allowed := s.people[token(r)]
	fmt.Fprintf(w, `{"allowed":%v,"reason":"role"}`, (allowed || s.stale) && !s.deaf)
}

// empty reports what a test has left behind.
func (s *server) empty(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.people) > 0 || s.communities != 0 {
		t.Errorf("it leaves %d accounts and %d communities", len(s.people), s.communities)
	}
	if len(s.foreign) > 0 {
		t.Errorf("it changes what is not its own: %q", s.foreign)
	}
}

func (s *server) options(mix load.Mix) load.Options {
	o := load.Options{
		URL: "http://127.0.0.1", Email: "root@example.org", Password: "word", Duration: 200 * time.Millisecond, Connections: 4, Mix: mix,
	}
	o.Dial(s.dial)
	return o
}

func mustRun(t *testing.T, o load.Options) load.Result {
	t.Helper()
	result, err := load.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func table(t *testing.T, r load.Result) string {
	t.Helper()
	var text strings.Builder
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestAnHonestServer(t *testing.T) {
	beside(t, func(t *testing.T, s *server) {
		r := mustRun(t, s.options(load.Mix{load.Check: 5, load.Login: 1, load.Roles: 3}))
		text := table(t, r)
		if len(r.Kinds) != 3 || r.Verified == 0 || r.Err() != nil || len(r.Total.Errors) > 0 || r.Left != "" || !strings.Contains(text, "0 of them were wrong") {
			t.Errorf("it says\n%s%+v", text, r)
		}
		sum := 0
		for _, kind := range r.Kinds {
			sum += kind.Count
		}
		if sum != r.Total.Count || int64(r.Kinds[0].Count) != s.checks.Load() {
			t.Errorf("%d requests of all kinds, %d in all; %d checks, and the server counted %d", sum, r.Total.Count, r.Kinds[0].Count, s.checks.Load())
		}
		s.empty(t)
	})
}

// A server that forgets, or that answers from an old memory, is found out.
func TestWrongAnswersAreFound(t *testing.T) {
	beside(t, func(t *testing.T, _ *server) {
		for _, c := range []struct {
			want string
			lie  func(*server)
		}{
			{"allowed after the role had been taken", func(s *server) { s.stale = true }},
			{"denied after the role had been given", func(s *server) { s.deaf = true }},
		} {
			s := newServer(t)
			c.lie(s)
			r := mustRun(t, s.options(load.Mix{load.Roles: 1}))
			if text := table(t, r); r.Err() == nil || !strings.Contains(text, "WRONG") || !strings.Contains(text, c.want) {
				t.Errorf("it does not say %q:\n%s", c.want, text)
			}
			s.empty(t)
		}
	})
}

func TestErrorsAreCountedByWhatTheyAre(t *testing.T) {
	beside(t, func(t *testing.T, s *server) {
		s.check = func(n int64, w http.ResponseWriter) bool {
			switch n % 4 {
			case 0:
				refuse(w, http.StatusServiceUnavailable, "busy")
			case 1:
				fmt.Fprint(w, "hello")
			case 2:
				fmt.Fprint(w, `{}`)
			default:
				return false
			}
			return true
		}
		r := mustRun(t, s.options(load.Mix{load.Check: 1}))
		n := int(s.checks.Load())
		if got := r.Total; got.Count != n || got.Errors["503"] != n/4 || got.Errors["odd answer"] != (n+3)/4+(n+2)/4 {
			t.Errorf("of %d checks it counts %d, with errors %v", n, got.Count, got.Errors)
		}
	})
}

// A server stands still for a while. People do not stop coming for that: those who would have come meanwhile waited too.
func TestAnOpenLoopOmitsNobody(t *testing.T) {
	beside(t, func(t *testing.T, s *server) {
		const still = 400 * time.Millisecond
		stands := func(n int64, _ http.ResponseWriter) bool {
			if n == 10 {
				time.Sleep(still)
			}
			return false
		}
		s.check = stands
		o := s.options(load.Mix{load.Check: 1})
		o.Connections, o.Duration = 1, 600*time.Millisecond
		if r := mustRun(t, o); r.Total.P90 >= 100 || r.Total.Max < 400 {
			t.Errorf("in a closed loop one of many waits: p90 %v, max %v", r.Total.P90, r.Total.Max)
		}
		s = newServer(t)
		s.check = stands
		o.Dial(s.dial)
		o.Rate = 200
		r := mustRun(t, o)
		if r.Total.P50 < 50 || r.Total.Max < 400 {
			t.Errorf("in an open loop most of those who came in 0.6 s waited for part of 0.4: p50 %v, max %v", r.Total.P50, r.Total.Max)
		}
		if r.Total.Count+r.Late != 120 {
			t.Errorf("%d were answered and %d not begun; 120 were due", r.Total.Count, r.Late)
		}
	})
}

// Those who could not even begin, because everybody before them was still waiting, are told apart.
func TestLateRequestsAreTold(t *testing.T) {
	beside(t, func(t *testing.T, s *server) {
		s.check = func(n int64, _ http.ResponseWriter) bool {
			if n == 10 {
				time.Sleep(300 * time.Millisecond)
			}
			return false
		}
		o := s.options(load.Mix{load.Check: 1})
		o.Connections, o.Rate = 1, 200
		r := mustRun(t, o)
		if text := table(t, r); r.Late == 0 || r.Total.Count+r.Late != 40 || !strings.Contains(text, "requests were due and could not begin") {
			t.Errorf("it says\n%s", text)
		}
	})
}

func TestARateIsKept(t *testing.T) {
	beside(t, func(t *testing.T, s *server) {
		o := s.options(load.Mix{load.Check: 1})
		o.Duration, o.Rate = 500*time.Millisecond, 100
		if r := mustRun(t, o); r.Total.Count+r.Late != 50 {
			t.Errorf("%d requests and %d late ones in half a second at 100 a second", r.Total.Count, r.Late)
		}
	})
}

// Whoever interrupts it gets the figures so far, and nothing stays behind.
func TestAnInterruptionTidiesUp(t *testing.T) {
	beside(t, func(t *testing.T, s *server) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		s.check = func(n int64, _ http.ResponseWriter) bool {
			if n == 50 {
				stop()
			}
			return false
		}
		o := s.options(load.Mix{load.Check: 1, load.Login: 1, load.Roles: 1})
		o.Duration = time.Minute
		r, err := load.Run(ctx, o)
		if err != nil || r.Total.Count < 50 || r.Seconds > 30 {
			t.Errorf("%v, %+v", err, r)
		}
		s.empty(t)
	})
}

func TestWhatFailsAtTheStartTidiesUp(t *testing.T) {
	beside(t, func(t *testing.T, s *server) {
		s.exclusive = true
		if _, err := load.Run(t.Context(), s.options(load.Mix{load.Login: 1})); err == nil || !strings.Contains(err.Error(), "registration_closed") {
			t.Errorf("it says %v", err)
		}
		s.empty(t)
	})
}

// The tokens of the fake server are good for an hour.
func TestNoTestOutlastsItsTokens(t *testing.T) {
	beside(t, func(t *testing.T, s *server) {
		for _, as := range []load.Options{{Token: "propusk_key"}, {Email: "root@example.org", Password: "word"}} {
			o := s.options(load.Mix{load.Login: 1})
			o.Token, o.Email, o.Password, o.Duration = as.Token, as.Email, as.Password, time.Hour
			if _, err := load.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--token-lifetime") {
				t.Errorf("as %+v it says %v", as, err)
			}
			s.empty(t)
		}
	})
}

func TestWhatIsLeftIsTold(t *testing.T) {
	beside(t, func(t *testing.T, s *server) {
		s.lasting = true
		r := mustRun(t, s.options(load.Mix{load.Roles: 1}))
		if text := table(t, r); !strings.Contains(text, "could not be deleted: community 7") {
			t.Errorf("it says\n%s", text)
		}
	})
}

// With checks alone nothing is made at all.
func TestChecksChangeNothing(t *testing.T) {
	beside(t, func(t *testing.T, s *server) {
		o := s.options(load.Mix{load.Check: 1})
		mustRun(t, o)
		if s.made > 0 || !strings.Contains(o.Plan(), "it changes nothing") {
			t.Errorf("it made %d accounts, and says %s", s.made, o.Plan())
		}
	})
}

func TestProgress(t *testing.T) {
	beside(t, func(t *testing.T, s *server) {
		o := s.options(load.Mix{load.Check: 1})
		o.Duration, o.Connections = 1900*time.Millisecond, 1
		var told []load.Snapshot
		o.Progress = func(s load.Snapshot) { told = append(told, s) }
		mustRun(t, o)
		if len(told) != 1 || told[0].LastSecond == 0 || told[0].Requests != told[0].LastSecond || told[0].P99 == 0 {
			t.Errorf("after a second it told %v", told)
		}
	})
}

func TestMixes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]load.Mix{
		"check=90,login=5,roles=5": {90, 5, 5},
		"roles=1, check=0":         {0, 0, 1},
	} {
		if got, err := load.ParseMix(text); err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "check", "check=-1", "check=0", "chek=1", "check=1,check=2", "check=1;login=2", "check=99999999999999999999"} {
		if got, err := load.ParseMix(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

func TestOnlyOnesOwnServers(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"http://127.0.0.1:8000", "http://localhost", "https://[::1]:8443/propusk", "http://127.1.2.3"} {
		if err := load.CheckURL(text, false); err != nil {
			t.Errorf("%s is refused: %v", text, err)
		}
	}
	for _, text := range []string{
		"http://example.org", "http://10.0.0.1", "http://localhost.example.org", "http://127.0.0.1.example.org", "http://0x7f000001", "http://[::ffff:8.8.8.8]",
	} {
		if load.CheckURL(text, false) == nil {
			t.Errorf("%s is taken", text)
		}
		if err := load.CheckURL(text, true); err != nil {
			t.Errorf("%s is refused though it is one's own: %v", text, err)
		}
	}
	for _, text := range []string{"", "127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://a:b@127.0.0.1", "http://127.0.0.1?x=1", "http://example.org@127.0.0.1"} {
		if load.CheckURL(text, true) == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
