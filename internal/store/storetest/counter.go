package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/store"
)

var counters = []story{
	{"a counter that nobody set is zero", func(d *database) {
		c, err := d.now().Counter(store.CounterKey{1})
		d.must(err)
		same(d, "counter", c, store.Counter{})
	}},

	{"a counter is set, set anew, and deleted", func(d *database) {
		key := store.CounterKey{1}
		for count := range 3 {
			want := store.Counter{Count: count, At: noon, ExpiresAt: noon.Add(time.Duration(count) * time.Hour)}
			d.update(func(tx store.Tx) error { return tx.SetCounter(key, want) })
			got, err := d.now().Counter(key)
			d.must(err)
			same(d, "counter", got, want)
		}
		other, err := d.now().Counter(store.CounterKey{2})
		d.must(err)
		same(d, "another", other, store.Counter{})
		d.update(func(tx store.Tx) error { return tx.DeleteCounter(key) })
		d.update(func(tx store.Tx) error { return tx.DeleteCounter(key) })
		gone, err := d.now().Counter(key)
		d.must(err)
		same(d, "deleted", gone, store.Counter{})
	}},

	{"of sixty-four who count at once none is missed", func(d *database) {
		key := store.CounterKey{1}
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				d.check(d.Update(d.t.Context(), func(tx store.Tx) error {
					c, err := tx.Counter(key)
					if err != nil {
						return err
					}
					return tx.SetCounter(key, store.Counter{Count: c.Count + 1, At: noon, ExpiresAt: noon})
				}))
			})
		}
		all.Wait()
		c, err := d.now().Counter(key)
		d.must(err)
		same(d, "count", c.Count, 64)
	}},

	{"expired counters are swept, a limited number at a time", func(d *database) {
		d.update(func(tx store.Tx) error {
			for n := range 5 {
				c := store.Counter{Count: 1, At: noon, ExpiresAt: noon.Add(time.Duration(n) * time.Minute)}
				if err := tx.SetCounter(store.CounterKey{byte(n)}, c); err != nil {
					return err
				}
			}
			return nil
		})
		for _, want := range []int{2, 1, 0} {
			d.update(func(tx store.Tx) error {
				removed, err := tx.DeleteOverCounters(noon.Add(2*time.Minute), 2)
				same(d, "removed", removed, want)
				return err
			})
		}
		left, err := d.now().Counter(store.CounterKey{3})
		d.must(err)
		same(d, "left", left.Count, 1)
	}},
}

var audits = []story{
	{"the audit is listed by actor, target and action, the latest first", func(d *database) {
		d.update(func(tx store.Tx) error {
			for n := range 6 {
				e := event(n)
				if err := tx.InsertAuditEvent(e); err != nil {
					return err
				}
			}
			return nil
		})
		for _, tt := range []struct {
			filter store.AuditFilter
			want   []int
			total  int
		}{
			{store.AuditFilter{Limit: 10}, []int{5, 4, 3, 2, 1, 0}, 6},
			{store.AuditFilter{Limit: 2, Offset: 1}, []int{4, 3}, 6},
			{store.AuditFilter{Limit: 10, Actor: "actor1"}, []int{5, 3, 1}, 3},
			{store.AuditFilter{Limit: 10, Target: "target2"}, []int{5, 2}, 2},
			{store.AuditFilter{Limit: 10, Actor: "actor1", Target: "target2"}, []int{5}, 1},
			{store.AuditFilter{Limit: 10, Action: "user.block"}, []int{5, 4, 3, 2, 1, 0}, 6},
			{store.AuditFilter{Limit: 10, Action: "user.bloc_"}, nil, 0},
		} {
			events, total, err := d.now().AuditEvents(tt.filter)
			d.must(err)
			same(d, "total", total, tt.total)
			var want []store.AuditEvent
			for _, n := range tt.want {
				e := event(n)
				e.ID = int64(n + 1)
				want = append(want, e)
			}
			same(d, fmt.Sprintf("%+v", tt.filter), events, want)
		}
	}},
}

// event is the n-th entry of the audit.
func event(n int) store.AuditEvent {
	return store.AuditEvent{
		At: noon.Add(time.Duration(n) * time.Second), Actor: fmt.Sprintf("actor%d", n%2), Target: fmt.Sprintf("target%d", n%3),
		Action: "user.block", Address: "192.0.2.7", RequestID: fmt.Sprint(n), Before: `{"is_active":true}`, After: `{"is_active":false}`,
	}
}
