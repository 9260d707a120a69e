// Package memory remembers what was read from SQL, within a bound, and no longer than it is so.
//
// Nothing is searched for when something changes. Each remembered value carries stamps of what it depends on, and a change moves the stamp
// on: from then on the value is not found any more, and it goes away when room is needed. So forgetting costs the same however much is
// remembered, and cannot miss anything.
//
// These are the steps Fill and Drop of docs/lease-protocol.md. Whether what is remembered may be used at all is for the lease to say.
package memory

import (
	"math/bits"
	"sync/atomic"
)

// slotBits is how many bits of a Thing's hash choose its stamp. Things that share one are forgotten together, which costs a look-up.
// All of them together stay in the cache of a processor core.
const (
	slotBits  = 14
	slotCount = 1 << slotBits
)

// Memory is what is known of changes. It is safe for concurrent use; the zero value is ready.
type Memory struct {
	// drops counts all changes, each before its stamp is moved on.
	drops atomic.Uint64
	slots [slotCount]atomic.Uint64
}

// Thing is something that changes by itself, and that remembered values depend on.
type Thing struct{ slot uint16 }

// The kinds of things, as they enter the hash.
const (
	kindUser = iota + 1
	kindMember
	kindCommunity
	kindMembers
)

// User is an account with its sessions and API keys.
func User(id int64) Thing { return thing(kindUser, uint64(id), 0) }

// Member is what an account is in a community, also when it is nothing there.
func Member(communityID, userID int64) Thing {
	return thing(kindMember, uint64(communityID), uint64(userID))
}

// Community is a community's own settings and lists of permissions.
func Community(id int64) Thing { return thing(kindCommunity, uint64(id), 0) }

// CommunityMembers is what everybody is in a community.
func CommunityMembers(id int64) Thing { return thing(kindMembers, uint64(id), 0) }

func thing(kind, a, b uint64) Thing {
	const odd, other = 0x9e3779b97f4a7c15, 0xd6e8feb86659fd93
	high, low := bits.Mul64(a^kind*odd, other)
	high2, low2 := bits.Mul64(b^(high^low), odd)
	return Thing{uint16((high2 ^ low2) >> (64 - slotBits))}
}

// Drop forgets all that depends on what has changed. It returns when nobody who asks from now on finds it, and whoever reads meanwhile will
// not keep what he read. Call it after the change is committed and before anybody is told that it is done.
func (m *Memory) Drop(what ...Thing) {
	if len(what) == 0 {
		return
	}
	m.drops.Add(1) // first: whoever then still stamps a value has read before the change, or after it
	for _, t := range what {
		m.slots[t.slot].Add(1)
	}
}

// DropAll forgets everything.
func (m *Memory) DropAll() {
	m.drops.Add(1)
	for slot := range m.slots {
		m.slots[slot].Add(1)
	}
}

// Mark is a moment.
type Mark struct{ drops uint64 }

// Mark is to be taken before the statement is sent whose answer is to be kept.
func (m *Memory) Mark() Mark { return Mark{m.drops.Load()} }

// still reports whether nothing was dropped since the mark.
func (m *Memory) still(mark Mark) bool { return m.drops.Load() == mark.drops }

// Things are what a value depends on: one, two or three. The zero Thing is another one that changes now and then.
type Things [3]Thing

// stamps are what a value depends on, as of when it was read. As stamps only grow, their sum is what it was for as long as each of them is.
type stamps struct {
	sum uint64
	of  Things
}

// stamp takes the stamps of things for a value read since mark; ok is false when something has changed since.
func (m *Memory) stamp(mark Mark, of Things) (s stamps, ok bool) {
	s = stamps{m.sum(&of), of}
	return s, noFillToken || m.still(mark) // last: a change after this moves a stamp that was taken before
}

// fresh reports whether nothing of what the value depends on has changed.
func (m *Memory) fresh(s *stamps) bool { return m.sum(&s.of) == s.sum }

func (m *Memory) sum(of *Things) (sum uint64) {
	for _, thing := range of {
		sum += m.slots[thing.slot%slotCount].Load()
	}
	return sum
}
