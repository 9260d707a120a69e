package access

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// standing is what somebody holds in a community.
type standing struct {
	member       bool
	roles, ranks []string
	grants       *rbac.Grants
	holder       rbac.Holder
}

// size is about what it takes beside the lists, in bytes.
func (s *standing) size() int {
	const each = 40 // a string, and what the allocator rounds up
	size := 400
	for _, texts := range [][]string{s.roles, s.ranks} {
		for _, text := range texts {
			size += each + len(text)
		}
	}
	return size
}

// shared is a standing that members have in common, for as long as there is room for it. Whoever finds none reads again.
type shared struct{ atomic.Pointer[standing] }

// listsMemory is compiled lists by their hash, under which they never change, and the standings that follow from them. Most communities share a few
// lists, and most members of a community a few standings. Memory of people refers to them, but does not keep them alive: what is forgotten here is
// gone.
type listsMemory struct {
	mu    sync.RWMutex
	known map[store.GrantsHash]*lists
	size  int // of all, in bytes
}

type lists struct {
	grants *rbac.Grants
	size   int // with the standings, in bytes
	held   map[held]*shared
}

// held is who has a standing.
type held struct {
	member bool
	roles  string
}

const (
	// leastLists is how much memory there is for them whatever Memory is bounded to, in bytes.
	leastLists = 4 << 20
	// What lists take once they are decoded: so many times their text, and for each role, in bytes.
	decodedTimes, decodedRole = 5, 500
)

// decodedSize is about what lists take, in bytes.
func decodedSize(grants *rbac.Grants, text int) int {
	return decodedTimes*text + decodedRole*len(grants.Roles())
}

func (m *listsMemory) recall(hash store.GrantsHash) *rbac.Grants {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if known := m.known[hash]; known != nil {
		return known.grants
	}
	return nil
}

// remember keeps lists, and of all else what then has room in so many bytes.
func (m *listsMemory) remember(hash store.GrantsHash, grants *rbac.Grants, size, room int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known[hash] != nil {
		return
	}
	if m.known == nil {
		m.known = make(map[store.GrantsHash]*lists)
	}
	m.known[hash] = &lists{grants: grants, size: size, held: make(map[held]*shared)}
	m.size += size
	m.shrink(hash, room)
}

// shrink makes all of them fit into so many bytes, but for the lists of that hash.
func (m *listsMemory) shrink(but store.GrantsHash, room int) {
	for hash, other := range m.known {
		if m.size <= room {
			return
		}
		if hash != but {
			other.forget(nil)
			delete(m.known, hash)
			m.size -= other.size
		}
	}
}

// forget takes away all standings but one, and returns what they took.
func (l *lists) forget(but *shared) (freed int) {
	for key, s := range l.held {
		if s != but {
			freed += s.Swap(nil).size()
			delete(l.held, key)
		}
	}
	return freed
}

// standing is what those have in common who hold roles, separated by NUL, by lists; or nil.
func (m *listsMemory) standing(hash store.GrantsHash, who held) (*standing, *shared) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if known := m.known[hash]; known != nil {
		if s := known.held[who]; s != nil {
			return s.Load(), s
		}
	}
	return nil, nil
}

// share keeps a standing by lists, if these are there.
func (m *listsMemory) share(hash store.GrantsHash, who held, s *standing, room int) *shared {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.known[hash]
	if known == nil {
		return new(shared)
	}
	if other := known.held[who]; other != nil {
		return other
	}
	common := new(shared)
	common.Store(s)
	known.held[who] = common
	known.size += s.size()
	m.size += s.size()
	if m.shrink(hash, room); m.size > room {
		freed := known.forget(common)
		known.size -= freed
		m.size -= freed
	}
	return common
}

// standing is what follows from being a member, or not, with those roles in a community of those lists.
func (s *Service) standing(hash store.GrantsHash, grants *rbac.Grants, member bool, roles []string) (*standing, *shared) {
	who := held{member, strings.Join(roles, "\x00")}
	if known, common := s.lists.standing(hash, who); known != nil {
		return known, common
	}
	found := &standing{
		member: member, roles: slices.Clip(roles), ranks: s.ranks(grants, roles), grants: grants, holder: grants.Holder(roles),
	}
	return found, s.lists.share(hash, who, found, s.room())
}

// room is how many bytes there are for lists.
func (s *Service) room() int { return max(leastLists, s.Memory.lists) }

// ranks are roles and all that they inherit by the policy. A role that there is not is none.
func (s *Service) ranks(grants *rbac.Grants, roles []string) []string {
	var ranks []string
	for _, role := range roles {
		if !grants.Has(role) {
			continue
		}
		for _, rank := range append([]string{role}, s.Ancestors[role]...) {
			if !slices.Contains(ranks, rank) {
				ranks = append(ranks, rank)
			}
		}
	}
	return slices.Clip(ranks)
}
