package lease

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/store"
)

// town is nodes that all serve and change, over one PostgreSQL.
func town(t testing.TB, nodes int) []*process {
	t.Helper()
	url := pgtest.Database(t)
	all := make([]*process, nodes)
	for i := range all {
		all[i] = begin(t, url)
	}
	settle(t, all[0])
	for _, p := range all {
		p.serve()
	}
	return all
}

// middle is the median of how long each of so many changes by p took.
func (p *process) middle(changes int, fn func(store.Tx) error) time.Duration {
	p.t.Helper()
	took := make([]time.Duration, changes)
	for i := range took {
		took[i] = p.took(fn)
	}
	slices.Sort(took)
	p.t.Logf("of %d changes half took %v, nine of ten %v, the longest %v", changes, took[changes/2], took[changes*9/10], took[changes-1])
	return took[changes/2]
}

// mute takes the messenger of a process away.
func (p *process) mute() { p.faults.set(func() { p.faults.mute = true }) }

func TestThreeNodesForgetWithinMilliseconds(t *testing.T) {
	all := town(t, 3)
	u, change := anna(t, all[0])
	held := all[1].Current()
	all[0].took(block(u)) // connects
	if half := all[0].middle(50, block(u)); half > 50*time.Millisecond {
		t.Errorf("half of the changes take %v", half)
	}
	for _, p := range all {
		if !p.memory.forgot(change) {
			t.Error("somebody remembers")
		}
	}
	if s := all[0].Stats(); s.Expired != 0 || s.Nodes != 3 {
		t.Errorf("stats: %+v", s)
	}
	if all[1].Current() != held || !held.Holds() {
		t.Error("a lease did not outlive the changes")
	}
}

func TestWithoutMessengerAChangeTakesARenewalLonger(t *testing.T) {
	url := pgtest.Database(t)
	all := []*process{begin(t, url), begin(t, url), begin(t, url)}
	settle(t, all[0])
	for _, p := range all {
		p.mute()
		p.serve()
	}
	u, _ := anna(t, all[0])
	if half := all[0].middle(5, block(u)); half > renewalTimeout {
		t.Errorf("half of the changes take %v", half)
	}
	if s := all[0].Stats(); s.Expired != 0 {
		t.Errorf("stats: %+v", s)
	}
}

// Many who wait hold no connection that others need, and look at the registry together.
func TestManyChangesAtOnceAreAllAcknowledged(t *testing.T) {
	all := town(t, 3)
	u, _ := anna(t, all[0])
	all[0].took(block(u))
	begun := time.Now()
	var running sync.WaitGroup
	for range 100 {
		running.Go(func() { must(t, all[0].Store().Update(context.Background(), nothing)) })
	}
	running.Wait()
	t.Logf("100 changes at once took %v", time.Since(begun))
	if s := all[0].Stats(); s.Expired != 0 {
		t.Errorf("stats: %+v", s)
	}
}

// Nodes of which nobody waits for the other do not wake each other without end.
func TestNodesThatAreLevelAreQuiet(t *testing.T) {
	all := town(t, 3)
	u, _ := anna(t, all[0])
	all[0].took(block(u))
	all[0].moment()
	before := all[1].Stats().Renewals
	time.Sleep(time.Second)
	if n := all[1].Stats().Renewals - before; n > 10 {
		t.Errorf("%d renewals in a second in which nothing happened", n)
	}
}
