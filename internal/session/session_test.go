package session_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/password"
	"github.com/propusk/propusk/internal/session"
	"github.com/propusk/propusk/internal/sqlstore"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/throttle"
	"github.com/propusk/propusk/internal/token"
)

// world is a session service whose clock the test turns.
type world struct {
	*session.Service
	now  time.Time
	path string
}

const secretWord = "a perfectly ordinary sentence"

// resolve is Resolve, taken apart.
func (w *world) resolve(t *testing.T, access string) (propusk.User, propusk.Session, error) {
	opened, err := w.Resolve(t.Context(), access)
	if err != nil {
		return propusk.User{}, propusk.Session{}, err
	}
	return opened.User, opened.Session, nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), path: filepath.Join(t.TempDir(), "propusk.db")}
	db, err := sqlstore.Open(t.Context(), "sqlite:"+w.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	clock := func() time.Time { return w.now }
	keys := &session.Keys{Store: db, Tokens: token.Config{Issuer: "test", Audience: "test"}, Now: clock, Random: rand.Reader}
	if err := keys.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Service = &session.Service{
		Store: db, Keys: keys, Hasher: hasher(t, 1), Throttle: &throttle.Limiter{Store: db, Now: clock}, Log: slog.New(slog.DiscardHandler), Random: rand.Reader,
		Limits: session.Limits{Token: time.Hour, Idle: 7 * 24 * time.Hour, Absolute: 30 * 24 * time.Hour},
		Now:    clock,
	}
	w.addUser(t)
	return w
}

func hasher(t *testing.T, iterations uint32) *password.Hasher {
	t.Helper()
	h, err := password.New(password.Config{Params: password.Params{MemoryKiB: 64, Iterations: iterations, Parallelism: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (w *world) addUser(t *testing.T) {
	t.Helper()
	hash, err := w.Hasher.Hash(t.Context(), secretWord)
	if err != nil {
		t.Fatal(err)
	}
	row := store.UserRow{EmailKey: "anna@example.org", PasswordHash: hash, User: propusk.User{
		UserID: uuid.NewString(), Name: "Anna", Slug: "anna", Email: "anna@example.org", Role: "user", IsActive: true,
		CreatedAt: w.now, UpdatedAt: w.now,
	}}
	if err := w.Store.Update(t.Context(), func(tx store.Tx) error { _, err := tx.InsertUser(row); return err }); err != nil {
		t.Fatal(err)
	}
}

// breakAudit makes every entry of the audit fail, as a full disk or a broken trigger would.
func (w *world) breakAudit(t *testing.T) {
	t.Helper()
	db, err := sql.Open("sqlite", w.path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const refuse = `CREATE TRIGGER refuse BEFORE INSERT ON audit_event BEGIN SELECT raise(ABORT, 'no audit'); END`
	if _, err := db.Exec(refuse); err != nil {
		t.Fatal(err)
	}
}

func (w *world) login(t *testing.T) session.Tokens {
	t.Helper()
	in, err := w.Login(t.Context(), session.Login{Email: "Anna@Example.org ", Password: secretWord, Device: "a\nbrowser", Origin: propusk.Origin{Address: "192.0.2.7"}})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// use resolves the token and lets the background work catch up.
func (w *world) use(t *testing.T, access string) error {
	t.Helper()
	_, err := w.Resolve(t.Context(), access)
	w.Flush(t.Context())
	return err
}

func code(err error) string {
	var e *propusk.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestTokenEndsBeforeSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.login(t)
	if in.ExpiresIn != time.Hour {
		t.Errorf("the token is good for %v", in.ExpiresIn)
	}
	w.now = w.now.Add(time.Hour - time.Second)
	if err := w.use(t, in.Access); err != nil {
		t.Errorf("just before: %v", err)
	}
	w.now = w.now.Add(2 * time.Second)
	if err := w.use(t, in.Access); code(err) != "token_expired" {
		t.Errorf("just after: %v", err)
	}
}

func TestIdleSessionEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Limits.Token = 30 * 24 * time.Hour
	in := w.login(t)
	for range 3 {
		w.now = w.now.Add(w.Limits.Idle - time.Minute)
		if err := w.use(t, in.Access); err != nil {
			t.Fatalf("used within the limit: %v", err)
		}
	}
	w.now = w.now.Add(w.Limits.Idle)
	if err := w.use(t, in.Access); code(err) != "session_ended" {
		t.Errorf("after the limit: %v", err)
	}
}

func TestNoUseMovesTheAbsoluteEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Limits.Token = 60 * 24 * time.Hour
	in := w.login(t)
	if in.ExpiresIn != w.Limits.Absolute {
		t.Errorf("the token outlives its session: %v", in.ExpiresIn)
	}
	for day := 1; day < 30; day++ {
		w.now = w.now.Add(24 * time.Hour)
		if err := w.use(t, in.Access); err != nil {
			t.Fatalf("day %d: %v", day, err)
		}
	}
	w.now = w.now.Add(24 * time.Hour)
	if err := w.use(t, in.Access); err == nil {
		t.Error("after thirty days the session still stands")
	}
}

func TestLastSeenIsWrittenAtMostOnceAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.login(t)
	seen := func() time.Time {
		_, s, err := w.resolve(t, in.Access)
		if err != nil {
			t.Fatal(err)
		}
		return s.LastSeen
	}
	loggedIn := w.now
	w.now = w.now.Add(59 * time.Second)
	_ = w.use(t, in.Access)
	if !seen().Equal(loggedIn) {
		t.Errorf("written after 59 s: %v", seen())
	}
	w.now = w.now.Add(time.Second)
	_ = w.use(t, in.Access)
	if !seen().Equal(w.now) {
		t.Errorf("not written after a minute: %v", seen())
	}
}

// A note of use is written by and by, and at the end what is still noted. The bubble's clock stands still while the database works, so that the
// limit of the last writing, which is about a database that hangs, is not reached by one that is slow.
func TestUsesAreWrittenInTheBackground(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		in := w.login(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			w.Run(ctx)
		}()
		for _, then := range []func(){
			func() { time.Sleep(session.FlushEvery); synctest.Wait() },
			func() { stop(); <-ended },
		} {
			w.now = w.now.Add(time.Minute)
			if _, _, err := w.resolve(t, in.Access); err != nil {
				t.Fatal(err)
			}
			then()
			if _, live, err := w.resolve(t, in.Access); err != nil || !live.LastSeen.Equal(w.now) {
				t.Errorf("last seen at %v, not %v: %v", live.LastSeen, w.now, err)
			}
		}
	})
}

// claims reads what a token says, with the keys that the database holds: what a thief of the whole database could do.
func (w *world) claims(t *testing.T, access string) (*token.Keyring, token.Claims) {
	t.Helper()
	stored, err := w.Store.Now(t.Context()).SigningKeys()
	if err != nil {
		t.Fatal(err)
	}
	key, err := token.ParsePKCS8(stored[0].Private)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := token.NewKeyring(w.Keys.Tokens, key)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := ring.Verify(access, w.now)
	if err != nil {
		t.Fatal(err)
	}
	return ring, claims
}

// Somebody who steals the database, signing key included, must not be able to make a token that opens a session.
func TestNothingInTheDatabaseOpensASession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.login(t)
	user, live, err := w.resolve(t, in.Access)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"public id": live.ID, "user id": user.UserID} {
		if _, err := token.ParseSecret(text); err == nil {
			t.Errorf("the %s is a secret", what)
		}
	}
	ring, claims := w.claims(t, in.Access)
	stored := claims.SessionSecret.Hash()
	if _, _, err := w.Store.Now(t.Context()).SessionBySecret(stored, claims.KeyID); err != nil {
		t.Errorf("the row is not found by the hash: %v", err)
	}
	if claims.SessionSecret, err = token.NewSecret(strings.NewReader(string(stored[:]))); err != nil {
		t.Fatal(err)
	}
	access, err := ring.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.use(t, access); code(err) != "session_ended" {
		t.Errorf("a token made of what the database holds is taken: %v", err)
	}
}

