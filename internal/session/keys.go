package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/token"
)

// Keys are the keys that sign access tokens: those in the database, which may be rotated while nodes run, or one configured secret.
type Keys struct {
	Store  store.Store
	Tokens token.Config
	// Secret, when set, is the one key (HS256); those in the database are then not looked at.
	Secret []byte
	Now    func() time.Time
	Random io.Reader

	current atomic.Pointer[keyring]
}

// keyring is the ring made of the keys with these ids.
type keyring struct {
	ring *token.Keyring
	ids  []string
}

// retiredFor is how long a retired key verifies: the longest life of a token and the largest disagreement of clocks.
const retiredFor = 24*time.Hour + token.MaxLeeway

// endOfTime is later than any key was retired.
var endOfTime = time.Unix(1<<40, 0)

// Load reads the keys, and makes the first one if there is none.
func (k *Keys) Load(ctx context.Context) error {
	if k.Secret != nil {
		key, err := token.FromSecret(k.Secret)
		if err != nil {
			return err
		}
		ring, err := token.NewKeyring(k.Tokens, key)
		k.current.Store(&keyring{ring: ring})
		return err
	}
	fresh, err := k.generate()
	if err != nil {
		return err
	}
	return k.Store.Update(ctx, func(tx store.Tx) error {
		keys, err := tx.SigningKeys()
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			if err := tx.InsertSigningKey(fresh); err != nil {
				return err
			}
			keys = append(keys, fresh)
		}
		_, err = k.use(keys)
		return err
	})
}

func (k *Keys) generate() (store.SigningKey, error) {
	key, err := token.Generate(k.Random, k.Now().Truncate(time.Second))
	if err != nil {
		return store.SigningKey{}, err
	}
	private, err := key.PKCS8()
	return store.SigningKey{KeyID: key.ID(), Private: private, CreatedAt: key.CreatedAt}, err
}

func notKept() error {
	return &propusk.Error{
		Kind: propusk.Conflict, Code: "no_kept_keys",
		Message: "this database keeps no keys: its server signs with --secret-key (change that, and restart it) or was never started",
	}
}

// signer is the ring to sign with, as of the transaction that opens the session: another node may have rotated the keys.
func (k *Keys) signer(r store.Reader) (*token.Keyring, error) {
	if k.Secret != nil {
		return k.current.Load().ring, nil
	}
	keys, err := r.SigningKeys()
	if err != nil {
		return nil, err
	}
	return k.use(keys)
}

// use makes the ring of these keys, unless it is the current one already.
func (k *Keys) use(stored []store.SigningKey) (*token.Keyring, error) {
	ids := make([]string, len(stored))
	for i, s := range stored {
		ids[i] = s.KeyID
	}
	if current := k.current.Load(); current != nil && slices.Equal(current.ids, ids) {
		return current.ring, nil
	}
	keys := make([]token.Key, len(stored))
	for i, s := range stored {
		var err error
		if keys[i], err = token.ParsePKCS8(s.Private); err != nil {
			return nil, fmt.Errorf("signing key %s: %w", s.KeyID, err)
		}
		keys[i].CreatedAt, keys[i].RetiredAt = s.CreatedAt, s.RetiredAt
	}
	ring, err := token.NewKeyring(k.Tokens, keys...)
	if err != nil {
		return nil, err
	}
	k.current.Store(&keyring{ring, ids})
	return ring, nil
}

// verify reads the keys anew when a token names one that is not known yet: another node may have made it.
func (k *Keys) verify(ctx context.Context, access string, now time.Time) (token.Claims, error) {
	claims, err := k.current.Load().ring.Verify(access, now)
	if !errors.Is(err, token.ErrUnknownKey) || k.Secret != nil {
		return claims, err
	}
	ring, err := k.signer(k.Store.Now(ctx))
	if err != nil {
		return token.Claims{}, err
	}
	return ring.Verify(access, now)
}

// kept is the id under which the key that signed a token is kept in the database, "" for the configured secret.
func (k *Keys) kept(claims token.Claims) string {
	if k.Secret != nil {
		return ""
	}
	return claims.KeyID
}

// JWKS is the public keys as a JWK set (RFC 7517), as the database has them now.
func (k *Keys) JWKS(ctx context.Context) ([]byte, error) {
	ring, err := k.signer(k.Store.Now(ctx))
	if err != nil {
		return nil, err
	}
	return ring.JWKS()
}

// List is the keys in the database, oldest first, without their private parts.
func (k *Keys) List(ctx context.Context) ([]store.SigningKey, error) {
	keys, err := k.Store.Now(ctx).SigningKeys()
	for i := range keys {
		keys[i].Private = nil
	}
	return keys, err
}

func (k *Keys) sweep(ctx context.Context) error {
	if k.Secret != nil {
		return nil
	}
	return k.Store.Update(ctx, func(tx store.Tx) error {
		_, err := tx.DeleteRetiredKeys(k.Now().Add(-retiredFor))
		return err
	})
}

// Rotate makes a new key that signs from now on. Tokens of the old one stay good until they expire, or end at once with now. It is the
// operator's alone. Forbidden, Conflict (no_kept_keys) where one configured secret signs.
func (k *Keys) Rotate(ctx context.Context, caller propusk.Pass, now bool) (store.SigningKey, error) {
	if !caller.Operator {
		return store.SigningKey{}, &propusk.Error{
			Kind: propusk.Forbidden, Code: "operator_only", Message: "keys are rotated at the command line of the machine",
		}
	}
	fresh, err := k.generate()
	if err != nil {
		return store.SigningKey{}, err
	}
	at := fresh.CreatedAt
	return fresh, k.Store.Update(ctx, func(tx store.Tx) error {
		kept, err := tx.SigningKeys()
		if err != nil {
			return err
		}
		if k.Secret != nil || len(kept) == 0 {
			return notKept()
		}
		if err := tx.RetireSigningKeys(at); err != nil {
			return err
		}
		if now {
			// All of them, whatever the clock says that retired them.
			if _, err := tx.DeleteRetiredKeys(endOfTime); err != nil {
				return err
			}
		}
		if err := tx.InsertSigningKey(fresh); err != nil {
			return err
		}
		return audit.Record(tx, at, caller, audit.Entry{Action: "key.rotate", Target: fresh.KeyID, After: audit.Fields{"ends_old_tokens": now}})
	})
}
