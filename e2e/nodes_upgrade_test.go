package e2e

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/pgtest"
)

// UPGRADE_FROM is the commit of the older program. Where it is not named, and the clone does not reach back to the usual one, nothing is tried.
const upgradeVariable, upgradeUsually = "UPGRADE_FROM", "d285db0"

// older builds the program as it once was.
func older(t *testing.T) string {
	t.Helper()
	told := os.Getenv(upgradeVariable)
	commit := cmp.Or(told, upgradeUsually)
	if err := exec.Command("git", "cat-file", "-e", commit+"^{commit}").Run(); err != nil {
		if told != "" {
			t.Fatalf("there is no commit %s: %v", commit, err)
		}
		t.Skipf("this clone does not have commit %s", commit)
	}
	dir := t.TempDir()
	archive, program := filepath.Join(dir, "older.tar"), filepath.Join(dir, "older.exe")
	for _, line := range [][]string{
		{"git", "-C", "..", "archive", "--format=tar", "-o", archive, commit},
		{"tar", "-xf", archive, "-C", dir},
		{"go", "build", "-C", dir, "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", program, "./cmd/propusk"},
	} {
		cmd := exec.Command(line[0], line[1:]...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", line, err, out)
		}
	}
	return program
}

// Nodes are replaced one by one, and nobody notices: the old ones go on answering while a new one changes the tables, and for as long as both are
// there. What is taken away on a new one is gone on all; what is taken away on an old one, which waits for nobody, is gone within one lease.
func TestNodesAreUpgradedOneByOne(t *testing.T) {
	besideOthers(t)
	program, database := older(t), pgtest.Database(t)
	c := newClusterOf(t, 2, directly(database), setup{program: program, env: nodeEnv})
	kinds := someRevocations()
	fromOld, fromNew := c.cast(t, kinds, nodeUpgraded), c.cast(t, kinds, nodeUpgraded)
	both := slices.Concat(fromOld, fromNew)
	for _, s := range both {
		if err := c.warm(s); err != nil {
			t.Fatal(err)
		}
	}

	asking := c.ask(both)
	begun := time.Now()
	newer := newCluster(t, 1, directly(database))
	t.Logf("a new node serves after %v; it remembers: %t", time.Since(begun), newer.remembers)
	<-time.After(everywhereWithin)
	asking.leave()
	put := asking.failed.Load() // a busy machine puts somebody off now and then
	if hold && put > 0 || 20*put > asking.asked.Load() {
		t.Errorf("while the new node started, %d of %d questions to the old ones failed", asking.failed.Load(), asking.asked.Load())
	}

	mixed := &cluster{nodes: append(newer.nodes, c.nodes...), root: c.root, began: c.began, casts: c.casts}
	for _, s := range both {
		if err := mixed.warm(s); err != nil {
			t.Fatal(err)
		}
	}
	behind := mixed.take(t, fromNew, newer.nodes[0])
	t.Logf("taken away on the new node: believed for %v after the answer at most", behind)
	if behind > 0 {
		t.Errorf("what was taken away on the new node was allowed until %v after the answer", behind)
	}
	behind = mixed.take(t, fromOld, c.nodes...)
	t.Logf("taken away on old nodes: believed for %v after the answer at most", behind)
	if behind > everywhereWithin {
		t.Errorf("what was taken away on an old node was allowed until %v after the answer: one lease is promised", behind)
	}

	for i, n := range c.nodes {
		n.server().stop(t)
		n.setup.program = ""
		n.start()
		t.Logf("node %d is replaced", i+1)
	}
	mixed.remembers = newer.remembers
	mixed.await(t, healthyWithin)
	mixed.sweep(t, both)
	for i, s := range mixed.cast(t, kinds, 1) {
		if err := mixed.round(s, mixed.nodes[i%len(mixed.nodes)]); err != nil {
			t.Fatalf("%s: %v", s.kind.name, err)
		}
		s.blame(t)
	}
}

// take revokes on one of these nodes, one after the other, while all are asked, and gives how long after an answer anybody was still allowed to do
// what was taken.
func (c *cluster) take(t *testing.T, subjects []*subject, on ...*node) (behind time.Duration) {
	t.Helper()
	for _, s := range subjects {
		var mu sync.Mutex
		lastAllowed := time.Duration(0)
		stop := make(chan struct{})
		var asking sync.WaitGroup
		for _, n := range c.nodes {
			asking.Go(func() {
				all := s.kind.questions()
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					sent := c.clock()
					if all[i%len(all)].ask(n.server().client, s) == allowed {
						mu.Lock()
						lastAllowed = max(lastAllowed, sent)
						mu.Unlock()
					}
					rest()
				}
			})
		}
		err := c.insistOn(s, func(int) *node { return on[rand.IntN(len(on))] })
		<-time.After(everywhereWithin + 200*time.Millisecond)
		close(stop)
		asking.Wait()
		if err != nil {
			t.Fatal(fmt.Errorf("%s: %w", s.kind.name, err))
		}
		behind = max(behind, lastAllowed-time.Duration(s.answered.Load()))
	}
	return max(behind, 0)
}
