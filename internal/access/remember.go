package access

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/memory"
	"github.com/propusk/propusk/internal/session"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// Lease is the right to answer from memory. It ends by itself, so whoever has looked something up asks again at the very end.
type Lease interface{ Holds() bool }

// Memory is what a node remembers: who shows which token or key, who somebody is, and what people are in communities. The zero value
// remembers nothing.
type Memory struct {
	changes     *memory.Memory
	bearers     *memory.Table[string, shown]
	people      *memory.Table[string, propusk.User]
	places      *memory.Table[visit, placed]
	communities *memory.Table[int64, ground]
}

// NewMemory makes one of at most that many bytes. changes is told of all that changes.
func NewMemory(changes *memory.Memory, bytes int) Memory {
	return Memory{
		changes:     changes,
		bearers:     memory.NewTable[string, shown](changes, bytes/2, memory.HashBy[string]()),
		people:      memory.NewTable[string, propusk.User](changes, bytes/16, memory.HashBy[string]()),
		places:      memory.NewTable[visit, placed](changes, bytes*3/8, memory.HashBy[visit]()),
		communities: memory.NewTable[int64, ground](changes, bytes/16, memory.HashBy[int64]()),
	}
}

// What values take beside the texts in them, in bytes.
const (
	shownSize  = 1200
	personSize = 300
	placedSize = 200
	groundSize = 500
)

// lease is the one that the node holds, or nil.
func (s *Service) lease() Lease {
	if s.Lease == nil {
		return nil
	}
	return s.Lease()
}

// recall answers from memory while the lease holds, and else reads. The clock is read last: whatever stopped the process meanwhile, what was
// found is so at that moment. Whoever reads himself needs no lease.
func recall[K comparable, V any](
	ctx context.Context, lease Lease, table *memory.Table[K, V], key K, read func(context.Context) (memory.Read[V], error),
) (*V, error) {
	if lease != nil {
		found, shared, err := table.Load(ctx, key, read)
		if err != nil || !shared || lease.Holds() {
			return found, err
		}
	}
	own, err := read(ctx)
	return &own.Value, err
}

// shown is a token or a key that was shown, and what it opened.
type shown struct {
	pass propusk.Pass
	// One of them is set.
	session *session.Opened
	key     *usedKey
}

// usedKey is an API key and when its use was noted last, in Unix seconds.
type usedKey struct {
	store.APIKey
	noted atomic.Int64
}

// use reports whether the limits of time still let it be used, and notes that it was.
func (s *Service) use(b *shown, now time.Time) bool {
	if b.session != nil {
		return s.Sessions.Use(b.session, now)
	}
	if !b.key.ExpiresAt.IsZero() && !now.Before(b.key.ExpiresAt) {
		return false
	}
	last := b.key.noted.Load()
	if now.Sub(time.Unix(last, 0)) >= usedEvery && b.key.noted.CompareAndSwap(last, now.Unix()) {
		s.used.Note(b.key.ID, now)
	}
	return true
}

// bearer tells what a token or a key opens. What memory says has expired is looked at again: it may have been used elsewhere.
func (s *Service) bearer(ctx context.Context, text string) (*shown, error) {
	lease := s.lease()
	if lease != nil {
		found := s.Memory.bearers.Get(text)
		if found != nil && s.use(found, s.Now()) && lease.Holds() {
			return found, nil
		}
		if found != nil {
			s.Memory.bearers.Forget(text)
		}
	}
	return recall(ctx, lease, s.Memory.bearers, text,
		func(ctx context.Context) (memory.Read[shown], error) {
			b, err := s.show(ctx, text)
			return memory.Read[shown]{Value: b, Of: []memory.Thing{memory.User(b.pass.User.ID)}, Size: shownSize + len(text)}, err
		})
}

// show reads what a token or a key opens.
func (s *Service) show(ctx context.Context, text string) (shown, error) {
	if isAPIKey(text) {
		return s.showKey(ctx, text)
	}
	opened, err := s.Sessions.Resolve(ctx, text)
	if err != nil {
		return shown{}, err
	}
	return shown{pass: s.pass(opened.User, opened.Session), session: opened}, nil
}

// whoIs finds an account by its user_id in lower case. Nobody is a User without one.
func (s *Service) whoIs(ctx context.Context, userID string) (propusk.User, error) {
	found, err := recall(ctx, s.lease(), s.Memory.people, userID,
		func(ctx context.Context) (memory.Read[propusk.User], error) {
			user, err := s.Store.Now(ctx).UserByUserID(userID)
			return memory.Read[propusk.User]{Value: user, Of: []memory.Thing{memory.User(user.ID)}, Size: personSize}, err
		})
	if errors.Is(err, store.ErrNotFound) {
		return propusk.User{}, nil
	}
	if err != nil {
		return propusk.User{}, err
	}
	return *found, nil
}

// ground is a community and what its roles permit.
type ground struct {
	community propusk.Community
	grants    *rbac.Grants
}

// placed is what somebody is in a community.
type placed struct {
	*ground
	member       bool
	roles, ranks []string
}

// put puts a pass there.
func (p *placed) put(me *propusk.Pass) {
	me.Named, me.Community, me.Member = true, p.community, p.member
	me.Local = propusk.Standing{Roles: p.roles, Grants: p.grants, Limit: me.Platform.Limit}
	me.Ranks = p.ranks
}

// stand tells what somebody is in a community, from memory if it may. NotFound (community_not_found).
func (s *Service) stand(ctx context.Context, user *propusk.User, communityID int64) (*placed, error) {
	key := visit{user: user.ID, community: communityID}
	lease := s.lease()
	if lease != nil {
		if found := s.Memory.places.Get(key); found != nil && lease.Holds() {
			return found, nil
		}
	}
	return recall(ctx, lease, s.Memory.places, key, func(ctx context.Context) (memory.Read[placed], error) {
		return s.readPlace(ctx, lease, *user, communityID)
	})
}

// readPlace reads what somebody is in a community. Those who are in the same one share what is remembered of it.
func (s *Service) readPlace(ctx context.Context, lease Lease, user propusk.User, communityID int64) (memory.Read[placed], error) {
	var mark memory.Mark
	if lease != nil {
		mark = s.Memory.changes.Mark()
	}
	p, err := s.place(s.Store.Now(ctx), user, communityID, s.mirrored(ctx, communityID))
	if err != nil {
		return memory.Read[placed]{}, err
	}
	community := memory.Community(communityID)
	if lease != nil {
		known, shared := s.Memory.communities.Keep(mark, communityID,
			memory.Read[ground]{Value: *p.ground, Of: []memory.Thing{community}, Size: groundSize})
		// What was read is as it is now; what others had read is so while the lease holds.
		if !shared || lease.Holds() {
			p.ground = known
		}
	}
	of := []memory.Thing{memory.Member(communityID, user.ID), community, memory.CommunityMembers(communityID)}
	return memory.Read[placed]{Value: p, Of: of, Size: placedSize}, nil
}
