// Package lease keeps the right to answer from memory, and tells every node what changed: the steps Start, Renew, Forget, Change, Mark and
// Delete of the lease protocol.
//
// A node may answer from memory while it holds a lease, which it renews by looking at the log of changes. A change is done once every other
// node in the registry has seen it, or once no lease that is older than the change can hold. A database without a log of changes gives no
// leases: nobody remembers anything, and changes wait for nobody.
package lease

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/propusk/propusk/internal/store"
)

// Lease is the right to answer from memory, unbroken: once it has run out it never holds again.
type Lease struct {
	base  time.Time
	clock func() time.Duration // of the node; nil for the time since base
	until atomic.Int64         // nanoseconds on that clock
}

// Holds reads the clock. It is the last thing that an answer from memory depends on: whatever stopped the process meanwhile, what was found in
// memory was so at that moment. A nil Lease does not hold.
func (l *Lease) Holds() bool { return l != nil && int64(since(l.base, l.clock)) < l.until.Load() }

// HoldsAt is Holds for those who have just read the clock. now is as time.Now gave it, with its monotonic reading.
func (l *Lease) HoldsAt(now time.Time) bool {
	if l == nil || l.clock != nil {
		return l.Holds()
	}
	return int64(now.Sub(l.base)) < l.until.Load()
}

// since reads a node's clock.
func since(base time.Time, clock func() time.Duration) time.Duration {
	if clock != nil {
		return clock()
	}
	return time.Since(base)
}

// Memory is what this process remembers. Both methods return when nobody who asks from then on is told what was known before, also not by a
// statement that is under way.
type Memory interface {
	// Drop forgets what those changes were about.
	Drop(changes ...store.Change)
	// DropAll forgets everything.
	DropAll()
}

// Config is what a Node needs.
type Config struct {
	// Database is where the log of changes and the registry are.
	Database store.Store
	Memory   Memory
	// Name is what people call the node: a row of a node that died is all that is left of it.
	Name string
	Log  *slog.Logger
	// Now is the wall clock, for the age of the log. Leases go by the clock that nobody sets.
	Now func() time.Time
	// Clock tells the time since some moment, for leases; nil is Go's own, which stands still while the machine is suspended.
	Clock func() time.Duration
	// Random is where ids come from; nil stands for crypto/rand.
	Random io.Reader
	// Waited, when set, is told how long each change waited after its commit. It must not take long.
	Waited func(time.Duration)
}

// Node is this process, as other processes of the same database know it.
type Node struct {
	Config
	log    store.ChangeLog // nil: there is none
	timing store.Timing
	base   time.Time // the moment from which this process counts
	lease  atomic.Pointer[Lease]
	// row is the id of the row in the registry, of the last one once it is gone.
	row     atomic.Pointer[string]
	acks    chan ack
	begun   chan struct{} // closed with the first lease
	without rules
	pending pending
	// running tells whether this process may remember something, and heard when the last renewal that it has applied was sent.
	running atomic.Bool
	heard   atomic.Int64
	// asked holds a poke to renew at once, and called calls those who wait to look at the registry again.
	asked  chan struct{}
	called calls
	// nodes is how many rows were live, and others how many were not this node's, when the registry was read last.
	nodes, others atomic.Int64

	mu sync.Mutex
	// marked is when the mark of a row was read first, met when a server was.
	marked, met map[string]time.Duration

	renewals, acknowledged, expired atomic.Int64
}

// Stats are counters since New, for metrics.
type Stats struct {
	Held bool
	// Renewals is how often the lease was renewed.
	Renewals int64
	// Acknowledged is how many changes all other nodes have seen in time, Expired how many waited for a lease to run out instead.
	Acknowledged, Expired int64
	// Nodes is how many nodes were taken for alive when this one looked last, itself included.
	Nodes int64
}

