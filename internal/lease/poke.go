package lease

import (
	"sync"
	"time"

	"github.com/propusk/propusk/internal/store"
)

// soon is how long a change waits before it looks at the registry for the second time. Then it waits twice as long each time, up to what the
// database bears: nodes that are well answer within milliseconds, also where nobody brings the message that they have.
const soon = 2 * time.Millisecond

// poke asks others to look now, if there is anybody to carry it.
func (n *Node) poke(what store.Poke) {
	if messenger := n.log.Messenger(); messenger != nil {
		messenger.Poke(what)
	}
}

// poked is what somebody asks of this node. Several asks at once are one.
func (n *Node) poked(what store.Poke) {
	switch what {
	case store.PokeNews:
		select {
		case n.asked <- struct{}{}:
		default:
		}
	case store.PokeSeen:
		n.called.all()
	}
}

// calls wakes all who wait. The zero value is ready.
type calls struct {
	mu      sync.Mutex
	waiting chan struct{}
}

// next is closed when they are called from now on.
func (c *calls) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		c.waiting = make(chan struct{})
	}
	return c.waiting
}

func (c *calls) all() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting != nil {
		close(c.waiting)
		c.waiting = nil
	}
}
