package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

// lists is the hash of the n-th compiled lists.
func lists(n int) store.GrantsHash { return store.GrantsHash{byte(n), 0, 0xff} }

// magazine is the n-th community.
func magazine(n int, creator int64) propusk.Community {
	slug := fmt.Sprintf("magazine%d", n)
	return propusk.Community{
		Slug: slug, Name: fmt.Sprintf("Журнал %d", n), Description: "О разном.", Joining: propusk.JoiningOpen, CreatorID: creator,
		AvailableRoles: []string{"reader", "author", "admin"}, DefaultRoles: []string{"reader"}, Grants: lists(1),
		CreatedAt: noon, UpdatedAt: noon,
	}
}

// found founds the n-th community.
func (d *database) found(n int, creator int64) (c propusk.Community) {
	d.t.Helper()
	d.update(func(tx store.Tx) (err error) {
		if err = tx.KeepGrants(lists(1), []byte(`{"lists":1}`)); err == nil {
			c, err = tx.InsertCommunity(magazine(n, creator))
		}
		return err
	})
	return c
}

// people inserts n accounts.
func (d *database) people(n int) []propusk.User {
	d.t.Helper()
	rows := make([]store.UserRow, n)
	for i := range rows {
		rows[i] = person(i)
	}
	return d.insert(rows...)
}

// joined makes accounts members with these roles.
func (d *database) join(c propusk.Community, roles []string, who ...propusk.User) {
	d.t.Helper()
	d.update(func(tx store.Tx) error {
		for _, u := range who {
			if err := tx.InsertMember(c.ID, u.ID, roles, noon); err != nil {
				return err
			}
		}
		return nil
	})
}

// community reads one.
func (d *database) community(id int64) propusk.Community {
	d.t.Helper()
	c, err := d.now().Community(id)
	d.must(err)
	return c
}

