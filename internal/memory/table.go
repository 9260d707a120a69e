package memory

import (
	"context"
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"unsafe"
)

// stripes keeps those who write out of each other's way.
const stripes = 64

// slack is what the allocator rounds up for a value, in bytes.
const slack = 16

// Table remembers values by key, within a bound. Make it with [NewTable]; it is safe for concurrent use, and those who only ask never wait.
//
// When the bound is reached, what has changed goes, and of the rest what nobody has asked for since room was last made.
type Table[K comparable, V any] struct {
	memory *Memory
	hash   func(K) uint64
	share  int // of the bound, for one stripe
	stripe [stripes]stripe[K, V]
}

// stripe is a part of the table that whoever writes has for himself.
type stripe[K comparable, V any] struct {
	// sets are a power of two of them. Whoever asks while there come to be more may miss what is kept meanwhile, which costs a look-up.
	sets    atomic.Pointer[[]set[K, V]]
	mu      sync.Mutex
	n, size int // how many values there are, and what they and the sets take in bytes
	hand    int // the set at which room is looked for next
	flights map[K]*flight[V]
	_       [64]byte // a cache line apart from the next one
}

// NewTable makes a table of at most that many bytes, over what m knows of changes. hash spreads the keys.
func NewTable[K comparable, V any](m *Memory, bytes int, hash func(K) uint64) *Table[K, V] {
	t := &Table[K, V]{memory: m, hash: hash, share: bytes / stripes}
	for i := range t.stripe {
		sets := make([]set[K, V], 1)
		t.stripe[i].sets.Store(&sets)
	}
	return t
}

// HashBy hashes keys with a seed of the process's own, so that nobody can choose keys that meet.
func HashBy[K comparable]() func(K) uint64 {
	seed := maphash.MakeSeed()
	return func(key K) uint64 { return maphash.Comparable(seed, key) }
}

// at is the stripe of keys of that hash.
func (t *Table[K, V]) at(hash uint64) *stripe[K, V] { return &t.stripe[hash>>8%stripes] }

// set is the set of keys of that hash.
func (st *stripe[K, V]) set(hash uint64) *set[K, V] { return setOf(*st.sets.Load(), hash) }

func setOf[K comparable, V any](sets []set[K, V], hash uint64) *set[K, V] {
	return &sets[hash>>16&uint64(len(sets)-1)]
}

// Get is what is remembered under key, or nil. The value must not be changed.
func (t *Table[K, V]) Get(key K) *V {
	return t.get(t.hash(key), key)
}

func (t *Table[K, V]) get(hash uint64, key K) *V {
	k, _ := t.at(hash).set(hash).find(tag(hash), key)
	if k == nil || !t.memory.fresh(&k.stamps) {
		return nil
	}
	if !k.asked.Load() { // the line need not be written each time
		k.asked.Store(true)
	}
	return &k.value
}

// Read is what a read brought: the value, what it depends on, and the size in bytes of what it refers to and shares with nobody.
type Read[V any] struct {
	Value V
	Of    Things
	Size  int
}

// flight is a read that is under way.
type flight[V any] struct {
	mark   Mark
	landed chan struct{}
	value  *V // nil when the read failed
}

// Load is Get, and where nothing is remembered it reads. Of those who want the same at once one reads and the others wait for it; whoever comes
// after a change does not wait for a read that began before it. What it returns may have been read by somebody else, perhaps earlier, so it is only
// as good as the lease. An error is that of read, or of ctx.
func (t *Table[K, V]) Load(ctx context.Context, key K, read func(context.Context) (Read[V], error)) (*V, error) {
	hash := t.hash(key)
	if known := t.get(hash, key); known != nil {
		return known, nil
	}
	own := &flight[V]{mark: t.memory.Mark(), landed: make(chan struct{})}
	at := t.at(hash)
	if other := at.depart(key, own, t.memory); other != nil {
		select {
		case <-other.landed:
			if other.value != nil {
				return other.value, nil
			}
			// What stopped the other need not stop this one: a deadline, say.
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		own.mark = t.memory.Mark()
	} else {
		defer at.land(key, own)
	}
	got, err := read(ctx)
	if err != nil {
		return nil, err
	}
	own.value = t.Keep(own.mark, key, got)
	return own.value, nil
}

// depart is the flight to wait for, or nil when own has departed.
func (st *stripe[K, V]) depart(key K, own *flight[V], m *Memory) (other *flight[V]) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if other = st.flights[key]; other != nil && m.still(other.mark) {
		return other
	}
	if st.flights == nil {
		st.flights = make(map[K]*flight[V])
	}
	st.flights[key] = own
	return nil
}

