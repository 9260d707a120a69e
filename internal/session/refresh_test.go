package session_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/session"
	"github.com/propusk/propusk/internal/store"
)

func (w *world) refresh(t *testing.T, text string) (session.Tokens, error) {
	t.Helper()
	return w.Refresh(t.Context(), text, propusk.Origin{Address: "192.0.2.7"})
}

func TestRefreshGivesNewTokensAndKeepsTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.login(t)
	w.now = w.now.Add(2 * time.Hour)
	again, err := w.refresh(t, in.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	if again.Refresh == in.Refresh || again.ExpiresIn != time.Hour {
		t.Errorf("%+v", again)
	}
	if err := w.use(t, again.Access); err != nil {
		t.Errorf("the new access token: %v", err)
	}
	if err := w.use(t, in.Access); code(err) != "token_expired" {
		t.Errorf("the old access token: %v", err)
	}
	if n, _ := w.Store.Now(t.Context()).CountSessions(); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

func TestASupersededRefreshTokenChangesNothingForTenSeconds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.login(t)
	second, err := w.refresh(t, first.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(5 * time.Second)
	third, err := w.refresh(t, second.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(4900 * time.Millisecond)
	for name, old := range map[string]string{"first": first.Refresh, "second": second.Refresh} {
		if _, err := w.refresh(t, old); code(err) != "refresh_superseded" || propusk.KindOf(err) != propusk.Conflict {
			t.Errorf("the %s: %v", name, err)
		}
	}
	if err := w.use(t, third.Access); err != nil {
		t.Errorf("the session: %v", err)
	}
	if _, err := w.refresh(t, third.Refresh); err != nil {
		t.Errorf("the current token: %v", err)
	}
}

// A refresh token that comes back late was copied: by a thief, or from the owner by one. Both lose the session.
func TestALateSecondUseEndsTheSession(t *testing.T) {
	t.Parallel()
	for name, uses := range map[string]int{"the last but one": 1, "a much older one": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			first := w.login(t)
			current := first
			for range uses {
				var err error
				if current, err = w.refresh(t, current.Refresh); err != nil {
					t.Fatal(err)
				}
				w.now = w.now.Add(10 * time.Second)
			}
			if _, err := w.refresh(t, first.Refresh); code(err) != "invalid_refresh_token" {
				t.Errorf("the copy: %v", err)
			}
			if err := w.use(t, current.Access); code(err) != "session_ended" {
				t.Errorf("the access token afterwards: %v", err)
			}
			if _, err := w.refresh(t, current.Refresh); code(err) != "invalid_refresh_token" {
				t.Errorf("the current refresh token afterwards: %v", err)
			}
			events, _, err := w.Store.Now(t.Context()).AuditEvents(store.AuditFilter{Action: "session.reuse", Limit: 10})
			if err != nil || len(events) != 1 {
				t.Errorf("the audit says %v, %v", events, err)
			}
		})
	}
}

func TestRefreshDoesNotOutliveTheSession(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		wait  time.Duration
		every bool
	}{"idle": {7 * 24 * time.Hour, false}, "absolute": {30 * 24 * time.Hour, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			in := w.login(t)
			end := w.now.Add(tt.wait)
			for tt.every && w.now.Before(end.Add(-24*time.Hour)) {
				w.now = w.now.Add(24 * time.Hour)
				var err error
				if in, err = w.refresh(t, in.Refresh); err != nil {
					t.Fatal(err)
				}
			}
			w.now = end.Add(-time.Second)
			if tt.every {
				last, err := w.refresh(t, in.Refresh)
				if err != nil || last.ExpiresIn != time.Second {
					t.Fatalf("a second before the end: %v, good for %v", err, last.ExpiresIn)
				}
				in = last
			}
			w.now = end
			if _, err := w.refresh(t, in.Refresh); code(err) != "invalid_refresh_token" {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestHostileRefreshTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in, other := w.login(t), w.login(t)
	half := len(in.Refresh) / 2
	for name, text := range map[string]string{
		"empty": "", "short": in.Refresh[:half], "long": in.Refresh + "A", "access token": in.Access,
		"not base64": strings.Repeat("!", len(in.Refresh)), "unknown": strings.Repeat("A", len(in.Refresh)),
		"halves swapped": in.Refresh[half:] + in.Refresh[:half], "padded": in.Refresh[:half] + "=" + in.Refresh[half+1:],
		"another's first half": strings.Repeat("A", half) + other.Refresh[half:],
	} {
		if _, err := w.refresh(t, text); code(err) != "invalid_refresh_token" {
			t.Errorf("%s: %v", name, err)
		}
		if err := w.LogoutByRefresh(t.Context(), text, propusk.Origin{}); code(err) != "invalid_refresh_token" {
			t.Errorf("%s at logout: %v", name, err)
		}
	}
	if err := w.use(t, in.Access); err != nil {
		t.Errorf("nonsense ended the session: %v", err)
	}
}

func TestOfAHundredRefreshesAtOnceOneSucceeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.login(t)
	var mu sync.Mutex
	outcomes := map[string]int{}
	var won session.Tokens
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			got, err := w.refresh(t, in.Refresh)
			for propusk.KindOf(err) == propusk.Unavailable { // so many at once may be too many for a slow disk; nothing was decided
				got, err = w.refresh(t, in.Refresh)
			}
			mu.Lock()
			defer mu.Unlock()
			if outcomes[code(err)]++; err == nil {
				won = got
			}
		})
	}
	all.Wait()
	if outcomes[""] != 1 || outcomes["refresh_superseded"] != 99 {
		t.Errorf("%v", outcomes)
	}
	if err := w.use(t, won.Access); err != nil {
		t.Errorf("the winner's access token: %v", err)
	}
	if _, err := w.refresh(t, won.Refresh); err != nil {
		t.Errorf("the winner's refresh token: %v", err)
	}
}

