package gen

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"time"
)

// The years in which everything happened. They are fixed, so that the same seed gives the same data on any day.
var (
	opened = time.Date(2016, time.January, 1, 0, 0, 0, 0, time.UTC)
	closed = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
)

// seatsInBlock is how many memberships the accounts of a block have together, about. Members are added block by block, within a block community
// by community, and by account within a community. So whatever index a row goes into, it comes close to one of the rows just before it:
// by community alone every row would touch a page of its own in the index of accounts, which is far larger than any cache.
const seatsInBlock = 200_000

// fewestBlocks has little data made in the way in which much is.
const fewestBlocks = 4

// plan says what there is going to be: who is in what community since when hangs on the seed and the numbers alone, and can be asked in any
// order. Accounts and communities count from 0.
type plan struct {
	seed         uint64
	users, block int // block is how many accounts one has
	// sizes are how many members each community has.
	sizes    []int
	cultures []culture
	circles  [][2][]word
}

func newPlan(o Options) plan {
	p := plan{seed: o.Seed, users: o.Users, cultures: cultures(), circles: circles()}
	blocks := max(fewestBlocks, o.Memberships/seatsInBlock)
	p.block = max(1, o.Users/blocks)
	p.sizes = sizes(o.Communities, o.Memberships, o.Users)
	p.dice(diceSizes, 0, 0).Shuffle(len(p.sizes), func(i, j int) { p.sizes[i], p.sizes[j] = p.sizes[j], p.sizes[i] })
	return p
}

// sizes deals memberships out to communities after Zipf's law, the largest first: the n-th has an n-th of the first, as far as that is possible
// with one member at least and everybody at most.
func sizes(communities, memberships, users int) []int {
	all := make([]int, communities)
	weight := 0.0
	for rank := range all {
		weight += 1 / float64(rank+1)
	}
	left := memberships - communities
	for rank := range all {
		// Rounded up, no community leaves the smaller ones more than they can hold.
		share := math.Ceil(float64(left) / float64(rank+1) / weight)
		more := min(left, users-1, max(int(share), (left+communities-rank-1)/(communities-rank)))
		all[rank] = 1 + more
		left -= more
		weight -= 1 / float64(rank+1)
	}
	return all
}

// What dice are thrown for.
const (
	diceSizes uint64 = iota
	diceAccount
	diceActive
	dicePlace
	diceFounder
	diceSeats
)

// dice are those for one purpose, the same each time.
func (p *plan) dice(purpose, a, b uint64) *rand.Rand {
	return rand.New(rand.NewPCG(p.numbers(purpose, a, b)))
}

func (p *plan) numbers(purpose, a, b uint64) (uint64, uint64) {
	first := mix(p.seed + mix(purpose))
	return first, mix(mix(first+a) + b)
}

// mix is the finisher of SplitMix64: numbers that are close give numbers that have nothing to do with one another.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// blocks is how many there are.
func (p *plan) blocks() int { return (p.users + p.block - 1) / p.block }

// bounds are the accounts of a block.
func (p *plan) bounds(block int) (first, end int) {
	return block * p.block, min((block+1)*p.block, p.users)
}

// active reports whether an account is. The first of each block always is, so that everywhere somebody can found a community.
func (p *plan) active(account int) bool {
	number, _ := p.numbers(diceActive, 0, 0)
	return account%p.block == 0 || mix(number+uint64(account))%100 >= 2
}

// joined is when an account was made. More and more people come: half of them in the last three of the ten years.
func (p *plan) joined(account int) time.Time { return between(opened, closed, grown(account, p.users)) }

// grown is which part of the time had passed when the n-th of all was made.
func grown(n, all int) float64 { return math.Sqrt((float64(n) + 0.5) / float64(all)) }

// between is a moment between two, to the second.
func between(from, to time.Time, part float64) time.Time {
	return from.Add(time.Duration(part * float64(to.Sub(from)))).Truncate(time.Second)
}

// before is how many members of a community have a number below account. It moves in steps that begin somewhere else in each community, and
// never by more than there are accounts: these are whole numbers, for a float would be wrong by one now and then.
func (p *plan) before(community, account int) int {
	_, number := p.numbers(diceSeats, uint64(community), 0)
	users := uint64(p.users)
	return int((uint64(p.sizes[community])*uint64(account) + number%users) / users)
}

// founder is the account that founds a community: an active one from the first block that has a member.
func (p *plan) founder(community int) int {
	block := 0
	for first, end := p.bounds(0); p.before(community, end)-p.before(community, first) == 0; first, end = p.bounds(block) {
		block++
	}
	first, end := p.bounds(block)
	dice := p.dice(diceFounder, uint64(community), 0)
	for {
		if account := first + dice.IntN(end-first); p.active(account) {
			return account
		}
	}
}

// chosen is a set of accounts of one block.
type chosen struct {
	words []uint64
	n     int
}

func newChosen(size int) *chosen { return &chosen{words: make([]uint64, (size+63)/64), n: size} }

// resize makes it one for a smaller block, or for one that is not larger than the first.
func (c *chosen) resize(size int) { c.words, c.n = c.words[:(size+63)/64], size }

func (c *chosen) has(i int) bool { return c.words[i/64]>>(i%64)&1 == 1 }

func (c *chosen) flip(i int) { c.words[i/64] ^= 1 << (i % 64) }

// draw makes it a set of n, any with the same chance, but with must among them unless that is negative.
func (c *chosen) draw(dice *rand.Rand, n, must int) {
	clear(c.words)
	if must >= 0 {
		c.flip(must)
		n--
	}
	others := c.n
	if must >= 0 {
		others--
	}
	// Those who are left out are fewer where more than half are in.
	out := n > others/2
	if out {
		n = others - n
	}
	for n > 0 {
		if i := dice.IntN(c.n); !c.has(i) {
			c.flip(i)
			n--
		}
	}
	if out {
		c.invert(must)
	}
}

// invert exchanges who is in and who is not, but for keep.
func (c *chosen) invert(keep int) {
	for i := range c.words {
		c.words[i] = ^c.words[i]
	}
	if rest := c.n % 64; rest > 0 {
		c.words[len(c.words)-1] &= 1<<rest - 1
	}
	if keep >= 0 {
		c.flip(keep)
	}
}

// all yields who is in, in order.
func (c *chosen) all(yield func(int) bool) {
	for w, word := range c.words {
		for ; word != 0; word &= word - 1 {
			if !yield(w*64 + bits.TrailingZeros64(word)) {
				return
			}
		}
	}
}