// land tells those who wait.
func (st *stripe[K, V]) land(key K, f *flight[V]) {
	st.mu.Lock()
	if st.flights[key] == f {
		delete(st.flights, key)
	}
	st.mu.Unlock()
	close(f.landed)
}

// Keep remembers a value that was read since mark, unless that is remembered already or something has changed. It returns what is remembered
// then, which somebody else may have read earlier, or else the value.
func (t *Table[K, V]) Keep(mark Mark, key K, got Read[V]) *V {
	hash := t.hash(key)
	known := t.get(hash, key)
	k := &kept[K, V]{key: key, value: got.Value, size: int32(min(got.Size+slack+int(unsafe.Sizeof(kept[K, V]{})), math.MaxInt32))}
	var still bool
	if k.stamps, still = t.memory.stamp(mark, got.Of); !still {
		return &k.value
	}
	if known != nil { // nothing has changed between reading that and this, as far as this process was told
		return known
	}
	t.keep(hash, k)
	return &k.value
}

// keep makes room for a value. Stamps need no lock: a value that has changed since is there, and is not found.
func (t *Table[K, V]) keep(hash uint64, k *kept[K, V]) {
	st := t.at(hash)
	st.mu.Lock()
	defer st.mu.Unlock()
	s := st.set(hash)
	before, way := s.find(tag(hash), k.key)
	if before == nil {
		for _, free := s.free(); !free && st.n > len(*st.sets.Load()); _, free = s.free() {
			st.grow(t)
			s = st.set(hash)
		}
		way = s.room(t.memory, int(hash>>48)%ways)
	}
	st.put(s, way, tag(hash), k)
	st.shrink(t)
}

// put makes a way of a set hold a value, or none.
func (st *stripe[K, V]) put(s *set[K, V], way int, tag uint64, k *kept[K, V]) {
	if before := s.put(way, tag, k); before != nil {
		st.n--
		st.size -= int(before.size)
	}
	if k != nil {
		st.n++
		st.size += int(k.size)
	}
}

// grow doubles the number of sets.
func (st *stripe[K, V]) grow(t *Table[K, V]) {
	from := *st.sets.Load()
	to := make([]set[K, V], 2*len(from))
	st.n, st.size = 0, len(to)*int(unsafe.Sizeof(to[0]))
	for i := range from {
		for way := range from[i].ways {
			if k := from[i].ways[way].Load(); k != nil {
				hash := t.hash(k.key)
				s := setOf(to, hash)
				st.put(s, s.room(t.memory, way), tag(hash), k)
			}
		}
	}
	st.sets.Store(&to)
}

// shrink brings a stripe back within its share. In two rounds everything goes that is not asked for at this very moment.
func (st *stripe[K, V]) shrink(t *Table[K, V]) {
	sets := *st.sets.Load()
	for visits := 0; st.size > t.share && st.n > 0; visits++ {
		s := &sets[st.hand&(len(sets)-1)]
		st.hand++
		for way := range s.ways {
			k := s.ways[way].Load()
			if k != nil && st.size > t.share && (k.idle(t.memory) || visits > 2*len(sets)) {
				st.put(s, way, 0, nil)
			}
		}
	}
}

// Forget forgets what is remembered under key.
func (t *Table[K, V]) Forget(key K) {
	hash := t.hash(key)
	st := t.at(hash)
	st.mu.Lock()
	defer st.mu.Unlock()
	s := st.set(hash)
	if k, way := s.find(tag(hash), key); k != nil {
		st.put(s, way, 0, nil)
	}
}

// Len is how many values are kept, those that have changed since among them.
func (t *Table[K, V]) Len() (n int) {
	for i := range t.stripe {
		st := &t.stripe[i]
		st.mu.Lock()
		n += st.n
		st.mu.Unlock()
	}
	return n
}
