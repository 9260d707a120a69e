//go:build hold

package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// memory reads VmHWM (the most that was resident so far) or VmRSS (what is resident now), in MiB.
func (p *process) memory(t *testing.T, field string) float64 {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return float64(kib) / 1024
		}
	}
	t.Fatalf("the kernel does not tell %s", field)
	return 0
}
