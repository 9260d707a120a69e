package lease

import (
	"context"
	"errors"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

// Store is the database with the step Change of the protocol: once Update or UpdateBeside has returned, no request that begins afterwards, on any
// node, is answered from what was so before. It waits for that as long as it takes, at most WAIT and three tenths of a second; a caller whose ctx ends
// first is refused as Unavailable, and what was changed stays changed. What is known before a change is so also when the change turns out to
// have been made already, or is refused for what it found: whoever made it may have died before it had waited.
//
// What only adds accounts, sessions or keys, or takes notes, waits for nobody: that there was none is not remembered.
func (n *Node) Store() store.Store {
	if n.log == nil {
		return n.Database
	}
	return changing{n.Database, n}
}

type changing struct {
	store.Store
	node *Node
}

// Update implements store.Store.
func (c changing) Update(ctx context.Context, fn func(store.Tx) error) error {
	return c.node.change(ctx, c.Store.Update, fn)
}

// UpdateBeside implements store.Store.
func (c changing) UpdateBeside(ctx context.Context, fn func(store.Tx) error) error {
	return c.node.change(ctx, c.Store.UpdateBeside, fn)
}

// change runs fn in a transaction and then makes everybody forget what was before. Also when the outcome of the commit is unknown this process
// forgets; the others do once they look at the log.
func (n *Node) change(ctx context.Context, update func(context.Context, func(store.Tx) error) error, fn func(store.Tx) error) error {
	if n.without.registryFirst {
		if f, err := n.look(ctx, nil, n.now()); err == nil && f.others == 0 {
			return update(ctx, fn)
		}
	}
	var own underway
	var made []store.Change
	var at store.Position
	var adds bool
	var server string
	defer n.pending.set(&own, nil)
	err := update(ctx, func(tx store.Tx) (err error) {
		made, at, adds, server = nil, nil, false, tx.Server()
		if err = fn(noting{tx, &adds}); err == nil {
			made, at, err = tx.Changes()
		}
		n.pending.set(&own, made)
		return err
	})
	committed := n.now()
	if !n.without.skipSelf {
		n.drop(made)
	}
	if undecided(err) || len(made) == 0 && (adds || n.without.noopAtOnce) {
		return err
	}
	if !n.without.noPending {
		n.drop(n.pending.others(&own))
	}
	if waited := n.wait(ctx, committed, at); waited != nil {
		return waited
	}
	if at == nil { // else the commit itself has waited for whom there is to wait for
		if unsure := n.log.Confirm(ctx, server); unsure != nil {
			return unconfirmed(unsure)
		}
	}
	return err
}

// undecided reports whether an error says nothing about what there is.
func undecided(err error) bool {
	return err != nil &&
		(propusk.KindOf(err) == propusk.Unavailable || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
}

// unconfirmed refuses whoever could not wait.
func unconfirmed(cause error) error {
	return &propusk.Error{
		Kind: propusk.Unavailable, Code: "change_unconfirmed", RetryAfter: time.Second, Cause: cause,
		Message: "the change may have been made, but not every node is known to act by it yet; try again",
	}
}

// wait returns when everybody has seen what is at that position, at the latest WAIT after the commit: others by what the registry says, and this
// node by a renewal that was sent after the commit. What a change has made it drops itself; what it has only found, another process may have
// made. The registry is read after the commit: a node that joins later begins with what was committed. nil is the end of the log.
func (n *Node) wait(ctx context.Context, committed time.Duration, at store.Position) error {
	if n.without.noWait {
		return nil
	}
	n.poked(store.PokeNews)
	until := committed + n.timing.Wait
	poked := n.others.Load() > 0
	if poked {
		n.poke(store.PokeNews)
	}
	again := soon
	var others found
	for first := true; ; again = min(2*again, n.timing.Reread) {
		called := n.called.next() // before the look: who is called meanwhile looks again
		var err error
		if !others.all {
			others, err = n.look(ctx, at, until)
		}
		now := n.now()
		if !poked && !others.all {
			poked = true
			n.poke(store.PokeNews)
		}
		switch {
		case others.all && n.heardSince(committed):
			n.confirmed(&n.acknowledged, now-committed)
			return nil
		case now >= until:
			n.bury(ctx, others.missing)
			n.confirmed(&n.expired, now-committed)
			return nil
		case err == nil && !others.all && first:
			first = false
			// From now on WAIT, so that in the end marks that were found may be acted upon.
			until = min(now, committed+margin) + n.timing.Wait
			at = n.end(ctx, at)
		}
		if err := pause(ctx, min(again, until-now), called); err != nil {
			return unconfirmed(err)
		}
	}
}

// heardSince reports whether this process has applied a renewal that was sent after that, or remembers nothing. That the lease does not hold says
// nothing: a renewal sent before may still be under way, and make it hold.
func (n *Node) heardSince(then time.Duration) bool {
	return n.without.noOwnNews || n.without.ownLeaseShortcut && !n.Current().Holds() || !n.running.Load() || n.heard.Load() > int64(then)
}

func (n *Node) confirmed(how interface{ Add(int64) int64 }, after time.Duration) {
	how.Add(1)
	if n.Waited != nil {
		n.Waited(after)
	}
}

// end makes others say how far they have come who do not say so of their own changes.
func (n *Node) end(ctx context.Context, at store.Position) store.Position {
	if at != nil {
		return at
	}
	end, err := n.log.Probe(ctx)
	if err != nil {
		return nil // then the time decides
	}
	n.poke(store.PokeNews)
	return end
}
