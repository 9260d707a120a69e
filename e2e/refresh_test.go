package e2e

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/propusk/propusk/internal/pgtest"
)

// eachEngine tells a story to a server on each database.
func eachEngine(t *testing.T, story func(t *testing.T, s *server)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		story(t, serve(t, setup{env: slices.Concat(cheap, withAdmin, []string{unlimited}), args: quiet}))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		story(t, serve(t, setup{env: slices.Concat(cheap, withAdmin, []string{unlimited}), args: append([]string{"--database", pgtest.Database(t)}, quiet...)}))
	})
}

func (s *server) tokens(t *testing.T, email string) answer {
	t.Helper()
	return s.call(t, http.StatusOK, "POST", "/api/users/login", "", form{"email": email, "password": ordinaryPassword})
}

func (s *server) newcomer(t *testing.T) string {
	t.Helper()
	const email = "anna@example.org"
	s.call(t, http.StatusCreated, "POST", "/api/users/register", "", form{"name": "Anna", "email": email, "password": ordinaryPassword})
	return email
}

func TestOfAHundredRefreshesWithOneTokenOneIsAnswered(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *server) {
		in := s.tokens(t, s.newcomer(t))
		var mu sync.Mutex
		statuses := map[int]int{}
		var won answer
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				got, err := s.steady("POST", "/api/users/refresh", "", form{"refresh_token": in.text("refresh_token")})
				mu.Lock()
				defer mu.Unlock()
				if statuses[got.status]++; err != nil {
					t.Error(err)
				}
				if got.status == http.StatusOK {
					won = got
				}
			})
		}
		all.Wait()
		if statuses[http.StatusOK] != 1 || statuses[http.StatusConflict] != 99 {
			t.Fatalf("%v", statuses)
		}
		s.call(t, http.StatusOK, "GET", "/api/users/me", won.text("access_token"), nil)
		s.call(t, http.StatusOK, "POST", "/api/users/refresh", "", form{"refresh_token": won.text("refresh_token")})
	})
}

// Whichever of the two comes first, nothing may be alive when both were answered.
func TestRefreshAgainstLogoutAll(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, s *server) {
		email := s.newcomer(t)
		var refreshed, survivors atomic.Int64
		for range refreshRaces {
			in := s.tokens(t, email)
			var renewed answer
			var both sync.WaitGroup
			both.Go(func() {
				renewed, _ = s.steady("POST", "/api/users/refresh", "", form{"refresh_token": in.text("refresh_token")})
			})
			both.Go(func() {
				if got, err := s.steady("POST", "/api/users/logout-all", in.text("access_token"), nil); err != nil || got.status != http.StatusOK {
					t.Errorf("logout-all: %v, %v", got, err)
				}
			})
			both.Wait()
			if renewed.status == http.StatusOK {
				refreshed.Add(1)
			}
			for _, token := range []string{in.text("access_token"), renewed.text("access_token")} {
				if got, err := s.steady("GET", "/api/users/me", token, nil); err != nil || got.status != http.StatusUnauthorized {
					survivors.Add(1)
				}
			}
			if renewed.status == http.StatusOK {
				got, err := s.steady("POST", "/api/users/refresh", "", form{"refresh_token": renewed.text("refresh_token")})
				if err != nil || got.status != http.StatusUnauthorized {
					survivors.Add(1)
				}
			}
		}
		t.Logf("%d races, in %d the refresh came first, %d survivors", refreshRaces, refreshed.Load(), survivors.Load())
		if survivors.Load() > 0 {
			t.Fail()
		}
	})
}
