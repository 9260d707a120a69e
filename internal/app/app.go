// Package app wires the program together. It is the only package that knows which adapters were chosen.
package app

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"os/user"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/account"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/password"
	"github.com/propusk/propusk/internal/session"
	"github.com/propusk/propusk/internal/sqlstore"
	"github.com/propusk/propusk/internal/throttle"
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
	Keys     *session.Keys
	Access   *access.Service
	Throttle *throttle.Limiter
	Audit    *audit.Trail
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
	return wire(c, log, db, hasher, platform), nil
}

func wire(c *config.Config, log *slog.Logger, db *sqlstore.Store, hasher *password.Hasher, platform *rbac.Grants) *App {
	keys := &session.Keys{
		Store: db, Tokens: token.Config{Issuer: c.Issuer, Audience: c.Issuer, Leeway: token.DefaultLeeway},
		Now: time.Now, Random: rand.Reader,
	}
	if c.SecretKey != "" {
		keys.Secret = []byte(c.SecretKey)
	}
	limiter := &throttle.Limiter{Store: db, Now: time.Now, Off: !c.LoginLimit.On()}
	sessions := &session.Service{
		Store: db, Keys: keys, Hasher: hasher, Throttle: limiter, Log: log, Now: time.Now, Random: rand.Reader,
		Limits: session.Limits{Token: c.TokenLifetime, Idle: c.SessionIdle, Absolute: c.SessionAbsolute},
	}
	who := &access.Service{Sessions: sessions, Platform: platform}
	accounts := &account.Service{
		Store: db, Access: who, Hasher: hasher, Throttle: limiter, Open: c.Registration.Is("open"), Now: time.Now,
		Passwords: password.Policy{MinCharacters: c.PasswordMinLength, AllowCommon: !c.PasswordBlocklist.On()},
	}
	return &App{
		Store: db, Hasher: hasher, Accounts: accounts, Sessions: sessions, Keys: keys, Access: who, Throttle: limiter,
		Audit: &audit.Trail{Store: db, Authorize: who.Authorize},
	}
}

// Operator is the Pass of whoever runs commands on this machine.
func (a *App) Operator() propusk.Pass {
	me := a.Access.Operator()
	if person, err := user.Current(); err == nil {
		me.Origin.Address = person.Username
	}
	if host, err := os.Hostname(); err == nil {
		me.Origin.Address += "@" + host
	}
	return me
}

// Close releases the database.
func (a *App) Close() error { return a.Store.Close() }
