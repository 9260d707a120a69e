//go:build hold && unix

package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A hundred thousand people with a million memberships come over in two minutes and a quarter of a gibibyte, and a second run changes nothing.
func TestAMillionMembershipsComeOver(t *testing.T) {
	const people, seats, minutes, mebibytes = 100_000, 10, 2, 256
	from := discoursFile(t, people, seats)
	targets(t, func(t *testing.T, fresh func() target) {
		to := fresh()
		for run, want := range []string{
			fmt.Sprintf("members: %d read, %d added, 0 there already", people*seats, people*seats),
			fmt.Sprintf("members: %d read, 0 added, %d there already", people*seats, people*seats),
		} {
			begun := time.Now()
			p := start(t, to.importing(from))
			select {
			case <-p.exited:
			case <-time.After(10 * time.Minute):
				t.Fatal("the import does not end")
			}
			took := time.Since(begun)
			usage, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage)
			if !ok {
				t.Fatal("the kernel does not tell what the process used")
			}
			most := usage.Maxrss >> 10 // KiB on Linux, as VmHWM
			busy := p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
			t.Logf("run %d: %v, of which the process was busy for %v; %d MiB", run+1, took.Round(100*time.Millisecond), busy.Round(100*time.Millisecond), most)
			if !strings.Contains(p.out.String(), want) {
				t.Errorf("run %d said:\n%s", run+1, p.out)
			}
			if took > minutes*time.Minute || most > mebibytes {
				t.Errorf("run %d took %v and %d MiB; %d minutes and %d MiB are promised", run+1, took, most, minutes, mebibytes)
			}
		}
	})
}
