package storetest

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/propusk/propusk/internal/store"
)

// crowd is how many goroutines the stories of concurrency send.
const crowd = 32

var errRefused = errors.New("refused")

func insert(tx store.Tx, n int) error {
	_, err := tx.InsertUser(person(n))
	return err
}

var transactions = []story{
	{"an Update that fails leaves nothing", func(d *database) {
		d.refuse(errRefused, func(tx store.Tx) error {
			d.must(insert(tx, 1))
			return errRefused
		})
		d.absent(person(1))
		d.insert(person(1))
	}},

	{"an Update that panics leaves nothing, and the panic reaches its caller", func(d *database) {
		func() {
			defer func() { same(d, "panic", recover(), any("oops")) }()
			_ = d.Update(d.t.Context(), func(tx store.Tx) error {
				d.must(insert(tx, 1))
				panic("oops")
			})
			d.t.Error("Update returned")
		}()
		d.absent(person(1))
		d.insert(person(1))
	}},

	{"an Update whose goroutine ends leaves nothing", func(d *database) {
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = d.Update(d.t.Context(), func(tx store.Tx) error {
				if err := insert(tx, 1); err != nil {
					return err
				}
				runtime.Goexit()
				return nil
			})
		})
		wg.Wait()
		d.absent(person(1))
		d.insert(person(1))
	}},

	{"an Update sees what it wrote, and others do not until it has answered", func(d *database) {
		d.update(func(tx store.Tx) error {
			d.must(insert(tx, 1))
			if _, err := tx.UserByUserID(person(1).UserID); err != nil {
				d.t.Errorf("not seen inside: %v", err)
			}
			d.absent(person(1))
			return nil
		})
		d.user(person(1))
	}},

	{"after a statement that failed only rolling back is left", func(d *database) {
		d.insert(person(1))
		d.refuse(store.ErrEmailTaken, func(tx store.Tx) error {
			d.must(insert(tx, 2))
			again := person(9)
			again.EmailKey = person(1).EmailKey
			if _, err := tx.InsertUser(again); !errors.Is(err, store.ErrEmailTaken) {
				d.t.Errorf("inserting twice gave %v", err)
			}
			if insert(tx, 3) == nil {
				d.t.Error("the transaction goes on after a failure")
			}
			return nil // forgets the failure
		})
		d.absent(person(2))
		d.absent(person(3))
	}},

	{"not finding something is no failure", func(d *database) {
		d.update(func(tx store.Tx) error {
			if err := tx.UpdateUser(person(1).User); !errors.Is(err, store.ErrNotFound) {
				d.t.Errorf("changing nobody gave %v", err)
			}
			if _, err := tx.UserByUserID(person(1).UserID); !errors.Is(err, store.ErrNotFound) {
				d.t.Errorf("finding nobody gave %v", err)
			}
			return insert(tx, 1)
		})
		d.user(person(1))
	}},

	{"a View is one snapshot", func(d *database) {
		d.insert(person(1))
		d.must(d.View(d.t.Context(), func(r store.Reader) error {
			_, before, err := r.Users(store.UserFilter{Limit: 10})
			d.must(err)
			d.insert(person(2))
			_, after, err := r.Users(store.UserFilter{Limit: 10})
			d.must(err)
			same(d, "seen by the View", after, before)
			return nil
		}))
		_, total, err := d.now().Users(store.UserFilter{Limit: 10})
		d.must(err)
		same(d, "seen after it", total, 2)
	}},

	{"a View cannot write", func(d *database) {
		d.must(d.View(d.t.Context(), func(r store.Reader) error {
			switch r.(type) {
			case store.UserWriter, store.SessionWriter, store.KeyWriter:
				d.t.Errorf("%T has methods that write", r)
			}
			return nil
		}))
	}},

	{"a View hands on what its closure answers", func(d *database) {
		if err := d.View(d.t.Context(), func(store.Reader) error { return errRefused }); !errors.Is(err, errRefused) {
			d.t.Errorf("View answered %v", err)
		}
		func() {
			defer func() { same(d, "panic", recover(), any("oops")) }()
			_ = d.View(d.t.Context(), func(store.Reader) error { panic("oops") })
		}()
		d.must(d.Ready(d.t.Context()))
	}},

	{"no update is lost", func(d *database) {
		row := person(1)
		row.LastName = "0"
		d.insert(row)
		const each = 5
		together(func(int) {
			for range each {
				d.check(d.Update(d.t.Context(), func(tx store.Tx) error {
					u, err := tx.UserByUserID(row.UserID)
					if err != nil {
						return err
					}
					count, err := strconv.Atoi(u.LastName)
					if err != nil {
						return err
					}
					u.LastName = strconv.Itoa(count + 1)
					return tx.UpdateUser(u)
				}))
			}
		})
		same(d, "count", d.user(row).LastName, strconv.Itoa(crowd*each))
	}},

	{"a check and the write that relies on it are one", func(d *database) {
		rows := make([]store.UserRow, crowd)
		for i := range rows {
			rows[i] = person(i)
			rows[i].Role = "admin"
		}
		admins := d.insert(rows...)
		together(func(n int) { // each admin demotes itself unless it is the last
			d.check(d.Update(d.t.Context(), func(tx store.Tx) error {
				left, err := tx.CountActive("admin", 2)
				if err != nil || left < 2 {
					return err
				}
				u := admins[n]
				u.Role = "user"
				return tx.UpdateUser(u)
			}))
		})
		left, err := d.now().CountActive("admin", crowd)
		d.must(err)
		same(d, "admins left", left, 1)
	}},

	{"of many who take one address exactly one gets it", func(d *database) {
		var taken atomic.Int32
		together(func(n int) {
			row := person(n)
			row.EmailKey = "the@one.example"
			err := d.Update(d.t.Context(), func(tx store.Tx) error {
				_, err := tx.InsertUser(row)
				return err
			})
			if errors.Is(err, store.ErrEmailTaken) {
				taken.Add(1)
			} else {
				d.check(err)
			}
		})
		same(d, "refused", taken.Load(), crowd-1)
		_, total, err := d.now().Users(store.UserFilter{Limit: 1})
		d.must(err)
		same(d, "accounts", total, 1)
	}},

	{"those who fail do not hurt those who do not", func(d *database) {
		together(func(n int) {
			err := d.Update(d.t.Context(), func(tx store.Tx) error {
				if err := insert(tx, n); err != nil {
					return err
				}
				if n%2 == 1 {
					return errRefused
				}
				return nil
			})
			if (n%2 == 1) != errors.Is(err, errRefused) {
				d.t.Errorf("%d was answered %v", n, err)
			}
		})
		for n := range crowd {
			if n%2 == 1 {
				d.absent(person(n))
			} else {
				d.user(person(n))
			}
		}
	}},

	{"what was answered is seen by whoever looks next", func(d *database) {
		together(func(n int) {
			d.check(d.Update(d.t.Context(), func(tx store.Tx) error { return insert(tx, n) }))
			if _, err := d.now().UserByUserID(person(n).UserID); err != nil {
				d.t.Errorf("answered, and then: %v", err)
			}
		})
	}},

	{"a caller that has gone starts nothing", func(d *database) {
		for range 20 { // the choice between a free connection and leaving may fall either way
			d.must(d.Ready(d.t.Context()))
			err := d.Update(cancelled(), func(store.Tx) error {
				d.t.Error("Update ran")
				return nil
			})
			if !errors.Is(err, context.Canceled) {
				d.t.Errorf("Update answered %v", err)
			}
			if _, err := d.Now(cancelled()).UserExists(); !errors.Is(err, context.Canceled) {
				d.t.Errorf("Now answered %v", err)
			}
			err = d.View(cancelled(), func(r store.Reader) error {
				_, err := r.UserExists()
				return err
			})
			if !errors.Is(err, context.Canceled) {
				d.t.Errorf("View answered %v", err)
			}
		}
	}},

	{"a caller that goes when its work is done gets the outcome", func(d *database) {
		ctx, cancel := context.WithCancel(d.t.Context())
		d.must(d.Update(ctx, func(tx store.Tx) error {
			defer cancel()
			return insert(tx, 1)
		}))
		d.user(person(1))
	}},

	{"a View whose caller goes reads no further", func(d *database) {
		ctx, cancel := context.WithCancel(d.t.Context())
		err := d.View(ctx, func(r store.Reader) error {
			_, err := r.UserExists()
			d.must(err)
			cancel()
			_, err = r.UserExists()
			return err
		})
		if !errors.Is(err, context.Canceled) {
			d.t.Errorf("View answered %v", err)
		}
		d.must(d.Ready(d.t.Context()))
	}},

	{"what was answered outlives the program", func(d *database) {
		id := d.insert(person(1))[0].ID
		logIn(d, id, 1)
		d.must(d.Close())
		d.reopen()
		d.user(person(1))
		same(d, "alive", alive(d, id, 1), []int{1})
		if next := d.insert(person(2))[0].ID; next <= id {
			d.t.Errorf("id %d was given after %d", next, id)
		}
	}},

	{"a closed store refuses", func(d *database) {
		d.must(d.Close())
		if err := d.Update(d.t.Context(), func(store.Tx) error { return nil }); err == nil {
			d.t.Error("Update after Close succeeded")
		}
		if err := d.Ready(d.t.Context()); err == nil {
			d.t.Error("a closed store is ready")
		}
		d.reopen()
	}},
}

// together runs fn for 0 … crowd-1 at once and waits.
func together(fn func(n int)) {
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for n := range crowd {
		wg.Go(func() {
			<-gate
			fn(n)
		})
	}
	close(gate)
	wg.Wait()
}
