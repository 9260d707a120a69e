package lease

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/propusk/propusk/internal/store"
)

const (
	// probeEvery is the time from one look for dead nodes to the next, give or take half of it.
	probeEvery = 10 * time.Second
	// pruneEvery and keepLog pace the removal of old changes: a node that has not looked for so long starts anew.
	pruneEvery = time.Minute
	keepLog    = 10 * time.Minute
)

// found is what the registry tells about others.
type found struct {
	// all is true when all of them have seen what was asked about, and missing are those who have not.
	all     bool
	missing []string
	// others is how many there are, and dead whether some are taken for dead.
	others int
	dead   bool
}

// look reads the registry, but no longer than until that time.
func (n *Node) look(ctx context.Context, at store.Position, until time.Duration) (found, error) {
	ctx, cancel := context.WithTimeout(ctx, max(until-n.now(), margin))
	defer cancel()
	census, err := n.log.Nodes(ctx, at)
	if err != nil {
		return found{}, err
	}
	f := found{all: n.trusted(ctx, census)}
	live := 0
	for _, node := range census.Nodes {
		if !node.Marked {
			live++
		}
		if n.isOwn(node.ID) {
			continue
		}
		f.others++
		f.dead = f.dead || node.Marked
		if !node.Seen {
			f.all = false
			f.missing = append(f.missing, node.ID)
		}
	}
	n.noteMarks(census.Nodes)
	n.nodes.Store(int64(live))
	n.others.Store(int64(f.others))
	return f, nil
}

// trusted reports whether the server has been the one for so long that no lease is left which another one gave and which its registry may not
// have. One process can know that for all, and says so in a place that does not outlive the server: a command need not find out for itself.
func (n *Node) trusted(ctx context.Context, c store.Census) bool {
	known := n.meet(c.Server)
	if c.Server == "" || c.Settled || n.without.noFreshServerRule {
		return true
	}
	if known < n.timing.Wait {
		return false
	}
	if err := n.log.Settle(ctx, c.Server); err != nil {
		n.Log.Warn("others are not told for how long the server has been the one", "error", err)
	}
	return true
}

// meet tells for how long this process has known a server.
func (n *Node) meet(server string) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.met[server]; !ok {
		n.met[server] = n.now()
	}
	return n.now() - n.met[server]
}

// noteMarks remembers when a mark was read first. Rows that are gone no longer matter.
func (n *Node) noteMarks(nodes []store.Registered) {
	n.mu.Lock()
	defer n.mu.Unlock()
	marked := map[string]time.Duration{}
	for _, node := range nodes {
		if !node.Marked || n.isOwn(node.ID) {
			continue
		}
		marked[node.ID] = n.now()
		if first, ok := n.marked[node.ID]; ok {
			marked[node.ID] = first
		}
	}
	n.marked = marked
}

// longMarked are rows that may go: since their mark was read every renewal of theirs has failed, for longer than a lease.
func (n *Node) longMarked() (ids []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for id, read := range n.marked {
		if n.now()-read >= n.timing.Wait {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// bury takes nodes for dead that were waited for in vain, and removes those that have been for long enough. If it fails the next change pays.
func (n *Node) bury(ctx context.Context, missing []string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin)
	defer cancel()
	dead := n.longMarked()
	if len(missing) > 0 {
		if err := n.log.Mark(ctx, missing); err != nil {
			n.Log.Warn("nodes that do not answer could not be marked", "error", err)
		}
	}
	if n.without.deleteAtOnce {
		dead = missing
	}
	if len(dead) == 0 {
		return
	}
	if err := n.log.Delete(ctx, dead); err != nil {
		n.Log.Warn("rows of dead nodes could not be removed", "error", err)
	}
}

// tidy finds dead nodes before a caller has to wait for them, and keeps the log short, until ctx ends.
func (n *Node) tidy(ctx context.Context) {
	pruned := n.now()
	for first := true; ctx.Err() == nil; first = false {
		again := n.probe(ctx)
		if first {
			again = n.timing.Wait // then somebody who has just begun may find out more
		}
		if n.now()-pruned >= pruneEvery {
			pruned = n.now()
			if err := n.log.Prune(ctx, n.Now().Add(-keepLog)); err != nil && ctx.Err() == nil {
				n.Log.Warn("old changes were not removed from the log", "error", err)
			}
		}
		_ = pause(ctx, again, nil) // the loop looks at ctx
	}
}

// probe makes a change of nothing, if there is anybody to see it, and says when to do so again.
func (n *Node) probe(ctx context.Context) time.Duration {
	again := probeEvery/2 + rand.N(probeEvery)
	f, err := n.look(ctx, nil, n.now())
	if err != nil || f.others == 0 {
		return again
	}
	at, err := n.log.Probe(ctx)
	if err != nil || n.wait(ctx, n.now(), at) != nil {
		return again
	}
	n.bury(ctx, nil)
	if f, err = n.look(ctx, nil, n.now()); err == nil && f.dead {
		return n.timing.Wait
	}
	return again
}
