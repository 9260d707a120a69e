package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

// members lists those who match; the total must be their number.
func (d *database) members(f store.MemberFilter) (found []string) {
	d.t.Helper()
	f.Limit = 1000
	page, total, err := d.now().Members(f)
	d.must(err)
	for _, m := range page {
		found = append(found, m.User.Slug)
		same(d, "community", m.CommunityID, f.CommunityID)
	}
	same(d, "total", total, len(found))
	return found
}

var members = []story{
	{"a member is found as they joined", func(d *database) {
		u := d.people(2)
		c := d.found(1, u[0].ID)
		d.update(func(tx store.Tx) error {
			return errors.Join(tx.InsertMember(c.ID, u[0].ID, []string{"author", "reader"}, noon.Add(time.Minute)),
				tx.SetFollows(c.ID, u[0].ID, true, noon))
		})
		want := propusk.Membership{
			CommunityID: c.ID, User: u[0], Roles: []string{"author", "reader"}, Follower: true, JoinedAt: noon.Add(time.Minute),
		}
		got, err := d.now().Member(c.ID, u[0].UserID)
		d.must(err)
		same(d, "member", got, want)
		page, total, err := d.now().Members(store.MemberFilter{CommunityID: c.ID, Limit: 10})
		d.must(err)
		same(d, "page", page, []propusk.Membership{want})
		same(d, "total", total, 1)
		place, err := d.now().Place(c.ID, u[0].ID)
		d.must(err)
		same(d, "place", place, store.Place{Community: d.community(c.ID), Member: true, Roles: want.Roles})
		if _, err := d.now().Member(c.ID, u[1].UserID); !errors.Is(err, store.ErrNotFound) {
			d.t.Errorf("looking for somebody who is no member gave %v", err)
		}
	}},

	{"no roles is still a membership", func(d *database) {
		u := d.people(1)
		c := d.found(1, u[0].ID)
		d.join(c, []string{"reader"}, u...)
		d.update(func(tx store.Tx) error { return tx.SetMemberRoles(c.ID, u[0].ID, nil) })
		place, err := d.now().Place(c.ID, u[0].ID)
		d.must(err)
		same(d, "place", place, store.Place{Community: d.community(c.ID), Member: true})
		same(d, "count", place.Community.MemberCount, 1)
		lists, err := d.now().RoleLists(c.ID)
		d.must(err)
		same(d, "lists", lists, []store.RoleList{{Members: 1}})
	}},

	{"nobody is a member twice", func(d *database) {
		u := d.people(1)
		c := d.found(1, u[0].ID)
		d.join(c, []string{"reader"}, u...)
		if err := d.Update(d.t.Context(), func(tx store.Tx) error { return tx.InsertMember(c.ID, u[0].ID, nil, noon) }); err == nil {
			d.t.Error("somebody became a member twice")
		}
		same(d, "count", d.community(c.ID).MemberCount, 1)
	}},

	{"who is no member cannot be changed, and what is no role is not given", func(d *database) {
		u := d.people(2)
		c, other := d.found(1, u[0].ID), d.found(2, u[0].ID)
		d.join(c, []string{"reader"}, u[0])
		d.refuse(store.ErrNotFound, func(tx store.Tx) error { return tx.SetMemberRoles(c.ID, u[1].ID, nil) })
		d.refuse(store.ErrNotFound, func(tx store.Tx) error { return tx.SetMemberRoles(other.ID, u[0].ID, nil) })
		d.refuse(store.ErrNotFound, func(tx store.Tx) error { return tx.DeleteMember(c.ID, u[1].ID) })
		d.refuse(store.ErrNotFound, func(tx store.Tx) error { return tx.DeleteMember(other.ID, u[0].ID) })
		for _, no := range []string{"", "Admin", "reader,admin", "аdmin", "%", " reader"} {
			for what, change := range map[string]func(store.Tx) error{
				"InsertMember":   func(tx store.Tx) error { return tx.InsertMember(c.ID, u[1].ID, []string{no}, noon) },
				"SetMemberRoles": func(tx store.Tx) error { return tx.SetMemberRoles(c.ID, u[0].ID, []string{no}) },
				"ReplaceRoleList": func(tx store.Tx) error {
					_, _, err := replaceAll(tx, c.ID, []string{"reader"}, []string{no}, false)
					return err
				},
				"a forgotten failure": func(tx store.Tx) error {
					_ = tx.SetMemberRoles(c.ID, u[0].ID, []string{no})
					return nil
				},
			} {
				if d.Update(d.t.Context(), change) == nil {
					d.t.Errorf("%s took %q", what, no)
				}
			}
		}
		same(d, "readers", d.members(store.MemberFilter{CommunityID: c.ID, Role: "reader"}), []string{"person0"})
	}},

	{"roles are compared whole", func(d *database) {
		u := d.people(3)
		c := d.found(1, u[0].ID)
		for i, role := range []string{"admin", "co-admin", "admin2"} {
			d.join(c, []string{"reader", role}, u[i])
		}
		same(d, "admins", d.members(store.MemberFilter{CommunityID: c.ID, Role: "admin"}), []string{"person0"})
		same(d, "admins found", d.members(store.MemberFilter{CommunityID: c.ID, Role: "admin", Search: "person"}), []string{"person0"})
		for n, want := range []int{1, 0, 0} {
			with, err := d.now().CommunitiesWith(u[n].ID, "admin")
			d.must(err)
			same(d, "communities", len(with), want)
		}
		holders, err := d.now().ActiveHolders(c.ID, "admin", 10)
		d.must(err)
		same(d, "holders", holders, 1)
	}},

	{"somebody's communities are told with what they are there", func(d *database) {
		u := d.people(2)
		owls, larks, bats := d.found(1, u[0].ID), d.found(2, u[0].ID), d.found(3, u[0].ID)
		d.join(larks, []string{"author"}, u[1])
		d.join(owls, nil, u[1])
		d.join(bats, []string{"reader"}, u[0])
		places, err := d.now().PlacesOf(u[1].ID)
		d.must(err)
		same(d, "places", places, []store.Place{
			{Community: d.community(owls.ID), Member: true}, {Community: d.community(larks.ID), Member: true, Roles: []string{"author"}},
		})
	}},

	{"only active accounts hold a role, and they are counted up to a limit", func(d *database) {
		u := d.people(6)
		c := d.found(1, u[0].ID)
		d.join(c, []string{"admin"}, u[:3]...)
		d.join(c, []string{"reader", "admin"}, u[3:5]...)
		d.join(c, []string{"reader"}, u[5])
		u[0].IsActive = false
		d.update(func(tx store.Tx) error { return tx.UpdateUser(u[0]) })
		for limit, want := range map[int]int{1: 1, 2: 2, 3: 3, 10: 4} {
			got, err := d.now().ActiveHolders(c.ID, "admin", limit)
			d.must(err)
			same(d, "holders", got, want)
		}
		same(d, "listed all the same", len(d.members(store.MemberFilter{CommunityID: c.ID, Role: "admin"})), 5)
	}},

	{"members are cut into pages in the order of joining, from both ends", func(d *database) {
		u := d.people(9)
		c, other := d.found(1, u[0].ID), d.found(2, u[0].ID)
		var want []string
		for i := range u {
			d.join(c, [][]string{{"reader"}, {"author"}, nil}[i%3], u[len(u)-1-i])
			d.join(other, []string{"reader"}, u[i])
			want = append(want, u[len(u)-1-i].Slug)
		}
		for offset := range len(want) + 2 {
			for limit := 1; limit <= len(want)+1; limit++ {
				page, total, err := d.now().Members(store.MemberFilter{CommunityID: c.ID, Offset: offset, Limit: limit})
				d.must(err)
				var got []string
				for _, m := range page {
					got = append(got, m.User.Slug)
				}
				same(d, "total", total, len(want))
				same(d, fmt.Sprint(offset, limit), strings.Join(got, " "),
					strings.Join(want[min(offset, len(want)):min(offset+limit, len(want))], " "))
			}
		}
	}},

	{"an ended membership leaves nothing, and a new one is the last", func(d *database) {
		u := d.people(3)
		c := d.found(1, u[0].ID)
		d.join(c, []string{"reader"}, u...)
		d.update(func(tx store.Tx) error { return tx.DeleteMember(c.ID, u[2].ID) })
		d.update(func(tx store.Tx) error { return tx.DeleteMember(c.ID, u[0].ID) })
		same(d, "left", d.members(store.MemberFilter{CommunityID: c.ID}), []string{"person1"})
		d.join(c, []string{"reader"}, u[2], u[0])
		same(d, "back", d.members(store.MemberFilter{CommunityID: c.ID}), []string{"person1", "person2", "person0"})
	}},

	{"bars and followers stand apart from membership and from the row of the community", func(d *database) {
		u := d.people(2)
		c, other := d.found(1, u[0].ID), d.found(2, u[0].ID)
		for range 2 {
			d.update(func(tx store.Tx) error {
				return errors.Join(tx.SetBarred(c.ID, u[0].ID, true), tx.SetFollows(c.ID, u[0].ID, true, noon))
			})
		}
		is := func(community, user int64) (found [2]bool) {
			var errs [2]error
			found[0], errs[0] = d.now().Barred(community, user)
			found[1], errs[1] = d.now().Follows(community, user)
			d.must(errors.Join(errs[:]...))
			return found
		}
		same(d, "set", is(c.ID, u[0].ID), [2]bool{true, true})
		same(d, "another community", is(other.ID, u[0].ID), [2]bool{})
		same(d, "another account", is(c.ID, u[1].ID), [2]bool{})
		for range 2 {
			d.update(func(tx store.Tx) error {
				return errors.Join(tx.SetBarred(c.ID, u[0].ID, false), tx.SetFollows(c.ID, u[0].ID, false, noon))
			})
		}
		same(d, "taken back", is(c.ID, u[0].ID), [2]bool{})
		d.must(d.View(d.t.Context(), func(store.Reader) error { return nil }))
		same(d, "community", d.community(c.ID), c)
	}},

	{"all who have exactly a list get another", func(d *database) {
		u := d.people(5)
		c, other := d.found(1, u[0].ID), d.found(2, u[0].ID)
		d.join(c, []string{"reader", "author"}, u[:2]...)
		d.join(c, []string{"author", "reader"}, u[2])
		d.join(c, nil, u[3])
		d.join(other, []string{"reader", "author"}, u[4])
		replace := func(from, to []string, want int) {
			var bulkID int64
			var n int
			d.update(func(tx store.Tx) (err error) {
				bulkID, n, err = replaceAll(tx, c.ID, from, to, false)
				return err
			})
			d.tell(bulkID)
			rows, total, err := d.now().BulkRows(bulkID, 0, 10)
			d.must(err)
			same(d, fmt.Sprint(from, to), []int{n, total, len(rows)}, []int{want, want, want})
			for _, row := range rows {
				same(d, "row", row, store.BulkRow{AccountID: row.AccountID, UserID: row.UserID, Member: true, Before: from, After: to})
			}
		}
		replace([]string{"reader", "author"}, []string{"reader"}, 2)
		replace([]string{"reader", "author"}, []string{"reader"}, 0)
		replace([]string{"author", "reader"}, nil, 1)
		replace([]string{"reader"}, []string{"reader"}, 2)
		lists, err := d.now().RoleLists(c.ID)
		d.must(err)
		same(d, "lists", lists, []store.RoleList{{Members: 2}, {Roles: []string{"reader"}, Members: 2}})
		same(d, "others", d.members(store.MemberFilter{CommunityID: other.ID, Role: "author"}), []string{"person4"})
	}},

	{"who loses a list may be barred with all who had it", func(d *database) {
		u := d.people(3)
		c := d.found(1, u[0].ID)
		d.join(c, []string{"reader"}, u[:2]...)
		d.join(c, []string{"author"}, u[2])
		var bulkID int64
		d.update(func(tx store.Tx) (err error) {
			bulkID, _, err = replaceAll(tx, c.ID, []string{"reader"}, nil, true)
			return err
		})
		for i, want := range []bool{true, true, false} {
			barred, err := d.now().Barred(c.ID, u[i].ID)
			d.must(err)
			same(d, "barred", barred, want)
		}
		d.tell(bulkID)
		rows, _, err := d.now().BulkRows(bulkID, 0, 10)
		d.must(err)
		same(d, "rows of those", []bool{rows[0].Bar, rows[1].Bar}, []bool{true, true})
	}},

	{"whatever is written, the counts are those of a naive recount", recount},
}

