package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// Mirror may know compiled lists that the database keeps.
type Mirror interface {
	// Read returns the lists of a community if it has them and their SHA-256 is want, and else nil. It answers within milliseconds.
	Read(ctx context.Context, communityID int64, want store.GrantsHash) []byte
}

// Enter re-reads the caller inside the transaction that is about to act in a community, and what the caller is there. Unauthenticated, NotFound
// (community_not_found).
func (s *Service) Enter(r store.Reader, caller propusk.Pass, communityID int64) (propusk.Pass, error) {
	me, err := s.Again(r, caller)
	if err != nil {
		return propusk.Pass{}, err
	}
	found, _, err := s.place(r, me.User, communityID, nil)
	if err != nil {
		return propusk.Pass{}, err
	}
	found.put(&me)
	return me, nil
}

// Inside is Enter for what only members of a community, and platform admins, may know of. To everybody else the community does not exist.
func (s *Service) Inside(r store.Reader, caller propusk.Pass, communityID int64) (propusk.Pass, error) {
	me, err := s.Enter(r, caller, communityID)
	if err == nil && !me.Member && !me.Anywhere() {
		return propusk.Pass{}, UnknownCommunity()
	}
	return me, err
}

// InsideWith is Inside, and requires community permission p there. Forbidden.
func (s *Service) InsideWith(r store.Reader, caller propusk.Pass, communityID int64, p rbac.Permission) (propusk.Pass, error) {
	me, err := s.Inside(r, caller, communityID)
	if err != nil {
		return propusk.Pass{}, err
	}
	return me, RequireHere(me, p)
}

// UnknownCommunity answers alike for communities that do not exist and for those that somebody may not know of.
func UnknownCommunity() error {
	return &propusk.Error{
		Kind: propusk.NotFound, Code: "community_not_found", Message: "there is no such community, or you are not one of its members",
	}
}

// place reads what somebody is in a community, and how many bytes of that nobody shares. mirrored, when set, may know the compiled lists.
func (s *Service) place(
	r store.Reader, user propusk.User, communityID int64, mirrored func(store.GrantsHash) []byte,
) (p placed, alone int, err error) {
	found, err := r.Place(communityID, user.ID)
	if errors.Is(err, store.ErrNotFound) {
		return placed{}, 0, UnknownCommunity()
	}
	if err != nil {
		return placed{}, 0, err
	}
	grants, err := s.compiled(r, found.Community, mirrored)
	if errors.Is(err, store.ErrNotFound) { // replaced since, and swept
		if found, err = r.Place(communityID, user.ID); err == nil {
			grants, err = s.compiled(r, found.Community, nil)
		}
	}
	if err != nil {
		return placed{}, 0, err
	}
	s.report(found, grants, user)
	p.ground = &ground{found.Community, grants}
	p.ranked, alone = s.rank(grants, found.Member, found.Roles)
	return p, alone, nil
}

// report tells the log of what a column of roles holds that is no role. It grants nothing, but somebody should know.
func (s *Service) report(found store.Place, grants *rbac.Grants, user propusk.User) {
	odd := found.Odd
	for _, role := range found.Roles {
		if !grants.Has(role) {
			odd = append(odd, role)
		}
	}
	if len(odd) > 0 && s.reported.first(seat{user.ID, found.Community.ID}) {
		s.Log.Warn("a member has roles that do not exist and grant nothing", "community", found.Community.ID, "user", user.UserID,
			"roles", fmt.Sprintf("%q", odd))
	}
}

// reported are those of whom the log was told, so that one odd column does not fill it.
type reported struct {
	mu    sync.Mutex
	known map[seat]bool
}

// maxReported bounds it; beyond that the log is told again.
const maxReported = 1000

func (r *reported) first(who seat) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known[who] {
		return false
	}
	if r.known == nil || len(r.known) == maxReported {
		r.known = make(map[seat]bool)
	}
	r.known[who] = true
	return true
}

// Compiled is what the roles of a community permit.
func (s *Service) Compiled(r store.Reader, c propusk.Community) (*rbac.Grants, error) {
	return s.compiled(r, c, nil)
}

// compiled reads compiled lists once: they never change under their hash.
func (s *Service) compiled(r store.Reader, c propusk.Community, mirrored func(store.GrantsHash) []byte) (*rbac.Grants, error) {
	if grants := s.grants.recall(c.Grants); grants != nil {
		return grants, nil
	}
	var lists []byte
	if mirrored != nil {
		lists = mirrored(c.Grants)
	}
	if lists == nil || sha256.Sum256(lists) != c.Grants {
		var err error
		if lists, err = r.Grants(c.Grants); err != nil {
			return nil, fmt.Errorf("access: the lists of community %d: %w", c.ID, err)
		}
		if sha256.Sum256(lists) != c.Grants {
			return nil, fmt.Errorf("access: the lists of community %s are not what their hash says", strconv.FormatInt(c.ID, 10))
		}
	}
	grants, err := rbac.DecodeGrants(lists)
	if err != nil {
		return nil, err
	}
	s.grants.remember(c.Grants, grants, decodedSize*len(lists), max(leastGrants, s.Memory.grants))
	return grants, nil
}

const (
	// leastGrants is how much memory there is for decoded lists whatever Memory is bounded to, in bytes.
	leastGrants = 4 << 20
	// decodedSize is how much more lists take once they are decoded.
	decodedSize = 5
)

// grantsMemory is compiled lists by their hash. Most communities share a few.
type grantsMemory struct {
	mu    sync.RWMutex
	known map[store.GrantsHash]*rbac.Grants
	sizes map[store.GrantsHash]int
	size  int // of all, in bytes
}

func (m *grantsMemory) recall(hash store.GrantsHash) *rbac.Grants {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.known[hash]
}

// remember keeps lists, and of others what then has room in so many bytes.
func (m *grantsMemory) remember(hash store.GrantsHash, grants *rbac.Grants, size, room int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known, m.sizes = make(map[store.GrantsHash]*rbac.Grants), make(map[store.GrantsHash]int)
	}
	if m.known[hash] != nil {
		return
	}
	for other := range m.known {
		if m.size+size <= room {
			break
		}
		m.size -= m.sizes[other]
		delete(m.known, other)
		delete(m.sizes, other)
	}
	m.known[hash], m.sizes[hash] = grants, size
	m.size += size
}
