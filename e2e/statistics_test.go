package e2e

import (
	"math"
	"slices"
	"testing"
	"time"
)

// auc is the area under the ROC curve of telling b from a by the time it takes, which is the probability that a random b took longer
// than a random a: 0.5 says that the times tell nothing, 0 and 1 that they tell everything (Mann and Whitney's U, scaled).
func auc(a, b []time.Duration) float64 {
	sorted := slices.Sorted(slices.Values(a))
	var u float64
	for _, d := range b {
		below, _ := slices.BinarySearch(sorted, d)
		upTo, _ := slices.BinarySearch(sorted, d+1)
		u += float64(below) + float64(upTo-below)/2
	}
	return u / float64(len(a)) / float64(len(b))
}

// percentile is the smallest of the times that at least the share p of them does not exceed.
func percentile(p float64, times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[max(0, int(math.Ceil(p*float64(len(sorted))))-1)]
}

func TestStatistics(t *testing.T) {
	t.Parallel()
	seconds := func(n ...time.Duration) (out []time.Duration) {
		for _, s := range n {
			out = append(out, s*time.Second)
		}
		return out
	}
	for _, c := range []struct {
		a, b []time.Duration
		want float64
	}{
		{seconds(1, 2, 3), seconds(4, 5, 6), 1},
		{seconds(4, 5, 6), seconds(1, 2, 3), 0},
		{seconds(1, 2, 3), seconds(1, 2, 3), 0.5},
		{seconds(1, 3), seconds(2), 0.5},
		{seconds(1, 2, 2), seconds(2), 2. / 3},
	} {
		if got := auc(c.a, c.b); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("auc(%v, %v) = %v, want %v", c.a, c.b, got, c.want)
		}
	}
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[99-i] = time.Duration(i + 1)
	}
	for p, want := range map[float64]time.Duration{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := percentile(p, hundred); got != want {
			t.Errorf("percentile %v of 1…100 = %d, want %d", p, got, want)
		}
	}
}
