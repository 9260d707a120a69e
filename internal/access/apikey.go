package access

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/field"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/token"
	"github.com/propusk/propusk/rbac"
)

var permManageKeys = rbac.MustPermission("api_key:manage")

// keyPrefix tells an API key from an access token, to us and to programs that look for leaked secrets.
const keyPrefix = "propusk_"

// keyRole is the one role of a key's limit.
const keyRole = "key"

const (
	maxKeyPermissions = 100
	maxKeys           = 1000
	usedEvery         = time.Minute
)

// Key is an API key as it is shown to people; the secret is not in it.
type Key struct {
	store.APIKey
	Issuer propusk.User
}

// NewKey is what a key is to be.
type NewKey struct {
	Name string
	// Permissions are concrete ones of either scope, or "*" alone for all that the issuer may.
	Permissions []string
	// ExpiresIn is how long it is good for; 0 means until it is revoked.
	ExpiresIn time.Duration
}

// IssueKey makes a key for a service and returns its secret, which cannot be seen again. A key belongs to its issuer: it never permits more
// than the issuer may at the moment of use, and dies with the account. It needs api_key:manage and a session. Forbidden, Invalid, Conflict
// (too_many_api_keys).
func (s *Service) IssueKey(ctx context.Context, caller propusk.Pass, in NewKey) (key Key, secret string, err error) {
	row, err := s.newKey(in)
	if err != nil {
		return Key{}, "", err
	}
	fresh, err := token.NewSecret(s.Random)
	if err != nil {
		return Key{}, "", err
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.mayManage(tx, caller)
		if err != nil {
			return err
		}
		if err := s.holdsAll(me, row.Permissions); err != nil {
			return err
		}
		if kept, _, err := tx.APIKeys(maxKeys); err != nil || len(kept) == maxKeys {
			return cmp.Or(err, tooManyKeys())
		}
		key = Key{APIKey: row, Issuer: me.User}
		key.IssuerID = me.User.ID
		if err := tx.InsertAPIKey(key.APIKey, fresh.Hash()); err != nil {
			return err
		}
		return audit.Record(tx, s.Now(), me, audit.Entry{
			Action: "api_key.issue", Target: key.ID, After: audit.Fields{"name": row.Name, "permissions": in.Permissions},
		})
	})
	if err != nil {
		return Key{}, "", err
	}
	return key, keyPrefix + fresh.Encode(), nil
}

func (s *Service) newKey(in NewKey) (store.APIKey, error) {
	var bad field.Faults
	row := store.APIKey{ID: uuid.NewString(), Name: bad.Name("name", in.Name, 1), CreatedAt: s.Now().Truncate(time.Second)}
	if in.ExpiresIn != 0 {
		row.ExpiresAt = row.CreatedAt.Add(in.ExpiresIn)
	}
	if len(in.Permissions) == 0 || len(in.Permissions) > maxKeyPermissions {
		bad.Add("permissions", fmt.Errorf("must name 1 to %d permissions, or * alone for all that you hold", maxKeyPermissions))
	}
	if everything := len(in.Permissions) == 1 && in.Permissions[0] == rbac.Everything; !everything {
		row.Permissions = in.Permissions
		for i, text := range in.Permissions {
			_, err := rbac.ParsePermission(text)
			bad.Add(fmt.Sprintf("permissions[%d]", i), err)
		}
	}
	return row, bad.Err()
}

