package access

import (
	"slices"
	"strings"
	"sync"

	"github.com/propusk/propusk/rbac"
)

// ranked is roles that are held together, and what follows from them. Many members have the same, and share it; and so do all who are no members.
type ranked struct {
	member       bool
	roles, ranks []string
	holder       rbac.Holder
}

// size is about what it takes, in bytes.
func (r *ranked) size() int {
	const each = 40 // a string, and what the allocator rounds up
	size := 200
	for _, texts := range [][]string{r.roles, r.ranks} {
		for _, text := range texts {
			size += each + len(text)
		}
	}
	return size
}

// maxShared bounds how many of them are shared, and maxSharedRoles how much text one of those may have.
const (
	maxShared      = 4096
	maxSharedRoles = 1024
)

// shared are those that members share.
type shared struct {
	mu    sync.Mutex
	known map[sharedKey]*ranked
}

type sharedKey struct {
	grants *rbac.Grants
	member bool
	roles  string
}

// rank says what the roles of somebody are in a community of those lists. alone is what it takes if nobody else shares it, and 0 if somebody does.
func (s *Service) rank(grants *rbac.Grants, member bool, roles []string) (r *ranked, alone int) {
	key := sharedKey{grants, member, strings.Join(roles, "\x00")}
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	if known := s.shared.known[key]; known != nil {
		return known, 0
	}
	r = &ranked{member: member, roles: slices.Clip(roles), ranks: s.ranks(grants, roles), holder: grants.Holder(roles)}
	if len(key.roles) > maxSharedRoles {
		return r, r.size()
	}
	if s.shared.known == nil || len(s.shared.known) == maxShared {
		s.shared.known = make(map[sharedKey]*ranked)
	}
	s.shared.known[key] = r
	return r, r.size()
}

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