func TestATokenOfOneUserDoesNotOpenAnothersSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ring, claims := w.claims(t, w.login(t).Access)
	claims.UserID = uuid.New()
	access, err := ring.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.use(t, access); code(err) != "session_ended" {
		t.Errorf("%v", err)
	}
}

func TestHashIsRenewedAtLoginWhenTheCostChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, before, _ := w.Store.Now(t.Context()).Credentials("anna@example.org")
	w.login(t)
	_, same, _ := w.Store.Now(t.Context()).Credentials("anna@example.org")
	w.Hasher = hasher(t, 2)
	w.login(t)
	_, after, _ := w.Store.Now(t.Context()).Credentials("anna@example.org")
	if before != same || after == before || !strings.Contains(after, "t=2") {
		t.Errorf("before %s, after a login %s, after the cost changed %s", before, same, after)
	}
	w.login(t)
}

// Of many who log in when the cost was changed one renews the hash first. The others know the password too.
func TestParallelLoginsSurviveTheRenewalOfTheHash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Hasher = hasher(t, 2)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := w.Login(t.Context(), session.Login{Email: "anna@example.org", Password: secretWord}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestDamagedHashIsAWrongPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	err := w.Store.Update(t.Context(), func(tx store.Tx) error { return tx.SetPasswordHash(1, "$argon2id$damaged") })
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Login(t.Context(), session.Login{Email: "anna@example.org", Password: secretWord})
	if code(err) != "invalid_credentials" {
		t.Errorf("%v", err)
	}
}

func TestSessionsThatAreOverAreRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.login(t)
	_, live, err := w.resolve(t, old.Access)
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(w.Limits.Absolute)
	w.Sweep(t.Context())
	if _, _, err := w.Store.Now(t.Context()).SessionByID(live.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the row is still there: %v", err)
	}
}

func TestDeviceIsKeptPrintable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, live, err := w.resolve(t, w.login(t).Access)
	if err != nil || live.Device != "abrowser" || live.Address != "192.0.2.7" {
		t.Errorf("device %q, address %q, %v", live.Device, live.Address, err)
	}
}
