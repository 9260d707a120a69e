package mirror

import (
	"sync"
	"time"
)

const (
	// shortPause is how long nobody asks Redis after it has failed, longPause how long after it has failed again and again.
	shortPause = 500 * time.Millisecond
	longPause  = 5 * time.Second
)

// breaker keeps readers from waiting, each anew, for a Redis that does not answer. After a failure it lets nobody in for a pause, then
// one, the probe, and according to how that fares everybody or nobody for a longer pause.
//
// Its zero value lets everybody in.
type breaker struct {
	mu      sync.Mutex
	open    bool
	probing bool
	until   time.Time
	pause   time.Duration
}

// admission is what enter says.
type admission int

const (
	refused admission = iota
	admitted
	probe
)

// result is how somebody fared who was let in.
type result int

const (
	// unknown says nothing about Redis: the caller went away.
	unknown result = iota
	worked
	failed
)

// enter asks to be let in. Whoever is must call leave.
func (b *breaker) enter() admission {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !b.open:
		return admitted
	case b.probing || time.Now().Before(b.until):
		return refused
	}
	b.probing = true
	return probe
}

func (b *breaker) leave(as admission, r result) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case as == admitted && (b.open || r != failed):
		// Of many that fail together the first has said it, and of those that were let in before it none knows better.
	case as == admitted:
		b.open, b.pause = true, shortPause
		b.until = time.Now().Add(b.pause)
	case r == worked:
		b.close()
	case b.probing:
		b.probing = false
		if r == failed {
			b.pause = min(2*b.pause, longPause)
			b.until = time.Now().Add(b.pause)
		}
	}
}

// reset lets everybody in.
func (b *breaker) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.close()
}

func (b *breaker) close() { b.open, b.probing, b.pause = false, false, 0 }
