package storetest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

// reserve reserves numbers in a transaction of its own.
func (d *database) reserve(kind store.ImportKind, last int64) (before int64) {
	d.t.Helper()
	d.update(func(tx store.Tx) (err error) {
		before, err = tx.ReserveNumbers(kind, last)
		return err
	})
	return before
}

// importUsers adds accounts at once and returns them as they must be there.
func (d *database) importUsers(rows ...store.UserRow) []propusk.User {
	d.t.Helper()
	users := make([]propusk.User, len(rows))
	d.update(func(tx store.Tx) error {
		numbers, err := tx.InsertUsers(rows)
		if err != nil {
			return err
		}
		same(d, "numbers", len(numbers), len(rows))
		for i, row := range rows {
			users[i] = row.User
			users[i].ID = numbers[i]
		}
		return nil
	})
	return users
}

// numbered is the n-th account under a number.
func numbered(n int, id int64) store.UserRow {
	row := person(n)
	row.ID = id
	return row
}

// roleLists are the lists of roles that members have, and how many have each.
func (d *database) roleLists(c propusk.Community) map[string]int {
	d.t.Helper()
	lists, err := d.now().RoleLists(c.ID)
	d.must(err)
	counted := map[string]int{}
	for _, l := range lists {
		counted[strings.Join(l.Roles, ",")] = l.Members
	}
	return counted
}

// at names an account in a community.
func at(communityID, accountID int64) store.StandingKey {
	return store.StandingKey{CommunityID: communityID, AccountID: accountID}
}

// standings are what accounts are in communities.
func (d *database) standings(keys ...store.StandingKey) []store.Standing {
	d.t.Helper()
	found, err := d.now().Standings(keys)
	d.must(err)
	return found
}

// refuseAny runs fn in a transaction that must fail with whatever it is.
func (d *database) refuseAny(what string, fn func(store.Tx) error) {
	d.t.Helper()
	if d.Update(d.t.Context(), fn) == nil {
		d.t.Errorf("%s was accepted", what)
	}
}

