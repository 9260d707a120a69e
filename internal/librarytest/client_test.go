package librarytest_test

import (
	"testing"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/client"
	"github.com/propusk/propusk/internal/librarytest"
	"github.com/propusk/propusk/propusktest"
)

func TestClient(t *testing.T) {
	t.Parallel()
	run(t, onSQLite, clientWorld)
}

// clientWorld is a client with the key of a platform admin, over the network.
func clientWorld(t *testing.T, s *propusktest.Server) librarytest.World {
	t.Helper()
	w := world(s)
	w.As = func(t *testing.T, bearer string) propusk.Communities { return newClient(t, s, bearer) }
	root := s.PlatformAdmin()
	c := newClient(t, s, w.Key(t, librarytest.Person{UserID: root.UserID, Token: root.Token}, "*"))
	w.Inspector, w.Communities = c, c
	return w
}

func newClient(t *testing.T, s *propusktest.Server, credentials string) *client.Client {
	t.Helper()
	c, err := client.New(s.URL, credentials, client.Timeout(time.Minute)) // for a busy machine
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
