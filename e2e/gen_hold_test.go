//go:build hold

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// A million people with ten million memberships: how long it takes to make them, and what a server of that size costs.
func TestTenMillionMemberships(t *testing.T) {
	dir := t.TempDir()
	url := "sqlite:" + filepath.Join(dir, "propusk.db")
	began := time.Now()
	p := start(t, setup{args: []string{"gen", "--users", "1000000", "--communities", "1000", "--memberships", "10000000", "--database", url}})
	peak := p.peak()
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	busy := p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	t.Logf("generated in %.0f s, of which the process was busy for %.0f s; at most %.0f MiB, and %d MiB of files",
		time.Since(began).Seconds(), busy.Seconds(), peak, sizeOf(t, dir)>>20)
	if peak > 256 {
		t.Error("256 MiB are promised")
	}
	must(t, setup{args: []string{"admin", "create", adminEmail, "--database", url}, stdin: adminPassword})

	began = time.Now()
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
	s.stop(t)
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
