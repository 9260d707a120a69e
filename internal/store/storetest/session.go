package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

var sessions = []story{
	{"a session is found by its secret and by its id, with its user", func(d *database) {
		user := d.insert(person(1), person(2))[1]
		row := login(user.ID, 1)
		d.update(func(tx store.Tx) error { return tx.InsertSession(row) })
		session, owner, err := d.now().SessionBySecret(row.SecretHash, "")
		d.must(err)
		same(d, "session", session, row.Session)
		same(d, "owner", owner, user)
		session, owner, err = d.now().SessionByID(row.ID)
		d.must(err)
		same(d, "session", session, row.Session)
		same(d, "owner", owner, user)
	}},

	{"an unknown session is not found", func(d *database) {
		row := login(d.insert(person(1))[0].ID, 1)
		d.update(func(tx store.Tx) error { return tx.InsertSession(row) })
		almost := row.SecretHash
		almost[31] ^= 1
		if _, _, err := d.now().SessionBySecret(almost, ""); !errors.Is(err, store.ErrNotFound) {
			d.t.Errorf("a secret that differs in one bit gave %v, want ErrNotFound", err)
		}
		if _, _, err := d.now().SessionByID("%"); !errors.Is(err, store.ErrNotFound) {
			d.t.Errorf("an unknown id gave %v, want ErrNotFound", err)
		}
	}},

	{"a session needs an account, and neither secret nor id may be taken", func(d *database) {
		id := d.insert(person(1))[0].ID
		d.update(func(tx store.Tx) error { return tx.InsertSession(login(id, 1)) })
		sameSecret, sameID := login(id, 2), login(id, 3)
		sameSecret.SecretHash, sameID.ID = login(id, 1).SecretHash, login(id, 1).ID
		for what, row := range map[string]store.SessionRow{
			"a session of nobody": login(id+1, 4), "a secret": sameSecret, "an id": sameID,
		} {
			if d.Update(d.t.Context(), func(tx store.Tx) error { return tx.InsertSession(row) }) == nil {
				d.t.Errorf("%s was accepted", what)
			}
		}
		same(d, "alive", alive(d, id, 1, 2, 3, 4), []int{1})
	}},

	{"one session is ended once", func(d *database) {
		id := d.insert(person(1))[0].ID
		logIn(d, id, 1, 2)
		for _, want := range []bool{true, false} {
			d.update(func(tx store.Tx) error {
				ended, err := tx.DeleteSession(login(id, 1).ID)
				same(d, "ended", ended, want)
				return err
			})
		}
		same(d, "alive", alive(d, id, 1, 2), []int{2})
	}},

	{"all sessions of an account end, or all but one", func(d *database) {
		two := d.insert(person(1), person(2))
		anna, boris := two[0].ID, two[1].ID
		logIn(d, anna, 1, 2, 3)
		logIn(d, boris, 1)
		end := func(except string, want int) {
			d.update(func(tx store.Tx) error {
				ended, err := tx.DeleteSessions(anna, except)
				same(d, "ended", ended, want)
				return err
			})
		}
		end(login(anna, 2).ID, 2)
		same(d, "but one", alive(d, anna, 1, 2, 3), []int{2})
		end(login(boris, 1).ID, 1) // somebody else's spares nothing
		end("", 0)
		same(d, "of the other", alive(d, boris, 1), []int{1})
	}},

	{"being seen moves time forward, never back", func(d *database) {
		row := person(1)
		id := d.insert(row)[0].ID
		logIn(d, id, 1, 2)
		seen := func(at ...store.Seen) { d.update(func(tx store.Tx) error { return tx.TouchSessions(at) }) }
		check := func(first, second, user time.Time) {
			d.t.Helper()
			same(d, "first session", lastSeen(d, login(id, 1)), first)
			same(d, "second session", lastSeen(d, login(id, 2)), second)
			same(d, "user", d.user(row).LastSeen, user)
		}
		check(noon, noon, time.Time{})
		one, two := noon.Add(time.Minute), noon.Add(2*time.Minute)
		seen(store.Seen{SessionID: login(id, 1).ID, At: two}, store.Seen{SessionID: login(id, 2).ID, At: one})
		check(two, one, two)
		seen(store.Seen{SessionID: login(id, 1).ID, At: one})
		check(two, one, two)
		seen(store.Seen{SessionID: "gone", At: two.Add(time.Hour)}, store.Seen{SessionID: login(id, 2).ID, At: two})
		check(two, two, two)
		seen()
	}},

	{"sessions that are over are swept, a limited number at a time", func(d *database) {
		id := d.insert(person(1))[0].ID
		now, idleSince := noon.Add(24*time.Hour), noon.Add(12*time.Hour)
		d.update(func(tx store.Tx) error {
			for n, at := range []struct{ seen, expires time.Time }{
				{now, now.Add(time.Second)},                            // 0 lives
				{now, now},                                             // 1 has just ended
				{now, now.Add(-time.Hour)},                             // 2 ended
				{idleSince, now.Add(time.Hour)},                        // 3 has just become idle
				{idleSince.Add(time.Second), now.Add(time.Second)},     // 4 lives
				{idleSince.Add(-time.Hour), now.Add(-2 * time.Second)}, // 5 is both
			} {
				row := login(id, n)
				row.LastSeen, row.ExpiresAt = at.seen, at.expires
				if err := tx.InsertSession(row); err != nil {
					return err
				}
			}
			return nil
		})
		for _, want := range []int{3, 1, 0} {
			d.update(func(tx store.Tx) error {
				swept, err := tx.DeleteOverSessions(now, idleSince, 3)
				same(d, "swept", swept, want)
				return err
			})
		}
		same(d, "alive", alive(d, id, 0, 1, 2, 3, 4, 5), []int{0, 4})
	}},
}

