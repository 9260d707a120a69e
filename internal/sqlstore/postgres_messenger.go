package sqlstore

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/propusk/propusk/internal/store"
)

const (
	// pingAfter is how long nothing may be heard before a connection is asked whether it works, and pingPatience how long that may take.
	pingAfter    = 2 * time.Second
	pingPatience = time.Second
	// relistenAfter is the time, more or less, until another attempt to listen.
	relistenAfter = 200 * time.Millisecond
)

// channels are where pokes of each kind are sent, without content: there is nothing in them to believe.
var channels = map[store.Poke]string{store.PokeNews: "propusk", store.PokeSeen: "propusk_seen"}

// postgresMessenger is store.Messenger by NOTIFY. Each is a transaction of its own: NOTIFY keeps a lock of the whole database until it is
// committed, and a change would keep it through its flush to the disk.
type postgresMessenger struct {
	out    *wire
	config *pgx.ConnConfig

	mu      sync.Mutex
	wanted  map[store.Poke]bool
	sending bool
}

// Poke implements store.Messenger.
func (m *postgresMessenger) Poke(what store.Poke) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wanted == nil {
		m.wanted = map[store.Poke]bool{}
	}
	m.wanted[what] = true
	if !m.sending && m.out.engine.enter() == nil {
		m.sending = true
		go m.send()
	}
}

// send sends what is wanted until nothing is.
func (m *postgresMessenger) send() {
	defer m.out.engine.leave()
	for {
		m.mu.Lock()
		wanted := m.wanted
		m.wanted, m.sending = nil, len(wanted) > 0
		m.mu.Unlock()
		if len(wanted) == 0 {
			return
		}
		for what := range wanted {
			_ = m.out.use(context.Background(), func(ctx context.Context, conn *pgx.Conn) error { // others look without it, a little later
				_, err := conn.Exec(ctx, `SELECT pg_notify($1, '')`, channels[what])
				return err
			})
		}
	}
}

// Listen implements store.Messenger.
func (m *postgresMessenger) Listen(ctx context.Context, poked func(store.Poke)) {
	for ctx.Err() == nil {
		_ = m.listen(ctx, poked) // whatever it was, a new connection is the cure
		select {
		case <-time.After(relistenAfter/2 + rand.N(relistenAfter)):
		case <-ctx.Done():
		}
	}
}

// listen listens on one connection until it breaks or falls silent.
func (m *postgresMessenger) listen(ctx context.Context, poked func(store.Poke)) error {
	conn, err := pgx.ConnectConfig(ctx, m.config)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), endPatience)
		defer cancel()
		_ = conn.Close(closing) // it is broken, or nobody wants it any more
	}()
	kinds := map[string]store.Poke{}
	for what, channel := range channels {
		if _, err := conn.Exec(ctx, `LISTEN `+channel); err != nil {
			return err
		}
		kinds[channel] = what
		poked(what) // what was sent before this is lost
	}
	for {
		waiting, cancel := context.WithTimeout(ctx, pingAfter)
		told, err := conn.WaitForNotification(waiting)
		silent := waiting.Err() != nil
		cancel()
		switch {
		case err == nil:
			poked(kinds[told.Channel])
		case ctx.Err() != nil || !silent:
			return err
		default:
			if err := m.ping(ctx, conn); err != nil {
				return err
			}
		}
	}
}

func (*postgresMessenger) ping(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	return conn.Ping(ctx)
}