// replaceAll is ReplaceRoleList as a bulk of its own.
func replaceAll(tx store.Tx, communityID int64, from, to []string, bar bool) (bulkID int64, n int, err error) {
	if bulkID, err = tx.BeginBulk(communityID, noon); err == nil {
		n, err = tx.ReplaceRoleList(bulkID, from, to, bar)
	}
	return bulkID, n, err
}

// model is what a naive program would keep of one community.
type model struct {
	order []int // accounts in the order of joining
	roles map[int][]string
}

func (m *model) remove(n int) {
	m.order = slices.DeleteFunc(m.order, func(o int) bool { return o == n })
	delete(m.roles, n)
}

// with are those who have the role, as Members lists them.
func (m *model) with(role string) []int {
	found := slices.DeleteFunc(slices.Clone(m.order), func(n int) bool { return !slices.Contains(m.roles[n], role) })
	slices.SortStableFunc(found, func(a, b int) int { return cmp.Compare(strings.Join(m.roles[a], ","), strings.Join(m.roles[b], ",")) })
	return found
}

func (m *model) lists() map[string]int {
	counts := map[string]int{}
	for _, roles := range m.roles {
		counts[strings.Join(roles, ",")]++
	}
	return counts
}

var someRoles = []string{"reader", "author", "admin"}

