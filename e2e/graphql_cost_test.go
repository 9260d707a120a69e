//go:build hold

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// hostileCost is how much of the processor one hostile request may cost. The kernel counts in ticks, so many are sent and shared out.
	hostileCost  = 50 * time.Millisecond
	hostileTimes = 20
	// tick is what /proc counts in: 100 in a second, on every Linux that Go runs on.
	tick = 10 * time.Millisecond
)

// TestHostileQueriesCostNextToNothing measures what each class costs the server.
func TestHostileQueriesCostNextToNothing(t *testing.T) {
	s := serve(t, setup{env: slices.Concat(cheap, withAdmin, []string{unlimited}), args: quiet})
	root := s.root(t)
	before := s.everything(t, root)
	s.processor(t)
	var table strings.Builder
	for _, h := range hostiles() {
		h.refused(t, s.send(t, h.body))
		start := s.processor(t)
		sent := 0
		for sent < hostileTimes && s.processor(t)-start < hostileTimes*hostileCost {
			sent++
			s.send(t, anew(h.body, sent))
		}
		cost := (s.processor(t) - start) / time.Duration(sent)
		fmt.Fprintf(&table, "%-42s %8d bytes %8.1f ms\n", h.name, len(h.body), float64(cost.Microseconds())/1000)
		if cost > hostileCost {
			t.Errorf("%s costs %v, want at most %v", h.name, cost, hostileCost)
		}
	}
	t.Logf("what a request costs:\n%s", table.String())
	if after := s.everything(t, root); after != before {
		t.Errorf("there were %s, and are %s", before, after)
	}
}

// anew is the same body with another document, so that none is known from before.
func anew(body string, n int) string {
	return strings.Replace(body, `"query":"`, fmt.Sprintf(`"query":"#%d\n`, n), 1)
}

// processor is how long the process has kept processors busy, for itself and in the kernel.
func (p *process) processor(t *testing.T) time.Duration {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Skip("the time of another process is read from /proc, which only Linux has")
	}
	// The second field is the program's name, in parentheses. utime and stime are the 14th and the 15th.
	_, rest, _ := strings.Cut(string(content), ") ")
	fields := strings.Fields(rest)
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick
}
