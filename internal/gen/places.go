package gen

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/community"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// place is what the memberships of a community hang on. There may be very many, so it is small.
type place struct {
	founder   int32
	createdAt int64
	// custom is the place of its own role in customRoles, or -1.
	custom int8
}

// customRoles are roles that communities make for themselves.
func customRoles() []store.RoleRow {
	return []store.RoleRow{
		{ID: "curator", Name: "Curator", Description: "Chooses what is shown first", Custom: true},
		{ID: "translator", Name: "Переводчик", Description: "Переводит чужие тексты", Custom: true},
		{ID: "host", Name: "Host", Description: "Welcomes newcomers", Custom: true},
	}
}

// cast is who plays what: the roles of the policy, and those that communities add.
type cast struct {
	lists   []weighted
	all     int
	founder []string
	first   string
	custom  []store.RoleRow
}

// weighted is a list of roles, and how many of a thousand or so members have it.
type weighted struct {
	roles  []string
	weight int
}

func newCast(c *community.Service) cast {
	ordinary := slices.DeleteFunc(slices.Clone(c.Policy.AvailableRoles), func(role string) bool {
		return role == c.Policy.CreatorRole || role == rbac.Admin
	})
	k := cast{lists: lists(ordinary), founder: []string{c.Policy.CreatorRole}}
	for _, l := range k.lists {
		k.all += l.weight
	}
	if len(ordinary) == 0 {
		return k
	}
	k.first = ordinary[0]
	k.custom = customRoles()
	held := c.Grants.Permissions(ordinary[len(ordinary)-1])
	for i := range k.custom {
		k.custom[i].Permissions = some(c.Catalogue, held, i, len(k.custom))
	}
	return k
}

// some is every step-th permission of a list that the catalogue has, with what follows from it.
func some(catalogue *rbac.Catalogue, held []string, first, step int) (list []string) {
	var chosen []string
	for i := first; i < len(held); i += step {
		chosen = append(chosen, held[i])
	}
	resolved, err := catalogue.Resolve(chosen)
	if err != nil {
		return nil // a policy with permissions that its catalogue does not have; the role then has none
	}
	for _, p := range resolved {
		list = append(list, p.String())
	}
	return list
}

// lists are the lists that members have, the roles in the order of the policy: nearly everybody has the first, and few the last.
func lists(roles []string) []weighted {
	all := []weighted{{nil, 5}}
	for i, role := range roles {
		all = append(all, weighted{[]string{role}, []int{780, 90, 20, 15, 8}[min(i, 4)]})
	}
	if len(roles) > 1 {
		all = append(all, weighted{roles[:2:2], 60})
	}
	if len(roles) > 2 {
		all = append(all, weighted{[]string{roles[1], roles[len(roles)-1]}, 10})
	}
	return all
}

// of is a list for somebody in a community.
func (k *cast) of(dice *rand.Rand, where place) []string {
	if where.custom >= 0 && dice.IntN(25) == 0 {
		return []string{k.first, k.custom[where.custom].ID}
	}
	n := dice.IntN(k.all)
	for _, l := range k.lists {
		if n -= l.weight; n < 0 {
			return l.roles
		}
	}
	return nil
}

// founding is a community, and the role of its own if it has one.
type founding struct {
	propusk.Community
	own    []store.RoleRow
	grants []byte
}

// places founds the communities.
func (r *run) places(ctx context.Context) error {
	r.founded = make([]place, 0, r.Communities)
	for first := 0; first < r.Communities; first += communitiesAtOnce {
		var rows []founding
		for i := first; i < min(first+communitiesAtOnce, r.Communities); i++ {
			row, err := r.found(i)
			if err != nil {
				return err
			}
			rows = append(rows, row)
		}
		err := r.service.Store.Update(ctx, func(tx store.Tx) error { return insertCommunities(tx, rows) })
		if err != nil {
			return err
		}
		r.report.Communities += len(rows)
		r.tell("communities", r.report.Communities, r.Communities)
	}
	return nil
}

func insertCommunities(tx store.Tx, rows []founding) error {
	for _, row := range rows {
		if err := tx.KeepGrants(row.Grants, row.grants); err != nil {
			return err
		}
		if err := tx.InsertNumberedCommunity(row.Community); err != nil {
			return err
		}
		for _, own := range row.own {
			if err := tx.SetCommunityRole(row.ID, own); err != nil {
				return err
			}
		}
	}
	return nil
}

// found says what a community is to be.
func (r *run) found(i int) (founding, error) {
	dice := r.plan.dice(dicePlace, uint64(i), 0)
	founder, id := r.plan.founder(i), r.communitiesBefore+int64(i)+1
	created := between(opened, closed, grown(i, r.Communities))
	if joined := r.plan.joined(founder); created.Before(joined) {
		created = joined
	}
	circle := pick(dice, r.plan.circles)
	first, second := pick(dice, circle[0]), pick(dice, circle[1])
	row := founding{Community: propusk.Community{
		ID: id, Name: first.shown + " " + second.shown, Slug: fmt.Sprintf("%s-%s-%d", first.plain, second.plain, id), Joining: propusk.JoiningOpen,
		CreatorID: r.accountsBefore + int64(founder) + 1, AvailableRoles: slices.Clone(r.service.Communities.Policy.AvailableRoles),
		DefaultRoles: r.service.Communities.Policy.DefaultRoles, CreatedAt: created, UpdatedAt: created,
	}}
	if dice.IntN(10) == 0 {
		row.Joining = propusk.JoiningClosed
	}
	custom := -1
	if n := len(r.roles.custom); n > 0 && dice.IntN(10) == 0 {
		custom = dice.IntN(n)
		row.own = r.roles.custom[custom : custom+1]
		row.AvailableRoles = append(row.AvailableRoles, row.own[0].ID)
		r.report.CustomRoles++
	}
	r.founded = append(r.founded, place{founder: int32(founder), createdAt: created.Unix(), custom: int8(custom)})
	return row, r.compile(&row)
}

// compile makes the lists that hold in a community.
func (r *run) compile(row *founding) (err error) {
	grants, err := r.service.Communities.Compile(slices.Clone(row.own))
	if err != nil {
		return err
	}
	row.Grants = grants.Hash()
	row.grants, err = grants.MarshalJSON()
	return err
}

// at is when the community was founded.
func (p place) at() time.Time { return time.Unix(p.createdAt, 0).UTC() }
