package load

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram has fineness buckets for each power of two, and so tells a time at most one part in fineness too long.
const (
	finenessBits = 7
	fineness     = 1 << finenessBits
	buckets      = (64 - finenessBits + 1) * fineness
)

// Histogram counts times in buckets, in a memory that does not grow. The zero value is empty. It is safe for concurrent use; what is read while
// others add is a little of before and a little of after.
type Histogram struct {
	counts [buckets]atomic.Uint64
	n, max atomic.Uint64
}

// Add counts one time. One below zero, which a clock that was set back can give, counts as zero.
func (h *Histogram) Add(d time.Duration) {
	v := uint64(max(0, d))
	h.counts[bucket(v)].Add(1)
	h.n.Add(1)
	for most := h.max.Load(); v > most && !h.max.CompareAndSwap(most, v); most = h.max.Load() {
	}
}

// bucket is where a number of nanoseconds is counted: those below fineness each for itself.
func bucket(v uint64) int {
	shift := max(0, bits.Len64(v)-finenessBits-1)
	return shift*fineness + int(v>>shift)
}

// longest is the longest time that is counted in a bucket.
func longest(bucket int) uint64 {
	shift := max(0, bucket/fineness-1)
	return uint64(bucket-shift*fineness+1)<<shift - 1
}

// Count is how many times were added.
func (h *Histogram) Count() int { return int(h.n.Load()) }

// Max is the longest time, exactly; zero where there is none.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max.Load()) }

// Quantile is the shortest time that at least the part q of all do not exceed, from 0 to 1: never told too short, and less than one part in
// 128 too long. It is zero where there is none.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := max(1, uint64(math.Ceil(q*float64(h.n.Load()))))
	var seen uint64
	for i := range h.counts {
		if seen += h.counts[i].Load(); seen >= rank {
			return min(time.Duration(longest(i)), h.Max())
		}
	}
	return h.Max()
}

// AddAll counts what another one has counted.
func (h *Histogram) AddAll(other *Histogram) {
	for i := range other.counts {
		if n := other.counts[i].Load(); n > 0 {
			h.counts[i].Add(n)
			h.n.Add(n)
		}
	}
	h.max.Store(max(h.max.Load(), other.max.Load()))
}