// Whichever comes first, a refresh that races logout-all must leave nothing alive.
func TestRefreshRacingLogoutAllLeavesNothingAlive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 50 {
		in := w.login(t)
		user, live, err := w.resolve(t, in.Access)
		if err != nil {
			t.Fatal(err)
		}
		var renewed session.Tokens
		var both sync.WaitGroup
		both.Go(func() { renewed, _ = w.refresh(t, in.Refresh) })
		both.Go(func() {
			if _, err := w.LogoutAll(t.Context(), propusk.Pass{User: user, Session: live}); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		for name, access := range map[string]string{"old": in.Access, "new": renewed.Access} {
			if access != "" && w.use(t, access) == nil {
				t.Fatalf("the %s access token survives", name)
			}
		}
		if renewed.Refresh != "" {
			if _, err := w.refresh(t, renewed.Refresh); err == nil {
				t.Fatal("the new refresh token survives")
			}
		}
	}
}

func TestLogoutTakesARefreshToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.login(t)
	w.now = w.now.Add(3 * time.Hour)
	if err := w.LogoutByRefresh(t.Context(), in.Refresh, propusk.Origin{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.refresh(t, in.Refresh); err == nil {
		t.Error("the session is still there")
	}
}

func TestKeysAreRotatedWhileNodesRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.login(t)
	// The command line is another node: it has keys of its own over the same database.
	elsewhere := &session.Keys{Store: w.Store, Tokens: w.Keys.Tokens, Now: w.Keys.Now, Random: w.Keys.Random}
	operator := propusk.Pass{Operator: true}
	if _, err := elsewhere.Rotate(t.Context(), propusk.Pass{}, false); propusk.KindOf(err) != propusk.Forbidden {
		t.Errorf("somebody who is no operator: %v", err)
	}
	rotated, err := elsewhere.Rotate(t.Context(), operator, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.use(t, before.Access); err != nil {
		t.Errorf("a token of the old key: %v", err)
	}
	after := w.login(t)
	if err := w.use(t, after.Access); err != nil {
		t.Errorf("a token of the new key: %v", err)
	}
	fresh := &session.Service{Store: w.Store, Keys: elsewhere, Limits: w.Limits, Now: w.Now}
	if err := elsewhere.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.Resolve(t.Context(), after.Access); err != nil {
		t.Errorf("on another node: %v", err)
	}
	if jwks, err := w.Keys.JWKS(t.Context()); err != nil || strings.Count(string(jwks), `"kid"`) != 2 || !strings.Contains(string(jwks), rotated.KeyID) {
		t.Errorf("%s, %v", jwks, err)
	}

	if _, err := elsewhere.Rotate(t.Context(), operator, true); err != nil {
		t.Fatal(err)
	}
	for name, access := range map[string]string{"first": before.Access, "second": after.Access} {
		if err := w.use(t, access); err == nil {
			t.Errorf("after rotate --now the token of the %s key is taken", name)
		}
	}
	renewed, err := w.refresh(t, after.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.use(t, renewed.Access); err != nil {
		t.Errorf("after a refresh: %v", err)
	}
}

func TestRetiredKeysAreRemovedWhenTheirTokensHaveExpired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.Keys.Rotate(t.Context(), propusk.Pass{Operator: true}, false); err != nil {
		t.Fatal(err)
	}
	w.Sweep(t.Context())
	if keys, _ := w.Keys.List(t.Context()); len(keys) != 2 {
		t.Errorf("%d keys at first", len(keys))
	}
	w.now = w.now.Add(25 * time.Hour)
	w.Sweep(t.Context())
	keys, err := w.Keys.List(t.Context())
	if err != nil || len(keys) != 1 || keys[0].Private != nil {
		t.Errorf("%+v, %v", keys, err)
	}
}

// A login that cannot be told to the audit does not happen.
func TestNoDeedWithoutItsEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.login(t)
	w.breakAudit(t)
	if _, err := w.Login(t.Context(), session.Login{Email: "anna@example.org", Password: secretWord}); err == nil {
		t.Error("a login was taken")
	}
	if _, err := w.refresh(t, in.Refresh); err == nil {
		t.Error("a refresh was taken")
	}
	user, live, err := w.resolve(t, in.Access)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.LogoutAll(t.Context(), propusk.Pass{User: user, Session: live}); err == nil {
		t.Error("logout-all was taken")
	}
	if err := w.use(t, in.Access); err != nil {
		t.Errorf("a refused change has ended the session: %v", err)
	}
}
