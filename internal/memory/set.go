package memory

import (
	"math/bits"
	"sync/atomic"
)

// ways is how many values a set holds. With their tags they fill a cache line.
const ways = 7

// set is where all values are whose keys' hashes choose it. Whoever looks something up needs no lock: what he reads while somebody writes is a
// value with its key, or nothing. Only the holder of the stripe's lock writes.
type set[K comparable, V any] struct {
	// tags has a byte of each value's hash, so that one load tells which of them are worth looking at; 0 is none.
	tags atomic.Uint64
	ways [ways]atomic.Pointer[kept[K, V]]
}

// tag is the byte of a hash that a set knows a value by.
func tag(hash uint64) uint64 { return max(hash&0xff, 1) }

// find is the value under a key, and its way; or nil.
func (s *set[K, V]) find(tag uint64, key K) (*kept[K, V], int) {
	const each, tops = 0x01010101010101, 0x80808080808080
	differ := s.tags.Load() ^ each*tag
	// Bytes that are 0 in differ are 0x80 in hits, and so may be one above them, which the key then tells.
	for hits := (differ - each) &^ differ & tops; hits != 0; hits &= hits - 1 {
		way := bits.TrailingZeros64(hits) / 8
		if k := s.ways[way].Load(); k != nil && k.key == key {
			return k, way
		}
	}
	return nil, 0
}

// put makes a way hold a value, or none, and returns what it held before.
func (s *set[K, V]) put(way int, tag uint64, k *kept[K, V]) (before *kept[K, V]) {
	before = s.ways[way].Swap(k)
	shift := 8 * way
	s.tags.Store(s.tags.Load()&^(0xff<<shift) | tag<<shift)
	return before
}

// free is a way without a value, if there is one.
func (s *set[K, V]) free() (way int, ok bool) {
	for way := range s.ways {
		if s.ways[way].Load() == nil {
			return way, true
		}
	}
	return 0, false
}

// room is a way for a new value: a free one if there is any, or that of a value which has changed or which nobody has asked for since such a
// one was last looked for. The search begins at first.
func (s *set[K, V]) room(m *Memory, first int) int {
	if way, ok := s.free(); ok {
		return way
	}
	for turn := range ways {
		way := (first + turn) % ways
		if k := s.ways[way].Load(); !k.asked.Load() || !m.fresh(&k.stamps) {
			return way
		}
	}
	for way := range s.ways {
		s.ways[way].Load().asked.Store(false)
	}
	return first
}

// kept is a value with its key.
type kept[K comparable, V any] struct {
	key    K
	stamps stamps
	size   int32 // in bytes
	// asked tells whether anybody has asked for it since room was last looked for.
	asked atomic.Bool
	value V
}

// idle reports whether a value may go, and takes from it that it was asked for.
func (k *kept[K, V]) idle(m *Memory) bool { return !m.fresh(&k.stamps) || !k.asked.Swap(false) }
