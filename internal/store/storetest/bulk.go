package storetest

import (
	"errors"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

// stage writes rows of a bulk down.
func (d *database) stage(c propusk.Community, rows ...store.BulkRow) (id int64) {
	d.t.Helper()
	d.update(func(tx store.Tx) (err error) {
		id, err = tx.BeginBulk(c.ID, noon)
		return err
	})
	d.update(func(tx store.Tx) error { return tx.AddBulkRows(id, rows) })
	return id
}

// tell writes an event that stands for a bulk.
func (d *database) tell(bulkID int64) {
	d.t.Helper()
	d.update(func(tx store.Tx) error {
		e := event(1)
		e.BulkID = bulkID
		return tx.InsertAuditEvent(e)
	})
}

// applying makes a bulk true and counts it.
func applying(id int64, at time.Time) func(store.Tx) error {
	return func(tx store.Tx) error {
		if _, err := tx.ApplyBulk(id, at); err != nil {
			return err
		}
		return tx.CountBulk(id)
	}
}

var bulks = []story{
	{"a bulk is seen when it is applied, and then all of it", func(d *database) {
		u := d.people(6)
		c, other := d.found(1, u[0].ID), d.found(2, u[0].ID)
		d.join(c, []string{"reader"}, u[0], u[1])
		d.join(c, nil, u[2])
		d.join(other, []string{"reader"}, u[0], u[3])
		d.update(func(tx store.Tx) error { return tx.SetBarred(c.ID, u[3].ID, true) })
		id := d.stage(c,
			store.BulkRow{AccountID: u[0].ID, Member: true, Before: []string{"reader"}, After: []string{"reader", "author"}},
			store.BulkRow{AccountID: u[1].ID, Member: true, Before: []string{"reader"}, After: nil, Bar: true},
			store.BulkRow{AccountID: u[2].ID, Member: true, After: []string{"reader"}},
			store.BulkRow{AccountID: u[3].ID, After: []string{"reader"}, Admit: true},
			store.BulkRow{AccountID: u[4].ID})
		same(d, "before", d.community(c.ID).MemberCount, 3)
		later := noon.Add(time.Hour)
		d.must(d.UpdateBeside(d.t.Context(), func(tx store.Tx) error {
			n, err := tx.ApplyBulk(id, later)
			if err != nil {
				return err
			}
			same(d, "rows", n, 5)
			if err := tx.TouchCommunity(c.ID); err != nil {
				return err
			}
			return tx.CountBulk(id)
		}))
		same(d, "after", d.community(c.ID).MemberCount, 5)
		lists, err := d.now().RoleLists(c.ID)
		d.must(err)
		same(d, "lists", lists, []store.RoleList{{Members: 2}, {Roles: []string{"reader"}, Members: 2}, {Roles: []string{"reader", "author"}, Members: 1}})
		accounts, err := d.now().AccountsByID(c.ID, []int64{u[0].ID, u[1].ID, u[2].ID, u[3].ID, u[4].ID, u[5].ID})
		d.must(err)
		same(d, "accounts", accounts, []store.Account{
			{ID: u[0].ID, UserID: u[0].UserID, Member: true, Roles: []string{"reader", "author"}},
			{ID: u[1].ID, UserID: u[1].UserID, Member: true},
			{ID: u[2].ID, UserID: u[2].UserID, Member: true, Roles: []string{"reader"}},
			{ID: u[3].ID, UserID: u[3].UserID, Member: true, Roles: []string{"reader"}},
			{ID: u[4].ID, UserID: u[4].UserID, Member: true},
			{ID: u[5].ID, UserID: u[5].UserID},
		})
		joined, err := d.now().Member(c.ID, u[4].UserID)
		d.must(err)
		same(d, "joined", joined.JoinedAt, later)
		stayed, err := d.now().Member(c.ID, u[0].UserID)
		d.must(err)
		same(d, "stayed", stayed.JoinedAt, noon)
		same(d, "others", d.members(store.MemberFilter{CommunityID: other.ID, Role: "reader"}), []string{"person0", "person3"})
	}},

	{"a bulk about somebody who was changed meanwhile changes nobody", func(d *database) {
		u := d.people(3)
		c := d.found(1, u[0].ID)
		d.join(c, []string{"reader"}, u[:2]...)
		for what, tt := range map[string]struct {
			row       store.BulkRow
			meanwhile func(store.Tx) error
			back      func(store.Tx) error
		}{
			"other roles": {
				store.BulkRow{AccountID: u[1].ID, Member: true, Before: []string{"reader"}, After: []string{"author"}},
				func(tx store.Tx) error { return tx.SetMemberRoles(c.ID, u[1].ID, []string{"admin"}) },
				func(tx store.Tx) error { return tx.SetMemberRoles(c.ID, u[1].ID, []string{"reader"}) },
			},
			"other roles, which were to stay": {
				store.BulkRow{AccountID: u[1].ID, Member: true, Before: []string{"reader"}, After: []string{"reader"}},
				func(tx store.Tx) error { return tx.SetMemberRoles(c.ID, u[1].ID, nil) },
				func(tx store.Tx) error { return tx.SetMemberRoles(c.ID, u[1].ID, []string{"reader"}) },
			},
			"left": {
				store.BulkRow{AccountID: u[1].ID, Member: true, Before: []string{"reader"}, After: []string{"author"}},
				func(tx store.Tx) error { return tx.DeleteMember(c.ID, u[1].ID) },
				func(tx store.Tx) error { return tx.InsertMember(c.ID, u[1].ID, []string{"reader"}, noon) },
			},
			"joined": {
				store.BulkRow{AccountID: u[2].ID, After: []string{"author"}},
				func(tx store.Tx) error { return tx.InsertMember(c.ID, u[2].ID, []string{"reader"}, noon) },
				func(tx store.Tx) error { return tx.DeleteMember(c.ID, u[2].ID) },
			},
		} {
			id := d.stage(c, store.BulkRow{AccountID: u[0].ID, Member: true, Before: []string{"reader"}, After: []string{"author"}, Bar: true}, tt.row)
			d.update(tt.meanwhile)
			d.refuse(store.ErrChanged, applying(id, noon))
			d.refuse(store.ErrChanged, func(tx store.Tx) error {
				_, _ = tx.ApplyBulk(id, noon)
				return nil // forgets it
			})
			if err := d.UpdateBeside(d.t.Context(), applying(id, noon)); !errors.Is(err, store.ErrChanged) {
				d.t.Errorf("%s: UpdateBeside answered %v", what, err)
			}
			same(d, what, len(d.members(store.MemberFilter{CommunityID: c.ID, Role: "author"})), 0)
			d.update(tt.back)
		}
	}},

	{"of bulks about the same members, beside each other, one is applied", func(d *database) {
		u := d.people(20)
		c := d.found(1, u[0].ID)
		d.join(c, []string{"reader"}, u[:10]...)
		ids := make([]int64, crowd)
		for i := range ids {
			var rows []store.BulkRow
			for n, u := range u {
				row := store.BulkRow{AccountID: u.ID, After: []string{"author"}}
				if n < 10 {
					row.Member, row.Before = true, []string{"reader"}
				}
				rows = append(rows, row)
			}
			ids[i] = d.stage(c, rows...)
		}
		results := make([]error, crowd)
		together(func(n int) {
			results[n] = d.UpdateBeside(d.t.Context(), applying(ids[n], noon))
		})
		applied := 0
		for _, err := range results {
			if err == nil {
				applied++
			} else if !errors.Is(err, store.ErrChanged) {
				d.t.Errorf("answered %v", err)
			}
		}
		same(d, "applied", applied, 1)
		lists, err := d.now().RoleLists(c.ID)
		d.must(err)
		same(d, "lists", lists, []store.RoleList{{Roles: []string{"author"}, Members: 20}})
	}},

	{"bulks and single changes of one community all count", func(d *database) {
		u := d.people(crowd * 3)
		c := d.found(1, u[0].ID)
		together(func(n int) {
			mine := u[n*3 : n*3+3]
			id := d.stage(c, store.BulkRow{AccountID: mine[0].ID, After: []string{"reader"}}, store.BulkRow{AccountID: mine[1].ID})
			if n%2 == 0 {
				d.check(d.UpdateBeside(d.t.Context(), applying(id, noon)))
			} else {
				d.check(d.Update(d.t.Context(), applying(id, noon)))
			}
			d.check(d.Update(d.t.Context(), func(tx store.Tx) error { return tx.InsertMember(c.ID, mine[2].ID, []string{"reader"}, noon) }))
			d.check(d.Update(d.t.Context(), func(tx store.Tx) error { return tx.DeleteMember(c.ID, mine[0].ID) }))
		})
		same(d, "members", d.community(c.ID).MemberCount, 2*crowd)
		lists, err := d.now().RoleLists(c.ID)
		d.must(err)
		same(d, "lists", lists, []store.RoleList{{Members: crowd}, {Roles: []string{"reader"}, Members: crowd}})
	}},

	{"accounts are found in the order in which they were asked for", func(d *database) {
		u := d.people(3)
		c := d.found(1, u[0].ID)
		d.join(c, []string{"reader"}, u[1])
		d.update(func(tx store.Tx) error { return tx.SetBarred(c.ID, u[2].ID, true) })
		all := []store.Account{
			{ID: u[0].ID, UserID: u[0].UserID},
			{ID: u[1].ID, UserID: u[1].UserID, Member: true, Roles: []string{"reader"}},
			{ID: u[2].ID, UserID: u[2].UserID},
		}
		got, err := d.now().Accounts(c.ID, []string{u[2].UserID, "nobody", u[0].UserID, u[1].UserID, u[0].UserID})
		d.must(err)
		same(d, "by UUID", got, []store.Account{all[2], {}, all[0], all[1], all[0]})
		got, err = d.now().AccountsByID(c.ID, []int64{u[1].ID, 77, u[0].ID})
		d.must(err)
		same(d, "by number", got, []store.Account{all[1], {}, all[0]})
		got, err = d.now().AccountsByID(c.ID, nil)
		d.must(err)
		same(d, "none", got, nil)
	}},

	{"rows of a bulk are listed by account", func(d *database) {
		u := d.people(3)
		c := d.found(1, u[0].ID)
		rows := []store.BulkRow{
			{AccountID: u[2].ID, UserID: u[2].UserID, Member: true, Before: []string{"reader"}, After: []string{"author"}, Bar: true},
			{AccountID: u[0].ID, UserID: u[0].UserID, After: []string{"author", "reader"}, Admit: true},
			{AccountID: u[1].ID, UserID: u[1].UserID},
		}
		id := d.stage(c, rows...)
		d.stage(c, rows[0])
		_, total, err := d.now().BulkRows(id, 0, 2)
		d.must(err)
		same(d, "rows that the audit does not tell of", total, 0)
		d.tell(id)
		got, total, err := d.now().BulkRows(id, 0, 2)
		d.must(err)
		same(d, "first page", got, []store.BulkRow{rows[1], rows[2]})
		same(d, "total", total, 3)
		got, _, err = d.now().BulkRows(id, 2, 2)
		d.must(err)
		same(d, "second page", got, rows[:1])
		if err := d.Update(d.t.Context(), func(tx store.Tx) error { return tx.AddBulkRows(id, rows[:1]) }); err == nil {
			d.t.Error("an account came twice")
		}
		empty := d.stage(c)
		if err := d.Update(d.t.Context(), func(tx store.Tx) error {
			return tx.AddBulkRows(empty, []store.BulkRow{{AccountID: u[0].ID, After: []string{"Admin"}}})
		}); err == nil {
			d.t.Error("a role in capitals was written down")
		}
	}},

	{"a bulk that was never applied goes away, a few rows at a time", func(d *database) {
		u := d.people(3)
		c := d.found(1, u[0].ID)
		rows := []store.BulkRow{{AccountID: u[0].ID}, {AccountID: u[1].ID}, {AccountID: u[2].ID}}
		gone, told := d.stage(c, rows...), d.stage(c, rows...)
		d.tell(told)
		for _, tt := range []struct {
			until time.Time
			want  int
		}{{noon.Add(-time.Second), 0}, {noon, 2}, {noon, 1}, {noon, 0}} {
			d.update(func(tx store.Tx) error {
				removed, err := tx.DeleteBulks(tt.until, 2)
				same(d, "removed", removed, tt.want)
				return err
			})
		}
		for id, want := range map[int64]int{gone: 0, told: 3} {
			_, total, err := d.now().BulkRows(id, 0, 10)
			d.must(err)
			same(d, "rows", total, want)
		}
		d.refuse(store.ErrNotFound, applying(gone, noon))
	}},

	{"a bulk that was refused is dropped, a few rows at a time, and no other", func(d *database) {
		u := d.people(3)
		c := d.found(1, u[0].ID)
		rows := []store.BulkRow{{AccountID: u[0].ID}, {AccountID: u[1].ID}, {AccountID: u[2].ID}}
		refused, other, told := d.stage(c, rows...), d.stage(c, rows...), d.stage(c, rows...)
		d.tell(told)
		drop := func(id int64, want int) {
			d.t.Helper()
			d.update(func(tx store.Tx) error {
				removed, err := tx.DropBulk(id, 2)
				same(d, "removed", removed, want)
				return err
			})
		}
		drop(refused, 2)
		drop(refused, 1)
		drop(refused, 0)
		drop(told, 0)
		d.refuse(store.ErrNotFound, applying(refused, noon))
		d.update(applying(other, noon))
		d.update(applying(d.stage(c, store.BulkRow{AccountID: u[0].ID, Member: true, After: []string{"admin"}}), noon))
	}},

	{"the audit tells of somebody what a bulk did to them", func(d *database) {
		u := d.people(3)
		c := d.found(1, u[0].ID)
		row := store.BulkRow{AccountID: u[0].ID, UserID: u[0].UserID, Member: true, Before: []string{"reader"}, After: []string{"author"}}
		id := d.stage(c, row, store.BulkRow{AccountID: u[1].ID})
		bulk, single, both := event(1), event(2), event(3)
		bulk.Target, bulk.BulkID = "community:1", id
		single.Target = u[0].UserID
		both.Target, both.BulkID = u[0].UserID, id
		d.update(func(tx store.Tx) error {
			return errors.Join(tx.InsertAuditEvent(bulk), tx.InsertAuditEvent(single), tx.InsertAuditEvent(both))
		})
		bulk.ID, single.ID, both.ID = 1, 2, 3
		plain, told := []store.AuditEvent{both, single, bulk}, []store.AuditEvent{both, single, bulk}
		told[0].Row, told[2].Row = &row, &row
		for target, want := range map[string][]store.AuditEvent{"": plain, u[0].UserID: told, u[2].UserID: nil, "community:1": {bulk}} {
			got, total, err := d.now().AuditEvents(store.AuditFilter{Target: target, Limit: 10})
			d.must(err)
			same(d, target, got, want)
			same(d, "total", total, len(want))
		}
		got, total, err := d.now().AuditEvents(store.AuditFilter{Target: u[1].UserID, Actor: bulk.Actor, Action: bulk.Action, Offset: 1, Limit: 1})
		d.must(err)
		same(d, "total of the other", total, 2)
		same(d, "row of the other", got[0].Row, &store.BulkRow{AccountID: u[1].ID, UserID: u[1].UserID})
	}},
}
