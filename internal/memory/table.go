package memory

import (
	"context"
	"hash/maphash"
	"sync"
)

// shards keeps those who look up out of each other's way.
const shards = 64

// overhead is about what a value costs beside itself, in bytes: its key and place in a map, stamps, and what the allocator rounds up.
const overhead = 160

// Table remembers values by key, within a bound. Make it with [NewTable]; it is safe for concurrent use.
//
// When half of the bound is used up, what was asked for since the last time stays, and the rest goes.
type Table[K comparable, V any] struct {
	memory *Memory
	hash   func(K) uint64
	half   int // of the bound, for one shard
	shards [shards]shard[K, V]
}

type shard[K comparable, V any] struct {
	mu sync.RWMutex
	// young is what was kept or found since old was young.
	young, old map[K]*kept[V]
	size       int // of young
	flights    map[K]*flight[V]
	_          [64]byte // a cache line apart from the next shard
}

type kept[V any] struct {
	value  V
	stamps stamps
	size   int
}

// NewTable makes a table of at most that many bytes, over what m knows of changes. hash spreads the keys; their last bits choose the shard.
func NewTable[K comparable, V any](m *Memory, bytes int, hash func(K) uint64) *Table[K, V] {
	return &Table[K, V]{memory: m, hash: hash, half: max(bytes/2/shards, 1)}
}

// HashBy hashes keys with a seed of the process's own, so that nobody can choose keys that meet.
func HashBy[K comparable]() func(K) uint64 {
	seed := maphash.MakeSeed()
	return func(key K) uint64 { return maphash.Comparable(seed, key) }
}

// Get is what is remembered under key, or nil. The value must not be changed.
func (t *Table[K, V]) Get(key K) *V {
	s := &t.shards[t.hash(key)%shards]
	s.mu.RLock()
	found, young := s.young[key]
	if !young {
		found = s.old[key]
	}
	s.mu.RUnlock()
	switch {
	case found == nil:
		return nil
	case !t.memory.fresh(&found.stamps):
		t.forget(s, key, found)
		return nil
	case !young:
		t.keep(s, key, found)
	}
	return &found.value
}

// Read is what a read brought: the value, what it depends on (one to three things), and its size in bytes.
type Read[V any] struct {
	Value V
	Of    []Thing
	Size  int
}

// flight is a read that is under way.
type flight[V any] struct {
	mark   Mark
	landed chan struct{}
	value  *V // nil when the read failed
}

// Load is Get, and where nothing is remembered it reads. Of those who want the same at once one reads and the others wait for it; whoever comes
// after a change does not wait for a read that began before it. shared tells that the value is remembered, or that somebody else has read it,
// so that it is only as good as the lease. An error is that of read, or of ctx.
func (t *Table[K, V]) Load(ctx context.Context, key K, read func(context.Context) (Read[V], error)) (value *V, shared bool, err error) {
	if known := t.Get(key); known != nil {
		return known, true, nil
	}
	s := &t.shards[t.hash(key)%shards]
	own := &flight[V]{mark: t.memory.Mark(), landed: make(chan struct{})}
	s.mu.Lock()
	if other := s.flights[key]; other != nil && t.memory.still(other.mark) {
		s.mu.Unlock()
		select {
		case <-other.landed:
			if other.value != nil {
				return other.value, true, nil
			}
			// What stopped the other need not stop this one: a deadline, say.
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
		own.mark = t.memory.Mark()
	} else {
		if s.flights == nil {
			s.flights = make(map[K]*flight[V])
		}
		s.flights[key] = own
		s.mu.Unlock()
		defer t.land(s, key, own)
	}
	got, err := read(ctx)
	if err != nil {
		return nil, false, err
	}
	own.value, shared = t.Keep(own.mark, key, got)
	return own.value, shared, nil
}

// Keep remembers a value that was read since mark, unless that is remembered already or something has changed. It returns what is remembered
// then, or else the value. shared tells that somebody else has read it, perhaps earlier, so that it is only as good as the lease.
func (t *Table[K, V]) Keep(mark Mark, key K, got Read[V]) (value *V, shared bool) {
	known := t.Get(key)
	k := &kept[V]{value: got.Value, size: got.Size + overhead}
	var still bool
	if k.stamps, still = t.memory.stamp(mark, got.Of...); !still {
		return &k.value, false
	}
	if known != nil { // nothing has changed between reading that and this, as far as this process was told
		return known, true
	}
	t.keep(&t.shards[t.hash(key)%shards], key, k)
	return &k.value, false
}

// Forget forgets what is remembered under key.
func (t *Table[K, V]) Forget(key K) {
	s := &t.shards[t.hash(key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if before := s.young[key]; before != nil {
		delete(s.young, key)
		s.size -= before.size
	}
	delete(s.old, key)
}

// land tells those who wait.
func (t *Table[K, V]) land(s *shard[K, V], key K, f *flight[V]) {
	s.mu.Lock()
	if s.flights[key] == f {
		delete(s.flights, key)
	}
	s.mu.Unlock()
	close(f.landed)
}

// keep puts a value among the young. Stamps need no lock: a value that has changed since is there, and is not found.
func (t *Table[K, V]) keep(s *shard[K, V], key K, k *kept[V]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.young == nil || s.size+k.size > t.half {
		s.old, s.young, s.size = s.young, make(map[K]*kept[V]), 0
	}
	if before := s.young[key]; before != nil {
		s.size -= before.size
	}
	s.young[key] = k
	s.size += k.size
}

// forget makes room, unless somebody has read anew meanwhile.
func (t *Table[K, V]) forget(s *shard[K, V], key K, k *kept[V]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.young[key] == k {
		delete(s.young, key)
		s.size -= k.size
	}
	if s.old[key] == k {
		delete(s.old, key)
	}
}

// Len is how many values are kept, those that have changed since among them.
func (t *Table[K, V]) Len() (n int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		n += len(s.young) + len(s.old)
		s.mu.RUnlock()
	}
	return n
}
