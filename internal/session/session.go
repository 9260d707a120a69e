// Package session is logging in and out: the access token, the row behind it, and the limits of time on both.
package session

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/email"
	"github.com/propusk/propusk/internal/password"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/throttle"
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
	Store    store.Store
	Keys     *Keys
	Hasher   *password.Hasher
	Throttle *throttle.Limiter
	Limits   Limits
	Log      *slog.Logger
	// Now is the wall clock; Random is where secrets come from.
	Now    func() time.Time
	Random io.Reader

	seen Uses
}

// Login is somebody at the door.
type Login struct {
	Email, Password string
	// Device is the User-Agent; it and the origin's address are shown to the owner beside the session.
	Device string
	Origin propusk.Origin
}

// Tokens is what a login gives.
type Tokens struct {
	// Access is the signed token to send as "Authorization: Bearer …".
	Access string
	// ExpiresIn is how long Access is good for.
	ExpiresIn time.Duration
	// Refresh gives new tokens, once, when Access has expired.
	Refresh string
	User    propusk.User
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
// (invalid_credentials), RateLimited, Unavailable when too many passwords are being hashed.
func (s *Service) Login(ctx context.Context, in Login) (Tokens, error) {
	if err := s.Hasher.Full(); err != nil {
		return Tokens{}, err
	}
	key := email.Key(in.Email)
	for range 3 {
		tokens, err := s.tryLogin(ctx, key, in)
		if !errors.Is(err, errHashChanged) {
			return tokens, err
		}
		// Somebody logged in at the same moment and renewed the hash, or changed the password: look again.
	}
	return Tokens{}, badCredentials()
}

// errHashChanged means that the password was checked against a hash that is not the account's any more.
var errHashChanged = errors.New("session: the password's hash has changed meanwhile")

func (s *Service) tryLogin(ctx context.Context, key string, in Login) (Tokens, error) {
	user, hash, err := s.Store.Now(ctx).Credentials(key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Tokens{}, err
	}
	attempt, err := s.Throttle.Begin(ctx, key, hash, in.Origin.Address)
	if err != nil {
		return Tokens{}, err
	}
	fresh, err := s.verify(ctx, user, hash, in.Password)
	if propusk.KindOf(err) == propusk.Unavailable {
		return Tokens{}, errors.Join(err, attempt.Withdraw(ctx))
	}
	if err != nil {
		return Tokens{}, err
	}
	tokens, err := s.open(ctx, key, hash, fresh, attempt, in)
	if errors.Is(err, errHashChanged) {
		err = errors.Join(err, attempt.Withdraw(ctx))
	}
	return tokens, err
}

// verify checks the password against the account's hash, and returns the hash to keep from now on. A zero user is nobody.
func (s *Service) verify(ctx context.Context, user propusk.User, hash, secret string) (fresh string, err error) {
	if !user.IsActive {
		if err := s.Hasher.VerifyDummy(ctx, secret); err != nil {
			return "", err
		}
		return "", badCredentials()
	}
	result, err := s.Hasher.Verify(ctx, hash, secret)
	if errors.Is(err, password.ErrUnreadable) && propusk.KindOf(err) != propusk.Unavailable {
		s.Log.Error("a stored password hash cannot be read: give the account a new password", "user", user.UserID, "error", err)
		return "", badCredentials()
	}
	if err != nil {
		return "", err
	}
	if !result.OK {
		return "", badCredentials()
	}
	if result.Rehash {
		// Who knows the password gets in, renewed hash or not; the next login tries again.
		if renewed, err := s.Hasher.Hash(ctx, secret); err == nil {
			return renewed, nil
		}
	}
	return hash, nil
}

// open writes the session, if the account is still as the password was checked against, and signs its token.
func (s *Service) open(ctx context.Context, key, verified, fresh string, attempt *throttle.Attempt, in Login) (Tokens, error) {
	now := s.Now().Truncate(time.Second)
	refresh, err := s.newRefreshToken()
	if err != nil {
		return Tokens{}, err
	}
	row := store.SessionRow{
		Session: propusk.Session{
			ID: uuid.NewString(), Device: printable(in.Device, maxDevice), Address: in.Origin.Address,
			CreatedAt: now, LastSeen: now, ExpiresAt: now.Add(s.Limits.Absolute),
		},
		SecretHash: refresh.sid().Hash(), Refresh: store.Refresh{Current: refresh.rotating.Hash()},
	}
	var user propusk.User
	var ring *token.Keyring
	err = s.Store.Update(ctx, func(tx store.Tx) (err error) {
		var hash string
		user, hash, err = tx.Credentials(key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err != nil || !user.IsActive {
			return badCredentials()
		}
		if hash != verified {
			return errHashChanged
		}
		if fresh != verified {
			if err := tx.SetPasswordHash(user.ID, fresh); err != nil {
				return err
			}
		}
		if ring, err = s.Keys.signer(tx); err != nil {
			return err
		}
		opened := row
		opened.UserID = user.ID
		return s.insert(tx, opened, propusk.Pass{User: user, Session: row.Session, Origin: in.Origin}, attempt, fresh)
	})
	if err != nil {
		return Tokens{}, err
	}
	return s.sign(ring, user, row.Session, refresh, now)
}

func (s *Service) insert(tx store.Tx, row store.SessionRow, me propusk.Pass, attempt *throttle.Attempt, hash string) error {
	if err := tx.InsertSession(row); err != nil {
		return err
	}
	if err := attempt.Succeeded(tx, hash); err != nil {
		return err
	}
	if err := tx.TouchSessions([]store.Seen{{SessionID: row.ID, At: row.CreatedAt}}); err != nil {
		return err
	}
	return audit.Record(tx, row.CreatedAt, me, audit.Entry{
		Action: "session.open", Target: me.User.UserID, After: audit.Fields{"session": row.ID, "device": row.Device},
	})
}

func (s *Service) sign(ring *token.Keyring, user propusk.User, session propusk.Session, refresh refreshToken, now time.Time) (Tokens, error) {
	id, err := uuid.Parse(user.UserID)
	if err != nil {
		return Tokens{}, err
	}
	life := min(s.Limits.Token, session.ExpiresAt.Sub(now))
	access, err := ring.Sign(token.Claims{
		UserID: id, SessionSecret: refresh.sid(), IssuedAt: now, NotBefore: now, Expires: now.Add(life),
	})
	if err != nil {
		return Tokens{}, err
	}
	return Tokens{Access: access, ExpiresIn: life, Refresh: refresh.encode(), User: user}, nil
}

// Opened is a session that an access token opened: who it is, and until when that is so. It may be remembered for as long as neither account nor
// session change.
type Opened struct {
	Life    Life
	User    propusk.User
	Session propusk.Session
}

// Life is how long a token goes on to open its session. Copy it only before it is used by several goroutines.
type Life struct {
	// ends is when the token, leeway included, or the session does, whichever is first; in Unix milliseconds.
	ends int64
	// used is when the use was noted last, in Unix seconds. It is read and written atomically.
	used uint32
}

// Used is when the session was used last, as far as this process knows, at most a minute late. It is zero for the zero Life.
func (l *Life) Used() time.Time {
	used := atomic.LoadUint32(&l.used)
	if used == 0 {
		return time.Time{}
	}
	return time.Unix(int64(used), 0).UTC()
}

// Resolve tells who holds the access token and in which session: signature and time of the token, the session's row, its limits of
// time, and that the account is active are all checked now. Unauthenticated: invalid_token, token_expired, session_ended.
func (s *Service) Resolve(ctx context.Context, access string) (Opened, error) {
	now := s.Now()
	claims, err := s.Keys.verify(ctx, access, now)
	switch {
	case errors.Is(err, token.ErrExpired):
		return Opened{}, notSignedIn("token_expired", "the access token has expired: refresh it or log in again")
	case err != nil && !errors.Is(err, token.ErrInvalid):
		return Opened{}, err
	case err != nil:
		return Opened{}, notSignedIn("invalid_token", "the access token is not valid: log in to get one")
	}
	session, user, err := s.Store.Now(ctx).SessionBySecret(claims.SessionSecret.Hash(), s.Keys.kept(claims))
	if errors.Is(err, store.ErrNotFound) {
		return Opened{}, ended()
	}
	if err != nil {
		return Opened{}, err
	}
	if user.UserID != claims.UserID.String() || !s.live(session, user, now) {
		return Opened{}, ended()
	}
	ends := claims.Expires.Add(s.Keys.Tokens.Leeway)
	if session.ExpiresAt.Before(ends) {
		ends = session.ExpiresAt
	}
	o := Opened{User: user, Session: session, Life: Life{ends: ends.UnixMilli(), used: uint32(session.LastSeen.Unix())}}
	s.Use(&o.Life, &o.Session, now)
	return o, nil
}

// Use reports whether the limits of time still let the session be used, and notes that it was. What was opened a while ago may have been used
// elsewhere since: when Use says no, Resolve knows.
func (s *Service) Use(l *Life, session *propusk.Session, now time.Time) bool {
	last := atomic.LoadUint32(&l.used)
	idle := now.Unix() - int64(last)
	if now.UnixMilli() >= l.ends || idle >= int64(s.Limits.Idle/time.Second) {
		return false
	}
	if idle >= int64(seenEvery/time.Second) && atomic.CompareAndSwapUint32(&l.used, last, uint32(now.Unix())) {
		s.seen.Note(session.ID, now)
	}
	return true
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
	return notSignedIn("session_ended", "this token opens no session any more: refresh it or log in again")
}

// Logout ends the caller's session.
func (s *Service) Logout(ctx context.Context, caller propusk.Pass) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		if _, _, err := s.Again(tx, caller.Session.ID); err != nil {
			return err
		}
		return s.end(tx, caller, "session.end")
	})
}

