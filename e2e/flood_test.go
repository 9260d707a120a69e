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
	"sync"
	"testing"
	"time"
)

// A flood of logins makes logins wait and be refused. It does not keep those who are logged in from their work, nor eat the memory.
func TestAFloodOfLoginsHurtsNobodyElse(t *testing.T) {
	const (
		during   = 20 * time.Second
		people   = 50
		mostRSS  = 64 // MiB beside the hashes
		hashSize = 19 // MiB
		slowest  = 25 * time.Millisecond
		success  = 0.999
	)
	slots := max(1, runtime.NumCPU()-1)
	s := serve(t, setup{args: []string{"--password-slots", strconv.Itoa(slots)}})
	for i := range people {
		s.register(t, fmt.Sprintf("Person%d", i))
	}
	token := s.login(t, address("Person0"), ordinaryPassword)
	idle := s.every(20*time.Millisecond, during/4, func(c *client, _ int) (answer, error) { return c.try("GET", "/api/users/me", token, nil) })

	var flood, reads record
	var both sync.WaitGroup
	both.Go(func() {
		flood = s.every(2*time.Millisecond, during, func(c *client, n int) (answer, error) {
			login := form{"email": address(fmt.Sprintf("Person%d", n%people)), "password": ordinaryPassword}
			if n%2 == 0 {
				login["password"] = "a perfectly wrong sentence"
			}
			return c.try("POST", "/api/users/login", "", login)
		})
	})
	both.Go(func() {
		reads = s.every(20*time.Millisecond, during, func(c *client, _ int) (answer, error) { return c.try("GET", "/api/users/me", token, nil) })
	})
	both.Wait()
	peak := s.memory(t, "VmHWM")

	t.Logf("me, before the flood: %v", idle)
	t.Logf("me, beside the flood: %v", reads)
	t.Logf("logins:               %v", flood)
	t.Logf("memory at its peak: %.0f MiB, with %d slots", peak, slots)

	if share := float64(reads.statuses[http.StatusOK]) / float64(len(reads.times)); share < success {
		t.Errorf("%.2f %% of the reads succeeded, want %.1f %%", 100*share, 100*success)
	}
	if got := percentile(0.99, reads.times); got > slowest {
		t.Errorf("one read in a hundred took %v or longer, want at most %v", got, slowest)
	}
	if most := float64(3*slots*hashSize + mostRSS); peak > most {
		t.Errorf("the server took %.0f MiB, want at most %.0f", peak, most)
	}
	for status := range flood.statuses {
		if !slices.Contains([]int{http.StatusOK, http.StatusUnauthorized, http.StatusServiceUnavailable}, status) {
			t.Errorf("a login was answered with %d", status)
		}
	}
	if flood.statuses[http.StatusServiceUnavailable] == 0 {
		t.Errorf("no login was refused: this was no flood")
	}
	if flood.withoutRetryAfter > 0 {
		t.Errorf("%d refusals do not say when to come back", flood.withoutRetryAfter)
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
