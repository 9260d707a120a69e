package sqlstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/store"
)

// numbered is the n-th account.
func numbered(n int64) store.UserRow {
	born := time.Unix(1_800_000_000, 0).UTC()
	key := fmt.Sprintf("person%d@example.org", n)
	return store.UserRow{
		User: propusk.User{
			UserID: fmt.Sprintf("%08x-0000-7000-8000-000000000000", n), Name: "Person", LastName: fmt.Sprint(n),
			Slug: fmt.Sprintf("person-%d", n), Email: key, Role: "user", IsActive: true, CreatedAt: born, UpdatedAt: born,
		},
		EmailKey:     key,
		PasswordHash: "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZWhhc2hzb21laGFzaHNvbWVoYXNoc29tZWhhc2g",
	}
}

// sessionOf is the only session of the n-th account.
func sessionOf(u propusk.User, n int64) store.SessionRow {
	row := store.SessionRow{
		Session: propusk.Session{
			ID: u.UserID, Device: "curl/8", Address: "127.0.0.1", CreatedAt: u.CreatedAt, LastSeen: u.CreatedAt,
			ExpiresAt: u.CreatedAt.Add(time.Hour),
		},
		UserID: u.ID,
	}
	binary.LittleEndian.PutUint64(row.SecretHash[:], uint64(n))
	return row
}

// onBothEngines runs a benchmark on each, with writes as durable as in production.
func onBothEngines(b *testing.B, run func(b *testing.B, open func(testing.TB) *Store)) {
	b.Run("sqlite", func(b *testing.B) { run(b, openTemp) })
	b.Run("postgres", func(b *testing.B) {
		server := pgtest.Start(b)
		run(b, func(tb testing.TB) *Store { return openURL(tb, server.Database(tb)) })
	})
}

// updates are what people do, each by the number of who does it.
var updates = map[string]func(n int64) func(store.Tx) error{
	"register": func(n int64) func(store.Tx) error {
		return func(tx store.Tx) error {
			if _, err := tx.SlugExists(numbered(n).Slug); err != nil {
				return err
			}
			return inserting(n)(tx)
		}
	},
	"login": func(n int64) func(store.Tx) error {
		return func(tx store.Tx) error {
			u, err := tx.UserByUserID(numbered(0).UserID)
			if err != nil {
				return err
			}
			row := sessionOf(u, n)
			row.ID = numbered(n).UserID
			return tx.InsertSession(row)
		}
	},
	"count": func(n int64) func(store.Tx) error {
		return counting(store.CounterKey{byte(n), byte(n >> 8), byte(n >> 16)})
	},
	"fight": func(int64) func(store.Tx) error { return counting(store.CounterKey{}) },
}

// counting counts one more attempt.
func counting(key store.CounterKey) func(store.Tx) error {
	return func(tx store.Tx) error {
		c, err := tx.Counter(key)
		if err != nil {
			return err
		}
		c.Count++
		return tx.SetCounter(key, c)
	}
}

// BenchmarkUpdate says what many clients cost each other, and what they share: on SQLite the flush to the disk, whose number is that of
// commits but for those of checkpoints; on PostgreSQL some run twice.
func BenchmarkUpdate(b *testing.B) {
	onBothEngines(b, func(b *testing.B, open func(testing.TB) *Store) {
		for name, update := range updates {
			for _, clients := range []int{1, 32} {
				b.Run(fmt.Sprintf("%s/clients=%d", name, clients), func(b *testing.B) {
					s := open(b)
					if err := s.Update(b.Context(), inserting(0)); err != nil {
						b.Fatal(err)
					}
					b.ResetTimer()
					fromClients(b, clients, func(n int64) error { return s.Update(context.Background(), update(n)) })
					stats := s.Stats()
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
					b.ReportMetric(float64(stats.Updates)/float64(stats.Commits), "updates/commit")
					b.ReportMetric(float64(stats.Conflicts)/float64(stats.Updates), "conflicts/update")
				})
			}
		}
	})
}

// fromClients does b.N things, numbered from 1, from as many goroutines as there are clients.
func fromClients(b *testing.B, clients int, do func(n int64) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := do(n); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkSessionBySecret is the look-up of every request that memory cannot answer.
func BenchmarkSessionBySecret(b *testing.B) {
	onBothEngines(b, func(b *testing.B, open func(testing.TB) *Store) { benchmarkSessionBySecret(b, open(b)) })
}

func benchmarkSessionBySecret(b *testing.B, s *Store) {
	const sessions = 10_000
	err := s.Update(b.Context(), func(tx store.Tx) error {
		for n := range int64(sessions) {
			if err := registering(n)(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	look := func(ctx context.Context, n int64) error {
		_, _, err := s.Now(ctx).SessionBySecret(sessionOf(propusk.User{}, n%sessions).SecretHash, "")
		return err
	}
	for _, clients := range []int{1, 8} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			b.ReportAllocs()
			fromClients(b, clients, func(n int64) error { return look(context.Background(), n) })
		})
	}
	b.Run("cancellable", func(b *testing.B) {
		b.ReportAllocs()
		fromClients(b, 1, func(n int64) error { return look(b.Context(), n) })
	})
}
