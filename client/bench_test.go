package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/client"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
)

// BenchmarkCheck is what one Check costs while so many callers ask at once, against a real server on this machine.
func BenchmarkCheck(b *testing.B) {
	address, token, community := benchServer(b)
	for _, callers := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			c := dial(b, address, token)
			var left atomic.Int64
			left.Store(int64(b.N))
			var all sync.WaitGroup
			b.ResetTimer()
			for i := range callers {
				all.Go(func() {
					askAway(b, c, &left, propusk.Question{Permission: "shout:read", CommunityID: community, OwnerID: owner(i)})
				})
			}
			all.Wait()
		})
	}
}

func askAway(b *testing.B, c *client.Client, left *atomic.Int64, q propusk.Question) {
	for left.Add(-1) >= 0 {
		if d, err := c.Check(b.Context(), q); err != nil || !d.Allowed {
			b.Error(d, err)
			return
		}
	}
}

func BenchmarkInspect(b *testing.B) {
	address, token, community := benchServer(b)
	c := dial(b, address, "")
	for b.Loop() {
		if pass, err := c.Inspect(b.Context(), token, community); err != nil || !pass.Member {
			b.Fatal(err)
		}
	}
}

// benchServer is a server with one community, and a token of its founder.
func benchServer(b *testing.B) (address, token string, community int64) {
	b.Helper()
	c := config.Default()
	c.Listen, c.Database = "127.0.0.1:0", "sqlite:"+filepath.Join(b.TempDir(), "propusk.db")
	c.AdminEmail, c.AdminPassword = apptest.AdminEmail, apptest.AdminPassword
	apptest.Cheap(c)
	ctx, stop := context.WithCancel(context.Background())
	listening, stopped := make(chan string, 1), make(chan error, 1)
	go func() {
		stopped <- app.Run(ctx, c, app.Terminal{Out: io.Discard, Log: io.Discard, Listening: func(url string) { listening <- url }})
	}()
	b.Cleanup(func() {
		stop()
		if err := <-stopped; err != nil {
			b.Error(err)
		}
	})
	address = <-listening
	var in struct {
		Token string `json:"access_token"`
	}
	post(b, address+"/api/users/login", "", map[string]string{"email": apptest.AdminEmail, "password": apptest.AdminPassword}, &in)
	var made struct {
		ID int64 `json:"id"`
	}
	post(b, address+"/api/communities", in.Token, map[string]string{"name": "Owls"}, &made)
	return address, in.Token, made.ID
}

func post(b *testing.B, address, token string, body, into any) {
	b.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		b.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(raw))
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		b.Fatal(err)
	}
}
