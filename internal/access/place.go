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
	here, _, err := s.place(r, me.User, communityID, nil)
	if err != nil {
		return propusk.Pass{}, err
	}
	here.put(&me)
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

// place is what somebody is in a community.
type place struct {
	*standing
	community *propusk.Community
}

// put puts a pass there.
func (p place) put(me *propusk.Pass) {
	me.Named, me.Community, me.Member = true, *p.community, p.member
	me.Local = propusk.Standing{Roles: p.roles, Grants: p.grants, Limit: me.Platform.Limit}
	me.Ranks = p.ranks
}

// place reads what somebody is in a community, and with whom they share the standing. mirrored, when set, may know the compiled lists. NotFound
// (community_not_found).
func (s *Service) place(r store.Reader, user propusk.User, communityID int64, mirrored func(store.GrantsHash) []byte) (place, *shared, error) {
	found, err := r.Place(communityID, user.ID)
	if err != nil {
		return place{}, nil, unknown(err)
	}
	grants, err := s.compiled(r, found.Community, mirrored)
	if errors.Is(err, store.ErrNotFound) { // replaced since, and swept
		if found, err = r.Place(communityID, user.ID); err == nil {
			grants, err = s.compiled(r, found.Community, nil)
		}
	}
	if err != nil {
		return place{}, nil, err
	}
	s.report(found, grants, user)
	has, common := s.standing(found.Community.Grants, grants, found.Member, found.Roles)
	return place{has, &found.Community}, common, nil
}

// unknown tells that there is no such community.
func unknown(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return UnknownCommunity()
	}
	return err
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
	if grants := s.lists.recall(c.Grants); grants != nil {
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
	s.lists.remember(c.Grants, grants, decodedSize(grants, len(lists)), s.room())
	return grants, nil
}
