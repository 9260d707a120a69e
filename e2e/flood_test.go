//go:build hold

package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// What the flood may do to others.
const (
	floodFor     = 20 * time.Second
	floodTick    = 2 * time.Millisecond  // between logins: 500 a second
	readTick     = 20 * time.Millisecond // between reads: 50 a second
	readSuccess  = 0.999
	readSlowest  = 15 * time.Millisecond // of 99 in a hundred
	hashMemory   = 19                    // MiB
	memoryBeside = 64                    // MiB
	floodPeople  = 50
)

// A flood of logins makes logins wait and be refused. It does not keep those who are logged in from their work, nor eat the memory, and checks
// are answered as before.
func TestAFloodOfLoginsHurtsNobodyElse(t *testing.T) {
	t.Run("that is not limited", func(t *testing.T) {
		flood(t, []string{"--login-limit", "off"}, func(c *client, n int) (answer, error) {
			login := form{"email": address(fmt.Sprintf("Person%d", n%floodPeople)), "password": ordinaryPassword}
			if n%2 == 0 {
				login["password"] = "a perfectly wrong sentence"
			}
			return c.try("POST", "/api/users/login", "", login)
		})
	})
	// Each login from another address, and every other one for another account: the limit never says no, and has the most to write.
	t.Run("from everywhere", func(t *testing.T) {
		flood(t, trustingUs, func(c *client, n int) (answer, error) {
			login := form{"email": address(fmt.Sprintf("Person%d", n%floodPeople)), "password": ordinaryPassword}
			if n%2 == 0 {
				login["email"] = address(fmt.Sprintf("Stranger%d", n))
			}
			return c.from(somewhere(n)).try("POST", "/api/users/login", "", login)
		})
	})
}

func flood(t *testing.T, args []string, login func(*client, int) (answer, error)) {
	dir := t.TempDir()
	must(t, setup{dir: dir, args: []string{"admin", "create", adminEmail}, stdin: adminPassword})
	s := serve(t, setup{dir: dir, args: args})
	people := make([]person, floodPeople)
	for i := range people {
		people[i].userID = s.register(t, fmt.Sprintf("Person%d", i))
	}
	people[0].token = s.login(t, address("Person0"), ordinaryPassword)
	community := strings.TrimPrefix(s.founds(t, s.login(t, adminEmail, adminPassword), people[0], "owls"), "/api/communities/")
	question, _ := strconv.Atoi(community)
	me := func(c *client, n int) (answer, error) {
		if n%2 == 0 {
			return c.try("GET", "/api/users/me", people[0].token, nil)
		}
		return c.try("POST", "/api/check", people[0].token, map[string]any{"permission": "shout:create", "community_id": question})
	}
	before := s.every(readTick, floodFor/4, me)

	var logins, reads record
	var both sync.WaitGroup
	both.Go(func() { logins = s.every(floodTick, floodFor, login) })
	both.Go(func() { reads = s.every(readTick, floodFor, me) })
	both.Wait()
	slots, peak := max(1, runtime.NumCPU()-1), s.memory(t, "VmHWM")
	most := float64(3*slots*hashMemory + memoryBeside)

	t.Logf("checks and profiles, before the flood: %v", before)
	t.Logf("checks and profiles, beside the flood: %v", reads)
	t.Logf("logins:                                %v", logins)
	t.Logf("memory at its peak: %.0f MiB of %.0f allowed, with %d slots", peak, most, slots)

	if share := float64(reads.statuses[http.StatusOK]) / float64(len(reads.times)); share < readSuccess {
		t.Errorf("%.2f %% of the reads succeeded, want %.1f %%", 100*share, 100*readSuccess)
	}
	if got := percentile(0.99, reads.times); got > readSlowest {
		t.Errorf("one read in a hundred took %v or longer, want at most %v", got, readSlowest)
	}
	if peak > most {
		t.Errorf("the server took %.0f MiB, want at most %.0f", peak, most)
	}
	for status := range logins.statuses {
		if !slices.Contains([]int{http.StatusOK, http.StatusUnauthorized, http.StatusServiceUnavailable}, status) {
			t.Errorf("a login was answered with %d", status)
		}
	}
	if logins.statuses[http.StatusServiceUnavailable] == 0 {
		t.Errorf("no login was refused: this was no flood")
	}
	if logins.withoutRetryAfter > 0 {
		t.Errorf("%d refusals do not say when to come back", logins.withoutRetryAfter)
	}
	s.stop(t)
}

// record is how a stream of requests went.
type record struct {
	times             []time.Duration
	statuses          map[int]int // 0 counts those without an answer
	withoutRetryAfter int
}

func (r record) String() string {
	text := fmt.Sprintf("%d requests, p50 %v, p99 %v, max %v;", len(r.times),
		percentile(0.5, r.times).Round(10*time.Microsecond), percentile(0.99, r.times).Round(10*time.Microsecond), slices.Max(r.times).Round(10*time.Microsecond))
	for _, status := range slices.Sorted(maps.Keys(r.statuses)) {
		text += fmt.Sprintf(" %d × %d", r.statuses[status], status)
	}
	return text
}

// every sends a request at each tick, whether or not earlier ones are answered, as people do who know nothing of one another. A time is
// counted from the tick, so a client that could not keep pace makes the server look worse and never better.
func (s *server) every(tick, during time.Duration, send func(*client, int) (answer, error)) record {
	r := record{statuses: map[int]int{}}
	var mu sync.Mutex
	var all sync.WaitGroup
	ctx, cancel := context.WithTimeout(context.Background(), during)
	defer cancel()
	began := time.Now()
	for n := 0; ; n++ {
		due := began.Add(time.Duration(n) * tick)
		select {
		case <-ctx.Done():
			all.Wait()
			return r
		case <-time.After(time.Until(due)):
		}
		all.Go(func() {
			a, err := send(s.client, n)
			took := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				a.status = 0
			}
			r.times = append(r.times, took)
			r.statuses[a.status]++
			if a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") == "" {
				r.withoutRetryAfter++
			}
		})
	}
}
