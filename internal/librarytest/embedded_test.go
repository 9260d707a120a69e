package librarytest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/embedded"
	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/librarytest"
	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/propusktest"
)

func TestMain(m *testing.M) { apptest.Main(m, func() error { return goleak.Find() }) }

func TestEmbeddedOnSQLite(t *testing.T) {
	t.Parallel()
	run(t, onSQLite, embeddedWorld)
}

func TestEmbeddedOnPostgreSQL(t *testing.T) {
	t.Parallel()
	run(t, func(t *testing.T, c *embedded.Config) { c.Database = pgtest.Patient(t) }, embeddedWorld)
}

func onSQLite(*testing.T, *embedded.Config) {} // as propusktest has it

// run tells the stories to worlds on one server, except for those with a default community: they take the first there is.
func run(t *testing.T, engine func(*testing.T, *embedded.Config), world func(*testing.T, *propusktest.Server) librarytest.World) {
	t.Helper()
	common := propusktest.Start(t, func(c *embedded.Config) { engine(t, c) })
	librarytest.Run(t, func(t *testing.T, byDefault bool) librarytest.World {
		if !byDefault {
			return world(t, common)
		}
		return world(t, propusktest.Start(t, func(c *embedded.Config) {
			engine(t, c)
			c.DefaultCommunity = 1
		}))
	})
}

func embeddedWorld(_ *testing.T, s *propusktest.Server) librarytest.World {
	w := world(s)
	w.Inspector, w.Communities = s.Propusk, s.Propusk
	w.As = func(t *testing.T, bearer string) propusk.Communities {
		pass, err := s.Propusk.Inspect(t.Context(), bearer, 0)
		if err != nil {
			t.Fatal(err)
		}
		return s.Propusk.As(pass)
	}
	return w
}

// world is how people come into a world, whatever is tested in it.
func world(s *propusktest.Server) librarytest.World {
	return librarytest.World{
		Register: func(_ *testing.T, name string) librarytest.Person {
			p := s.Person(name)
			return librarytest.Person{UserID: p.UserID, Token: p.Token}
		},
		Found: func(_ *testing.T, founder librarytest.Person, slug string) int64 {
			return s.Community(propusktest.Person{UserID: founder.UserID}, slug).ID
		},
		Promote: func(t *testing.T, who librarytest.Person, role string) {
			call(t, s, http.MethodPost, "/api/admin/change-role", s.PlatformAdmin().Token, map[string]any{"user_id": who.UserID, "role": role})
		},
		Block: func(t *testing.T, who librarytest.Person) {
			call(t, s, http.MethodPut, "/api/admin/block/"+who.UserID, s.PlatformAdmin().Token, nil)
		},
		LogOut: func(t *testing.T, who librarytest.Person) {
			call(t, s, http.MethodPost, "/api/users/logout", who.Token, nil)
		},
		Key: func(t *testing.T, issuer librarytest.Person, permissions ...string) string {
			issued := call(t, s, http.MethodPost, "/api/admin/api-keys", issuer.Token, map[string]any{"name": "test", "permissions": permissions})
			key, _ := issued["key"].(string)
			return key
		},
	}
}

// call asks the server, as a browser would.
func call(t *testing.T, s *propusktest.Server, method, path, token string, body map[string]any) (answer map[string]any) {
	t.Helper()
	var payload io.Reader = http.NoBody
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		payload = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, payload)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(response.Body)
	if closed := response.Body.Close(); err != nil || closed != nil || response.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s %s: %d %s %v %v", method, path, response.StatusCode, said, err, closed)
	}
	if len(said) > 0 {
		if err := json.Unmarshal(said, &answer); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, said)
		}
	}
	return answer
}
