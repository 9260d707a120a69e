//go:build hold

package e2e

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A million people with ten million memberships: how long it takes to make them, and what a server of that size costs. Set PROPUSK_TEN_MILLION to
// the path of a file that was generated so before, with an administrator as others here have, to leave out the making.
func TestTenMillionMemberships(t *testing.T) {
	path := os.Getenv("PROPUSK_TEN_MILLION")
	if path == "" {
		path = filepath.Join(t.TempDir(), "propusk.db")
		generateTenMillion(t, path)
	}
	url := "sqlite:" + path
	program(t) // is built before the clock runs

	began := time.Now()
	s := serve(t, setup{args: []string{"--access-log", "off", "--database", url}})
	took := time.Since(began)
	<-time.After(5 * time.Second) // for what begins at the start to be over
	idle := s.memory(t, "VmRSS")
	given := s.timeOfGiving(t)
	t.Logf("listens after %v, is idle with %.0f MiB, and gives a role in %v (median of 50; the slowest took %v)",
		took.Round(time.Millisecond), idle, percentile(0.5, given), slices.Max(given))
	if took > 3*time.Second || idle > 100 || percentile(0.5, given) > 10*time.Millisecond {
		t.Error("3 s, 100 MiB and 10 ms are promised")
	}
	s.askAboutEverybody(t, path)
	s.stop(t)
}

func generateTenMillion(t *testing.T, path string) {
	t.Helper()
	url := "sqlite:" + path
	began := time.Now()
	p := start(t, setup{args: []string{"gen", "--users", "1000000", "--communities", "1000", "--memberships", "10000000", "--database", url}})
	peak := p.peak()
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	busy := p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	t.Logf("generated in %.0f s, of which the process was busy for %.0f s; at most %.0f MiB, and %d MiB of files",
		time.Since(began).Seconds(), busy.Seconds(), peak, sizeOf(t, filepath.Dir(path))>>20)
	if peak > 256 {
		t.Error("256 MiB are promised")
	}
	must(t, setup{args: []string{"admin", "create", adminEmail, "--database", url}, stdin: adminPassword})
}

// askAboutEverybody asks about memberships at random, many more than are remembered: nearly each question is one to the database.
func (s *server) askAboutEverybody(t *testing.T, path string) {
	t.Helper()
	const (
		connections = 16
		asked       = 400_000
		warmUp      = asked / 2
	)
	questions := randomMemberships(t, path, asked)
	root := s.login(t, adminEmail, adminPassword)
	var next atomic.Int64
	var mu sync.Mutex
	var times []time.Duration
	var all sync.WaitGroup
	began := time.Now()
	var timed time.Time
	for range connections {
		all.Go(func() {
			c := newClient(t, s.url)
			for n := next.Add(1) - 1; n < asked; n = next.Add(1) - 1 {
				if n == warmUp {
					timed = time.Now()
				}
				sent := time.Now()
				got, err := c.try("POST", "/api/check", root, questions[n])
				if n >= warmUp {
					mu.Lock()
					times = append(times, time.Since(sent))
					mu.Unlock()
				}
				if err != nil || got.status != http.StatusOK {
					t.Errorf("%v %v", got, err)
					return
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d checks about memberships at random, over %d connections: %.0f a second, p50 %v, p99 %v, at most %v; memory %.0f MiB, %.0f at its peak",
		asked, connections, (asked-warmUp)/time.Since(timed).Seconds(), percentile(0.5, times), percentile(0.99, times), slices.Max(times),
		s.memory(t, "VmRSS"), s.memory(t, "VmHWM"))
	t.Logf("all of it took %.0f s", time.Since(began).Seconds())
	if percentile(0.99, times) > 10*time.Millisecond {
		t.Error("10 ms are promised for 99 in a hundred")
	}
}

// randomMemberships are questions about as many memberships, each as likely as any other.
func randomMemberships(t *testing.T, path string, n int) (questions []map[string]any) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.Query("SELECT community_id, author_id FROM community_author")
	if err != nil {
		t.Fatal(err)
	}
	type member struct{ community, author int32 }
	var members []member
	for rows.Next() {
		var m member
		if err := rows.Scan(&m.community, &m.author); err != nil {
			t.Fatal(err)
		}
		members = append(members, m)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d memberships to choose from", len(members))
	named, err := db.Prepare("SELECT user_id FROM author WHERE id = $1")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	for range n {
		m := members[random.IntN(len(members))]
		var userID string
		if err := named.QueryRow(m.author).Scan(&userID); err != nil {
			t.Fatal(err)
		}
		questions = append(questions, map[string]any{"permission": "shout:create", "community_id": m.community, "user_id": userID})
	}
	return questions
}

// timeOfGiving gives 50 members of the largest community a role, and takes each time.
func (s *server) timeOfGiving(t *testing.T) (times []time.Duration) {
	t.Helper()
	root := s.login(t, adminEmail, adminPassword)
	read := func(path string, into any) {
		if err := json.Unmarshal([]byte(s.call(t, http.StatusOK, "GET", path, root, nil).raw), into); err != nil {
			t.Fatal(err)
		}
	}
	type community struct {
		ID          int
		MemberCount int `json:"member_count"`
	}
	var largest community
	for n, more := 1, true; more; n++ {
		var all struct {
			Communities []community
			HasNext     bool `json:"has_next"`
		}
		read(fmt.Sprintf("/api/communities?limit=100&page=%d", n), &all)
		for _, c := range all.Communities {
			if c.MemberCount > largest.MemberCount {
				largest = c
			}
		}
		more = all.HasNext
	}
	var page struct {
		Members []struct {
			UserID string `json:"user_id"`
		}
	}
	members := fmt.Sprintf("/api/communities/%d/members", largest.ID)
	read(members+"?limit=50&role=reader", &page)
	for _, m := range page.Members {
		began := time.Now()
		s.call(t, http.StatusOK, "POST", members+"/"+m.UserID+"/roles/artist", root, nil)
		times = append(times, time.Since(began))
	}
	t.Logf("gave a role to %d of %d members", len(times), largest.MemberCount)
	return times
}

// sizeOf is how much the files of a directory hold, in bytes.
func sizeOf(t *testing.T, dir string) (sum int64) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
	}
	return sum
}