var keys = []story{
	{"signing keys are listed, the oldest first", func(d *database) {
		want := []store.SigningKey{
			{KeyID: "b", Private: []byte{0, 1, 0xff}, CreatedAt: noon},
			{KeyID: "c", Private: []byte("second of the same second"), CreatedAt: noon.Add(time.Hour)},
			{KeyID: "a", Private: []byte("third"), CreatedAt: noon.Add(time.Hour)},
		}
		listed, err := d.now().SigningKeys()
		d.must(err)
		same(d, "at first", len(listed), 0)
		for _, i := range []int{1, 2, 0} {
			d.update(func(tx store.Tx) error { return tx.InsertSigningKey(want[i]) })
		}
		listed, err = d.now().SigningKeys()
		d.must(err)
		same(d, "listed", listed, want)
	}},

	{"a key id is given once", func(d *database) {
		key := store.SigningKey{KeyID: "a", Private: []byte("first"), CreatedAt: noon}
		d.update(func(tx store.Tx) error { return tx.InsertSigningKey(key) })
		other := store.SigningKey{KeyID: "a", Private: []byte("second"), CreatedAt: noon}
		if d.Update(d.t.Context(), func(tx store.Tx) error { return tx.InsertSigningKey(other) }) == nil {
			d.t.Error("the second key with the same id was accepted")
		}
	}},
}

func logIn(d *database, userID int64, numbers ...int) {
	d.t.Helper()
	d.update(func(tx store.Tx) error {
		for _, n := range numbers {
			if err := tx.InsertSession(login(userID, n)); err != nil {
				return err
			}
		}
		return nil
	})
}

// alive are the numbers of those sessions that are there, and are found both ways.
func alive(d *database, userID int64, numbers ...int) (found []int) {
	d.t.Helper()
	for _, n := range numbers {
		row := login(userID, n)
		_, _, byID := d.now().SessionByID(row.ID)
		if byID == nil {
			found = append(found, n)
		} else if !errors.Is(byID, store.ErrNotFound) {
			d.must(fmt.Errorf("session %d: %w", n, byID))
		}
	}
	return found
}

func lastSeen(d *database, row store.SessionRow) time.Time {
	d.t.Helper()
	var session propusk.Session
	session, _, err := d.now().SessionByID(row.ID)
	d.must(err)
	return session.LastSeen
}
