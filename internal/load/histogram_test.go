package load_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/propusk/propusk/internal/load"
)

// times are any, short ones and long ones alike.
func times(t *rapid.T) []time.Duration {
	one := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.Int64Range(0, 1<<rapid.IntRange(0, 62).Draw(t, "bits")).Draw(t, "time"))
	})
	return rapid.SliceOfN(one, 1, 300).Draw(t, "times")
}

// A percentile is what sorting gives, and at most one part in 128 more.
func TestPercentilesAreThoseOfSorting(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := times(t)
		var h load.Histogram
		for _, d := range all {
			h.Add(d)
		}
		slices.Sort(all)
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		exact := all[max(0, int(math.Ceil(q*float64(len(all))))-1)]
		if got := h.Quantile(q); got < exact || got-exact > exact/128 {
			t.Fatalf("quantile %v of %v is %d, and sorting gives %d", q, all, got, exact)
		}
		if h.Count() != len(all) || h.Max() != all[len(all)-1] {
			t.Fatalf("%d times, the longest %d; want %d and %d", h.Count(), h.Max(), len(all), all[len(all)-1])
		}
	})
}

// Two histograms put together are one of all times.
func TestHistogramsAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var one, other, both load.Histogram
		for _, d := range times(t) {
			one.Add(d)
			both.Add(d)
		}
		for _, d := range times(t) {
			other.Add(d)
			both.Add(d)
		}
		one.AddAll(&other)
		for _, q := range []float64{0, 0.5, 0.9, 0.99, 1} {
			if one.Quantile(q) != both.Quantile(q) {
				t.Fatalf("quantile %v: %v and %v", q, one.Quantile(q), both.Quantile(q))
			}
		}
		if one.Count() != both.Count() || one.Max() != both.Max() {
			t.Fatal("count or maximum differ")
		}
	})
}

func TestAnEmptyHistogramIsZero(t *testing.T) {
	t.Parallel()
	var h load.Histogram
	if h.Quantile(0.99) != 0 || h.Max() != 0 || h.Count() != 0 {
		t.Error("an empty histogram tells of times")
	}
	if h.Add(-1); h.Quantile(0.5) != 0 || h.Count() != 1 {
		t.Error("a time below zero does not count as zero")
	}
}
