package access_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/account"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/community"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/memory"
	"github.com/propusk/propusk/internal/session"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// always is the lease of a node that nobody else changes anything beside.
type always struct{}

func (always) Holds() bool { return true }

// town is people who are all members of all communities.
type town struct {
	*app.App
	tokens      []string
	users       []propusk.User
	communities []int64
}

func settle(tb testing.TB, users, communities, bytes int) *town {
	tb.Helper()
	c := config.Default()
	c.Database = "sqlite:" + filepath.Join(tb.TempDir(), "propusk.db")
	apptest.Cheap(c)
	a, err := app.Open(tb.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = a.Close() })
	changes := &memory.Memory{}
	a.Access.Memory, a.Access.Lease = access.NewMemory(changes, bytes), func() access.Lease { return always{} }
	if err := a.Keys.Load(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	t := &town{App: a}
	const password = "a perfectly ordinary sentence"
	for i := range users {
		email := fmt.Sprintf("p%d@example.org", i)
		user, err := a.Accounts.Register(tb.Context(), propusk.Origin{}, account.Registration{Name: "P", Email: email, Password: password})
		if err != nil {
			tb.Fatal(err)
		}
		in, err := a.Sessions.Login(tb.Context(), session.Login{Email: email, Password: password})
		if err != nil {
			tb.Fatal(err)
		}
		t.users, t.tokens = append(t.users, user), append(t.tokens, in.Access)
	}
	for i := range communities {
		made, err := a.Communities.CreateFor(tb.Context(), a.Operator(), t.users[0].UserID, community.Founding{Name: fmt.Sprintf("Community %d", i)})
		if err != nil {
			tb.Fatal(err)
		}
		t.communities = append(t.communities, made.ID)
		err = a.Store.Update(tb.Context(), func(tx store.Tx) error {
			for _, user := range t.users[1:] {
				if err := tx.InsertMember(made.ID, user.ID, []string{"reader", "author"}, time.Now()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	return t
}

var mayWrite = rbac.MustPermission("shout:create")

// may asks as a program does that has the engine inside: who shows this token, and may they do that there?
func (t *town) may(ctx context.Context, token string, community int64) bool {
	pass, err := t.Access.InspectIn(ctx, token, community)
	return err == nil && pass.May(mayWrite, rbac.OwnerUnknown).Allowed
}

// bare is the same over maps that nothing bounds and nobody changes: what it costs to look the three things up.
type bare struct {
	sessions map[string]int64
	roles    map[[2]int64]uint64
	grants   [64]uint64
}

func (t *town) bare() *bare {
	b := &bare{sessions: map[string]int64{}, roles: map[[2]int64]uint64{}}
	b.grants[1] = 1 << 7
	for i, user := range t.users {
		b.sessions[t.tokens[i]] = user.ID
		for _, community := range t.communities {
			b.roles[[2]int64{user.ID, community}] = 1 << 1
		}
	}
	return b
}

func (b *bare) may(token string, community int64) bool {
	user, known := b.sessions[token]
	if !known {
		return false
	}
	roles, member := b.roles[[2]int64{user, community}]
	return member && roles&(1<<1) != 0 && b.grants[1]&(1<<7) != 0
}

func BenchmarkCheck(b *testing.B) {
	for _, size := range []struct{ users, communities int }{{100, 10}, {1000, 100}} {
		b.Run(fmt.Sprint(size.users*size.communities), func(b *testing.B) {
			t := settle(b, size.users, size.communities, 1<<30)
			maps := t.bare()
			each := func(may func(string, int64) bool) func(b *testing.B) {
				return func(b *testing.B) {
					b.ReportAllocs()
					for i := uint32(0); b.Loop(); i++ {
						n := i * 2654435761
						if !may(t.tokens[n%uint32(len(t.tokens))], t.communities[(n>>16)%uint32(len(t.communities))]) {
							b.Fatal("refused")
						}
					}
				}
			}
			parallel := func(may func(string, int64) bool) func(b *testing.B) {
				return func(b *testing.B) {
					b.RunParallel(func(pb *testing.PB) {
						for i := rand.Uint32(); pb.Next(); i++ {
							n := i * 2654435761
							if !may(t.tokens[n%uint32(len(t.tokens))], t.communities[(n>>16)%uint32(len(t.communities))]) {
								b.Fail()
							}
						}
					})
				}
			}
			ours := func(token string, community int64) bool { return t.may(context.Background(), token, community) }
			for _, token := range t.tokens {
				for _, community := range t.communities {
					ours(token, community)
				}
			}
			b.Run("check", each(ours))
			b.Run("maps", each(maps.may))
			b.Run("check, parallel", parallel(ours))
			b.Run("maps, parallel", parallel(maps.may))
		})
	}
}
