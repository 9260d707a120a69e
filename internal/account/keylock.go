package account

import (
	"context"
	"sync"
)

// keylock lets one caller at a time work on a key. Of many people who register one address at once, one hashes a password; the
// others then find the address taken and cost nothing.
type keylock struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// lock waits for the key, or for the end of ctx.
func (l *keylock) lock(ctx context.Context, key string) (unlock func(), err error) {
	for {
		l.mu.Lock()
		busy, taken := l.held[key]
		if !taken {
			if l.held == nil {
				l.held = make(map[string]chan struct{})
			}
			mine := make(chan struct{})
			l.held[key] = mine
			l.mu.Unlock()
			return func() { l.release(key, mine) }, nil
		}
		l.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (l *keylock) release(key string, mine chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, key)
	close(mine)
}
