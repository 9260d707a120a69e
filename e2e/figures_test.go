//go:build hold

package e2e

import (
	"os"
	"slices"
	"testing"
	"time"
)

// Figures that nothing is asserted of: what the program costs when nobody asks it anything.
func TestFiguresOfAnIdleServer(t *testing.T) {
	const starts = 10
	info, err := os.Stat(program(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the program, stripped: %.1f MiB", float64(info.Size())/(1<<20))
	dir := t.TempDir()
	var times []time.Duration
	var s *server
	for n := range starts + 1 {
		began := time.Now()
		s = serve(t, setup{dir: dir})
		s.call(t, 200, "GET", "/readyz", "", nil)
		took := time.Since(began)
		if n == 0 {
			t.Logf("the first start, on a new database, until it answers: %v", took.Round(time.Millisecond))
		} else {
			times = append(times, took)
		}
		if n < starts {
			s.stop(t)
		}
	}
	t.Logf("further starts: median %v, %v to %v", percentile(0.5, times).Round(time.Millisecond),
		slices.Min(times).Round(time.Millisecond), slices.Max(times).Round(time.Millisecond))
	t.Logf("memory: %.0f MiB after the start, at most %.0f", s.memory(t, "VmRSS"), s.memory(t, "VmHWM"))
	<-time.After(10 * time.Second) // is the measurement: what a server falls back to
	t.Logf("memory: %.0f MiB ten seconds later", s.memory(t, "VmRSS"))
	s.stop(t)
}
