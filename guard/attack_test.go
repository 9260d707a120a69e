package guard_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/guard"
)

// TestTheHeaderDoesNotMoveWhatThePathNames: a handler that asks for itself acts where its path says. Whoever sends it the header of a
// community in which they may must not write into the one in the path.
func TestTheHeaderDoesNotMoveWhatThePathNames(t *testing.T) {
	t.Parallel()
	create := guard.Permission("shout:create")
	asking := func(w http.ResponseWriter, r *http.Request) {
		pass, err := guard.PassFrom(r.Context())
		if _, refused := guard.Do(r.Context(), create, func(context.Context) (int64, error) { return pass.Community.ID, nil }); refused != nil {
			err = refused
		}
		if err != nil {
			guard.WriteProblem(w, r, err)
		}
	}
	for name, behind := range map[string]func(http.Handler) http.Handler{
		"the middleware": func(mux http.Handler) http.Handler { return mux },
		"a rule":         guard.Authenticated().Handler,
		"two rules": func(mux http.Handler) http.Handler {
			return guard.Authenticated().Handler(guard.Authenticated().Handler(mux))
		},
		"another mux": func(mux http.Handler) http.Handler {
			outer := http.NewServeMux()
			outer.Handle("/c/", guard.Authenticated().Handler(mux))
			return outer
		},
	} {
		mux := http.NewServeMux()
		mux.HandleFunc("/c/{community_id}", asking)
		site := guard.New(newRegister(t)).Middleware(behind(mux))
		for path, want := range map[string]int{"/c/1": http.StatusOK, "/c/2": http.StatusForbidden, "/c/x": http.StatusUnprocessableEntity} {
			r := httptest.NewRequest(http.MethodPost, path, nil)
			r.Header.Set("Authorization", "Bearer author")
			r.Header.Set(guard.Header, "1")
			w := httptest.NewRecorder()
			site.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("behind %s, %s: %d %s", name, path, w.Code, w.Body)
			}
		}
	}
}

// TestAnewKeepsWhereThePathSays: the messages of a socket are judged where the path says that was known when it was opened.
func TestAnewKeepsWhereThePathSays(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/c/{community_id}", func(w http.ResponseWriter, r *http.Request) {
		if err := guard.Permission("shout:create").Check(guard.Anew(guard.Anew(r.Context()))); err != nil {
			guard.WriteProblem(w, r, err)
		}
	})
	s.Handle("/", guard.Authenticated().Handler(mux))
	for path, want := range map[string]int{"/c/1": http.StatusOK, "/c/2": http.StatusForbidden} {
		if got := s.get(path, "author", guard.Header, "1"); got.Code != want {
			t.Errorf("%s: %d %s", path, got.Code, got.Body)
		}
	}
}

// TestTheHeaderIsThereOnce: of two, the proxy before us may have looked at the other.
func TestTheHeaderIsThereOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Handle("/shouts", guard.Permission("shout:create").Handler(ok))
	s.Handle("/c/{community_id}", guard.Permission("shout:create").Handler(ok))
	for _, values := range [][]string{{"1", "2"}, {"1", "1"}, {"", "1"}, {"1", ""}} {
		for path, want := range map[string]int{"/shouts": http.StatusUnprocessableEntity, "/c/1": http.StatusOK} {
			r := httptest.NewRequest(http.MethodPost, path, nil)
			r.Header.Set("Authorization", "Bearer author")
			for _, value := range values {
				r.Header.Add(guard.Header, value)
			}
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s %q: %d %s", path, values, w.Code, w.Body)
			}
		}
	}
}

// TestNobodyComesInWithAnothersRequest: a handler serves a second request, with a token of its own, in the context of the first: those of
// a batch, say. Who sent the first one is not who asks in the second.
func TestNobodyComesInWithAnothersRequest(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Handle("/c/{community_id}", guard.AdminOnly().Handler(ok))
	s.Handle("/batch/{community_id}", guard.AdminOnly().HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		within, err := guard.In(r.Context(), 1)
		if err != nil {
			t.Error(err)
		}
		for _, ctx := range []context.Context{r.Context(), within} {
			for token, want := range map[string]int{"reader": http.StatusForbidden, "": http.StatusUnauthorized, "admin": http.StatusOK} {
				inner := httptest.NewRequestWithContext(ctx, http.MethodGet, "/c/1", nil)
				inner.Header.Set("Authorization", "Bearer "+token)
				answer := httptest.NewRecorder()
				s.handler.ServeHTTP(answer, inner)
				if answer.Code != want {
					t.Errorf("%q in the request of an admin: %d", token, answer.Code)
				}
			}
		}
	}))
	if got := s.get("/batch/1", "admin"); got.Code != http.StatusOK {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

// TestABlockedAccountOwnsNothingElsewhere: whoever is found to be inactive in the community of the object passes no more than at the door.
func TestABlockedAccountOwnsNothingElsewhere(t *testing.T) {
	t.Parallel()
	r := &fading{register: newRegister(t)}
	rule := guard.Own("shout:update", func(context.Context, *http.Request) (guard.Object, error) {
		return guard.Object{CommunityID: 1, OwnerID: "id-of-author"}, nil
	})
	visit(r, "author", func(ctx context.Context) {
		if err := rule.Check(ctx); err == nil || !strings.Contains(err.Error(), "Authorization") {
			t.Errorf("%v", err)
		}
	})
}

// fading blocks an account between the first question and the second.
type fading struct{ *register }

func (f *fading) Inspect(ctx context.Context, bearer string, communityID int64) (propusk.Pass, error) {
	pass, err := f.register.Inspect(ctx, bearer, communityID)
	pass.User.IsActive = f.asked == 1
	return pass, err
}

// TestOwnLooksWhereThePathSays: what finds the object knows who asks in the community of the path, and asks for it once.
func TestOwnLooksWhereThePathSays(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Handle("/c/{community_id}", guard.Own("shout:update", func(ctx context.Context, r *http.Request) (guard.Object, error) {
		pass, err := guard.PassFrom(ctx)
		if inside, insideErr := guard.PassFrom(r.Context()); err == nil && (insideErr != nil || inside.Community.ID != pass.Community.ID) {
			t.Errorf("%d and %d, %v", pass.Community.ID, inside.Community.ID, insideErr)
		}
		return guard.Object{CommunityID: pass.Community.ID, OwnerID: "id-of-author"}, err
	}).Handler(ok))
	if got := s.get("/c/1", "author", guard.Header, "2"); got.Code != http.StatusOK || s.asked != 1 {
		t.Errorf("%d %s, asked %d times", got.Code, got.Body, s.asked)
	}
}

// TestTheRolesOfAHandlerAreItsOwn: what one handler makes of the list is not what the next rule looks at.
func TestTheRolesOfAHandlerAreItsOwn(t *testing.T) {
	t.Parallel()
	ctx := guard.WithPass(t.Context(), newRegister(t).pass("reader+author", 1))
	guard.RolesFrom(ctx)[0] = "admin"
	if guard.AdminOnly().Check(ctx) == nil {
		t.Error("a reader has become an admin")
	}
}
