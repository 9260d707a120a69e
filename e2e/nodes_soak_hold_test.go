//go:build hold

package e2e

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/redistest"
)

// SOAK is how long the soak takes, 20m unless it says otherwise. A quarter of it is for everything to grow to its size, and something breaks in each
// twentieth.
const soakVariable, soakUsually = "SOAK", 20 * time.Minute

const (
	// mayVary is by how much goroutines and files of a node may differ from what they were when everything had grown to its size.
	mayVary = 10
	// mayGrow is by how many MiB a minute its memory may grow from then on.
	mayGrow = 1.0
	// tellsGrowth is how long it must be watched for that to say anything: in a minute it goes up and down by more.
	tellsGrowth = 10 * time.Minute
)

// Three nodes serve for a long time while one thing after the other breaks. Nothing is allowed that had been taken away, and nothing grows.
func TestNodesSoak(t *testing.T) {
	lasts, err := time.ParseDuration(cmp.Or(os.Getenv(soakVariable), soakUsually.String()))
	if err != nil {
		t.Fatal(err)
	}
	postgres, redis := pgtest.StartDurable(t), redistest.Start(t)
	w := &world{
		cluster:  newCluster(t, 3, throughProxies(t, postgres.Database(t)), "--redis", redis.URL(), "--memory", "4"),
		postgres: postgres, redis: redis,
	}
	lasting := w.nodes[:2] // the third is killed now and then
	var total tally
	samples := map[*node][]sample{}
	rounds := 0
	for begun, minute := time.Now(), 0; time.Since(begun) < lasts; minute++ {
		f := soakFaults[minute%len(soakFaults)]
		w.injure(t, f, w.cast(t, everyRevocation, nodeSubjects), &total)
		for time.Since(begun) < lasts*time.Duration(minute+1)/20 {
			rounds += w.calm(t, &total)
		}
		for _, n := range lasting {
			s := n.sample(t, time.Since(begun))
			t.Logf("minute %2d, %-36s %s: %v", minute+1, f.name, n.name, s)
			if s.at > lasts/4 {
				samples[n] = append(samples[n], s)
			}
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("%d rounds while all was well, and under faults: %v", rounds, &total)
	for _, n := range lasting {
		steady(t, n.name, samples[n])
	}
}

// soakFaults are all but those that end a node, of which the third one suffers alone.
var soakFaults = slices.Concat(ofPostgres, ofRedis, ofNodes[:1], []fault{{name: "the third node is killed", happen: func(t *testing.T, w *world) {
	w.nodes[2].server().kill()
	w.nodes[2].start()
}}})

// calm is one round of each kind while all is well.
func (w *world) calm(t *testing.T, total *tally) (rounds int) {
	t.Helper()
	for i, s := range w.cast(t, everyRevocation, 1) {
		if err := w.round(s, w.nodes[i%len(w.nodes)]); err != nil {
			t.Fatalf("%s: %v", s.kind.name, err)
		}
		total.wrong += s.blame(t)
		rounds++
	}
	return rounds
}

// sample is what a node takes up, connections to clients and idle ones to the database left out.
type sample struct {
	at                time.Duration
	goroutines, files int
	memory            float64 // MiB
}

func (s sample) String() string {
	return fmt.Sprintf("%d goroutines, %d files, %.1f MiB", s.goroutines, s.files, s.memory)
}

// sample waits until what clients have left is gone.
func (n *node) sample(t *testing.T, at time.Duration) (s sample) {
	t.Helper()
	server := n.server()
	for previous, calm := 0, 0; calm < 5; <-time.After(100 * time.Millisecond) {
		server.http.CloseIdleConnections()
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", server.cmd.Process.Pid))
		if err != nil {
			t.Skip("the files of another process are counted in /proc, which only Linux has")
		}
		if len(files) == previous {
			calm++
		} else {
			calm = 0
		}
		previous = len(files)
	}
	metrics := server.call(t, 200, "GET", "/metrics", "", nil).raw
	files := metric(t, metrics, "process_open_fds") - metric(t, metrics, "propusk_sql_connections_open")
	return sample{at: at, goroutines: int(metric(t, metrics, "go_goroutines")), files: int(files), memory: server.memory(t, "VmRSS")}
}

// metric is the value of one without labels.
func metric(t *testing.T, text, name string) float64 {
	t.Helper()
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// steady fails if something grew.
func steady(t *testing.T, name string, all []sample) {
	t.Helper()
	if len(all) < 2 {
		t.Fatalf("%s: %d samples say nothing", name, len(all))
	}
	first := all[0]
	for _, s := range all {
		if abs(s.goroutines-first.goroutines) > mayVary || abs(s.files-first.files) > mayVary {
			t.Errorf("%s: at first %v, after %v %v", name, first, s.at.Round(time.Second), s)
		}
	}
	slope, long := growth(all), all[len(all)-1].at-first.at
	t.Logf("%s: memory grows by %.2f MiB a minute", name, slope)
	if slope >= mayGrow && long >= tellsGrowth {
		t.Errorf("%s: less than %v MiB a minute is promised", name, mayGrow)
	}
}

func abs(n int) int { return max(n, -n) }

// growth is the slope of the line that fits memory best, in MiB a minute.
func growth(all []sample) float64 {
	var x, y, xx, xy float64
	for _, s := range all {
		at := s.at.Minutes()
		x, y, xx, xy = x+at, y+s.memory, xx+at*at, xy+at*s.memory
	}
	n := float64(len(all))
	return (n*xy - x*y) / (n*xx - x*x)
}