var imports = []story{
	{"what rows became is remembered by source, kind and key", func(d *database) {
		d.update(func(tx store.Tx) error {
			return errors.Join(
				tx.SetImported("one", store.ImportedAccount, []string{"1", "два", "3"}, []int64{7, 8, 2147483647}),
				tx.SetImported("one", store.ImportedMember, []string{"1"}, []int64{1}),
				tx.SetImported("two", store.ImportedAccount, []string{"1"}, []int64{9}),
				tx.SetImported("two", store.ImportedFollower, nil, nil))
		})
		for _, tt := range []struct {
			source string
			kind   store.ImportKind
			keys   []string
			want   []int64
		}{
			{"one", store.ImportedAccount, []string{"3", "1", "no", "два", "1", ""}, []int64{2147483647, 7, 0, 8, 7, 0}},
			{"one", store.ImportedMember, []string{"1", "3"}, []int64{1, 0}},
			{"two", store.ImportedAccount, []string{"1", "3"}, []int64{9, 0}},
			{"two", store.ImportedFollower, []string{"1"}, []int64{0}},
			{"ONE", store.ImportedAccount, []string{"1"}, []int64{0}},
			{"one", "nothing", []string{"1"}, []int64{0}},
			{"one", store.ImportedAccount, nil, nil},
			{"one", store.ImportedAccount, []string{`1"`, "1'", "[1]", "1 ", "%"}, []int64{0, 0, 0, 0, 0}},
		} {
			got, err := d.now().Imported(tt.source, tt.kind, tt.keys)
			d.must(err)
			same(d, tt.source+" "+string(tt.kind), got, tt.want)
		}
	}},

	{"what cannot be remembered is refused, and nothing beside it is remembered", func(d *database) {
		set := func(source string, kind store.ImportKind, keys []string, numbers ...int64) func(store.Tx) error {
			return func(tx store.Tx) error { return tx.SetImported(source, kind, keys, numbers) }
		}
		d.update(set("one", store.ImportedAccount, []string{"old"}, 1))
		for what, fn := range map[string]func(store.Tx) error{
			"a key that is remembered": set("one", store.ImportedAccount, []string{"new", "old"}, 2, 2),
			"a key twice":              set("one", store.ImportedAccount, []string{"new", "new"}, 2, 2),
			"an empty key":             set("one", store.ImportedAccount, []string{"new", ""}, 2, 2),
			"the number 0":             set("one", store.ImportedAccount, []string{"new", "newer"}, 2, 0),
			"too few numbers":          set("one", store.ImportedAccount, []string{"new", "newer"}, 2),
			"no source":                set("", store.ImportedAccount, []string{"new"}, 2),
			"an unknown kind":          set("one", "nothing", []string{"new"}, 2),
			"a forgotten failure": func(tx store.Tx) error {
				d.must(tx.SetImported("one", store.ImportedAccount, []string{"new"}, []int64{2}))
				_ = tx.SetImported("one", store.ImportedAccount, []string{"newer"}, nil)
				return nil
			},
		} {
			d.refuseAny(what, fn)
		}
		got, err := d.now().Imported("one", store.ImportedAccount, []string{"old", "new", "newer"})
		d.must(err)
		same(d, "remembered", got, []int64{1, 0, 0})
	}},

	{"accounts are found by address and slug in the order of the questions", func(d *database) {
		gone := person(3)
		gone.IsActive = false
		u := d.insert(person(1), person(2), gone)
		holders, err := d.now().EmailHolders([]string{"person3@example.org", "no", "person1@example.org", "Person2@example.org", "person3@example.org"})
		d.must(err)
		same(d, "holders", holders, []int64{u[2].ID, 0, u[0].ID, 0, u[2].ID})
		taken, err := d.now().SlugsTaken([]string{"no", "person2", "person3", "Person1", "person2", ""})
		d.must(err)
		same(d, "taken", taken, []bool{false, true, true, false, true, false})
		holders, err = d.now().EmailHolders(nil)
		d.must(err)
		taken, err = d.now().SlugsTaken(nil)
		d.must(err)
		same(d, "answers to nothing", len(holders)+len(taken), 0)
	}},

	{"communities are found by slug, deleted ones too", func(d *database) {
		u := d.people(1)[0]
		gone, kept := d.found(1, u.ID), d.found(2, u.ID)
		d.update(func(tx store.Tx) error { return tx.DeleteCommunity(gone.ID, noon) })
		found, err := d.now().CommunitiesBySlug([]string{"magazine2", "no", "magazine1", "magazine2", "MAGAZINE1"})
		d.must(err)
		same(d, "found", found, []int64{kept.ID, 0, gone.ID, kept.ID, 0})
		found, err = d.now().CommunitiesBySlug(nil)
		d.must(err)
		same(d, "found for nothing", len(found), 0)
	}},

	{"standings tell all that somebody is in a community", func(d *database) {
		u := d.people(4)
		c, gone := d.found(1, u[0].ID), d.found(2, u[0].ID)
		d.join(c, []string{"author", "reader"}, u[0])
		d.join(c, nil, u[1])
		d.join(gone, []string{"reader"}, u[2])
		d.update(func(tx store.Tx) error {
			return errors.Join(
				tx.SetFollows(c.ID, u[0].ID, true, noon), tx.SetBarred(c.ID, u[2].ID, true), tx.SetFollows(gone.ID, u[3].ID, true, noon),
				tx.DeleteCommunity(gone.ID, noon))
		})
		const far = 1 << 32
		same(d, "standings", d.standings(
			at(c.ID, u[3].ID), at(c.ID, u[0].ID), at(gone.ID, u[2].ID),
			at(c.ID, u[1].ID), at(c.ID, u[2].ID), at(gone.ID, u[3].ID),
			at(c.ID, u[0].ID),
			at(0, u[0].ID), at(c.ID, 0), at(0, 0), at(77, 77),
			at(-1, u[0].ID), at(c.ID, -1), at(c.ID-1, u[0].ID+far), at(c.ID+far, u[0].ID),
		), []store.Standing{
			{}, {Member: true, Follower: true, Roles: []string{"author", "reader"}}, {Member: true, Roles: []string{"reader"}},
			{Member: true}, {Barred: true}, {Follower: true},
			{Member: true, Follower: true, Roles: []string{"author", "reader"}},
			{}, {}, {}, {},
			{}, {}, {}, {},
		})
		same(d, "standings of nobody", len(d.standings()), 0)
	}},

	{"accounts added at once are found as those added one by one", func(d *database) {
		same(d, "last before", d.reserve(store.ImportedAccount, 50), 0)
		full, bare := numbered(1, 50), person(2)
		full.Role, full.IsActive, full.DeletedByOwner = "moderator", false, true
		full.LastSeen, full.UpdatedAt = noon.Add(time.Minute), noon.Add(time.Hour)
		full.Name, full.LastName = "Анна Мария", "Ёлкина"
		bare.Name, bare.LastName = "", ""
		u := d.importUsers(full, bare, numbered(3, 7), person(4))
		same(d, "numbers", []int64{u[0].ID, u[1].ID, u[2].ID, u[3].ID}, []int64{50, 51, 7, 52})
		for i, row := range []store.UserRow{full, bare, person(3), person(4)} {
			same(d, "account", d.user(row), u[i])
			hash, err := d.now().PasswordHash(u[i].ID)
			d.must(err)
			same(d, "hash", hash, row.PasswordHash)
			got, _, err := d.now().Credentials(row.EmailKey)
			d.must(err)
			same(d, "by address", got, u[i])
		}
		same(d, "next", d.insert(person(5))[0].ID, 53)
		d.update(func(tx store.Tx) error {
			none, err := tx.InsertUsers(nil)
			same(d, "added for nothing", len(none), 0)
			return err
		})
	}},

	{"accounts added at once are found by every search", func(d *database) {
		anna := person(1)
		anna.Name, anna.LastName, anna.Slug = "Анна Мария", "Ёлкина", "anna"
		anna.Email, anna.EmailKey = "Почта.и.я@Пример.РФ", "почта.и.я@пример.рф"
		u := d.importUsers(person(0), anna)
		c := d.found(1, u[0].ID)
		d.join(c, nil, u...)
		for query, want := range map[string][]string{"АННА М": {"anna"}, "ёл": {"anna"}, "person": {"person0"}, "нет": nil} {
			same(d, query, d.members(store.MemberFilter{CommunityID: c.ID, Search: query}), want)
			same(d, query+" among all", slugs(d, store.UserFilter{Search: query, Limit: 10}), want)
		}
		same(d, "address", d.members(store.MemberFilter{CommunityID: c.ID, Search: "пример.р", Emails: true}), []string{"anna"})
		same(d, "address of all", slugs(d, store.UserFilter{Search: "пример.р", Limit: 10}), []string{"anna"})
		renamed := u[1]
		renamed.Name = "Мария"
		d.update(func(tx store.Tx) error { return tx.UpdateUser(renamed) })
		same(d, "the old name", d.members(store.MemberFilter{CommunityID: c.ID, Search: "анна"}), nil)
	}},

	{"accounts of which one cannot be added are none", func(d *database) {
		d.insert(person(1))
		last := d.reserve(store.ImportedAccount, 20)
		with := func(spoil func(*store.UserRow)) func(store.Tx) error {
			row := person(9)
			spoil(&row)
			return func(tx store.Tx) error {
				_, err := tx.InsertUsers([]store.UserRow{person(8), row, numbered(7, last+1)})
				return err
			}
		}
		for what, tt := range map[string]struct {
			want  error
			spoil func(*store.UserRow)
		}{
			"an address of somebody":      {store.ErrEmailTaken, func(r *store.UserRow) { r.EmailKey = person(1).EmailKey }},
			"an address in the list":      {store.ErrEmailTaken, func(r *store.UserRow) { r.EmailKey = person(8).EmailKey }},
			"a slug of somebody":          {store.ErrSlugTaken, func(r *store.UserRow) { r.Slug = person(1).Slug }},
			"a slug in the list":          {store.ErrSlugTaken, func(r *store.UserRow) { r.Slug = person(7).Slug }},
			"a number of somebody":        {nil, func(r *store.UserRow) { r.ID = last }},
			"a number in the list":        {nil, func(r *store.UserRow) { r.ID = last + 1 }},
			"a number below 1":            {nil, func(r *store.UserRow) { r.ID = -1 }},
			"a number that is too large":  {nil, func(r *store.UserRow) { r.ID = 1 << 31 }},
			"what is no role":             {nil, func(r *store.UserRow) { r.Role = "user,admin" }},
			"a UUID that somebody has":    {nil, func(r *store.UserRow) { r.UserID = person(1).UserID }},
			"a name that is not UTF-8":    {nil, func(r *store.UserRow) { r.Name = "\xff" }},
			"a name with a zero byte":     {nil, func(r *store.UserRow) { r.Name = "a\x00b" }},
			"an address with a zero byte": {nil, func(r *store.UserRow) { r.EmailKey = "a\x00b" }},
		} {
			if tt.want == nil {
				d.refuseAny(what, with(tt.spoil))
			} else {
				d.refuse(tt.want, with(tt.spoil))
			}
			for _, n := range []int{7, 8, 9} {
				d.absent(person(n))
			}
		}
		_, total, err := d.now().Users(store.UserFilter{Limit: 10})
		d.must(err)
		same(d, "accounts", total, 1)
		if err := d.Update(d.t.Context(), with(func(r *store.UserRow) { r.Name = "\xff" })); propusk.KindOf(err) != propusk.Invalid {
			d.t.Errorf("what is no text was answered %v", err)
		}
	}},

	{"reserved numbers are given by nobody else", func(d *database) {
		first := d.insert(person(1))[0].ID
		same(d, "before", d.reserve(store.ImportedAccount, first+9), first)
		same(d, "the next account", d.insert(person(2))[0].ID, first+10)
		same(d, "the next at once", d.importUsers(person(3))[0].ID, first+11)
		same(d, "imported", d.importUsers(numbered(4, first+9), numbered(5, first+1))[0].ID, first+9)
		for _, none := range []int64{first + 11, first + 5, 0, -1} {
			same(d, "before, where none is left", d.reserve(store.ImportedAccount, none), first+11)
		}
		same(d, "before, with more", d.reserve(store.ImportedAccount, first+12), first+11)
		same(d, "the account after all", d.insert(person(6))[0].ID, first+13)
		same(d, "communities", d.found(1, first).ID, 1)
	}},

	{"numbers of communities are reserved apart", func(d *database) {
		u := d.people(2)
		same(d, "before", d.reserve(store.ImportedCommunity, 40), 0)
		same(d, "the next community", d.found(1, u[0].ID).ID, 41)
		same(d, "the next account", d.insert(person(7))[0].ID, u[1].ID+1)
		want := magazine(2, u[1].ID)
		want.ID, want.Joining, want.DefaultRoles = 40, propusk.JoiningClosed, nil
		d.update(func(tx store.Tx) error { return tx.InsertNumberedCommunity(want) })
		same(d, "community", d.community(40), want)
		d.join(want, []string{"admin"}, u...)
		same(d, "members", d.community(40).MemberCount, 2)
		places, _, err := d.now().Communities(store.CommunityFilter{Search: "ЖУРНАЛ 2", Limit: 10})
		d.must(err)
		same(d, "found", len(places), 1)
		again := magazine(1, u[0].ID)
		again.ID = 39
		d.refuse(store.ErrSlugTaken, func(tx store.Tx) error { return tx.InsertNumberedCommunity(again) })
		for what, id := range map[string]int64{"a number of another": 40, "no number": 0, "a number that is too large": 1 << 31} {
			another := magazine(3, u[0].ID)
			another.ID = id
			d.refuseAny(what, func(tx store.Tx) error { return tx.InsertNumberedCommunity(another) })
		}
		same(d, "the community after all", d.found(3, u[0].ID).ID, 42)
	}},

	{"numbers that cannot be reserved are refused", func(d *database) {
		for what, fn := range map[string]func(store.Tx) error{
			"a number of members": func(tx store.Tx) error { _, err := tx.ReserveNumbers(store.ImportedMember, 10); return err },
			"the last of all": func(tx store.Tx) error {
				_, err := tx.ReserveNumbers(store.ImportedAccount, store.MaxReserved+1)
				return err
			},
			"a forgotten failure":  func(tx store.Tx) error { _, _ = tx.ReserveNumbers("", 10); return nil },
			"something like a SQL": func(tx store.Tx) error { _, err := tx.ReserveNumbers("author", 10); return err },
		} {
			d.refuseAny(what, fn)
		}
		same(d, "before", d.reserve(store.ImportedAccount, store.MaxReserved), 0)
		same(d, "the last number", d.insert(person(1))[0].ID, store.MaxReserved+1)
		d.refuseAny("an account more", func(tx store.Tx) error { return insert(tx, 2) })
		same(d, "a reserved one", d.importUsers(numbered(3, store.MaxReserved))[0].ID, store.MaxReserved)
	}},

	{"a reservation is undone with its transaction", func(d *database) {
		first := d.insert(person(1))[0].ID
		for range 2 {
			d.refuse(errRefused, func(tx store.Tx) error {
				before, err := tx.ReserveNumbers(store.ImportedAccount, first+100)
				d.must(err)
				same(d, "before", before, first)
				before, err = tx.ReserveNumbers(store.ImportedAccount, first+100)
				d.must(err)
				same(d, "before, a second time", before, first+100)
				numbers, err := tx.InsertUsers([]store.UserRow{numbered(2, first+1), person(3)})
				d.must(err)
				same(d, "numbers", numbers, []int64{first + 1, first + 101})
				return errRefused
			})
		}
		same(d, "the next account", d.insert(person(4))[0].ID, first+1)
	}},

	{"what was rolled back leaves no gap in the numbers", func(d *database) {
		u := d.people(3)
		c := d.found(1, u[0].ID)
		row := func(u propusk.User) store.MemberRow {
			return store.MemberRow{CommunityID: c.ID, AccountID: u.ID, Roles: []string{"reader"}, JoinedAt: noon}
		}
		d.update(func(tx store.Tx) error { return tx.InsertMembers([]store.MemberRow{row(u[0])}) })
		last := u[2].ID
		for range 3 {
			d.refuse(errRefused, func(tx store.Tx) error {
				numbers, err := tx.InsertUsers([]store.UserRow{person(10), person(11)})
				d.must(err)
				same(d, "numbers", numbers, []int64{last + 1, last + 2})
				d.must(tx.InsertMembers([]store.MemberRow{row(u[2]), row(u[1])}))
				return errRefused
			})
		}
		d.update(func(tx store.Tx) error {
			for n := range 2 { // a transaction may ask more than once
				numbers, err := tx.InsertUsers([]store.UserRow{person(100 + n), person(200 + n)})
				if err != nil {
					return err
				}
				same(d, "numbers after all", numbers, []int64{last + 1 + 2*int64(n), last + 2 + 2*int64(n)})
				if err := tx.InsertMembers([]store.MemberRow{row(u[2-n])}); err != nil {
					return err
				}
			}
			return nil
		})
		same(d, "the next account", d.insert(person(300))[0].ID, last+5)
		d.join(c, nil, d.user(person(300)))
		var members [][]any
		for _, row := range d.dumped() {
			if row.Table == table("member") {
				members = append(members, []any{row.Values[column("member", "id")], row.Values[column("member", "author_id")]})
			}
		}
		same(d, "memberships", members, [][]any{{int64(1), u[0].ID}, {int64(2), u[2].ID}, {int64(3), u[1].ID}, {int64(4), last + 5}})
	}},

	{"many who reserve numbers and many who register are never given the same", importBesideRegistrations},

	{"members added at once are counted", func(d *database) {
		u := d.people(6)
		c, other, gone := d.found(1, u[0].ID), d.found(2, u[0].ID), d.found(3, u[0].ID)
		d.join(c, []string{"reader"}, u[5])
		d.update(func(tx store.Tx) error { return tx.DeleteCommunity(gone.ID, noon) })
		row := func(c propusk.Community, n int, roles ...string) store.MemberRow {
			return store.MemberRow{CommunityID: c.ID, AccountID: u[n].ID, Roles: roles, JoinedAt: noon.Add(time.Duration(n) * time.Minute)}
		}
		d.update(func(tx store.Tx) error {
			return errors.Join(tx.InsertMembers(nil), tx.InsertMembers([]store.MemberRow{
				row(other, 3, "author", "reader"), row(c, 4, "reader"), row(c, 1), row(other, 0, "reader", "author"), row(gone, 2, "admin"),
				row(c, 0, "author", "reader"), row(c, 2), row(c, 3, "reader"),
			}))
		})
		same(d, "lists", d.roleLists(c), map[string]int{"reader": 3, "": 2, "author,reader": 1})
		same(d, "lists of the other", d.roleLists(other), map[string]int{"author,reader": 1, "reader,author": 1})
		same(d, "lists of the deleted one", d.roleLists(gone), map[string]int{"admin": 1})
		same(d, "counts", []int{d.community(c.ID).MemberCount, d.community(other.ID).MemberCount}, []int{6, 2})
		same(d, "members", d.members(store.MemberFilter{CommunityID: c.ID}), []string{"person5", "person4", "person1", "person0", "person2", "person3"})
		same(d, "readers", d.members(store.MemberFilter{CommunityID: c.ID, Role: "reader"}), []string{"person0", "person5", "person4", "person3"})
		m, err := d.now().Member(c.ID, u[3].UserID)
		d.must(err)
		same(d, "member", m, propusk.Membership{CommunityID: c.ID, User: u[3], Roles: []string{"reader"}, JoinedAt: noon.Add(3 * time.Minute)})
		same(d, "standing in the deleted one", d.standings(at(gone.ID, u[2].ID))[0].Roles, []string{"admin"})
	}},

	{"members of whom one cannot be added are none", func(d *database) {
		u := d.people(4)
		c, other := d.found(1, u[0].ID), d.found(2, u[0].ID)
		d.join(c, []string{"reader"}, u[0])
		good := store.MemberRow{CommunityID: other.ID, AccountID: u[1].ID, Roles: []string{"reader"}, JoinedAt: noon}
		for what, bad := range map[string]store.MemberRow{
			"a member":                      {CommunityID: c.ID, AccountID: u[0].ID, JoinedAt: noon},
			"the same twice":                good,
			"an account that is not here":   {CommunityID: c.ID, AccountID: 77, JoinedAt: noon},
			"a community that is not here":  {CommunityID: 77, AccountID: u[1].ID, JoinedAt: noon},
			"no community":                  {AccountID: u[1].ID, JoinedAt: noon},
			"what is no role":               {CommunityID: c.ID, AccountID: u[1].ID, Roles: []string{"Reader"}, JoinedAt: noon},
			"two roles in one":              {CommunityID: c.ID, AccountID: u[1].ID, Roles: []string{"reader,admin"}, JoinedAt: noon},
			"more roles than a list can be": {CommunityID: c.ID, AccountID: u[1].ID, Roles: manyRoles(), JoinedAt: noon},
		} {
			d.refuseAny(what, func(tx store.Tx) error {
				return tx.InsertMembers([]store.MemberRow{good, bad, {CommunityID: c.ID, AccountID: u[2].ID, JoinedAt: noon}})
			})
		}
		d.refuseAny("a forgotten failure", func(tx store.Tx) error {
			_ = tx.InsertMembers([]store.MemberRow{{CommunityID: c.ID, AccountID: u[1].ID, Roles: []string{""}, JoinedAt: noon}})
			return nil
		})
		same(d, "lists", d.roleLists(c), map[string]int{"reader": 1})
		same(d, "counts", []int{d.community(c.ID).MemberCount, d.community(other.ID).MemberCount}, []int{1, 0})
		same(d, "lists of the other", d.roleLists(other), map[string]int{})
	}},

	{"many who add members to the same communities are all counted", func(d *database) {
		u := d.people(crowd)
		var all []propusk.Community
		for n := range 4 {
			all = append(all, d.found(n, u[0].ID))
		}
		together(func(n int) {
			communities := slices.Clone(all)
			if n%2 == 1 {
				slices.Reverse(communities)
			}
			d.check(d.Update(d.t.Context(), func(tx store.Tx) error {
				if n%4 == 3 {
					return tx.InsertMember(all[n%3].ID, u[n].ID, []string{"reader"}, noon)
				}
				var rows []store.MemberRow
				for _, c := range communities {
					rows = append(rows, store.MemberRow{CommunityID: c.ID, AccountID: u[n].ID, Roles: []string{"reader"}, JoinedAt: noon})
				}
				return tx.InsertMembers(rows)
			}))
		})
		for _, c := range all {
			members := len(d.members(store.MemberFilter{CommunityID: c.ID}))
			page, _, err := d.now().Members(store.MemberFilter{CommunityID: c.ID, Limit: crowd})
			d.must(err)
			same(d, "members", members, len(page))
			same(d, "lists", d.roleLists(c), map[string]int{"reader": members})
		}
	}},

	{"followers are added at once", func(d *database) {
		u := d.people(3)
		c, other := d.found(1, u[0].ID), d.found(2, u[0].ID)
		d.update(func(tx store.Tx) error {
			return errors.Join(tx.InsertFollowers(nil), tx.InsertFollowers([]store.FollowerRow{
				{CommunityID: other.ID, AccountID: u[1].ID, FollowedAt: noon}, {CommunityID: c.ID, AccountID: u[0].ID, FollowedAt: noon},
				{CommunityID: c.ID, AccountID: u[1].ID, FollowedAt: noon},
			}))
		})
		for what, bad := range map[string]store.FollowerRow{
			"a follower":                   {CommunityID: c.ID, AccountID: u[1].ID, FollowedAt: noon},
			"the same twice":               {CommunityID: c.ID, AccountID: u[2].ID, FollowedAt: noon},
			"an account that is not here":  {CommunityID: c.ID, AccountID: 77, FollowedAt: noon},
			"a community that is not here": {CommunityID: 77, AccountID: u[2].ID, FollowedAt: noon},
		} {
			d.refuseAny(what, func(tx store.Tx) error {
				return tx.InsertFollowers([]store.FollowerRow{{CommunityID: c.ID, AccountID: u[2].ID, FollowedAt: noon}, bad})
			})
		}
		var follow []bool
		for _, s := range d.standings(
			at(c.ID, u[0].ID), at(c.ID, u[1].ID), at(c.ID, u[2].ID),
			at(other.ID, u[0].ID), at(other.ID, u[1].ID),
		) {
			follow = append(follow, s.Follower)
		}
		same(d, "follow", follow, []bool{true, true, false, false, true})
		follows, err := d.now().Follows(other.ID, u[1].ID)
		d.must(err)
		same(d, "follows", follows, true)
	}},

	{"what is no text is refused, be it looked for by an import", func(d *database) {
		for _, no := range []string{"a\x00b", "\xff"} {
			tell := map[string]error{}
			_, tell["Imported"] = d.now().Imported("one", store.ImportedAccount, []string{"a", no})
			_, tell["Imported from"] = d.now().Imported(no, store.ImportedAccount, []string{"a"})
			_, tell["EmailHolders"] = d.now().EmailHolders([]string{no})
			_, tell["SlugsTaken"] = d.now().SlugsTaken([]string{no})
			_, tell["CommunitiesBySlug"] = d.now().CommunitiesBySlug([]string{no})
			tell["SetImported"] = d.Update(d.t.Context(), func(tx store.Tx) error {
				return tx.SetImported("one", store.ImportedAccount, []string{no}, []int64{1})
			})
			for method, err := range tell {
				if propusk.KindOf(err) != propusk.Invalid {
					d.t.Errorf("%s of %q answered %v", method, no, err)
				}
			}
		}
	}},
}

