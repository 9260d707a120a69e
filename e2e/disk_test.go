package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// traced runs the server under strace, which notes system calls in a file. The server is the child of this test and strace its observer
// (-D), so stopping and killing are as always.
func traced(t *testing.T, calls string, s setup, more ...string) (*server, *trace) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trace")
	s.under = slices.Concat([]string{
		tool(t, "strace"), "-D", "-f", "--seccomp-bpf", "-yy", "-s", "48", "-e", "signal=none", "-e", "trace=" + calls, "-o", path,
	}, more)
	server := launch(t, s)
	if server.out.await(listening, server.exited) == nil {
		if strings.Contains(server.err.String(), "ptrace") {
			lacking(t, "strace may not trace here: "+last(server.err.String(), 1))
		}
	}
	server.await(t)
	return server, &trace{path: path}
}

// trace is what strace has written.
type trace struct{ path string }

// systemCall is one line of it: a call, at the moment it began or at the moment it ended.
type systemCall struct {
	name string
	// file is the path or the connection that it is about.
	file string
	// rest is what follows: data, result.
	rest  string
	ended bool
}

var (
	lineOfCall    = regexp.MustCompile(`^(\d+) +(\w+)\(\d+<(.*?)>(?:\(deleted\))?([,) ].*)$`)
	lineOfResumed = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)$`)
)

// calls gives what was traced in its order; a call that others overtook is there twice, once for its beginning and once for its end.
func (tr *trace) calls(t *testing.T) (all []systemCall) {
	t.Helper()
	text, err := os.ReadFile(tr.path)
	if err != nil {
		t.Fatal(err)
	}
	begun := map[string]systemCall{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if m := lineOfCall.FindStringSubmatch(line); m != nil {
			call := systemCall{name: m[2], file: m[3], rest: m[4], ended: !strings.HasSuffix(m[4], "<unfinished ...>")}
			if !call.ended {
				begun[m[1]] = call
			}
			all = append(all, call)
		} else if m := lineOfResumed.FindStringSubmatch(line); m != nil {
			call := begun[m[1]]
			call.rest, call.ended = m[3], true
			all = append(all, call)
		}
	}
	return all
}

func (c systemCall) flushes() bool { return c.name == "fsync" || c.name == "fdatasync" }

func (c systemCall) onLog() bool { return strings.HasSuffix(c.file, "-wal") }

func (c systemCall) succeeded() bool { return strings.HasSuffix(strings.TrimSpace(c.rest), "= 0") }

var statusLine = regexp.MustCompile(`"HTTP/1\.1 (\d{3}) `)

// answers gives the status of an answer that the call sends, or 0.
func (c systemCall) answers() int {
	m := statusLine.FindStringSubmatch(c.rest)
	if m == nil || !strings.HasPrefix(c.file, "TCP") {
		return 0
	}
	status, _ := strconv.Atoi(m[1])
	return status
}

// Before the first byte of the answer to a request that changes something is sent, all that the request wrote to the log of SQLite has
// been flushed to the disk. One client sends one request after the other, so everything between two answers belongs to the later one, but for what the
// server writes by itself: when sessions were used, every two seconds. That may begin between the flush of a request and its answer, now and then.
func TestAnAnswerIsOnTheDisk(t *testing.T) {
	t.Parallel()
	s, trace := traced(t, "pwrite64,write,sendto,fsync,fdatasync", setup{env: append(cheap, withAdmin...)})
	changes := s.changeEverything(t)
	s.stop(t)

	var at int            // which of the changes is being looked at
	var wrote, dirty bool // something was written to the log since the last answer; some of it is not flushed yet
	var flushed bool      // something was flushed since the last answer
	beside := 0
	for _, call := range trace.calls(t) {
		switch {
		case call.onLog() && call.name == "pwrite64":
			wrote, dirty = true, true
		case call.onLog() && call.flushes() && call.ended && call.succeeded():
			dirty, flushed = false, true
		case call.answers() > 0:
			if at >= len(changes) {
				t.Fatalf("more answers than requests: %+v", call)
			}
			change := changes[at]
			switch {
			case call.answers() != change.status:
				t.Errorf("%s: strace saw the answer %d, the client %d", change.what, call.answers(), change.status)
			case change.writes && !wrote:
				t.Errorf("%s was answered and nothing had been written", change.what)
			case change.writes && !flushed:
				t.Errorf("%s was answered before it was flushed to the disk", change.what)
			case change.writes && dirty:
				beside++
			}
			at, wrote, flushed = at+1, false, false
		}
	}
	if at != len(changes) {
		t.Fatalf("strace saw %d answers of %d", at, len(changes))
	}
	if beside > len(changes)/10 {
		t.Errorf("of %d answers %d came before all was flushed that had been written: that is not what the server writes by itself", len(changes), beside)
	}
	t.Logf("%d requests, each change flushed before it was answered; %d times something else was being written", len(changes), beside)
}

