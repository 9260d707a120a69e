package rest

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/session"
)

type credentials struct {
	UserAgent string `header:"User-Agent" hidden:"true"`
	Body      struct {
		Email    string `json:"email" maxLength:"320"`
		Password string `json:"password" maxLength:"1024"`
	}
}

// Tokens is what a login and a refresh give.
type Tokens struct {
	AccessToken  string `json:"access_token" doc:"Send it as Authorization: Bearer …"`
	TokenType    string `json:"token_type" enum:"bearer"`
	ExpiresIn    int    `json:"expires_in" doc:"Seconds the access token is good for"`
	RefreshToken string `json:"refresh_token" doc:"Gives new tokens, once, at POST /api/users/refresh"`
}

func toTokens(t session.Tokens) Tokens {
	return Tokens{AccessToken: t.Access, TokenType: "bearer", ExpiresIn: int(t.ExpiresIn.Seconds()), RefreshToken: t.Refresh}
}

type refresh struct {
	Body struct {
		RefreshToken string `json:"refresh_token" maxLength:"200"`
	}
}

type logout struct {
	Body *struct {
		RefreshToken string `json:"refresh_token,omitempty" maxLength:"200" doc:"Ends its session too; enough by itself when the access token has expired"`
	} `required:"false"`
}

// SessionsEnded counts.
type SessionsEnded struct {
	SessionsEnded int `json:"sessions_ended"`
}

// Session is one login on one device.
type Session struct {
	ID        string    `json:"id" format:"uuid"`
	Device    string    `json:"device" doc:"What the client called itself at login"`
	Address   string    `json:"address" doc:"The client's network address at login"`
	CreatedAt time.Time `json:"created_at"`
	LastSeen  time.Time `json:"last_seen" doc:"A minute late at most"`
	ExpiresAt time.Time `json:"expires_at" doc:"The session ends then, used or not"`
	Current   bool      `json:"current" doc:"True for the session that asks"`
}

func toSession(s propusk.Session, me propusk.Pass) Session {
	return Session{
		ID: s.ID, Device: s.Device, Address: s.Address, CreatedAt: s.CreatedAt, LastSeen: s.LastSeen, ExpiresAt: s.ExpiresAt,
		Current: s.ID == me.Session.ID,
	}
}

// Sessions is a list.
type Sessions struct {
	Sessions []Session `json:"sessions"`
}

type sessionPath struct {
	ID string `path:"id" maxLength:"36" format:"uuid"`
}

// logins is how tokens come and go.
func (d *Door) logins(api huma.API) {
	const tag = "Users"
	login := operation(http.MethodPost, "/api/users/login", "login", "Log in", tag)
	login.Errors = append(login.Errors, http.StatusUnauthorized, http.StatusTooManyRequests)
	huma.Register(api, login, answer(d, d.login))

	renew := operation(http.MethodPost, "/api/users/refresh", "refresh", "Get new tokens for a refresh token", tag)
	renew.Errors = append(renew.Errors, http.StatusUnauthorized, http.StatusConflict)
	huma.Register(api, renew, answer(d, func(ctx context.Context, _ propusk.Pass, in *refresh) (Tokens, error) {
		tokens, err := d.Sessions.Refresh(ctx, in.Body.RefreshToken, recordOf(ctx).origin())
		recordOf(ctx).userID = tokens.User.UserID
		return toTokens(tokens), err
	}))

	huma.Register(api, signedIn(operation(http.MethodGet, "/api/users/logout", "logout-get", "End this session", tag)),
		answer(d, func(ctx context.Context, me propusk.Pass, _ *none) (none, error) {
			return none{}, d.Sessions.Logout(ctx, me)
		}))
	huma.Register(api, maybeSignedIn(operation(http.MethodPost, "/api/users/logout", "logout", "End this session", tag)), answer(d, d.logout))

	huma.Register(api, signedIn(operation(http.MethodPost, "/api/users/logout-all", "logout-all", "End all my sessions", tag)),
		answer(d, func(ctx context.Context, me propusk.Pass, _ *none) (SessionsEnded, error) {
			n, err := d.Sessions.LogoutAll(ctx, me)
			return SessionsEnded{n}, err
		}))
}

func (d *Door) login(ctx context.Context, _ propusk.Pass, in *credentials) (Tokens, error) {
	rec := recordOf(ctx)
	tokens, err := d.Sessions.Login(ctx, session.Login{
		Email: in.Body.Email, Password: in.Body.Password, Device: in.UserAgent, Origin: rec.origin(),
	})
	d.Metrics.login(err)
	rec.userID = tokens.User.UserID
	return toTokens(tokens), err
}

// logout ends the sessions of the access token and of the refresh token, whichever there are.
func (d *Door) logout(ctx context.Context, me propusk.Pass, in *logout) (none, error) {
	signedIn, refreshToken := me.User.UserID != "", ""
	if in.Body != nil {
		refreshToken = in.Body.RefreshToken
	}
	var byAccess, byRefresh error
	if signedIn {
		byAccess = d.Sessions.Logout(ctx, me)
	}
	if refreshToken != "" {
		byRefresh = d.Sessions.LogoutByRefresh(ctx, refreshToken, recordOf(ctx).origin())
	}
	switch {
	case signedIn && propusk.KindOf(byRefresh) == propusk.Unauthenticated:
		return none{}, byAccess // most often the two are of one session, which has just ended
	case signedIn || refreshToken != "":
		return none{}, cmp.Or(byAccess, byRefresh)
	default:
		return none{}, notSignedIn()
	}
}

func (d *Door) sessions(api huma.API) {
	const tag = "Sessions"
	huma.Register(api, signedIn(operation(http.MethodGet, "/api/users/sessions", "sessions", "Where I am logged in", tag)),
		answer(d, func(ctx context.Context, me propusk.Pass, _ *none) (Sessions, error) {
			found, err := d.Sessions.List(ctx, me)
			out := Sessions{Sessions: make([]Session, len(found))}
			for i, s := range found {
				out.Sessions[i] = toSession(s, me)
			}
			return out, err
		}))

	end := signedIn(operation(http.MethodDelete, "/api/users/sessions/{id}", "end-session", "Log out on one of my devices", tag))
	end.Errors = append(end.Errors, http.StatusNotFound)
	huma.Register(api, end, answer(d, func(ctx context.Context, me propusk.Pass, in *sessionPath) (none, error) {
		return none{}, d.Sessions.End(ctx, me, in.ID)
	}))
}