// rules are the rules of the protocol that tests take away, under the names that they have in the model: without one of them some test must fail.
type rules struct {
	// noEpoch makes a lease that ran out hold again.
	noEpoch bool
	// leaseFromReceipt counts a lease from the answer to a renewal.
	leaseFromReceipt bool
	// noMarkCheck lets a node that was taken for dead go on.
	noMarkCheck bool
	// ackFirst says that changes were seen before they are applied.
	ackFirst bool
	// leaveOrder removes the row before the memory.
	leaveOrder bool
	// noWait makes a change wait for nobody.
	noWait bool
	// noopAtOnce makes a change that finds nothing to do wait for nobody.
	noopAtOnce bool
	// deleteAtOnce removes the rows of nodes that a change has waited for in vain.
	deleteAtOnce bool
	// noOwnNews answers before the node itself has heard of what others made.
	noOwnNews bool
	// noFreshServerRule trusts the registry of a server that has just taken over.
	noFreshServerRule bool
	// serveBeforeRow remembers without a row.
	serveBeforeRow bool
	// noJoinCheck lets a memory begin whose row is not there any more.
	noJoinCheck bool
	// registryFirst reads the registry before the commit, and waits for nobody where nobody was.
	registryFirst bool
	// skipSelf does not forget what this process has changed itself.
	skipSelf bool
	// noPending does not forget what this process has committed and not forgotten yet.
	noPending bool
	// ownLeaseShortcut answers before this process has heard of what others made, if its lease does not hold.
	ownLeaseShortcut bool
}

// New reads what the nodes of the database have agreed on. Nothing runs yet.
func New(ctx context.Context, c Config) (*Node, error) {
	if c.Random == nil {
		c.Random = rand.Reader
	}
	n := &Node{
		Config: c, log: c.Database.ChangeLog(), base: time.Now(), acks: make(chan ack, 1), begun: make(chan struct{}), asked: make(chan struct{}, 1),
		marked: map[string]time.Duration{}, met: map[string]time.Duration{}, without: taken(),
	}
	if n.log == nil {
		return n, nil
	}
	var err error
	if n.timing, err = n.log.Timing(ctx); err != nil {
		return nil, err
	}
	if err = check(n.timing); err != nil {
		return nil, err
	}
	if census, err := n.log.Nodes(ctx, nil); err == nil { // else this process meets the server later
		n.meet(census.Server)
	}
	return n, nil
}

// driftDivisor and margin are what a clock may be wrong by: WAIT is at least HOLD and a quarter of it and the margin.
const (
	driftDivisor = 4
	margin       = 100 * time.Millisecond
)

func check(t store.Timing) error {
	if least := t.Hold + t.Hold/driftDivisor + margin; t.Hold <= 0 || t.Wait < least {
		return fmt.Errorf("a lease of %v wants changes to wait for at least %v, and the database says %v: set hold_ms and wait_ms in cache_state",
			t.Hold, least, t.Wait)
	}
	return nil
}

// Current is the lease that the node was given last, or nil: then SQL is to be read. It may have run out; ask it after everything else.
func (n *Node) Current() *Lease { return n.lease.Load() }

// Await waits for the first lease, at most that long: a program that says only then that it listens need not be asked twice before it is fast.
func (n *Node) Await(ctx context.Context, atMost time.Duration) {
	if n.log == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	select {
	case <-n.begun:
	case <-ctx.Done():
	}
}

// Stats may be called at any time.
func (n *Node) Stats() Stats {
	return Stats{
		Held: n.Current().Holds(), Renewals: n.renewals.Load(), Acknowledged: n.acknowledged.Load(), Expired: n.expired.Load(),
		Nodes: n.nodes.Load(),
	}
}

// now is the time since base. Nobody sets that clock.
func (n *Node) now() time.Duration { return since(n.base, n.Clock) }

// isOwn reports whether that is the row of this node.
func (n *Node) isOwn(id string) bool {
	row := n.row.Load()
	return row != nil && *row == id
}

// newID is 128 random bits: a row that was removed never comes back as another's.
func (n *Node) newID() (string, error) {
	var id [16]byte
	_, err := io.ReadFull(n.Random, id[:])
	return hex.EncodeToString(id[:]), err
}

// drop forgets what changed.
func (n *Node) drop(changes []store.Change) {
	for _, c := range changes {
		if c.Kind == store.ChangedAll {
			n.Memory.DropAll()
			return
		}
	}
	if len(changes) > 0 {
		n.Memory.Drop(changes...)
	}
}

// pause waits, but no longer than ctx, whose end is the error, or until somebody calls.
func pause(ctx context.Context, d time.Duration, called <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-called:
	case <-ctx.Done():
	}
	return ctx.Err()
}