// change is a request that was answered.
type change struct {
	what   string
	status int
	writes bool
}

// changeEverything sends each request that changes something, and a few that do not.
func (s *server) changeEverything(t *testing.T) (done []change) {
	t.Helper()
	do := func(want int, writes bool, method, path, token string, body any) answer {
		done = append(done, change{what: method + " " + path, status: want, writes: writes})
		return s.call(t, want, method, path, token, body)
	}
	open := func(email, password string) answer {
		return do(200, true, "POST", "/api/users/login", "", form{"email": email, "password": password})
	}
	login := func(email, password string) string { return open(email, password).text("access_token") }
	admin := login(adminEmail, adminPassword)
	for i := range 5 {
		name, next := fmt.Sprintf("Anna%d", i), "another ordinary sentence"
		email := address(name)
		id := do(201, true, "POST", "/api/users/register", "", registration(name)).text("user_id")
		do(409, false, "POST", "/api/users/register", "", registration(name))
		do(401, true, "POST", "/api/users/login", "", form{"email": email, "password": "wrong"}) // it is counted
		anna := login(email, ordinaryPassword)
		do(200, false, "GET", "/api/users/me", anna, nil)
		do(200, true, "POST", "/api/users/edit", anna, form{"name": "Anna", "last_name": "Ivanova"})
		do(200, true, "PATCH", "/api/users/me", anna, form{"slug": fmt.Sprintf("anna-of-%d", i)})
		do(200, true, "POST", "/api/users/change-password", anna, form{"current_password": ordinaryPassword, "new_password": next})
		do(200, true, "POST", "/api/users/logout", anna, nil)
		in := open(email, next)
		anna = do(200, true, "POST", "/api/users/refresh", "", form{"refresh_token": in.text("refresh_token")}).text("access_token")
		do(200, true, "POST", "/api/users/logout-all", anna, nil)
		do(200, true, "POST", "/api/admin/change-role", admin, form{"user_id": id, "role": "moderator"})
		do(200, true, "PUT", "/api/admin/block/"+id, admin, nil)
		do(200, true, "PUT", "/api/admin/unblock/"+id, admin, nil)
		do(200, true, "DELETE", "/api/users/me", login(email, next), nil)
	}
	return done
}

// Many clients share a flush. Without sharing every registration would need one of its own. In short runs the disk is made slow: who shares is then
// not decided by how fast the machine brings the next one.
func TestManyRegistrationsShareAFlush(t *testing.T) {
	besideOthers(t)
	const clients = 32
	var slow []string
	if !hold {
		slow = []string{"-e", "inject=fsync,fdatasync:delay_enter=50000"}
	}
	s, trace := traced(t, "fsync,fdatasync", setup{env: cheap, args: []string{"--access-log", "off"}}, slow...)
	s.registerMany(t, clients, clients) // connections and caches are there from now on
	before := trace.flushes(t)
	s.registerMany(t, clients, registrations)
	flushes := trace.flushes(t) - before
	t.Logf("%d clients: %d registrations with %d flushes, %.1f for each flush", clients, registrations, flushes, float64(registrations)/float64(flushes))
	if flushes*sharedBy > registrations {
		t.Errorf("%d flushes for %d registrations: at most one for %d is allowed", flushes, registrations, sharedBy)
	}
	s.stop(t)
	if !hold {
		return
	}

	s = serve(t, setup{env: cheap, args: []string{"--access-log", "off"}})
	s.registerMany(t, clients, clients)
	one := float64(alone) / s.registerMany(t, 1, alone).Seconds()
	many := float64(registrations) / s.registerMany(t, clients, registrations).Seconds()
	t.Logf("registrations a second: %.0f of one client, %.0f of %d, which is %.1f times as many", one, many, clients, many/one)
	s.stop(t)
}

// flushes counts so far.
func (tr *trace) flushes(t *testing.T) (n int) {
	t.Helper()
	for _, call := range tr.calls(t) {
		if call.flushes() && call.ended {
			n++
		}
	}
	return n
}

// peopleCounter gives everybody a name of their own.
var peopleCounter atomic.Int64

// registerMany registers n people, by so many clients at once, and says how long that took.
func (s *server) registerMany(t *testing.T, clients, n int) time.Duration {
	t.Helper()
	began := time.Now()
	var all sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(n))
	for range clients {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				name := fmt.Sprintf("Person%d", peopleCounter.Add(1))
				if a, err := s.steady("POST", "/api/users/register", "", registration(name)); err != nil || a.status != http.StatusCreated {
					t.Errorf("%s cannot register: %v %v", name, a, err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(began)
}
