package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/propusk/propusk/internal/store"
)

// postgresEngine lends every caller a connection of a pool.
//
// A server that has gone is noticed at once where its system says so, and within silence + probePatience where nothing comes back at
// all; whoever waits for it is then refused as Unavailable. Nothing needs to be done when it returns.
type postgresEngine struct {
	db    *sql.DB
	conns connections
	turns turns
	log   *postgresLog

	commits, updates, conflicts atomic.Uint64

	// closing ends when close begins.
	closing context.Context
	end     context.CancelFunc

	mu      sync.RWMutex
	closed  bool
	running sync.WaitGroup
}

// Idle connections are given back after a rush, and old ones make room for new ones to a server that has moved.
const (
	maxIdleTime = 5 * time.Minute
	maxLifetime = time.Hour
)

// errNoConnection refuses whoever waited in vain for a connection of the pool.
var errNoConnection = errors.New("sqlstore: all connections have been in use for too long")

func (u postgresURL) open(ctx context.Context) (engine, error) {
	if _, err := u.migrate(ctx); err != nil {
		return nil, err
	}
	// Half of the connections are left to those who read: no rush of writers keeps a check waiting.
	e := &postgresEngine{
		conns: connections{config: u.within(connectPatience), silence: silence, probePatience: probePatience, begun: time.Now()},
		turns: newTurns(u.conns / 2),
	}
	e.closing, e.end = context.WithCancel(context.WithoutCancel(ctx))
	e.log = newPostgresLog(e, e.conns.config)
	e.conns.config = inSession(e.conns.config)
	e.db = sql.OpenDB(e.conns.connector())
	e.db.SetMaxOpenConns(u.conns)
	e.db.SetMaxIdleConns(u.conns)
	e.db.SetConnMaxIdleTime(maxIdleTime)
	e.db.SetConnMaxLifetime(maxLifetime)
	return e, nil
}

// enter keeps the engine open until leave.
func (e *postgresEngine) enter() error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return unavailable(errClosed)
	}
	e.running.Add(1)
	return nil
}

func (e *postgresEngine) leave() { e.running.Done() }

// lend takes a connection from the pool. It must be given back with release.
func (e *postgresEngine) lend(ctx context.Context) (*link, error) {
	waiting, cancel := context.WithTimeout(ctx, writerPatience)
	defer cancel()
	conn, err := e.db.Conn(waiting)
	switch {
	case err == nil:
		return &link{Conn: conn, conns: &e.conns}, nil
	case ctx.Err() != nil:
		return nil, ended(ctx)
	case waiting.Err() != nil:
		return nil, unavailable(errNoConnection)
	default:
		return nil, unavailable(err)
	}
}

// with lends fn a connection.
func (e *postgresEngine) with(ctx context.Context, fn func(context.Context, *link) error) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	ctx, stop := e.conns.watch(ctx)
	defer stop()
	l, err := e.lend(ctx)
	if err != nil {
		return err
	}
	defer l.release()
	if err = fn(ctx, l); err != nil && isSilent(ctx) {
		return ended(ctx)
	}
	return err
}

// query implements querier: the statement runs by itself. One whose connection broke before it gave anything is sent once more: after a
// restart of the server each connection of the pool is broken.
func (e *postgresEngine) query(ctx context.Context, each func(*sql.Rows) error, text string, args ...any) error {
	rows := 0
	count := func(row *sql.Rows) error {
		rows++
		return each(row)
	}
	return twice(func() error {
		return e.with(ctx, func(ctx context.Context, l *link) error { return l.query(ctx, count, text, args...) })
	}, func() bool { return rows == 0 })
}

// exec implements querier.
func (e *postgresEngine) exec(ctx context.Context, text string, args ...any) (changed int, err error) {
	err = e.with(ctx, func(ctx context.Context, l *link) error {
		changed, err = l.exec(ctx, text, args...)
		return err
	})
	return changed, err
}

// view implements engine. A connection that is broken already is noticed before fn begins.
func (e *postgresEngine) view(ctx context.Context, fn func(context.Context, querier) error) error {
	begun := false
	return twice(func() error {
		return e.with(ctx, func(ctx context.Context, l *link) error {
			if _, err := l.exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
				return err
			}
			begun = true
			defer l.rollback()
			return fn(ctx, l)
		})
	}, func() bool { return !begun })
}

// twice does something again, if it may, after a connection was lost under it.
func twice(do func() error, may func() bool) error {
	err := do()
	if isLost(err) && may() {
		err = do()
	}
	return err
}

// An Update that fails even alone, because of programs that do not take turns, is tried often and for long enough before it is refused: that
// often at least, for that long at least, and with pauses from the first to the last in between.
const (
	leastAttempts = 5
	leastPatience = time.Second
	firstYield    = 2 * time.Millisecond
	lastYield     = 50 * time.Millisecond
	aloneInVain   = 2 // attempts that fail without a pause: together, and alone
)

// update implements engine. What failed because of others is run again alone, and what lost its connection once more.
func (e *postgresEngine) update(ctx context.Context, fn func(context.Context, querier) error) error {
	return e.attempts(ctx, together, alone, fn)
}