// manyRoles are more than a membership takes.
func manyRoles() (roles []string) {
	for n := range 26 * 26 * 26 {
		roles = append(roles, "role-"+string([]byte{byte('a' + n/26/26), byte('a' + n/26%26), byte('a' + n%26)}))
	}
	return roles
}

// importBesideRegistrations lets a quarter of the crowd reserve numbers and give the first and the last of them, while the others register, one by
// one or several at once.
func importBesideRegistrations(d *database) {
	const most = 5
	var mu sync.Mutex
	given := map[int64]int{}
	give := func(by int, numbers ...int64) {
		mu.Lock()
		defer mu.Unlock()
		for _, number := range numbers {
			if other, ok := given[number]; ok {
				d.t.Errorf("%d was given by %d and by %d", number, other, by)
			}
			given[number] = by
		}
	}
	register := func(who int) {
		var u propusk.User
		d.check(d.Update(d.t.Context(), func(tx store.Tx) (err error) { u, err = tx.InsertUser(person(who)); return err }))
		give(who, u.ID)
	}
	registerMany := func(who int) {
		var numbers []int64
		d.check(d.Update(d.t.Context(), func(tx store.Tx) (err error) {
			numbers, err = tx.InsertUsers([]store.UserRow{person(who), person(who + 1)})
			return err
		}))
		give(who, numbers...)
	}
	reserve := func(who int, last int64) {
		var numbers []int64
		d.check(d.Update(d.t.Context(), func(tx store.Tx) error {
			numbers = nil
			before, err := tx.ReserveNumbers(store.ImportedAccount, last)
			for number := before + 1; number <= last; number++ {
				numbers = append(numbers, number)
			}
			return err
		}))
		give(who, numbers...)
		if len(numbers) == 0 {
			return
		}
		rows := []store.UserRow{numbered(who, numbers[0])} // in another transaction: by now somebody else could have taken the number
		if last != numbers[0] {
			rows = append(rows, numbered(who+1, last))
		}
		d.check(d.Update(d.t.Context(), func(tx store.Tx) error { _, err := tx.InsertUsers(rows); return err }))
	}
	together(func(n int) {
		for i := range most {
			who := 10 * (n*most + i)
			switch n % 4 {
			case 0:
				reserve(who, int64(30*(i+1)+3*n))
			case 1:
				registerMany(who)
			default:
				register(who)
			}
		}
	})
}
