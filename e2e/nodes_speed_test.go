package e2e

import (
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
	c := newCluster(t, 3, directly(pgtest.StartDurable(t).Database(t)))
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
	if longest := slices.Max(dead); longest > waitOfNodes+100*time.Millisecond+overhead {
		t.Errorf("with a dead node a revocation took %v", longest)
	}
	frozen.server().thaw(t)
	c.await(t, healthyWithin)
	c.sweep(t, subjects)
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
