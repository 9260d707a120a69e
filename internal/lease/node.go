package lease

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/store"
)

const (
	// renewalTimeout is how long a renewal may take.
	renewalTimeout = 500 * time.Millisecond
	// After a failure the next attempt follows within a second, and not at the same moment on all nodes.
	firstRetry = 50 * time.Millisecond
	lastRetry  = time.Second
	// leastRenew is the least time from one renewal to the next, however often somebody asks for one.
	leastRenew = time.Millisecond
	// leaveWithin is how long a node that stops tries to take its row away.
	leaveWithin = time.Second
)

// ack says how far the node has come that has that row.
type ack struct {
	row string
	at  store.Position
}

// Run holds a lease for as long as that is possible, until ctx ends.
func (n *Node) Run(ctx context.Context) {
	if n.log == nil {
		return
	}
	n.running.Store(true)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer n.running.Store(false) // what there was is forgotten then
	beside.Go(func() { n.acknowledge(ctx) })
	beside.Go(func() { n.tidy(ctx) })
	if messenger := n.log.Messenger(); messenger != nil {
		beside.Go(func() { messenger.Listen(ctx, n.poked) })
	}
	retry := firstRetry
	for ctx.Err() == nil {
		err := n.live(ctx)
		if err == nil {
			retry = firstRetry
			continue
		}
		if ctx.Err() == nil {
			n.Log.Warn("nothing is remembered for the moment: the registry of nodes cannot be used", "error", err)
		}
		retry = n.backOff(ctx, retry)
	}
}

// backOff waits for something like that long, and says how long to wait the next time.
func (n *Node) backOff(ctx context.Context, d time.Duration) time.Duration {
	_ = pause(ctx, d/2+rand.N(d), nil) // the caller looks at ctx
	return min(2*d, lastRetry)
}

// live is one life of the node: it has a row, then a memory, then it has forgotten, then no row. It ends with ctx, or when the row is marked or
// changes are missing from the log. An error says that there was no life.
func (n *Node) live(ctx context.Context) error {
	row, err := n.newID()
	if err != nil {
		return err
	}
	n.row.Store(&row) // own changes never wait for it
	if err := n.join(ctx, row); err != nil {
		n.leave(ctx, row) // it may be there all the same
		return err
	}
	if n.without.leaveOrder {
		defer n.forget()
	}
	n.hold(ctx, row)
	if !n.without.leaveOrder {
		n.forget()
	}
	n.leave(ctx, row)
	return nil
}

func (n *Node) join(ctx context.Context, row string) error {
	if n.without.serveBeforeRow {
		return nil
	}
	return n.log.Join(ctx, row, n.Name)
}

// forget ends the lease and then the memory: whoever looks something up meanwhile asks the lease afterwards.
func (n *Node) forget() {
	if l := n.lease.Load(); l != nil {
		l.until.Store(0)
	}
	n.lease.Store(nil)
	n.Memory.DropAll()
}

// leave takes the row away. Nobody but this node, which waits for it, minds if that takes long.
func (n *Node) leave(ctx context.Context, row string) {
	for retry := firstRetry; ; {
		leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
		err := n.log.Leave(leaving, row)
		cancel()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			n.Log.Warn("the row of this node stays in the registry: changes elsewhere will wait for it once or twice", "error", err)
			return
		}
		retry = n.backOff(ctx, retry)
	}
}

// hold renews the lease of the row until that cannot be done.
func (n *Node) hold(ctx context.Context, row string) {
	var last store.News
	retry := firstRetry
	for ctx.Err() == nil {
		sent := n.now()
		news, err := n.ask(ctx, row, last.At)
		if err != nil { // the lease runs out by itself
			retry = n.backOff(ctx, retry)
			continue
		}
		n.meet(news.Server)
		born := last.At == nil
		if n.lost(news, last.Server, born) {
			n.Log.Warn("starting to remember anew", "marked_or_gone", !news.Live, "gap", news.Gap)
			return
		}
		if born && n.begin(ctx, row, news) != nil {
			retry = n.backOff(ctx, retry)
			continue
		}
		n.renewed(row, sent, news)
		last, retry = news, firstRetry
		n.rest(ctx, sent)
	}
}

// rest waits until the next renewal, or until somebody asks for one; but who is asked all the time still leaves a little time in between.
func (n *Node) rest(ctx context.Context, sent time.Duration) {
	_ = pause(ctx, leastRenew-(n.now()-sent), nil) // the loop looks at ctx, here and below
	_ = pause(ctx, n.timing.Renew-(n.now()-sent), n.asked)
}

func (n *Node) ask(ctx context.Context, row string, since store.Position) (store.News, error) {
	ctx, cancel := context.WithTimeout(ctx, renewalTimeout)
	defer cancel()
	return n.log.News(ctx, row, since)
}

// lost reports whether what is remembered may be wrong whatever the log says.
func (n *Node) lost(news store.News, server string, born bool) bool {
	if !news.Live && !n.without.noMarkCheck && !n.without.serveBeforeRow && !(born && n.without.noJoinCheck) {
		return true
	}
	return !born && (news.Gap || news.Server != server)
}

// begin makes the memory of a new row, which is empty: a statement that was sent before the row was there is of no use to it. There is no lease
// before others know that they need not wait for what was earlier.
func (n *Node) begin(ctx context.Context, row string, news store.News) error {
	n.Memory.DropAll()
	return n.log.Seen(ctx, row, news.At)
}

// renewed applies what a renewal that was sent then has learnt. Changes are applied before anybody is told that they are, and before the lease is
// longer for it.
func (n *Node) renewed(row string, sent time.Duration, news store.News) {
	tell := func() {
		if len(news.Changes) > 0 {
			n.tell(ack{row, news.At})
		}
	}
	if n.without.ackFirst {
		tell()
	}
	n.drop(news.Changes)
	if !n.without.ackFirst {
		tell()
	}
	n.extend(sent)
	n.renewals.Add(1)
	n.heard.Store(int64(sent))
	n.called.all()
}

// extend makes the lease hold from the moment at which the renewal was sent. One that has run out stays so: somebody may have read from memory
// while nothing held, and asks it last.
func (n *Node) extend(sent time.Duration) {
	now := n.now()
	if n.without.leaseFromReceipt {
		sent = now
	}
	until := int64(sent + n.timing.Hold)
	if l := n.lease.Load(); l != nil && (int64(now) < l.until.Load() || n.without.noEpoch) {
		l.until.Store(until)
		return
	}
	l := &Lease{base: n.base, clock: n.Clock}
	l.until.Store(until)
	n.lease.Store(l)
	select {
	case <-n.begun:
	default:
		close(n.begun)
	}
}

// tell hands over how far the node has come. What was handed over before, and not taken yet, no longer matters.
func (n *Node) tell(a ack) {
	select {
	case <-n.acks:
	default:
	}
	n.acks <- a
}

// acknowledge writes down how far the node has come. It is apart from the renewals: another process may keep it from writing for seconds.
func (n *Node) acknowledge(ctx context.Context) {
	for {
		select {
		case a := <-n.acks:
			n.seen(ctx, a)
		case <-ctx.Done():
			return
		}
	}
}

// seen tries until it succeeds, each time with the latest.
func (n *Node) seen(ctx context.Context, a ack) {
	for retry := firstRetry; ctx.Err() == nil; {
		if n.log.Seen(ctx, a.row, a.at) == nil {
			n.poke(store.PokeSeen)
			return
		}
		retry = n.backOff(ctx, retry)
		select {
		case a = <-n.acks:
		default:
		}
	}
}
