package e2e

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/pgtest"
)

// The primary is killed while one thing after the other is taken from people, and its standby takes over. Whatever was answered is so on the new
// one, and no node believes what it remembers of the old one.
func TestNodesForgetThroughAFailover(t *testing.T) {
	besideOthers(t)
	primary := pgtest.Start(t)
	standby := primary.Standby(t, "second")
	primary.Synchronous(t, "second")
	primary.Follows(t)
	const database = "propusk"
	primary.Create(t, database)
	c := newCluster(t, 3, directly(primary.Either(standby, database)))
	subjects := c.cast(t, everyRevocation, (nodeFailovers+len(everyRevocation)-1)/len(everyRevocation))
	for _, s := range subjects {
		if err := c.warm(s); err != nil {
			t.Fatal(err)
		}
	}
	rand.Shuffle(len(subjects), func(i, j int) { subjects[i], subjects[j] = subjects[j], subjects[i] })

	asking := c.ask(subjects)
	var next, done atomic.Int64
	half := make(chan struct{})
	var revoking sync.WaitGroup
	for range 4 {
		revoking.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(subjects); i = int(next.Add(1)) - 1 {
				if err := c.insist(subjects[i]); err != nil {
					t.Errorf("%s: %v", subjects[i].kind.name, err)
				}
				if done.Add(1) == int64(len(subjects)/2) {
					close(half)
				}
			}
		})
	}
	<-half
	primary.Kill(t)
	died := c.clock()
	standby.Promote(t)
	promoted := c.clock()
	for _, n := range c.nodes {
		n.server().awaitStatus(t, http.StatusOK, resumesWithin)
	}
	revoking.Wait()
	c.await(t, healthyWithin)
	<-time.After(everywhereWithin)
	asking.leave()
	c.sweep(t, subjects)

	var sum tally
	sum.add(t, asking, subjects)
	before, resumed := 0, insistence
	for _, s := range subjects {
		if answered := time.Duration(s.answered.Load()); answered < died {
			before++
		} else {
			resumed = min(resumed, max(0, answered-promoted)) // it takes writes before this process hears of it
		}
	}
	t.Logf("%d answered by the old primary, %d later; promoted after %v, the first change %v after that; %v",
		before, len(subjects)-before, promoted-died, resumed, &sum)
	if before == len(subjects) || resumed > resumesWithin {
		t.Errorf("changes are made again %v after the standby has taken over; %v is promised", resumed, resumesWithin)
	}
}
