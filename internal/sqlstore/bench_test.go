package sqlstore

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

func numbered(n int64) store.UserRow {
	key := strconv.FormatInt(n, 10)
	return store.UserRow{
		User: propusk.User{
			UserID: fmt.Sprintf("%08x-0000-7000-8000-000000000000", n), Name: "Name", LastName: "Last", Slug: "name-" + key,
			Email: key + "@example.org", Role: "user", IsActive: true, CreatedAt: time.Unix(1_800_000_000, 0), UpdatedAt: time.Unix(1_800_000_000, 0),
		},
		EmailKey: key + "@example.org", PasswordHash: "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZWhhc2hzb21laGFzaHNvbWVoYXNoc29tZWhhc2g",
	}
}

func BenchmarkRegister(b *testing.B) {
	for _, clients := range []int{1, 32} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			s := openTemp(b)
			var next atomic.Int64
			b.ResetTimer()
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						err := s.Update(context.Background(), func(t store.Tx) error {
							_, err := t.InsertUser(numbered(n))
							return err
						})
						if err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			stats := s.Stats()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
			b.ReportMetric(float64(stats.Updates)/float64(stats.Commits), "updates/commit")
			b.Log(stats.GroupSizes)
		})
	}
}

func BenchmarkSessionBySecret(b *testing.B) {
	s := openTemp(b)
	ctx := context.Background()
	err := s.Update(ctx, func(t store.Tx) error {
		for n := range int64(1000) {
			u, err := t.InsertUser(numbered(n))
			if err != nil {
				return err
			}
			err = t.InsertSession(store.SessionRow{Session: propusk.Session{ID: u.UserID, CreatedAt: u.CreatedAt, LastSeen: u.CreatedAt, ExpiresAt: u.CreatedAt}, UserID: u.ID, SecretHash: store.SecretHash{byte(n), byte(n >> 8)}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	read := func(b *testing.B, ctx context.Context) {
		for n := range b.N {
			if _, _, err := s.Now(ctx).SessionBySecret(store.SecretHash{byte(n % 1000), byte((n % 1000) >> 8)}); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("background", func(b *testing.B) { b.ReportAllocs(); read(b, ctx) })
	b.Run("cancellable", func(b *testing.B) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		b.ReportAllocs()
		read(b, ctx)
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for n := 0; pb.Next(); n++ {
				if _, _, err := s.Now(ctx).SessionBySecret(store.SecretHash{byte(n % 1000), byte((n % 1000) >> 8)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}
