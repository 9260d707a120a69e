package password

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/propusk/propusk"
)

// busy is the refusal when all slots are taken and the queue for them is full. Nothing was hashed. RetryAfter is how long a full queue
// takes to drain, in whole seconds, at least one.
func busy(retryAfter time.Duration) *propusk.Error {
	return &propusk.Error{
		Kind: propusk.Unavailable, Code: "busy", Message: "too many passwords are being checked at this moment: try again shortly",
		RetryAfter: retryAfter,
	}
}

// Stats is a snapshot for metrics.
type Stats struct {
	Slots   int    // hashes that may run at once
	Busy    int    // slots in use
	Waiting int    // callers in the queue
	Refused uint64 // callers turned away since the start
}

// pool lets a bounded number of callers work and a bounded number wait. Waiting callers are served in the order they
// came: a channel hands a freed place to the sender that has been blocked the longest.
type pool struct {
	admitted   chan struct{} // one element for everyone inside, working or waiting
	working    chan struct{} // one element for everyone working
	refused    atomic.Uint64
	retryAfter time.Duration
}

func newPool(slots, queuePerSlot int) *pool {
	return &pool{
		admitted: make(chan struct{}, slots*(1+queuePerSlot)),
		working:  make(chan struct{}, slots),
	}
}

// enter returns once the caller has a slot, to be given back with leave. The error is of kind Unavailable (busy), or ctx's when the
// caller gave up, whose place is then free again.
func (p *pool) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case p.admitted <- struct{}{}:
	default:
		p.refused.Add(1)
		return busy(p.retryAfter)
	}
	select {
	case p.working <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-p.admitted
		return ctx.Err()
	}
}

// enterNew is enter for whoever makes a new hash. It refuses when the queue is half full: the other half is for those who show a password,
// so that a flood of registrations keeps nobody from logging in.
func (p *pool) enterNew(ctx context.Context) error {
	queue := cap(p.admitted) - cap(p.working)
	if len(p.admitted) >= cap(p.working)+(queue+1)/2 {
		p.refused.Add(1)
		return busy(p.retryAfter)
	}
	return p.enter(ctx)
}

func (p *pool) full() error {
	if len(p.admitted) < cap(p.admitted) {
		return nil
	}
	p.refused.Add(1)
	return busy(p.retryAfter)
}

func (p *pool) leave() {
	<-p.working
	<-p.admitted
}

func (p *pool) stats() Stats {
	busy := len(p.working)
	return Stats{
		Slots:   cap(p.working),
		Busy:    busy,
		Waiting: max(0, len(p.admitted)-busy), // the two lengths are not read at the same instant
		Refused: p.refused.Load(),
	}
}