func recount(d *database) {
	u := d.people(12)
	founded := 0
	rapid.Check(d.t, func(rt *rapid.T) {
		founded++
		c := d.found(founded, u[0].ID)
		m := &model{roles: map[int][]string{}}
		drawRoles := rapid.SliceOfNDistinct(rapid.SampledFrom(someRoles), 0, 3, rapid.ID[string])
		for range rapid.IntRange(1, 12).Draw(rt, "writes") {
			n, roles := rapid.IntRange(0, len(u)-1).Draw(rt, "who"), drawRoles.Draw(rt, "roles")
			_, member := m.roles[n]
			var write func(store.Tx) error
			switch rapid.IntRange(0, 4).Draw(rt, "write") {
			case 0, 1:
				write = func(tx store.Tx) error { return tx.SetMemberRoles(c.ID, u[n].ID, roles) }
				if !member {
					write = func(tx store.Tx) error { return tx.InsertMember(c.ID, u[n].ID, roles, noon) }
					m.order = append(m.order, n)
				}
				m.roles[n] = roles
			case 2:
				if !member {
					continue
				}
				write = func(tx store.Tx) error { return tx.DeleteMember(c.ID, u[n].ID) }
				m.remove(n)
			case 3:
				from := drawRoles.Draw(rt, "from")
				if len(from) == 0 {
					continue
				}
				write = func(tx store.Tx) error { _, _, err := replaceAll(tx, c.ID, from, roles, false); return err }
				for n, had := range m.roles {
					if slices.Equal(had, from) {
						m.roles[n] = roles
					}
				}
			default:
				write = m.drawBulk(rt, c, u, drawRoles)
			}
			d.update(write)
		}
		d.compare(rt, c, u, m)
	})
}

