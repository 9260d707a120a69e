package access

import (
	"cmp"
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
type Lease interface {
	Holds() bool
	// HoldsAt is Holds for those who have just read the clock, by time.Now.
	HoldsAt(now time.Time) bool
}

// Memory is what a node remembers: who shows which token or key, who somebody is, and what people are in communities. The zero value
// remembers nothing.
type Memory struct {
	changes     *memory.Memory
	bearers     *memory.Table[string, shown]
	people      *memory.Table[string, propusk.User]
	places      *memory.Table[seat, placed]
	communities *memory.Table[int64, propusk.Community]
	lists       int // bytes for lists of permissions and what follows from them
}

// NewMemory makes one of at most that many bytes. changes is told of all that changes.
func NewMemory(changes *memory.Memory, bytes int) Memory {
	return Memory{
		changes:     changes,
		bearers:     memory.NewTable[string, shown](changes, bytes*3/8, hashOfSecret()),
		people:      memory.NewTable[string, propusk.User](changes, bytes/16, memory.HashBy[string]()),
		places:      memory.NewTable[seat, placed](changes, bytes*3/8, memory.HashBy[seat]()),
		communities: memory.NewTable[int64, propusk.Community](changes, bytes/16, memory.HashBy[int64]()),
		lists:       bytes / 8,
	}
}

// hashOfSecret hashes tokens and keys by their last bytes. Those are of a signature, or random, in all that are remembered.
func hashOfSecret() func(string) uint64 {
	const enough = 32
	hash := memory.HashBy[string]()
	return func(text string) uint64 { return hash(text[max(0, len(text)-enough):]) }
}

// seat is where what somebody is in a community is remembered.
type seat struct{ user, community int64 }

// textsSize is what texts take that a value has for itself, in bytes.
func textsSize(texts ...string) (size int) {
	const rounded = 8 // up by the allocator, on average
	for _, text := range texts {
		size += len(text) + rounded
	}
	return size
}

func userSize(u *propusk.User) int {
	return textsSize(u.UserID, u.Name, u.LastName, u.Slug, u.Email, u.Role)
}

func communitySize(c *propusk.Community) int {
	const header = 16
	return textsSize(c.Slug, c.Name, c.Description) + textsSize(c.AvailableRoles...) + textsSize(c.DefaultRoles...) +
		header*(len(c.AvailableRoles)+len(c.DefaultRoles))
}

// lease is the one that the node holds, or nil.
func (s *Service) lease() Lease {
	if s.Lease == nil || s.Memory.changes == nil {
		return nil
	}
	return ruled(s.Lease())
}

// recall answers from memory while the lease holds, and else reads. The clock is read last: whatever stopped the process meanwhile, what was
// found is so at that moment. Whoever reads for himself needs no lease, and so read must not look at memory.
func recall[K comparable, V any](
	ctx context.Context, lease Lease, table *memory.Table[K, V], key K, read func(context.Context) (memory.Read[V], error),
) (*V, error) {
	if lease != nil && lease.Holds() {
		found, err := table.Load(ctx, key, read)
		if err != nil || lease.Holds() {
			return found, err
		}
	}
	own, err := read(ctx)
	return &own.Value, err
}

// shown is a token or a key that was shown, and what it opened.
type shown struct {
	// plain is the ID of the account if all that there is to say of it in a community is what its roles say there: it has no key, and no power above
	// communities. Else it is 0. With life, which every check looks at too, it shares a cache line with what the table knows.
	plain int64
	// life is that of a session; a key has its own limits.
	life session.Life
	key  *usedKey
	user propusk.User
	// session is the zero one of a key.
	session  propusk.Session
	platform propusk.Standing
}

// opened is what a session or a key opens.
func opened(by propusk.Pass) shown {
	b := shown{user: by.User, session: by.Session, platform: by.Platform}
	if by.KeyID == "" && !by.Anywhere() {
		b.plain = by.User.ID
	}
	return b
}

// put makes it what a pass is about.
func (b *shown) put(me *propusk.Pass) {
	me.User, me.Session, me.Platform = b.user, b.session, b.platform
	me.PlatformAdmin = b.platform.Everything()
	if b.key != nil {
		me.KeyID = b.key.ID
		return
	}
	used := b.life.Used()
	if used.After(me.Session.LastSeen) {
		me.Session.LastSeen = used
	}
	if used.After(me.User.LastSeen) {
		me.User.LastSeen = used
	}
}

// size is what it takes beside itself, in bytes.
func (b *shown) size() int {
	size := userSize(&b.user) + textsSize(b.session.ID, b.session.Device, b.session.Address) + standingSize
	if b.key == nil {
		return size
	}
	listed := textsSize(b.key.ID, b.key.Name) + textsSize(b.key.Permissions...)
	return size + keySize + listed + decodedSize(b.platform.Limit, 2*listed)
}

// What a standing on the platform and a used key take, in bytes.
const standingSize, keySize = 32, 200

// usedKey is an API key and when its use was noted last, in Unix seconds.
type usedKey struct {
	store.APIKey
	noted atomic.Int64
}

// use reports whether the limits of time still let it be used, and notes that it was.
func (s *Service) use(b *shown, now time.Time) bool {
	if b.key == nil {
		return s.Sessions.Use(&b.life, &b.session, now)
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
			return memory.Read[shown]{Value: b, Of: memory.Things{memory.User(b.user.ID)}, Size: b.size() + len(text)}, err
		})
}

