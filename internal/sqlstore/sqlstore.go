// Package sqlstore is the adapter of package store to SQL databases.
//
// One SQL text serves every engine; what differs (opening, errors, transactions, migrations) is behind the small interface
// engine, in files named after the engine. An Update whose statement failed sends nothing more and is rolled back, on every engine.
package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

// Store is store.Store over one SQL database.
type Store struct {
	engine
	closeOnce func() error
}

var _ store.Store = (*Store)(nil)

// engine is what differs between databases.
type engine interface {
	// querier runs each statement by itself.
	querier
	// view runs fn on a read-only snapshot.
	view(ctx context.Context, fn func(querier) error) error
	// update runs fn in a transaction of its own, as store.Store says. The context that fn gets is the one for its statements.
	update(ctx context.Context, fn func(context.Context, querier) error) error
	// translate turns an error of the driver into one that the port knows; it leaves every other error as it is.
	translate(error) error
	stats() Stats
	close() error
}

// Open opens the database that url names and brings its schema up to date. The only form is sqlite:PATH, a file whose directory
// exists; see openSQLite for what happens to its rights. The caller closes the Store.
func Open(ctx context.Context, url string) (*Store, error) {
	path, ok := strings.CutPrefix(url, "sqlite:")
	if !ok {
		scheme, _, _ := strings.Cut(url, ":") // what follows may be a password
		return nil, fmt.Errorf("database %q…: it must be sqlite:PATH, for example sqlite:propusk.db", scheme)
	}
	e, err := openSQLite(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", url, err)
	}
	return &Store{engine: e, closeOnce: sync.OnceValue(e.close)}, nil
}

// Now implements store.Store.
func (s *Store) Now(ctx context.Context) store.Reader { return s.reader(ctx, s.engine) }

// View implements store.Store. What fn gets has no methods that write.
func (s *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	return s.view(ctx, func(q querier) error { return fn(s.reader(ctx, q)) })
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, fn func(store.Tx) error) error {
	return s.update(ctx, func(ctx context.Context, q querier) error {
		failed := new(error)
		t := tx{s.reader(ctx, q)}
		t.failed = failed
		err := fn(t)
		if err == nil {
			err = *failed
		}
		*failed = errOver
		return err
	})
}

func (s *Store) reader(ctx context.Context, q querier) reader {
	return reader{ctx: ctx, db: q, translate: s.translate}
}

// Ready implements store.Store: it reads a page of the database.
func (s *Store) Ready(ctx context.Context) error {
	_, err := s.Now(ctx).UserExists()
	return err
}

// Close implements store.Store. Whoever still waits for a turn or a connection is refused as Unavailable.
func (s *Store) Close() error { return s.closeOnce() }

// Stats are counters since Open, for metrics.
type Stats struct {
	// Commits is how many transactions were committed, each with one flush to the disk if it wrote anything.
	Commits uint64
	// Updates is how many Updates those transactions held, failed ones included.
	Updates uint64
	// GroupSizes is a histogram: GroupSizes[i] commits held at most 2^i Updates and more than 2^(i-1).
	GroupSizes [groupSizeBuckets]uint64
	// Pool is the state of the connections for reading.
	Pool sql.DBStats
}

// Stats may be called at any time.
func (s *Store) Stats() Stats { return s.stats() }

// unavailable says that the database cannot answer now. Nothing was decided.
func unavailable(cause error) *propusk.Error {
	return &propusk.Error{
		Kind: propusk.Unavailable, Code: "database_unavailable", Message: "the database cannot be used at the moment; try again",
		RetryAfter: time.Second, Cause: cause,
	}
}