// holdsAll refuses a key that could do on the platform what its issuer may not. What it may do in communities is what the issuer holds there.
func (s *Service) holdsAll(me propusk.Pass, permissions []string) error {
	for _, text := range permissions {
		p, err := rbac.ParsePermission(text)
		if err != nil {
			return err
		}
		if s.PlatformCatalogue.Knows(p) {
			if err := Require(me, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// mayManage re-reads the caller and requires api_key:manage. The operator has no account that a key could belong to.
func (s *Service) mayManage(r store.Reader, caller propusk.Pass) (propusk.Pass, error) {
	if caller.Operator {
		return propusk.Pass{}, SessionRequired()
	}
	me, err := s.SignedIn(r, caller)
	if err != nil {
		return propusk.Pass{}, err
	}
	return me, Require(me, permManageKeys)
}

// Keys lists all keys with their issuers, the latest first. It needs api_key:manage and a session.
func (s *Service) Keys(ctx context.Context, caller propusk.Pass) (keys []Key, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		if _, err := s.mayManage(r, caller); err != nil {
			return err
		}
		rows, issuers, err := r.APIKeys(maxKeys)
		keys = make([]Key, len(rows))
		for i, row := range rows {
			keys[i] = Key{APIKey: row, Issuer: issuers[i]}
		}
		return err
	})
	return keys, err
}

// RevokeKey ends a key. It needs api_key:manage and a session. NotFound.
func (s *Service) RevokeKey(ctx context.Context, caller propusk.Pass, id string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.mayManage(tx, caller)
		if err != nil {
			return err
		}
		id := strings.ToLower(id)
		key, _, err := tx.APIKeyByID(id)
		if errors.Is(err, store.ErrNotFound) {
			return &propusk.Error{Kind: propusk.NotFound, Code: "api_key_not_found", Message: "there is no such API key"}
		}
		if err != nil {
			return err
		}
		if _, err := tx.DeleteAPIKey(id); err != nil {
			return err
		}
		return audit.Record(tx, s.Now(), me, audit.Entry{Action: "api_key.revoke", Target: id, Before: audit.Fields{"name": key.Name}})
	})
}

func tooManyKeys() error {
	return &propusk.Error{
		Kind: propusk.Conflict, Code: "too_many_api_keys", Message: fmt.Sprintf("there are %d API keys already: revoke some first", maxKeys),
	}
}

func isAPIKey(bearer string) bool { return strings.HasPrefix(bearer, keyPrefix) }

func (s *Service) showKey(ctx context.Context, bearer string) (shown, error) {
	secret, err := token.ParseSecret(strings.TrimPrefix(bearer, keyPrefix))
	if err != nil {
		return shown{}, invalidKey()
	}
	key, issuer, err := s.Store.Now(ctx).APIKeyBySecret(secret.Hash())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return shown{}, err
	}
	pass, err := s.keyPass(key, issuer, err == nil)
	if err != nil {
		return shown{}, err
	}
	b := opened(pass)
	b.key = &usedKey{APIKey: key}
	b.key.noted.Store(key.LastUsed.Unix())
	s.use(&b, s.Now())
	return b, nil
}

func (s *Service) keyAgain(r store.Reader, caller propusk.Pass) (propusk.Pass, error) {
	key, issuer, err := r.APIKeyByID(caller.KeyID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return propusk.Pass{}, err
	}
	now, err := s.keyPass(key, issuer, err == nil)
	now.Origin = caller.Origin
	return now, err
}

// keyPass is what a key permits now: what its issuer may, within the key's own permissions.
func (s *Service) keyPass(key store.APIKey, issuer propusk.User, found bool) (propusk.Pass, error) {
	if !found || !issuer.IsActive || (!key.ExpiresAt.IsZero() && !s.Now().Before(key.ExpiresAt)) {
		return propusk.Pass{}, invalidKey()
	}
	pass := s.pass(issuer, propusk.Session{})
	pass.KeyID = key.ID
	if key.Permissions == nil {
		return pass, nil
	}
	limit, err := limitTo(key.Permissions)
	pass.Platform.Limit, pass.PlatformAdmin = limit, false
	return pass, err
}

// limitTo is a key's list; as everywhere, x_own is in it for every x_any.
func limitTo(permissions []string) (*rbac.Grants, error) {
	var list []rbac.Permission
	for _, text := range permissions {
		texts := []string{text}
		if stem, any := strings.CutSuffix(text, "_any"); any {
			texts = append(texts, stem+"_own")
		}
		for _, text := range texts {
			p, err := rbac.ParsePermission(text)
			if err != nil {
				return nil, err
			}
			list = append(list, p)
		}
	}
	return (*rbac.Grants)(nil).With(keyRole, list)
}

func invalidKey() error {
	return &propusk.Error{
		Kind: propusk.Unauthenticated, Code: "invalid_token", Message: "the API key is not valid, has expired or was revoked",
	}
}

// flushEvery is how long a note of use may wait in memory.
const flushEvery = 2 * time.Second

// Run writes in the background when API keys were last used, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushEvery)
			defer cancel()
			s.flush(last)
			return
		}
	}
}

// flush loses the notes if the database refuses them: a use a minute later is noted again.
func (s *Service) flush(ctx context.Context) {
	notes := s.used.Take()
	if len(notes) == 0 {
		return
	}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		for id, at := range notes {
			if err := tx.TouchAPIKey(id, at); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.Log.Debug("when API keys were last used was not written", "error", err)
	}
}