// drawBulk is a bulk about some accounts.
func (m *model) drawBulk(rt *rapid.T, c propusk.Community, u []propusk.User, drawRoles *rapid.Generator[[]string]) func(store.Tx) error {
	who := rapid.SliceOfDistinct(rapid.IntRange(0, len(u)-1), rapid.ID[int]).Draw(rt, "accounts")
	slices.Sort(who)
	var rows []store.BulkRow
	for _, n := range who {
		roles, member := m.roles[n]
		after := drawRoles.Draw(rt, "after")
		rows = append(rows, store.BulkRow{AccountID: u[n].ID, Member: member, Before: roles, After: after})
		m.roles[n] = after
		if !member {
			m.order = append(m.order, n)
		}
	}
	return func(tx store.Tx) error {
		id, err := tx.BeginBulk(c.ID, noon)
		if err != nil {
			return err
		}
		if err := tx.AddBulkRows(id, rows); err != nil {
			return err
		}
		if _, err := tx.ApplyBulk(id, noon); err != nil {
			return err
		}
		return tx.CountBulk(id)
	}
}

// compare looks at a community from all sides.
func (d *database) compare(rt *rapid.T, c propusk.Community, u []propusk.User, m *model) {
	c = d.community(c.ID)
	if c.MemberCount != len(m.order) {
		rt.Fatalf("there are %d members, counted %d", len(m.order), c.MemberCount)
	}
	lists, err := d.now().RoleLists(c.ID)
	d.must(err)
	counted := map[string]int{}
	for _, l := range lists {
		counted[strings.Join(l.Roles, ",")] += l.Members
	}
	if want := m.lists(); !maps.Equal(counted, want) {
		rt.Fatalf("lists are %v, counted %v", want, counted)
	}
	for _, role := range append(someRoles, "") {
		want := m.order
		if role != "" {
			want = m.with(role)
		}
		limit := rapid.IntRange(1, 5).Draw(rt, "limit")
		var got []int
		for offset := 0; offset < len(want)+limit; offset += limit {
			page, total, err := d.now().Members(store.MemberFilter{CommunityID: c.ID, Role: role, Offset: offset, Limit: limit})
			d.must(err)
			if total != len(want) {
				rt.Fatalf("%d have role %q, counted %d", len(want), role, total)
			}
			for _, mm := range page {
				n := slices.IndexFunc(u, func(u propusk.User) bool { return u.ID == mm.User.ID })
				got = append(got, n)
				if !slices.Equal(mm.Roles, m.roles[n]) {
					rt.Fatalf("%d has roles %v, told as %v", n, m.roles[n], mm.Roles)
				}
			}
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("role %q: want %v, got %v", role, want, got)
		}
	}
}
