package sqlstore

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// wirePatience is how long something on a wire may take; connecting is part of it. Tests of something else than this time have more of it.
var wirePatience = usualWirePatience

const usualWirePatience = 500 * time.Millisecond

// wire is a connection of its own, for short statements that must not wait for whatever uses the pool. It connects when it is first used, and
// after it broke or an answer was late. One caller uses it at a time.
type wire struct {
	engine *postgresEngine
	config *pgx.ConnConfig
	turn   chan struct{} // holds the right to use conn
	conn   *pgx.Conn
	// patience is how long one use may take.
	patience time.Duration
}

func newWire(e *postgresEngine, config *pgx.ConnConfig, settings map[string]string) *wire {
	w := &wire{engine: e, config: config.Copy(), turn: make(chan struct{}, 1), patience: wirePatience}
	// What nobody waits for any more ends, and of a short table in the statistics nothing may be concluded: the log grows all the time.
	w.config.RuntimeParams["statement_timeout"] = "1s"
	w.config.RuntimeParams["enable_seqscan"] = "off"
	maps.Copy(w.config.RuntimeParams, settings)
	w.config = inSession(w.config)
	w.turn <- struct{}{}
	return w
}

// use lends the connection. One that was broken before, as each is after a restart of the server, is replaced once: fn may run twice. After a
// failure the connection is only kept if the server has said what failed.
func (w *wire) use(ctx context.Context, fn func(context.Context, *pgx.Conn) error) error {
	return w.useWithin(ctx, w.patience, fn)
}

func (w *wire) useWithin(ctx context.Context, patience time.Duration, fn func(context.Context, *pgx.Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := w.engine.enter(); err != nil {
		return err
	}
	defer w.engine.leave()
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-w.turn:
	case <-within.Done():
		return w.failed(ctx, within.Err())
	}
	defer func() { w.turn <- struct{}{} }()
	used := w.conn != nil
	err := w.try(within, fn)
	if err != nil && used && w.conn == nil && within.Err() == nil {
		err = w.try(within, fn)
	}
	return w.failed(ctx, err)
}

func (w *wire) try(ctx context.Context, fn func(context.Context, *pgx.Conn) error) (err error) {
	if w.conn == nil {
		if w.conn, err = pgx.ConnectConfig(ctx, w.config); err != nil {
			w.conn = nil
			return err
		}
	}
	if err = fn(ctx, w.conn); err != nil && (postgresCode(err) == "" || w.conn.IsClosed()) {
		w.drop()
	}
	return err
}

// failed is what a failure is to the caller.
func (*wire) failed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case postgresCode(err) == "":
		return unavailable(err)
	default:
		return translatePostgres(err)
	}
}

// drop closes the connection, without waiting for a server that may be gone.
func (w *wire) drop() {
	if w.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), endPatience)
	defer cancel()
	_ = w.conn.Close(ctx) // there is nothing to do about it
	w.conn = nil
}

// close ends the connection when nobody uses it any more.
func (w *wire) close() {
	<-w.turn
	w.drop()
}

// shared lets all who ask at the same time have one answer. The question that it answers was put after each of them had come.
type shared[T any] struct {
	mu      sync.Mutex
	next    *answer[T] // of a question that has not been put yet
	running bool
}

type answer[T any] struct {
	given chan struct{}
	value T
	err   error
}

// get waits for an answer to a question that is put from now on, but no longer than ctx.
func (s *shared[T]) get(ctx context.Context, ask func() (T, error)) (value T, err error) {
	if err := ctx.Err(); err != nil {
		return value, err
	}
	a := s.join(ask)
	select {
	case <-a.given:
		return a.value, a.err
	case <-ctx.Done():
		return value, ctx.Err()
	}
}

func (s *shared[T]) join(ask func() (T, error)) *answer[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = &answer[T]{given: make(chan struct{})}
	}
	if !s.running {
		s.running = true
		go s.run(ask)
	}
	return s.next
}

// run puts questions until nobody has any.
func (s *shared[T]) run(ask func() (T, error)) {
	for {
		s.mu.Lock()
		a := s.next
		s.next, s.running = nil, a != nil
		s.mu.Unlock()
		if a == nil {
			return
		}
		a.value, a.err = ask()
		close(a.given)
	}
}