// updateBeside implements engine.
func (e *postgresEngine) updateBeside(ctx context.Context, fn func(context.Context, querier) error) error {
	return e.attempts(ctx, beside, beside, fn)
}

// attempts runs fn in that turn, and in the turn after once others were in its way.
func (e *postgresEngine) attempts(ctx context.Context, how, after turn, fn func(context.Context, querier) error) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	e.updates.Add(1)
	broken := false
	begun := time.Now()
	for attempt := 1; ; attempt++ {
		failure, err := e.attempt(ctx, how, fn)
		switch {
		case err == nil:
			e.commits.Add(1)
			return nil
		case attempt >= leastAttempts && time.Since(begun) >= leastPatience:
			return err
		case how.obstructed(failure):
			e.conflicts.Add(1)
			how = after
			if !yield(ctx, attempt) {
				return err
			}
		case isLost(failure) && !broken:
			broken = true
		default:
			return err
		}
	}
}

// yield leaves time to whoever was in the way of that attempt, and reports whether the caller still waits.
func yield(ctx context.Context, attempt int) bool {
	if attempt < aloneInVain {
		return ctx.Err() == nil
	}
	d := min(firstYield<<min(attempt-aloneInVain, 10), lastYield)
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d/2 + rand.N(d)):
		return true
	}
}

// attempt runs fn in a transaction. Beside the answer to the caller it returns the first failure of a statement, as the driver told it,
// unless another attempt could do harm.
func (e *postgresEngine) attempt(ctx context.Context, how turn, fn func(context.Context, querier) error) (failure, err error) {
	waiting, stopWaiting := e.conns.watch(ctx)
	defer stopWaiting()
	endTurn, err := e.turns.take(waiting, how)
	if err != nil {
		return nil, err
	}
	defer endTurn()
	l, err := e.lend(waiting)
	if err != nil {
		return nil, err
	}
	defer l.release()
	if err := l.begin(waiting, how); err != nil {
		return l.failure, err
	}
	// Whatever becomes of the caller: to end the context of a statement is to end its connection.
	always, stop := e.conns.watch(context.WithoutCancel(ctx))
	defer stop()
	committed := false
	defer func() {
		if !committed {
			l.rollback()
		}
	}()
	if err = fn(always, l); err != nil {
		if isSilent(always) {
			return nil, ended(always)
		}
		return l.failure, err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, ctx.Err() // nobody would hear what became of it
	}
	committing, cut := e.committing(ctx, always)
	defer cut()
	err = l.commit(committing)
	committed = err == nil
	return l.failure, err
}

// commitGrace is how long a commit may go on when its caller no longer waits, or the Store is being closed. Most take a few milliseconds, and one
// that waits for a standby may wait for ever.
const commitGrace = time.Second

// committing gives a context for a commit. Where it ends the connection is cut, and what became of the commit nobody knows; so it ends at once
// only where the caller has said beforehand until when he waits.
func (e *postgresEngine) committing(caller, always context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(always)
	cutLater := func() { time.AfterFunc(commitGrace, cancel) }
	left := context.AfterFunc(caller, func() {
		if errors.Is(caller.Err(), context.DeadlineExceeded) {
			cancel()
			return
		}
		cutLater()
	})
	closed := context.AfterFunc(e.closing, cutLater)
	return ctx, func() {
		left()
		closed()
		cancel()
	}
}

// translate implements dialect.
func (e *postgresEngine) translate(err error) error { return translatePostgres(err) }

func translatePostgres(err error) error {
	var answer *pgconn.PgError
	if !errors.As(err, &answer) || len(answer.Code) != 5 {
		return err
	}
	switch answer.Code {
	case "23505": // unique_violation
		switch answer.ConstraintName {
		case "author_email_unique":
			return store.ErrEmailTaken
		case "author_slug_unique", "community_slug_unique":
			return store.ErrSlugTaken
		}
		return err
	case
		"25006", // read_only_sql_transaction: the server has become a standby
		"25P03", // idle_in_transaction_session_timeout
		"40001", // serialization_failure
		"40P01", // deadlock_detected
		"55P03": // lock_not_available
		return unavailable(err)
	}
	switch answer.Code[:2] {
	case
		"08", // connection_exception
		"28", // invalid_authorization_specification: the password was changed
		"53", // insufficient_resources: disk full, out of memory, too many connections
		"57", // operator_intervention: shutting down, starting up, a statement that took too long
		"58": // system_error: I/O
		return unavailable(err)
	}
	return err
}

// postgresCode is the SQLSTATE of an error that the server sent, and "" of every other.
func postgresCode(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}

// postgresConstraint is the constraint that a statement would have broken, and "" for every other error.
func postgresConstraint(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.ConstraintName
	}
	return ""
}

// stats implements engine.
func (e *postgresEngine) stats() Stats {
	s := Stats{Commits: e.commits.Load(), Updates: e.updates.Load(), Conflicts: e.conflicts.Load(), Pool: e.db.Stats()}
	s.GroupSizes[0] = s.Commits
	return s
}

// close implements engine.
func (e *postgresEngine) close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.end()
	err := e.db.Close() // refuses whoever waits for a connection, and leaves alone those that are lent
	e.running.Wait()
	e.log.close()
	return err
}
