// Package session is logging in and out: the access token, the row behind it, and the limits of time on both.
package session

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/email"
	"github.com/propusk/propusk/internal/password"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/token"
)

// Limits are the limits of time on a login; all are enforced here, none is left to the client.
type Limits struct {
	// Token is how long an access token is good for.
	Token time.Duration
	// Idle ends a session that was not used for that long, with the granularity of a minute.
	Idle time.Duration
	// Absolute ends a session that long after login, whatever happens.
	Absolute time.Duration
}

// Service logs people in and out.
type Service struct {
	Store  store.Store
	Keys   *token.Keyring
	Hasher *password.Hasher
	Limits Limits
	Log    *slog.Logger
	// Now is the wall clock; Random is where secrets come from.
	Now    func() time.Time
	Random io.Reader

	seen seen
}

// Login is somebody at the door.
type Login struct {
	Email, Password string
	// Device and Address are shown to the owner beside the session.
	Device, Address string
}

// Tokens is what a login gives.
type Tokens struct {
	// Access is the signed token to send as "Authorization: Bearer …".
	Access string
	// ExpiresIn is how long Access is good for.
	ExpiresIn time.Duration
	User      propusk.User
}

// maxDevice bounds what is kept of a User-Agent, in bytes.
const maxDevice = 256

func badCredentials() error {
	return &propusk.Error{
		Kind: propusk.Unauthenticated, Code: "invalid_credentials",
		Message: "the e-mail address or the password is wrong, or the account is not active",
	}
}

func notSignedIn(code, message string) error {
	return &propusk.Error{Kind: propusk.Unauthenticated, Code: code, Message: message}
}

// Login opens a session. An unknown address, a wrong password and an inactive account are refused alike, after the same work, so
// that nobody learns by asking which addresses have accounts (OWASP Authentication Cheat Sheet). Unauthenticated
// (invalid_credentials), Unavailable when too many passwords are being hashed.
func (s *Service) Login(ctx context.Context, in Login) (Tokens, error) {
	key := email.Key(in.Email)
	user, hash, err := s.Store.Now(ctx).Credentials(key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Tokens{}, err
	}
	if err != nil || !user.IsActive {
		if err := s.Hasher.VerifyDummy(ctx, in.Password); err != nil {
			return Tokens{}, err
		}
		return Tokens{}, badCredentials()
	}
	result, err := s.Hasher.Verify(ctx, hash, in.Password)
	if errors.Is(err, password.ErrUnreadable) && propusk.KindOf(err) != propusk.Unavailable {
		s.Log.Error("a stored password hash cannot be read: give the account a new password", "user", user.UserID, "error", err)
		return Tokens{}, badCredentials()
	}
	if err != nil {
		return Tokens{}, err
	}
	if !result.OK {
		return Tokens{}, badCredentials()
	}
	fresh := hash
	if result.Rehash {
		// Who knows the password gets in, renewed hash or not; the next login tries again.
		if renewed, err := s.Hasher.Hash(ctx, in.Password); err == nil {
			fresh = renewed
		}
	}
	return s.open(ctx, key, hash, fresh, in)
}

// open writes the session, if the account is still as the password was checked against, and signs its token.
func (s *Service) open(ctx context.Context, key, verified, fresh string, in Login) (Tokens, error) {
	now := s.Now().Truncate(time.Second)
	secret, err := token.NewSecret(s.Random)
	if err != nil {
		return Tokens{}, err
	}
	row := store.SessionRow{
		Session: propusk.Session{
			ID: uuid.NewString(), Device: printable(in.Device, maxDevice), Address: in.Address,
			CreatedAt: now, LastSeen: now, ExpiresAt: now.Add(s.Limits.Absolute),
		},
		SecretHash: secret.Hash(),
	}
	var user propusk.User
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		u, hash, err := tx.Credentials(key)
		if errors.Is(err, store.ErrNotFound) || (err == nil && (!u.IsActive || hash != verified)) {
			return badCredentials()
		}
		if err != nil {
			return err
		}
		if fresh != verified {
			if err := tx.SetPasswordHash(u.ID, fresh); err != nil {
				return err
			}
		}
		row.UserID = u.ID
		if err := tx.InsertSession(row); err != nil {
			return err
		}
		user = u
		return tx.TouchSessions([]store.Seen{{SessionID: row.ID, At: now}})
	})
	if err != nil {
		return Tokens{}, err
	}
	return s.sign(user, row.Session, secret, now)
}

func (s *Service) sign(user propusk.User, session propusk.Session, secret token.Secret, now time.Time) (Tokens, error) {
	id, err := uuid.Parse(user.UserID)
	if err != nil {
		return Tokens{}, err
	}
	life := min(s.Limits.Token, session.ExpiresAt.Sub(now))
	access, err := s.Keys.Sign(token.Claims{
		UserID: id, SessionSecret: secret, IssuedAt: now, NotBefore: now, Expires: now.Add(life),
	})
	if err != nil {
		return Tokens{}, err
	}
	return Tokens{Access: access, ExpiresIn: life, User: user}, nil
}

// Resolve tells who holds the access token and in which session: signature and time of the token, the session's row, its limits of
// time, and that the account is active are all checked now. Unauthenticated: invalid_token, token_expired, session_ended.
func (s *Service) Resolve(ctx context.Context, access string) (propusk.User, propusk.Session, error) {
	now := s.Now()
	claims, err := s.Keys.Verify(access, now)
	switch {
	case errors.Is(err, token.ErrExpired):
		return propusk.User{}, propusk.Session{}, notSignedIn("token_expired", "the access token has expired: log in again")
	case err != nil:
		return propusk.User{}, propusk.Session{}, notSignedIn("invalid_token", "the access token is not valid: log in to get one")
	}
	session, user, err := s.Store.Now(ctx).SessionBySecret(claims.SessionSecret.Hash())
	if errors.Is(err, store.ErrNotFound) {
		return propusk.User{}, propusk.Session{}, ended()
	}
	if err != nil {
		return propusk.User{}, propusk.Session{}, err
	}
	if user.UserID != claims.UserID.String() || !s.live(session, user, now) {
		return propusk.User{}, propusk.Session{}, ended()
	}
	s.seen.note(session, now)
	return user, session, nil
}

// Again resolves a session that was resolved earlier in this request, inside the transaction that is about to act upon it.
// Unauthenticated: session_ended.
func (s *Service) Again(r store.Reader, sessionID string) (propusk.User, propusk.Session, error) {
	session, user, err := r.SessionByID(sessionID)
	if errors.Is(err, store.ErrNotFound) || (err == nil && !s.live(session, user, s.Now())) {
		return propusk.User{}, propusk.Session{}, ended()
	}
	return user, session, err
}

func (s *Service) live(session propusk.Session, user propusk.User, now time.Time) bool {
	return user.IsActive && now.Before(session.ExpiresAt) && now.Sub(session.LastSeen) < s.Limits.Idle
}

func ended() error {
	return notSignedIn("session_ended", "the session has ended: log in again")
}

// Logout ends the caller's session.
func (s *Service) Logout(ctx context.Context, caller propusk.Pass) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		_, err := tx.DeleteSession(caller.Session.ID)
		return err
	})
}

// LogoutAll ends all sessions of the caller, on every device, this one included, and counts them.
func (s *Service) LogoutAll(ctx context.Context, caller propusk.Pass) (int, error) {
	var ended int
	err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if _, _, err := s.Again(tx, caller.Session.ID); err != nil {
			return err
		}
		ended, err = tx.DeleteSessions(caller.User.ID, "")
		return err
	})
	return ended, err
}
