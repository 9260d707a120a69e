// Package embedded is the whole of Propusk inside your own process: accounts, sessions, communities and roles over a database of yours,
// with the REST API to mount where you like, and no second program to run.
//
//	p, err := embedded.Open(ctx, embedded.Config{Database: "sqlite:forum.db"})
//	defer p.Close()
//	mux.Handle("/auth/", http.StripPrefix("/auth", p.Handler()))
//	who := guard.New(p)
//
// A [Propusk] is a propusk.Inspector, for package guard, and a propusk.Communities. Code that holds one is trusted: as Communities it acts
// with the authority of the operator, who stands above every account, and the audit names it so. [Propusk.As] acts with the authority of
// somebody else.
//
// Errors are *propusk.Error as the servers of Propusk tell them; an error that is none is a fault of the database or of ours, and not for
// clients.
//
// Several processes may share one PostgreSQL database, and the command propusk may look after the database of a running one.
package embedded

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/account"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/community"
	"github.com/propusk/propusk/internal/session"
	"github.com/propusk/propusk/rbac"
)

// Propusk is everything over one database. Make one with [Open]; its methods are safe for concurrent use. The methods of
// propusk.Communities act with the authority of the operator; to them "the caller" of a Question has no account and may do everything, in
// every community there is.
type Propusk struct {
	acting
	app       *app.App
	registrar *account.Service
	handler   http.Handler
	close     func() error
}

var (
	_ propusk.Inspector   = (*Propusk)(nil)
	_ propusk.Communities = (*Propusk)(nil)
)

// Open opens the database, brings its schema up to date, loads the keys that sign tokens or makes the first one, makes the first
// administrator if the Config names one and there is none, and begins the work in the background, which Close ends: ctx is for opening
// only. An error names the field of Config that is wrong. Conflict (admin_email_taken) if AdminEmail belongs to an ordinary account.
func Open(ctx context.Context, c Config) (*Propusk, error) {
	settings, err := c.settings()
	if err != nil {
		return nil, err
	}
	log := cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	a, err := app.Open(ctx, settings, log)
	if err != nil {
		return nil, named(err)
	}
	handler, err := a.Handler(settings, log)
	if err == nil {
		err = a.Keys.Load(ctx)
	}
	p := &Propusk{
		acting: acting{access: a.Access, communities: a.Communities, me: a.Operator()}, app: a, registrar: registrar(a), handler: handler,
	}
	if err == nil && c.AdminEmail != "" {
		err = p.FirstAdmin(ctx, c.AdminEmail, c.AdminPassword)
	}
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	stop := a.Start(ctx)
	p.close = sync.OnceValue(func() error {
		stop()
		return a.Close()
	})
	return p, nil
}

// registrar makes accounts whether or not strangers may: whoever holds a Propusk decides that for themselves.
func registrar(a *app.App) *account.Service {
	with := a.Accounts
	return &account.Service{
		Store: with.Store, Access: with.Access, Hasher: with.Hasher, Passwords: with.Passwords, Throttle: with.Throttle, Now: with.Now,
		Open: true,
	}
}

// Close ends the work in the background, waits for it, and closes the database. Stop serving Handler before: what is asked afterwards is
// refused as Unavailable. Closing again does nothing.
func (p *Propusk) Close() error { return p.close() }

// Handler is the REST API with its description at /openapi.json and its documentation at /docs. It works below a prefix with
// http.StripPrefix. Serve it by an http.Server that has time limits. Being made with package huma, it sets that package's global switches
// to strict ones.
func (p *Propusk) Handler() http.Handler { return p.handler }

// Inspect implements propusk.Inspector. The lists in the Pass are the caller's own. Unauthenticated: invalid_token, token_expired,
// session_ended.
func (p *Propusk) Inspect(ctx context.Context, bearer string, communityID int64) (propusk.Pass, error) {
	pass, err := p.access.InspectIn(ctx, bearer, communityID)
	if err != nil {
		return propusk.Pass{}, err
	}
	unshare(&pass)
	return pass, nil
}

// unshare gives a pass lists of its own. Those that are remembered belong to all who hold the same roles: a handler that sorts or shortens
// the roles of its caller would do it to everybody.
func unshare(pass *propusk.Pass) {
	lists := [...]*[]string{
		&pass.Platform.Roles, &pass.Local.Roles, &pass.Ranks, &pass.Community.AvailableRoles, &pass.Community.DefaultRoles,
	}
	n := 0
	for _, list := range lists {
		n += len(*list)
	}
	room := make([]string, 0, n) // one allocation for all
	for _, list := range lists {
		start := len(room)
		room = append(room, *list...)
		if *list != nil {
			*list = room[start:len(room):len(room)]
		}
	}
}

// May answers one question about whoever shows bearer: the same as Inspect and the May of its Pass, and quicker where no Pass is wanted. The zero
// communityID is the default community, if there is one. What cannot be allowed is a Decision; errors are those of Inspect.
func (p *Propusk) May(
	ctx context.Context, bearer string, communityID int64, permission rbac.Permission, owner rbac.Ownership,
) (rbac.Decision, error) {
	return p.access.May(ctx, bearer, communityID, permission, owner)
}

// As acts with the authority of whoever has the pass, which Inspect made and which, like every pass, is good for one request. Whoever
// changes something is looked up again in the transaction that does it, so that nobody acts with what was taken from them meanwhile:
// Unauthenticated (session_ended) when the session has ended. The audit names them.
func (p *Propusk) As(pass propusk.Pass) propusk.Communities {
	return acting{access: p.access, communities: p.communities, me: pass}
}

// FirstAdmin makes an administrator of the platform while there is none, and otherwise does nothing. Invalid, Conflict (admin_email_taken)
// if the address belongs to an ordinary account.
func (p *Propusk) FirstAdmin(ctx context.Context, email, password string) error {
	if email == "" {
		return propusk.InvalidField("email", "must be the address of the first administrator")
	}
	_, err := p.app.Accounts.EnsureFirstAdmin(ctx, account.First{Email: email, Password: password})
	return err
}

// Registration is what an account is made of. LastName may be empty.
type Registration struct {
	Name, LastName, Email, Password string
}

// Register makes an ordinary account, also where ClosedRegistration keeps strangers from doing so. Invalid, Conflict (email_taken),
// Unavailable when too many passwords are being hashed.
func (p *Propusk) Register(ctx context.Context, in Registration) (propusk.User, error) {
	return p.registrar.Register(ctx, p.me.Origin, account.Registration(in))
}

// Login opens a session and returns its access token. It is limited as logins over the network are, and counts as one from this machine.
// Unauthenticated (invalid_credentials), RateLimited, Unavailable when too many passwords are being hashed.
func (p *Propusk) Login(ctx context.Context, email, password string) (token string, err error) {
	tokens, err := p.app.Sessions.Login(ctx, session.Login{Email: email, Password: password, Origin: p.me.Origin})
	return tokens.Access, err
}

// Found founds a community with the roles of the policy; the account of that user_id becomes its founder, first member and admin. An empty
// slug is made of the name. NotFound (user_not_found), Invalid, Conflict (slug_taken).
func (p *Propusk) Found(ctx context.Context, userID, slug, name string) (propusk.Community, error) {
	made, err := p.communities.CreateFor(ctx, p.me, userID, community.Founding{Slug: slug, Name: name})
	if err != nil {
		return propusk.Community{}, err
	}
	return made, nil
}