var communities = []story{
	{"a community is found as it was founded", func(d *database) {
		u := d.people(1)[0]
		want := d.found(1, u.ID)
		if want.ID < 1 || want.ID >= 1<<31 {
			d.t.Errorf("id %d does not fit GraphQL's Int", want.ID)
		}
		same(d, "community", d.community(want.ID), want)
		place, err := d.now().Place(want.ID, u.ID)
		d.must(err)
		same(d, "place", place, store.Place{Community: want})
		exists, err := d.now().CommunitySlugExists(want.Slug)
		d.must(err)
		same(d, "exists", exists, true)
	}},

	{"a community that is not there is not found", func(d *database) {
		d.people(1)
		tell := map[string]error{}
		_, tell["Community"] = d.now().Community(1)
		_, tell["Place"] = d.now().Place(1, 1)
		_, tell["Grants"] = d.now().Grants(lists(1))
		_, tell["Member"] = d.now().Member(1, person(0).UserID)
		for method, err := range tell {
			if !errors.Is(err, store.ErrNotFound) {
				d.t.Errorf("%s answered %v, want ErrNotFound", method, err)
			}
		}
		d.refuse(store.ErrNotFound, func(tx store.Tx) error { return tx.UpdateCommunity(magazine(1, 1)) })
		d.refuse(store.ErrNotFound, func(tx store.Tx) error { return tx.TouchCommunity(1) })
		d.refuse(store.ErrNotFound, func(tx store.Tx) error { return tx.DeleteCommunity(1, noon) })
		page, total, err := d.now().Members(store.MemberFilter{CommunityID: 1, Limit: 10})
		d.must(err)
		same(d, "members", len(page)+total, 0)
	}},

	{"UpdateCommunity writes what it names and leaves the rest", func(d *database) {
		u := d.people(2)
		c := d.found(1, u[0].ID)
		d.join(c, nil, u[1])
		d.update(func(tx store.Tx) error { return tx.KeepGrants(lists(2), []byte(`{}`)) })
		change := propusk.Community{
			ID: c.ID, Slug: "other", Name: "Иначе", Joining: propusk.JoiningClosed, AvailableRoles: []string{"admin"}, Grants: lists(2),
			UpdatedAt: noon.Add(time.Hour),
			CreatorID: u[1].ID, CreatedAt: noon.Add(time.Hour), MemberCount: 77,
		}
		d.update(func(tx store.Tx) error { return tx.UpdateCommunity(change) })
		want := change
		want.CreatorID, want.CreatedAt, want.MemberCount = c.CreatorID, c.CreatedAt, 1
		same(d, "changed", d.community(c.ID), want)
	}},

	{"a slug of a community is given once, also that of a deleted one", func(d *database) {
		u := d.people(1)[0]
		gone, kept := d.found(1, u.ID), d.found(2, u.ID)
		d.update(func(tx store.Tx) error { return tx.DeleteCommunity(gone.ID, noon) })
		d.refuse(store.ErrSlugTaken, func(tx store.Tx) error {
			_, err := tx.InsertCommunity(magazine(1, u.ID))
			return err
		})
		kept.Slug = gone.Slug
		d.refuse(store.ErrSlugTaken, func(tx store.Tx) error { return tx.UpdateCommunity(kept) })
		exists, err := d.now().CommunitySlugExists(gone.Slug)
		d.must(err)
		same(d, "exists", exists, true)
		if next := d.found(3, u.ID).ID; next <= kept.ID {
			d.t.Errorf("id %d was given after %d", next, kept.ID)
		}
	}},

	{"a deleted community is found nowhere but among those that point to lists", func(d *database) {
		u := d.people(2)
		c, kept := d.found(1, u[0].ID), d.found(2, u[0].ID)
		d.join(c, []string{"admin"}, u...)
		d.join(kept, []string{"admin"}, u[0])
		d.update(func(tx store.Tx) error { return tx.DeleteCommunity(c.ID, noon) })
		tell := map[string]error{}
		_, tell["Community"] = d.now().Community(c.ID)
		_, tell["Place"] = d.now().Place(c.ID, u[0].ID)
		_, tell["Member"] = d.now().Member(c.ID, u[0].UserID)
		for what, change := range map[string]func(store.Tx) error{
			"UpdateCommunity":     func(tx store.Tx) error { return tx.UpdateCommunity(c) },
			"DeleteCommunity":     func(tx store.Tx) error { return tx.DeleteCommunity(c.ID, noon) },
			"TouchCommunity":      func(tx store.Tx) error { return tx.TouchCommunity(c.ID) },
			"SetMemberRoles":      func(tx store.Tx) error { return tx.SetMemberRoles(c.ID, u[0].ID, nil) },
			"DeleteMember":        func(tx store.Tx) error { return tx.DeleteMember(c.ID, u[0].ID) },
			"SetCommunityRole":    func(tx store.Tx) error { return tx.SetCommunityRole(c.ID, store.RoleRow{ID: "editor"}) },
			"DeleteCommunityRole": func(tx store.Tx) error { return tx.DeleteCommunityRole(c.ID, "editor") },
		} {
			tell[what] = d.Update(d.t.Context(), change)
		}
		for method, err := range tell {
			if !errors.Is(err, store.ErrNotFound) {
				d.t.Errorf("%s answered %v, want ErrNotFound", method, err)
			}
		}
		places, total, err := d.now().Communities(store.CommunityFilter{Limit: 10})
		d.must(err)
		same(d, "listed", []any{len(places), total, places[0].Community.ID}, []any{1, 1, kept.ID})
		of, err := d.now().PlacesOf(u[0].ID)
		d.must(err)
		same(d, "places of its members", []any{len(of), of[0].Community.ID}, []any{1, kept.ID})
		with, err := d.now().CommunitiesWith(u[0].ID, "admin")
		d.must(err)
		same(d, "with the role", []any{len(with), with[0].ID}, []any{1, kept.ID})
		refs, err := d.now().GrantsRefs(0, 10)
		d.must(err)
		same(d, "lists", refs, []store.GrantsRef{{CommunityID: c.ID, Hash: lists(1), Deleted: true}, {CommunityID: kept.ID, Hash: lists(1)}})
		refs, err = d.now().GrantsRefs(c.ID, 1)
		d.must(err)
		same(d, "lists after the first", refs, []store.GrantsRef{{CommunityID: kept.ID, Hash: lists(1)}})
	}},

	{"compiled lists are kept once, as they are", func(d *database) {
		want := `{"admin":["*"],"читатель":[]}`
		for range 2 {
			d.update(func(tx store.Tx) error { return tx.KeepGrants(lists(7), []byte(want)) })
		}
		got, err := d.now().Grants(lists(7))
		d.must(err)
		same(d, "lists", string(got), want)
	}},

	{"compiled lists that hold nowhere are removed, a few at a time", func(d *database) {
		u := d.people(1)
		c := d.found(1, u[0].ID)
		d.update(func(tx store.Tx) error {
			for n := range byte(3) {
				if err := tx.KeepGrants(store.GrantsHash{0xff, n}, []byte("{}")); err != nil {
					return err
				}
			}
			return nil
		})
		for _, want := range []int{2, 1, 0} {
			d.update(func(tx store.Tx) error {
				removed, err := tx.DeleteUnusedGrants(2)
				same(d, "removed", removed, want)
				return err
			})
		}
		_, err := d.now().Grants(c.Grants)
		d.must(err)
	}},

	{"communities are listed by id, with what somebody is there", func(d *database) {
		u := d.people(2)
		var all []store.Place
		for n := range 4 {
			all = append(all, store.Place{Community: d.found(n, u[0].ID)})
		}
		d.join(all[1].Community, []string{"reader"}, u...)
		d.join(all[2].Community, nil, u[1])
		all[1].Community.MemberCount, all[2].Community.MemberCount = 2, 1
		all[1].Member, all[2].Member, all[1].Roles = true, true, []string{"reader"}
		for _, tt := range []struct {
			filter store.CommunityFilter
			want   []store.Place
			total  int
		}{
			{store.CommunityFilter{UserID: u[1].ID, Limit: 10}, all, 4},
			{store.CommunityFilter{UserID: u[1].ID, Limit: 2, Offset: 1}, all[1:3], 4},
			{store.CommunityFilter{UserID: u[1].ID, Limit: 2, Offset: 9}, nil, 4},
			{store.CommunityFilter{UserID: u[1].ID, Limit: 10, Search: "ЖУРНАЛ"}, all, 4},
			{store.CommunityFilter{UserID: u[1].ID, Limit: 10, Search: "нал 2"}, all[2:3], 1},
			{store.CommunityFilter{UserID: u[1].ID, Limit: 10, Search: "ZINE1"}, all[1:2], 1},
			{store.CommunityFilter{UserID: u[1].ID, Limit: 10, Search: "%"}, nil, 0},
			{store.CommunityFilter{UserID: u[1].ID, Limit: 10, Search: "magazine_"}, nil, 0},
		} {
			got, total, err := d.now().Communities(tt.filter)
			d.must(err)
			same(d, fmt.Sprintf("%+v", tt.filter), got, tt.want)
			same(d, "total", total, tt.total)
		}
	}},

	{"roles of a community are set, replaced and removed", func(d *database) {
		u := d.people(1)[0]
		c, other := d.found(1, u.ID), d.found(2, u.ID)
		custom := store.RoleRow{ID: "korrektor", Name: "Корректор", Description: "Читает", Icon: "✎", Custom: true, Permissions: []string{}}
		edited := store.RoleRow{ID: "author", Name: "Автор"}
		d.update(func(tx store.Tx) error {
			return errors.Join(tx.SetCommunityRole(c.ID, custom), tx.SetCommunityRole(c.ID, edited), tx.SetCommunityRole(other.ID, custom))
		})
		got, err := d.now().CommunityRoles(c.ID)
		d.must(err)
		same(d, "roles", got, []store.RoleRow{edited, custom})
		custom.Permissions, custom.Name = []string{"shout:read", "shout:update_any"}, "Другой"
		d.update(func(tx store.Tx) error {
			return errors.Join(tx.SetCommunityRole(c.ID, custom), tx.DeleteCommunityRole(c.ID, "author"), tx.DeleteCommunityRole(c.ID, "nobody"))
		})
		got, err = d.now().CommunityRoles(c.ID)
		d.must(err)
		same(d, "roles after the change", got, []store.RoleRow{custom})
		got, err = d.now().CommunityRoles(other.ID)
		d.must(err)
		same(d, "roles of the other", len(got[0].Permissions), 0)
	}},

	{"what cannot be a community is refused", func(d *database) {
		u := d.people(1)[0]
		kept := d.found(1, u.ID)
		for what, spoil := range map[string]func(*propusk.Community){
			"no slug":                   func(c *propusk.Community) { c.Slug = "" },
			"no way to join":            func(c *propusk.Community) { c.Joining = "" },
			"another way to join":       func(c *propusk.Community) { c.Joining = "OPEN" },
			"a role in capitals":        func(c *propusk.Community) { c.AvailableRoles = []string{"Admin"} },
			"no roles":                  func(c *propusk.Community) { c.AvailableRoles = nil },
			"two roles in one":          func(c *propusk.Community) { c.DefaultRoles = []string{"reader,admin"} },
			"a creator who is not here": func(c *propusk.Community) { c.CreatorID = 77 },
			"lists that are not kept":   func(c *propusk.Community) { c.Grants = lists(77) },
		} {
			c := magazine(2, u.ID)
			spoil(&c)
			err := d.Update(d.t.Context(), func(tx store.Tx) error {
				_, err := tx.InsertCommunity(c)
				return err
			})
			if err == nil {
				d.t.Errorf("%s was accepted", what)
			}
			if what == "a creator who is not here" { // which is not changed
				continue
			}
			c.ID = kept.ID
			if err := d.Update(d.t.Context(), func(tx store.Tx) error { return tx.UpdateCommunity(c) }); err == nil {
				d.t.Errorf("%s was accepted as a change", what)
			}
		}
		same(d, "kept", d.community(kept.ID), kept)
	}},

	{"of two who change a community the second sees what the first did", func(d *database) {
		u := d.people(crowd + 1)
		c := d.found(1, u[crowd].ID)
		d.join(c, []string{"admin"}, u[:crowd]...)
		leave := func(n int) func(store.Tx) error { // each admin leaves unless it is the last
			return func(tx store.Tx) error {
				left, err := tx.ActiveHolders(c.ID, "admin", 2)
				if err != nil || left < 2 {
					return err
				}
				return tx.DeleteMember(c.ID, u[n].ID)
			}
		}
		together(func(n int) { d.check(d.Update(d.t.Context(), leave(n))) })
		same(d, "members left", d.community(c.ID).MemberCount, 1)
	}},

	{"of two who touch a community, beside others, the second sees what the first did", func(d *database) {
		u := d.people(2)
		c := d.found(1, u[0].ID)
		d.join(c, []string{"admin"}, u...)
		together(func(n int) {
			d.check(d.UpdateBeside(d.t.Context(), func(tx store.Tx) error {
				if err := tx.TouchCommunity(c.ID); err != nil {
					return err
				}
				left, err := tx.ActiveHolders(c.ID, "admin", 2)
				if err != nil || left < 2 {
					return err
				}
				return tx.SetMemberRoles(c.ID, u[n%2].ID, nil)
			}))
		})
		left, err := d.now().ActiveHolders(c.ID, "admin", 2)
		d.must(err)
		same(d, "admins left", left, 1)
	}},

	{"an UpdateBeside that fails leaves nothing", func(d *database) {
		if err := d.UpdateBeside(d.t.Context(), func(tx store.Tx) error {
			d.must(insert(tx, 1))
			return errRefused
		}); !errors.Is(err, errRefused) {
			d.t.Errorf("UpdateBeside answered %v", err)
		}
		d.absent(person(1))
		d.must(d.UpdateBeside(d.t.Context(), func(tx store.Tx) error { return insert(tx, 1) }))
		d.user(person(1))
	}},
}
