package gen

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// numbers are any that Run takes.
func numbers(t *rapid.T) Options {
	o := Options{
		Users: rapid.IntRange(1, 500).Draw(t, "users"), Communities: rapid.IntRange(1, 60).Draw(t, "communities"), Seed: rapid.Uint64().Draw(t, "seed"),
	}
	o.Memberships = rapid.IntRange(o.Communities, o.Users*o.Communities).Draw(t, "memberships")
	return o
}

func TestEveryMembershipIsDealtOut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := numbers(t)
		sum, last := 0, o.Users
		for _, size := range sizes(o.Communities, o.Memberships, o.Users) {
			if size < 1 || size > last {
				t.Fatalf("%+v: a community of %d comes after one of %d", o, size, last)
			}
			sum, last = sum+size, size
		}
		if sum != o.Memberships {
			t.Fatalf("%+v: %d are dealt out", o, sum)
		}
	})
}

// A few communities are large and most are small: the tenth has a tenth of the first.
func TestSizesHaveAHeavyTail(t *testing.T) {
	t.Parallel()
	all := sizes(1000, 100_000, 1_000_000)
	for rank, size := range all[:100] {
		if share := float64(size) * float64(rank+1) / float64(all[0]); share < 0.9 || share > 1.1 {
			t.Errorf("of the first with %d members the %d-th has %d", all[0], rank+1, size)
		}
	}
}

// The blocks of accounts share out each community without a rest, and none gets more members than it has accounts.
func TestBlocksShareOutCommunities(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := numbers(t)
		p := newPlan(o)
		p.block = rapid.IntRange(1, o.Users).Draw(t, "block")
		for community, size := range p.sizes {
			sum := 0
			for block := range p.blocks() {
				first, end := p.bounds(block)
				n := p.before(community, end) - p.before(community, first)
				if n < 0 || n > end-first {
					t.Fatalf("block %d of %d accounts has %d members of a community of %d", block, end-first, n, size)
				}
				sum += n
			}
			if sum != size {
				t.Fatalf("of %d members %d are in a block", size, sum)
			}
			founder := p.founder(community)
			first, end := p.bounds(founder / p.block)
			if !p.active(founder) || p.before(community, end) == p.before(community, first) || p.before(community, first) > 0 {
				t.Fatalf("account %d cannot found community %d", founder, community)
			}
		}
	})
}

func TestDrawing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 300).Draw(t, "most")
		set := newChosen(most)
		for range 3 { // of any size after one of any other
			size := rapid.IntRange(1, most).Draw(t, "size")
			n, must := rapid.IntRange(1, size).Draw(t, "n"), rapid.IntRange(-1, size-1).Draw(t, "must")
			set.resize(size)
			set.draw(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)), n, must)
			got := slices.Collect(set.all)
			if len(got) != n || !slices.IsSorted(got) || got[0] < 0 || got[n-1] >= size || must >= 0 && !slices.Contains(got, must) {
				t.Fatalf("%d of %d with %d are %v", n, size, must, got)
			}
			for i := range size {
				if set.has(i) != slices.Contains(got, i) {
					t.Fatalf("has(%d) is %v in %v", i, set.has(i), got)
				}
			}
		}
	})
}

// Everybody has the same chance to be drawn, whether few are or nearly all.
func TestDrawingIsFair(t *testing.T) {
	t.Parallel()
	const size, rounds = 10, 20_000
	for _, n := range []int{2, 8} {
		dice, set := rand.New(rand.NewPCG(1, 2)), newChosen(size)
		var counts [size]int
		for range rounds {
			set.draw(dice, n, -1)
			for i := range set.all {
				counts[i]++
			}
		}
		for i, count := range counts {
			if want := rounds * n / size; count < want*9/10 || count > want*11/10 {
				t.Errorf("drawing %d of %d, %d came %d times of %d", n, size, i, count, want)
			}
		}
	}
}
