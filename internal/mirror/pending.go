package mirror

import (
	"maps"
	"slices"
	"sync"
)

// maxPending bounds what is remembered one by one; beyond, everything is looked at.
const maxPending = 100_000

// pending is a set of communities to look at. add never blocks.
type pending struct {
	mu  sync.Mutex
	ids map[int64]struct{}
	all bool
	// signal holds something when there may be something to take.
	signal chan struct{}
}

func (p *pending) add(id int64) {
	p.mu.Lock()
	if len(p.ids) >= maxPending {
		p.ids, p.all = nil, true
	}
	if !p.all {
		if p.ids == nil {
			p.ids = make(map[int64]struct{})
		}
		p.ids[id] = struct{}{}
	}
	p.mu.Unlock()
	select {
	case p.signal <- struct{}{}:
	default:
	}
}

// take empties the set and returns it in order. all says that it grew too large to be told.
func (p *pending) take() (ids []int64, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids, all = slices.Sorted(maps.Keys(p.ids)), p.all
	p.ids, p.all = nil, false
	return ids, all
}