func (s *Service) end(tx store.Tx, me propusk.Pass, action string) error {
	if _, err := tx.DeleteSession(me.Session.ID); err != nil {
		return err
	}
	return audit.Record(tx, s.Now(), me, audit.Entry{Action: action, Target: me.User.UserID, Before: audit.Fields{"session": me.Session.ID}})
}

// LogoutAll ends all sessions of the caller, on every device, this one included, and counts them.
func (s *Service) LogoutAll(ctx context.Context, caller propusk.Pass) (int, error) {
	var ended int
	err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if _, _, err := s.Again(tx, caller.Session.ID); err != nil {
			return err
		}
		if ended, err = tx.DeleteSessions(caller.User.ID, ""); err != nil {
			return err
		}
		return audit.Record(tx, s.Now(), caller, audit.Entry{
			Action: "session.end_all", Target: caller.User.UserID, Before: audit.Fields{"sessions": ended},
		})
	})
	return ended, err
}

// maxListed bounds a list of sessions.
const maxListed = 100

// List is the caller's live sessions, the last used first, at most a hundred.
func (s *Service) List(ctx context.Context, caller propusk.Pass) ([]propusk.Session, error) {
	sessions, err := s.Store.Now(ctx).SessionsOf(caller.User.ID, maxListed)
	return slices.DeleteFunc(sessions, func(one propusk.Session) bool { return !s.live(one, caller.User, s.Now()) }), err
}

// End ends another session of the caller, or this one. NotFound, for other people's sessions too.
func (s *Service) End(ctx context.Context, caller propusk.Pass, id string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		if _, _, err := s.Again(tx, caller.Session.ID); err != nil {
			return err
		}
		session, owner, err := tx.SessionByID(strings.ToLower(id))
		if errors.Is(err, store.ErrNotFound) || (err == nil && owner.ID != caller.User.ID) {
			return &propusk.Error{Kind: propusk.NotFound, Code: "session_not_found", Message: "you have no such session"}
		}
		if err != nil {
			return err
		}
		target := caller
		target.Session = session
		return s.end(tx, target, "session.end")
	})
}
