package session

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/token"
)

// A refresh token is two secrets of 256 bits, one after the other. The first belongs to the session for good; the secret in access
// tokens is derived from it, so that the session can be found, and its tokens signed, by somebody who holds the first and from
// nothing that the database holds. The second is changed at each use (RFC 9700, 4.14.2): somebody who comes with the right first and
// an old second has a copy.
type refreshToken struct {
	family, rotating token.Secret
}

const (
	secretText = 43 // characters of one secret
	// graceOfSuperseded is how long the token before the last is taken for a client's own retry, not for a thief's.
	graceOfSuperseded = 10 * time.Second
	// maxSuperseded bounds how many of them are remembered.
	maxSuperseded = 16
)

func (s *Service) newRefreshToken() (t refreshToken, err error) {
	if t.family, err = token.NewSecret(s.Random); err != nil {
		return t, err
	}
	t.rotating, err = token.NewSecret(s.Random)
	return t, err
}

func parseRefreshToken(text string) (t refreshToken, err error) {
	if len(text) != 2*secretText {
		return t, errors.New("session: no refresh token")
	}
	if t.family, err = token.ParseSecret(text[:secretText]); err != nil {
		return t, err
	}
	t.rotating, err = token.ParseSecret(text[secretText:])
	return t, err
}

func (t refreshToken) encode() string { return t.family.Encode() + t.rotating.Encode() }

// sid is the secret of the session's access tokens.
func (t refreshToken) sid() token.Secret { return t.family.Derive("propusk sid") }

func badRefresh() error {
	return notSignedIn("invalid_refresh_token", "the refresh token is not valid: log in again")
}

// Refresh gives new tokens for a session that lives, within its absolute limit. The refresh token is used up by it. Seen again within
// ten seconds it is refused and nothing changes, for it may be the client's own second try; later it ends the session, for somebody has
// a copy. Unauthenticated (invalid_refresh_token), Conflict (refresh_superseded).
func (s *Service) Refresh(ctx context.Context, text string, from propusk.Origin) (Tokens, error) {
	old, err := parseRefreshToken(text)
	if err != nil {
		return Tokens{}, badRefresh()
	}
	// Nonsense is found without a transaction, so that a flood of it does not stand in the way of those who write.
	if _, err := s.refreshable(s.Store.Now(ctx), old); err != nil {
		return Tokens{}, err
	}
	fresh, err := s.newRefreshToken()
	if err != nil {
		return Tokens{}, err
	}
	fresh.family = old.family
	var out Tokens
	var refused error
	err = s.Store.Update(ctx, func(tx store.Tx) (err error) {
		out, refused = Tokens{}, nil
		found, err := s.refreshable(tx, old)
		if err != nil {
			return err
		}
		me := propusk.Pass{User: found.user, Session: found.session, Origin: from}
		switch hash := old.rotating.Hash(); {
		case hash == found.refresh.Current:
			out, err = s.rotate(tx, me, found.refresh, fresh)
			return err
		case slices.ContainsFunc(s.recent(found.refresh), func(r store.Superseded) bool { return r.Hash == hash }):
			return &propusk.Error{
				Kind: propusk.Conflict, Code: "refresh_superseded",
				Message: "this refresh token was used a moment ago: use the one that was given for it",
			}
		default:
			refused = badRefresh()
			return s.end(tx, me, "session.reuse")
		}
	})
	if err == nil {
		err = refused
	}
	return out, err
}

// recent is what was superseded so lately that it may be a client's own second try.
func (s *Service) recent(r store.Refresh) []store.Superseded {
	now := s.Now()
	return slices.DeleteFunc(slices.Clone(r.Superseded), func(old store.Superseded) bool {
		return now.Sub(old.At).Abs() >= graceOfSuperseded // also what a clock that was ahead has written
	})
}

type renewable struct {
	session propusk.Session
	user    propusk.User
	refresh store.Refresh
}

// refreshable finds the live session of a refresh token, current or old.
func (s *Service) refreshable(r store.Reader, t refreshToken) (found renewable, err error) {
	found.session, found.user, found.refresh, err = r.Refreshable(t.sid().Hash())
	if errors.Is(err, store.ErrNotFound) || (err == nil && !s.live(found.session, found.user, s.Now())) {
		return found, badRefresh()
	}
	return found, err
}

func (s *Service) rotate(tx store.Tx, me propusk.Pass, was store.Refresh, fresh refreshToken) (Tokens, error) {
	now := s.Now()
	superseded := append(s.recent(was), store.Superseded{Hash: was.Current, At: now})
	to := store.Refresh{Current: fresh.rotating.Hash(), Superseded: superseded[max(0, len(superseded)-maxSuperseded):]}
	if err := tx.RotateRefresh(me.Session.ID, to); err != nil {
		return Tokens{}, err
	}
	if err := tx.TouchSessions([]store.Seen{{SessionID: me.Session.ID, At: now}}); err != nil {
		return Tokens{}, err
	}
	err := audit.Record(tx, now, me, audit.Entry{Action: "session.refresh", Target: me.User.UserID, After: audit.Fields{"session": me.Session.ID}})
	if err != nil {
		return Tokens{}, err
	}
	ring, err := s.Keys.signer(tx)
	if err != nil {
		return Tokens{}, err
	}
	return s.sign(ring, me.User, me.Session, fresh, now.Truncate(time.Second))
}

// LogoutByRefresh ends the session that a refresh token belongs to, for whom the access token has expired. Unauthenticated
// (invalid_refresh_token).
func (s *Service) LogoutByRefresh(ctx context.Context, text string, from propusk.Origin) error {
	t, err := parseRefreshToken(text)
	if err != nil {
		return badRefresh()
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		found, err := s.refreshable(tx, t)
		if err != nil {
			return err
		}
		action := "session.end"
		if t.rotating.Hash() != found.refresh.Current {
			action = "session.reuse"
		}
		return s.end(tx, propusk.Pass{User: found.user, Session: found.session, Origin: from}, action)
	})
}
