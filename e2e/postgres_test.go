package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/pgtest"
)

// PostgreSQL is killed while thirty-two write; the server goes on, and finds everything that it had answered.
func TestACrashOfPostgresLosesNothingThatWasAnswered(t *testing.T) {
	besideOthers(t)
	postgres := pgtest.Start(t)
	s := serve(t, setup{env: append(cheap, unlimited), args: append([]string{"--database", postgres.Database(t)}, quiet...)})
	crash(t, func(writers []*crashWriter) *server {
		write(t, writers, s.client, func() { postgres.Kill(t) })
		postgres.Restart(t)
		s.awaitStatus(t, http.StatusOK, backWithin)
		return s
	}, func(*server) {})
}

// awaitStatus waits until the server says whether it is ready, and gives how long that took.
func (s *server) awaitStatus(t *testing.T, status int, patience time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		got, err := s.try("GET", "/readyz", "", nil)
		switch took := time.Since(began); {
		case err == nil && got.status == status:
			return took
		case took > patience:
			t.Fatalf("after %v /readyz answers %v, %v", took, got, err)
		}
		time.Sleep(5 * time.Millisecond) // what is awaited wants the processor too
	}
}

// lease is how long a server may go on answering from memory when it hears nothing from its database.
const lease = 700 * time.Millisecond

// Without its database the server refuses within a second, allows nothing but for the rest of its lease, and needs no restart when the
// database is back.
func TestWithoutPostgresNothingIsAllowed(t *testing.T) {
	t.Parallel()
	for how, takeAway := range map[string]struct {
		down, up func(*pgtest.Server, testing.TB)
	}{
		"stopped": {(*pgtest.Server).Abort, (*pgtest.Server).Restart},
		"frozen":  {(*pgtest.Server).Freeze, (*pgtest.Server).Thaw},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			postgres := pgtest.Start(t)
			s := serve(t, setup{env: append(cheap, withAdmin...), args: []string{"--database", postgres.Database(t)}})
			admin := s.login(t, adminEmail, adminPassword)
			s.call(t, http.StatusOK, "GET", "/api/users/me", admin, nil)

			takeAway.down(postgres, t)
			for down := time.Now(); ; {
				asked := time.Now()
				if got, err := s.try("GET", "/api/users/me", admin, nil); err == nil && got.status == http.StatusServiceUnavailable {
					break
				}
				if asked.Sub(down) > lease {
					t.Fatalf("asked %v after the database went, it answers", asked.Sub(down))
				}
			}
			for range 3 {
				for _, request := range []struct {
					method, path, token string
					body                form
				}{
					{"GET", "/api/users/me", admin, nil},
					{"GET", "/api/admin/users", admin, nil},
					{"GET", "/readyz", "", nil},
					{"POST", "/api/users/login", "", form{"email": adminEmail, "password": adminPassword}},
					{"POST", "/api/users/register", "", form{"name": "A", "email": "a@example.org", "password": ordinaryPassword}},
				} {
					began := time.Now()
					got, err := s.try(request.method, request.path, request.token, request.body)
					if took := time.Since(began); err != nil || got.status != http.StatusServiceUnavailable || took > refusedWithin {
						t.Errorf("%s %s: %v, %v after %v", request.method, request.path, got, err, took)
					}
				}
			}
			takeAway.up(postgres, t)
			t.Logf("%s: back after %v", how, s.awaitStatus(t, http.StatusOK, backWithin))
			s.call(t, http.StatusOK, "GET", "/api/users/me", admin, nil)
		})
	}
}
