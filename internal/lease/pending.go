package lease

import (
	"sync"

	"github.com/propusk/propusk/internal/store"
)

// underway is a change that is about to be committed, or is and has not been forgotten yet.
type underway struct{ made []store.Change }

// pending are those of this process. Whoever finds that a change has been made already must not answer before this process has forgotten what was
// before it, and who made it may not have come to that yet.
type pending struct {
	mu  sync.Mutex
	all map[*underway]struct{}
}

// set says what one changes, before it is committed; or nothing, once it is forgotten or was not made.
func (p *pending) set(u *underway, made []store.Change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u.made = made
	if len(made) == 0 {
		delete(p.all, u)
		return
	}
	if p.all == nil {
		p.all = map[*underway]struct{}{}
	}
	p.all[u] = struct{}{}
}

// others are what all but one of them change.
func (p *pending) others(than *underway) (made []store.Change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for u := range p.all {
		if u != than {
			made = append(made, u.made...)
		}
	}
	return made
}
