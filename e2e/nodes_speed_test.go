package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/pgtest"
)

const (
	// soon is the median time from a revocation to its answer while all is well.
	soon = 5 * time.Millisecond
	// overhead is what a request takes beside the WAIT and the tenth of a second that the protocol promises.
	overhead = 100 * time.Millisecond
)

// What it costs whoever takes something away that all nodes know before the answer: little while all is well, and one lease at most when one of them
// is dead.
func TestNodesAnswerRevocationsSoon(t *testing.T) {
	besideOthers(t)
	url, wait := pgtest.StartDurable(t).Database(t), waitOfNodes
	if !hold { // a busy machine may stand still for as long as a lease: then what waits for one that is dead is not told from what is slow
		wait = longWait
		longLeases(t, url)
	}
	c := newCluster(t, 3, directly(url))
	well := c.timed(t, c.cast(t, everyRevocation, nodeTimed))
	t.Logf("answers from memory: %t; with three nodes: median %v, p99 %v", c.remembers, percentile(0.5, well), percentile(0.99, well))
	if hold && percentile(0.5, well) > soon {
		t.Errorf("a median of %v is promised", soon)
	}

	subjects := c.cast(t, everyRevocation, 1)
	frozen := c.nodes[2]
	frozen.server().freeze(t)
	alive := &cluster{nodes: c.nodes[:2], root: c.root, began: c.began}
	dead := alive.timed(t, subjects)
	t.Logf("with one of them dead: %v", dead)
	most := wait + 100*time.Millisecond + overhead
	if !hold {
		most = 2 * wait
	}
	if longest := slices.Max(dead); longest < wait || longest > most {
		t.Errorf("with a dead node a revocation took %v", longest)
	}
	if n := slices.IndexFunc(dead[len(dead)/2:], func(took time.Duration) bool { return took >= wait }); n >= 0 {
		t.Errorf("the dead node is waited for again and again: %v", dead)
	}
	frozen.server().thaw(t)
	c.await(t, healthyWithin)
	c.sweep(t, subjects)
}

// longHold and longWait are how long leases hold, and changes wait, where that is not to be mistaken for a slow machine.
const longHold, longWait = 3500 * time.Millisecond, 5 * time.Second

// longLeases makes leases in a new database long, before there is any node.
func longLeases(t *testing.T, url string) {
	t.Helper()
	must(t, setup{args: []string{"migrate", "up", "--database", url}})
	execute(t, url, fmt.Sprintf("UPDATE cache_state SET hold_ms = %d, wait_ms = %d", longHold.Milliseconds(), longWait.Milliseconds()))
}

// timed takes something from one after the other, on each node in turn, and gives how long each took.
func (c *cluster) timed(t *testing.T, subjects []*subject) (times []time.Duration) {
	t.Helper()
	for i, s := range subjects {
		if err := c.warm(s); err != nil {
			t.Fatal(err)
		}
		if err := c.insistOn(s, func(int) *node { return c.nodes[i%len(c.nodes)] }); err != nil {
			t.Fatal(err)
		}
		times = append(times, s.took)
	}
	return times
}
