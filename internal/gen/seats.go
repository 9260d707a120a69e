package gen

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/propusk/propusk/internal/store"
)

// batch is rows for one transaction.
type batch struct {
	members   []store.MemberRow
	followers []store.FollowerRow
}

// seats makes accounts members and followers, in the order that seatsInBlock speaks of.
func (r *run) seats(ctx context.Context) error {
	set := newChosen(r.plan.block)
	var rows batch
	for block := range r.plan.blocks() {
		for community := range r.founded {
			err := r.fill(set, block, community, func(m store.MemberRow, followers []store.FollowerRow) error {
				rows.members, rows.followers = append(rows.members, m), append(rows.followers, followers...)
				if len(rows.members)+len(rows.followers) < rowsAtOnce {
					return nil
				}
				return r.flush(ctx, &rows)
			})
			if err != nil {
				return err
			}
		}
	}
	return r.flush(ctx, &rows)
}

// flush writes a batch, and leaves it empty.
func (r *run) flush(ctx context.Context, rows *batch) error {
	err := r.service.Store.Update(ctx, func(tx store.Tx) error {
		if err := tx.InsertFollowers(rows.followers); err != nil {
			return err
		}
		return tx.InsertMembers(rows.members)
	})
	if err != nil {
		return err
	}
	r.report.Members += len(rows.members)
	r.report.Followers += len(rows.followers)
	rows.members, rows.followers = rows.members[:0], rows.followers[:0]
	r.tell("members", r.report.Members, r.Memberships)
	return nil
}

// fill tells who of a block is in a community, in the order of accounts, and with each the followers up to there.
func (r *run) fill(set *chosen, block, community int, each func(store.MemberRow, []store.FollowerRow) error) error {
	first, end := r.plan.bounds(block)
	before := r.plan.before(community, first)
	n := r.plan.before(community, end) - before
	if n == 0 {
		return nil
	}
	where := r.founded[community]
	must := int(where.founder) - first
	if must < 0 || must >= end-first {
		must = -1
	}
	dice := r.plan.dice(diceSeats, uint64(community), uint64(block)+1)
	set.resize(end - first)
	set.draw(dice, n, must)
	r.report.Largest = max(r.report.Largest, before+n)

	s := seating{run: r, dice: dice, set: set, first: first, community: community, place: where, nth: before}
	for i := range set.all {
		m, followers := s.take(i)
		if err := each(m, followers); err != nil {
			return err
		}
	}
	return nil
}

// seating is the members of one block in one community, one after the other.
type seating struct {
	*run
	place
	dice             *rand.Rand
	set              *chosen
	first, community int
	// nth is how many members the community has so far, and second tells that the next one is its second admin.
	nth    int
	second bool
}

// take is the next member, the i-th account of the block.
func (s *seating) take(i int) (store.MemberRow, []store.FollowerRow) {
	account := s.first + i
	m := store.MemberRow{CommunityID: s.communitiesBefore + int64(s.community) + 1, AccountID: s.accountsBefore + int64(account) + 1}
	switch {
	case account == int(s.founder):
		m.Roles, m.JoinedAt = s.roles.founder, s.at()
		s.second = s.dice.IntN(2) == 0
	case s.second:
		m.Roles, s.second = s.roles.founder, false
	default:
		m.Roles = s.roles.of(s.dice, s.place)
	}
	if m.JoinedAt.IsZero() {
		m.JoinedAt = s.since(account)
	}
	s.nth++
	return m, s.followers(m, i)
}

// since is when a member joined. Members come in the order of joining, and nobody joins before there is an account and a community.
func (s *seating) since(account int) time.Time {
	part := (float64(s.nth) + s.dice.Float64()) / float64(s.plan.sizes[s.community])
	at := between(s.at(), closed, part)
	if made := s.plan.joined(account); at.Before(made) {
		return made
	}
	return at
}

// followers are the member, perhaps, and whoever comes next without being one.
func (s *seating) followers(m store.MemberRow, i int) (all []store.FollowerRow) {
	follow := func(account int64, at time.Time) {
		all = append(all, store.FollowerRow{CommunityID: m.CommunityID, AccountID: account, FollowedAt: at})
	}
	if s.dice.IntN(20) == 0 {
		follow(m.AccountID, m.JoinedAt)
	}
	if next := i + 1; next < s.set.n && !s.set.has(next) && s.dice.IntN(50) == 0 {
		at := m.JoinedAt
		if made := s.plan.joined(s.first + next); at.Before(made) {
			at = made
		}
		follow(m.AccountID+1, at)
	}
	return all
}
