// Package app wires the program together. It is the only package that knows which adapters were chosen.
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"os/user"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/account"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/community"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/lease"
	"github.com/propusk/propusk/internal/memory"
	"github.com/propusk/propusk/internal/mirror"
	"github.com/propusk/propusk/internal/password"
	"github.com/propusk/propusk/internal/session"
	"github.com/propusk/propusk/internal/sqlstore"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/throttle"
	"github.com/propusk/propusk/internal/token"
)

// App is the services over one database.
type App struct {
	// Store is the database as services see it: what they change, everybody who remembers it forgets before they are told.
	Store       store.Store
	Hasher      *password.Hasher
	Accounts    *account.Service
	Sessions    *session.Service
	Communities *community.Service
	Keys        *session.Keys
	Access      *access.Service
	Throttle    *throttle.Limiter
	Audit       *audit.Trail
	// Mirror is nil where no Redis was named.
	Mirror *mirror.Mirror
	// Node holds the right to remember, once Start was called.
	Node *lease.Node

	database *sqlstore.Store
	// waits is how long changes waited for other nodes.
	waits prometheus.Histogram
	// replication is nil where nobody asked for it.
	replication *replication
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
	rules, err := readRules(c.Policy)
	if err != nil {
		return nil, err
	}
	lists, err := openMirror(c.Redis, log)
	if err != nil {
		return nil, err
	}
	opened := false
	defer func() {
		if !opened && lists != nil {
			lists.Close()
		}
	}()
	db, err := sqlstore.Open(ctx, c.Database)
	if err != nil {
		return nil, err
	}
	changes := &memory.Memory{}
	waits := newWaits()
	clock, err := leaseClock(c)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	node, err := lease.New(ctx, lease.Config{
		Database: db, Memory: things{changes}, Name: nodeName(), Log: log, Now: time.Now, Clock: clock,
		Waited: func(after time.Duration) { waits.Observe(after.Seconds()) },
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	opened = true // from here on Close closes it
	a := wire(c, log, node.Store(), hasher, rules, lists)
	a.Node, a.database, a.waits = node, db, waits
	a.remember(c, changes)
	if c.HA {
		a.replication = &replication{ask: db.Replication, log: log}
		if err := a.replication.begin(ctx); err != nil {
			return nil, errors.Join(err, a.Close())
		}
	}
	return a, nil
}

// nodeName is what people call this process.
func nodeName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return host + ":" + strconv.Itoa(os.Getpid())
}

func openMirror(url string, log *slog.Logger) (*mirror.Mirror, error) {
	if url == "" {
		return nil, nil
	}
	return mirror.Open(url, log)
}

func wire(c *config.Config, log *slog.Logger, db store.Store, hasher *password.Hasher, r rules, lists *mirror.Mirror) *App {
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
	who := &access.Service{
		Store: db, Sessions: sessions, Platform: r.platformGrants, PlatformCatalogue: r.platformCatalogue, PlatformPolicy: r.platform,
		Policy: r.community, Ancestors: ancestors(r.community), DefaultCommunity: c.DefaultCommunity, Log: log, Now: time.Now, Random: rand.Reader,
	}
	communities := &community.Service{
		Store: db, Access: who, Policy: r.community, Grants: r.communityGrants, Catalogue: r.communityCatalogue, Log: log, Now: time.Now,
	}
	if lists != nil {
		who.Mirror, communities.Changed = lists, lists.Changed
	}
	accounts := &account.Service{
		Store: db, Access: who, Hasher: hasher, Throttle: limiter, Open: c.Registration.Is("open"), Now: time.Now,
		Passwords: password.Policy{MinCharacters: c.PasswordMinLength, AllowCommon: !c.PasswordBlocklist.On()},
	}
	return &App{
		Store: db, Hasher: hasher, Accounts: accounts, Sessions: sessions, Communities: communities, Keys: keys, Access: who, Throttle: limiter,
		Audit: &audit.Trail{Store: db, Authorize: who.Authorize}, Mirror: lists,
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
func (a *App) Close() error {
	if a.Mirror != nil {
		a.Mirror.Close()
	}
	return a.Store.Close()
}