// show reads what a token or a key opens.
func (s *Service) show(ctx context.Context, text string) (shown, error) {
	if isAPIKey(text) {
		return s.showKey(ctx, text)
	}
	found, err := s.Sessions.Resolve(ctx, text)
	if err != nil {
		return shown{}, err
	}
	b := opened(s.pass(found.User, found.Session))
	b.life = found.Life
	return b, nil
}

// May is InspectIn and Pass.May in one. About most people memory answers without a Pass being made.
func (s *Service) May(
	ctx context.Context, bearer string, community int64, p rbac.Permission, owner rbac.Ownership,
) (rbac.Decision, error) {
	if decision, known := s.plainly(bearer, cmp.Or(community, s.DefaultCommunity), p, owner); known {
		return decision, nil
	}
	me, err := s.InspectIn(ctx, bearer, community)
	if err != nil {
		return rbac.Decision{}, err
	}
	return me.May(p, owner), nil
}

// plainly decides by what is remembered of a session and a membership, where nothing else matters.
func (s *Service) plainly(bearer string, community int64, p rbac.Permission, owner rbac.Ownership) (decision rbac.Decision, known bool) {
	lease := s.lease()
	if lease == nil {
		return decision, false
	}
	b := s.Memory.bearers.Get(bearer)
	if b == nil || b.plain == 0 || s.Platform.Knows(p) {
		return decision, false
	}
	here := s.Memory.places.Get(seat{b.plain, community})
	if here == nil {
		return decision, false
	}
	has := here.Load()
	if has == nil || !has.member {
		return decision, false
	}
	decision = has.holder.Decide(p, owner)
	now := s.Now() // last
	return decision, lease.HoldsAt(now) && s.use(b, now)
}

// whoIs finds an account by its user_id in lower case. Nobody is a User without one.
func (s *Service) whoIs(ctx context.Context, userID string) (propusk.User, error) {
	found, err := recall(ctx, s.lease(), s.Memory.people, userID,
		func(ctx context.Context) (memory.Read[propusk.User], error) {
			user, err := s.Store.Now(ctx).UserByUserID(userID)
			return memory.Read[propusk.User]{Value: user, Of: memory.Things{memory.User(user.ID)}, Size: userSize(&user)}, err
		})
	if errors.Is(err, store.ErrNotFound) {
		return propusk.User{}, nil
	}
	if err != nil {
		return propusk.User{}, err
	}
	return *found, nil
}

// placed is the standing of somebody in a community. There are so many of them that with key and stamps one fits into a cache line.
type placed struct{ *shared }

// stand tells what somebody is in a community, from memory if it may. NotFound (community_not_found).
func (s *Service) stand(ctx context.Context, user *propusk.User, communityID int64) (place, error) {
	if lease := s.lease(); lease != nil && lease.Holds() {
		here, known := s.known(seat{user.ID, communityID})
		var err error
		if !known {
			here, known, err = s.learn(ctx, *user, communityID)
		}
		if err != nil || known && lease.Holds() {
			return here, err
		}
	}
	here, _, err := s.place(s.Store.Now(ctx), *user, communityID, s.mirrored(ctx, communityID))
	return here, err
}

// known is what is remembered of somebody in a community.
func (s *Service) known(key seat) (place, bool) {
	at := s.Memory.places.Get(key)
	if at == nil {
		return place{}, false
	}
	here := place{at.Load(), s.Memory.communities.Get(key.community)}
	return here, here.standing != nil && here.community != nil
}

// learn reads what is not known of somebody in a community, and remembers it. It may turn out to be forgotten at once.
func (s *Service) learn(ctx context.Context, user propusk.User, communityID int64) (place, bool, error) {
	key := seat{user.ID, communityID}
	if at := s.Memory.places.Get(key); at != nil && at.Load() == nil {
		s.Memory.places.Forget(key)
	}
	community := memory.Community(communityID)
	keep := func(c *propusk.Community) memory.Read[propusk.Community] {
		return memory.Read[propusk.Community]{Value: *c, Of: memory.Things{community}, Size: communitySize(c)}
	}
	at, err := s.Memory.places.Load(ctx, key, func(ctx context.Context) (memory.Read[placed], error) {
		mark := s.Memory.changes.Mark()
		here, common, err := s.place(s.Store.Now(ctx), user, communityID, s.mirrored(ctx, communityID))
		if err != nil {
			return memory.Read[placed]{}, err
		}
		s.Memory.communities.Keep(mark, communityID, keep(here.community))
		return memory.Read[placed]{
			Value: placed{common}, Of: memory.Things{memory.Member(communityID, user.ID), community, memory.CommunityMembers(communityID)},
		}, nil
	})
	if err != nil {
		return place{}, false, err
	}
	found, err := s.Memory.communities.Load(ctx, communityID, func(ctx context.Context) (memory.Read[propusk.Community], error) {
		c, err := s.Store.Now(ctx).Community(communityID)
		return keep(&c), unknown(err)
	})
	here := place{at.Load(), found}
	return here, here.standing != nil, err
}
