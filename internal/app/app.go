// Package app wires the program together. It is the only package that knows which adapters were chosen.
package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/account"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/password"
	"github.com/propusk/propusk/internal/session"
	"github.com/propusk/propusk/internal/sqlstore"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/token"
	"github.com/propusk/propusk/rbac"
	"github.com/propusk/propusk/rbac/policyfile"
)

// App is the services over one database.
type App struct {
	Store    *sqlstore.Store
	Hasher   *password.Hasher
	Accounts *account.Service
	Sessions *session.Service
	Access   *access.Service
}

// Open opens the database, brings its schema up to date and wires the services. Nothing runs in the background yet.
func Open(ctx context.Context, c *config.Config, log *slog.Logger) (*App, error) {
	hasher, err := password.New(password.Config{
		Params: password.Params{
			MemoryKiB: c.PasswordMemory, Iterations: c.PasswordIterations, Parallelism: c.PasswordParallelism,
		},
		Slots: c.PasswordSlots, QueuePerSlot: c.PasswordQueue,
	})
	if err != nil {
		return nil, err
	}
	platform, err := rbac.Compile(policyfile.Platform())
	if err != nil {
		return nil, err
	}
	db, err := sqlstore.Open(ctx, c.Database)
	if err != nil {
		return nil, err
	}
	keys, err := keyring(ctx, c, db)
	if err != nil {
		return nil, closing(db, err)
	}
	return wire(c, log, db, hasher, keys, platform), nil
}

func wire(c *config.Config, log *slog.Logger, db *sqlstore.Store, hasher *password.Hasher, keys *token.Keyring, platform *rbac.Grants) *App {
	sessions := &session.Service{
		Store: db, Keys: keys, Hasher: hasher, Log: log, Now: time.Now, Random: rand.Reader,
		Limits: session.Limits{Token: c.TokenLifetime, Idle: c.SessionIdle, Absolute: c.SessionAbsolute},
	}
	who := &access.Service{Sessions: sessions, Platform: platform}
	accounts := &account.Service{
		Store: db, Access: who, Hasher: hasher, Open: c.Registration.Is("open"), Now: time.Now,
		Passwords: password.Policy{MinCharacters: c.PasswordMinLength, AllowCommon: !c.PasswordBlocklist.On()},
	}
	return &App{Store: db, Hasher: hasher, Accounts: accounts, Sessions: sessions, Access: who}
}

// Close releases the database.
func (a *App) Close() error { return a.Store.Close() }

func closing(db *sqlstore.Store, err error) error {
	if cerr := db.Close(); cerr != nil {
		return fmt.Errorf("%w (and closing the database: %w)", err, cerr)
	}
	return err
}

// keyring is the configured secret, or the key in the database, which is made when there is none yet.
func keyring(ctx context.Context, c *config.Config, db store.Store) (*token.Keyring, error) {
	tokens := token.Config{Issuer: c.Issuer, Audience: c.Issuer, Leeway: token.DefaultLeeway}
	if c.SecretKey != "" {
		key, err := token.FromSecret([]byte(c.SecretKey))
		if err != nil {
			return nil, err
		}
		return token.NewKeyring(tokens, key)
	}
	stored, err := signingKeys(ctx, db)
	if err != nil {
		return nil, err
	}
	keys := make([]token.Key, len(stored))
	for i, k := range stored {
		if keys[i], err = token.ParsePKCS8(k.Private); err != nil {
			return nil, fmt.Errorf("signing key %s: %w", k.KeyID, err)
		}
		keys[i].CreatedAt = k.CreatedAt
	}
	return token.NewKeyring(tokens, keys...)
}

func signingKeys(ctx context.Context, db store.Store) (keys []store.SigningKey, err error) {
	fresh, err := token.Generate(rand.Reader, time.Now().Truncate(time.Second))
	if err != nil {
		return nil, err
	}
	private, err := fresh.PKCS8()
	if err != nil {
		return nil, err
	}
	err = db.Update(ctx, func(tx store.Tx) (err error) {
		if keys, err = tx.SigningKeys(); err != nil || len(keys) > 0 {
			return err
		}
		keys = []store.SigningKey{{KeyID: fresh.ID(), Private: private, CreatedAt: fresh.CreatedAt}}
		return tx.InsertSigningKey(keys[0])
	})
	return keys, err
}
