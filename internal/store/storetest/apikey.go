package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/propusk/propusk/internal/store"
)

// apiKey is the n-th key of an account.
func apiKey(issuer int64, n int) store.APIKey {
	return store.APIKey{
		ID: fmt.Sprintf("%08d-0000-4000-8000-%012d", n, issuer), IssuerID: issuer, Name: fmt.Sprintf("Робот %d", n),
		CreatedAt: noon.Add(time.Duration(n) * time.Second),
	}
}

// issue inserts keys whose secrets are their numbers.
func (d *database) issue(keys ...store.APIKey) {
	d.t.Helper()
	d.update(func(tx store.Tx) error {
		for i, k := range keys {
			if err := tx.InsertAPIKey(k, store.SecretHash{byte(i), 7}); err != nil {
				return err
			}
		}
		return nil
	})
}

var apiKeys = []story{
	{"a key is found by secret and by id, with its issuer", func(d *database) {
		u := d.people(2)
		keys := []store.APIKey{apiKey(u[0].ID, 1), apiKey(u[1].ID, 2), apiKey(u[0].ID, 3)}
		keys[1].Permissions, keys[2].Permissions = []string{"community:read", "shout:read"}, []string{}
		keys[1].LastUsed, keys[1].ExpiresAt = noon.Add(time.Hour), noon.Add(2*time.Hour)
		d.issue(keys...)
		for i, want := range keys {
			got, issuer, err := d.now().APIKeyBySecret(store.SecretHash{byte(i), 7})
			d.must(err)
			same(d, "key by secret", got, want)
			same(d, "issuer", issuer, u[i%2])
			got, issuer, err = d.now().APIKeyByID(want.ID)
			d.must(err)
			same(d, "key by id", got, want)
			same(d, "issuer", issuer, u[i%2])
		}
		got, issuers, err := d.now().APIKeys(2)
		d.must(err)
		same(d, "the latest", got, []store.APIKey{keys[2], keys[1]})
		same(d, "their issuers", issuers[0], u[0])
		_, _, err = d.now().APIKeyBySecret(store.SecretHash{9})
		_, _, err2 := d.now().APIKeyByID(keys[0].Name)
		if !errors.Is(err, store.ErrNotFound) || !errors.Is(err2, store.ErrNotFound) {
			d.t.Errorf("unknown keys gave %v and %v", err, err2)
		}
	}},

	{"keys are removed one by one and by issuer", func(d *database) {
		u := d.people(2)
		keys := []store.APIKey{apiKey(u[0].ID, 1), apiKey(u[0].ID, 2), apiKey(u[0].ID, 3), apiKey(u[1].ID, 4)}
		d.issue(keys...)
		d.update(func(tx store.Tx) error {
			for _, want := range []bool{true, false} {
				removed, err := tx.DeleteAPIKey(keys[0].ID)
				if err != nil {
					return err
				}
				same(d, "removed", removed, want)
			}
			n, err := tx.DeleteAPIKeys(u[0].ID)
			same(d, "removed of the issuer", n, 2)
			return err
		})
		left, _, err := d.now().APIKeys(10)
		d.must(err)
		same(d, "left", left, keys[3:])
	}},

	{"the last use of a key moves forward only", func(d *database) {
		u := d.people(1)
		key := apiKey(u[0].ID, 1)
		d.issue(key)
		for _, minutes := range []time.Duration{2, 1, 3} {
			d.update(func(tx store.Tx) error {
				return errors.Join(tx.TouchAPIKey(key.ID, noon.Add(minutes*time.Minute)), tx.TouchAPIKey("gone", noon))
			})
			key.LastUsed = noon.Add(max(2, minutes) * time.Minute)
			got, _, err := d.now().APIKeyByID(key.ID)
			d.must(err)
			same(d, "key", got, key)
		}
	}},

	{"two keys have neither a secret nor an id in common", func(d *database) {
		u := d.people(1)
		d.issue(apiKey(u[0].ID, 1))
		for what, insert := range map[string]func(store.Tx) error{
			"a secret":              func(tx store.Tx) error { return tx.InsertAPIKey(apiKey(u[0].ID, 2), store.SecretHash{0, 7}) },
			"an id":                 func(tx store.Tx) error { return tx.InsertAPIKey(apiKey(u[0].ID, 1), store.SecretHash{1, 7}) },
			"an issuer who is gone": func(tx store.Tx) error { return tx.InsertAPIKey(apiKey(77, 3), store.SecretHash{2, 7}) },
		} {
			if d.Update(d.t.Context(), insert) == nil {
				d.t.Errorf("%s was taken twice", what)
			}
		}
	}},
}
