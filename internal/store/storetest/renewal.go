package storetest

import (
	"errors"
	"time"

	"github.com/propusk/propusk/internal/store"
)

var renewals = []story{
	{"what renews a session is kept as it was given", func(d *database) {
		user := d.insert(person(1))[0]
		row := login(user.ID, 1)
		row.Refresh = store.Refresh{Current: store.SecretHash{1}}
		d.update(func(tx store.Tx) error { return tx.InsertSession(row) })
		session, owner, refresh, err := d.now().Refreshable(row.SecretHash)
		d.must(err)
		same(d, "session", session, row.Session)
		same(d, "owner", owner, user)
		same(d, "refresh", refresh, row.Refresh)

		to := store.Refresh{Current: store.SecretHash{2}, Superseded: []store.Superseded{
			{Hash: store.SecretHash{1}, At: noon.Add(7 * time.Millisecond)}, {Hash: store.SecretHash{9}, At: noon.Add(time.Hour)},
		}}
		d.update(func(tx store.Tx) error { return tx.RotateRefresh(row.ID, to) })
		_, _, refresh, err = d.now().Refreshable(row.SecretHash)
		d.must(err)
		same(d, "rotated", refresh, to)
	}},

	{"a session that has gone cannot be renewed", func(d *database) {
		id := d.insert(person(1))[0].ID
		if _, _, _, err := d.now().Refreshable(login(id, 1).SecretHash); !errors.Is(err, store.ErrNotFound) {
			d.t.Errorf("%v", err)
		}
		d.refuse(store.ErrNotFound, func(tx store.Tx) error { return tx.RotateRefresh(login(id, 1).ID, store.Refresh{}) })
	}},

	{"the sessions of an account are listed, the last used first", func(d *database) {
		two := d.insert(person(1), person(2))
		logIn(d, two[0].ID, 1, 2, 3)
		logIn(d, two[1].ID, 1)
		d.update(func(tx store.Tx) error {
			return tx.TouchSessions([]store.Seen{{SessionID: login(two[0].ID, 2).ID, At: noon.Add(time.Minute)}})
		})
		sessions, err := d.now().SessionsOf(two[0].ID, 2)
		d.must(err)
		var ids []string
		for _, s := range sessions {
			ids = append(ids, s.ID)
		}
		same(d, "ids", ids, []string{login(two[0].ID, 2).ID, login(two[0].ID, 1).ID})
		n, err := d.now().CountSessions()
		d.must(err)
		same(d, "count", n, 4)
	}},

	{"a secret vouched for by a key that is no longer kept finds nothing", func(d *database) {
		row := login(d.insert(person(1))[0].ID, 1)
		d.update(func(tx store.Tx) error {
			if err := tx.InsertSigningKey(store.SigningKey{KeyID: "old", Private: []byte{1}, CreatedAt: noon}); err != nil {
				return err
			}
			return tx.InsertSession(row)
		})
		find := func(keyID string) error {
			_, _, err := d.now().SessionBySecret(row.SecretHash, keyID)
			return err
		}
		d.must(find("old"))
		d.must(find(""))
		if err := find("another"); !errors.Is(err, store.ErrNotFound) {
			d.t.Errorf("by an unknown key: %v", err)
		}
		d.update(func(tx store.Tx) error { return tx.RetireSigningKeys(noon) })
		d.must(find("old"))
		d.update(func(tx store.Tx) error { _, err := tx.DeleteRetiredKeys(noon); return err })
		if err := find("old"); !errors.Is(err, store.ErrNotFound) {
			d.t.Errorf("by a removed key: %v", err)
		}
	}},

	{"keys are retired once and removed when their time has passed", func(d *database) {
		key := func(id string, at time.Time) store.SigningKey {
			return store.SigningKey{KeyID: id, Private: []byte(id), CreatedAt: at}
		}
		later := noon.Add(time.Hour)
		d.update(func(tx store.Tx) error {
			return errors.Join(
				tx.InsertSigningKey(key("a", noon)), tx.RetireSigningKeys(noon.Add(time.Minute)),
				tx.InsertSigningKey(key("b", later)), tx.RetireSigningKeys(later.Add(time.Minute)),
				tx.InsertSigningKey(key("c", later)))
		})
		a, b, c := key("a", noon), key("b", later), key("c", later)
		a.RetiredAt, b.RetiredAt = noon.Add(time.Minute), later.Add(time.Minute)
		keys, err := d.now().SigningKeys()
		d.must(err)
		same(d, "keys", keys, []store.SigningKey{a, b, c})
		d.update(func(tx store.Tx) error {
			removed, err := tx.DeleteRetiredKeys(later)
			same(d, "removed", removed, 1)
			return err
		})
		keys, err = d.now().SigningKeys()
		d.must(err)
		same(d, "keys", keys, []store.SigningKey{b, c})
	}},
}
