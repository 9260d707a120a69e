package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"golang.org/x/sync/singleflight"

	"github.com/propusk/propusk"
)

const (
	// usualSilence and usualProbePatience are less than a second together.
	usualSilence       = 450 * time.Millisecond
	usualProbePatience = 400 * time.Millisecond
	// trusted is how long a connection that has just been used is taken to work.
	trusted = time.Second
	// endPatience is how long a rollback may take before the connection is closed instead.
	endPatience = time.Second
	// breather is how long a server that lets nobody in is left alone. Each attempt costs it a process, and while it recovers from a crash those of
	// all who wait for it would take the processor from it.
	breather = 50 * time.Millisecond
)

// silence is how long an answer may be out before it is asked whether the server is there at all, and probePatience how long that answer may
// take. Tests of something else than these times have more of them.
var silence, probePatience = usualSilence, usualProbePatience

// connections makes and checks connections to one server.
type connections struct {
	config *pgx.ConnConfig
	// silence and probePatience are those variables as they were when it was made.
	silence, probePatience time.Duration
	// begun is the zero of the clock by which answered is when the server last answered anything, and broke when a connection was last
	// found broken: others may be, too.
	begun           time.Time
	answered, broke atomic.Int64
	probing         singleflight.Group
	// refused is when the last attempt to connect failed, by the same clock, and 0 when it did not.
	refused  atomic.Int64
	knocking singleflight.Group
}

// gate is a connector that spares a server that has let nobody in: one asks again for all who wait, after a breather.
type gate struct {
	driver.Connector
	conns *connections
}

// Connect implements driver.Connector.
func (g gate) Connect(ctx context.Context) (driver.Conn, error) {
	if g.conns.refused.Load() != 0 {
		if err := g.conns.knock(ctx); err != nil {
			return nil, err
		}
	}
	conn, err := g.Connector.Connect(ctx)
	if ctx.Err() == nil {
		g.conns.tried(err)
	}
	return conn, err
}

// tried takes note of what an attempt to connect came to.
func (c *connections) tried(err error) {
	if err != nil {
		c.refused.Store(int64(c.now()))
		return
	}
	c.refused.Store(0)
}

// knock connects once for all who want to after a refusal.
func (c *connections) knock(ctx context.Context) error {
	answer := c.knocking.DoChan("", func() (any, error) {
		time.Sleep(time.Duration(c.refused.Load()) + breather - c.now())
		err := c.touch(connectPatience)
		c.tried(err)
		return nil, err
	})
	select {
	case a := <-answer:
		return a.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lastUse is the key under which a connection knows when it was last used, as a *time.Duration.
const lastUse = "propusk last use"

func (c *connections) connector() driver.Connector {
	return gate{conns: c, Connector: stdlib.GetConnector(*c.config,
		stdlib.OptionAfterConnect(func(_ context.Context, conn *pgx.Conn) error {
			conn.PgConn().CustomData()[lastUse] = new(c.heard())
			return nil
		}),
		stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return false }),
		stdlib.OptionResetSession(c.check))}
}

// check asks a connection of the pool whether it works, unless it did a moment ago. The pool throws away one that does not, and takes
// another.
func (c *connections) check(ctx context.Context, conn *pgx.Conn) error {
	used := conn.PgConn().CustomData()[lastUse].(*time.Duration)
	now := c.now()
	if now-*used > trusted || *used <= time.Duration(c.broke.Load()) {
		// A connection that the network has forgotten would be waited for without end.
		ctx, cancel := context.WithTimeout(ctx, c.probePatience)
		defer cancel()
		if conn.Ping(ctx) != nil {
			return driver.ErrBadConn
		}
		now = c.heard()
	}
	*used = now
	return nil
}

// now is a clock that nobody sets.
func (c *connections) now() time.Duration { return time.Since(c.begun) }

// heard takes note that the server has answered.
func (c *connections) heard() time.Duration {
	now := c.now()
	c.answered.Store(int64(now))
	return now
}

// errSilent ends what waits for a server that does not even let anybody connect.
type errSilent struct{ cause error }

func (e errSilent) Error() string {
	return fmt.Sprintf("sqlstore: PostgreSQL has fallen silent: %v", e.cause)
}

func (e errSilent) Unwrap() error { return e.cause }

// watch gives a context that ends when ctx does, or when the server turns out to be silent: when it has answered nobody for a while and
// does not let in another connection. A statement may take long, and the network may lose a server without a word; this tells one from
// the other.
func (c *connections) watch(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(c.silence, func() {
		for wait := time.Duration(0); ; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			if wait = time.Duration(c.answered.Load()) + c.silence - c.now(); wait > 0 {
				continue
			}
			if err := c.probe(); err != nil {
				cancel(errSilent{err})
			}
			wait = c.silence
		}
	})
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

// probe connects once for all who ask at the same time. Whatever the server answers, it is there.
func (c *connections) probe() error {
	_, err, _ := c.probing.Do("", func() (any, error) {
		err := c.touch(c.probePatience)
		if err != nil && postgresCode(err) == "" {
			return nil, err
		}
		c.heard()
		return nil, nil
	})
	return err
}

// touch makes a connection for its own sake.
func (c *connections) touch(patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgconn.ConnectConfig(ctx, &c.config.Config)
	if err != nil {
		return err
	}
	_ = conn.Close(ctx) // it has told what there was to know
	return nil
}

func isSilent(ctx context.Context) bool {
	_, ok := errors.AsType[errSilent](context.Cause(ctx))
	return ok
}

// ended says why a context of watch has ended.
func ended(ctx context.Context) error {
	if isSilent(ctx) {
		return unavailable(context.Cause(ctx))
	}
	return ctx.Err()
}

// lost is that a connection broke under a statement. If that was not a commit, its transaction was not committed.
type lost struct{ cause error }

func (l lost) Error() string { return l.cause.Error() }

func (l lost) Unwrap() error { return l.cause }

func isLost(err error) bool {
	_, ok := errors.AsType[lost](err)
	return ok
}

// errRolledBack is a commit that the server answered with a rollback, as it does when a statement had failed.
var errRolledBack = errors.New("sqlstore: PostgreSQL rolled back instead of committing")

// errBroken is a connection that is closed already.
var errBroken = errors.New("sqlstore: the connection is closed")

// outcomeUnknown says that the connection broke during a commit.
func outcomeUnknown(cause error) *propusk.Error {
	return &propusk.Error{
		Kind: propusk.Unavailable, Code: "outcome_unknown", Cause: cause,
		Message: "the database went away while the change was being saved: it may or may not be in force, so look before you try again",
	}
}

// link is a connection while it is lent.
type link struct {
	*sql.Conn
	conns *connections
	// failure is the first failure of a statement.
	failure error
	// unfit is set when the connection must not be used again.
	unfit bool
}

// query implements querier.
func (l *link) query(ctx context.Context, each func(*sql.Rows) error, text string, args ...any) error {
	rows, err := l.QueryContext(ctx, text, args...)
	if err == nil {
		err = drain(rows, each)
	}
	return l.judge(ctx, err)
}

// exec implements querier.
func (l *link) exec(ctx context.Context, text string, args ...any) (int, error) {
	result, err := l.ExecContext(ctx, text, args...)
	if err = l.judge(ctx, err); err != nil {
		return 0, err
	}
	changed, err := result.RowsAffected()
	return int(changed), err
}

// judge takes note of what came back, and translates it if it is a failure. The end of ctx breaks the connection too, but that says nothing about others.
func (l *link) judge(ctx context.Context, err error) error {
	if err == nil || postgresCode(err) != "" {
		l.conns.heard()
	}
	if err == nil {
		return nil
	}
	broken := l.broken()
	// A server that takes no writes any more has handed its work to another, which a new connection will find.
	l.unfit = l.unfit || broken || postgresCode(err) == "25006"
	if broken && ctx.Err() == nil {
		l.conns.broke.Store(int64(l.conns.now()))
		err = lost{err}
	}
	if l.failure == nil {
		l.failure = err
	}
	if isLost(err) {
		return unavailable(err)
	}
	return translatePostgres(err)
}

// below runs fn on the connection beneath database/sql.
func (l *link) below(fn func(*pgx.Conn) error) error {
	return l.Raw(func(conn any) error { return fn(conn.(*stdlib.Conn).Conn()) })
}

// idle reports whether the server has said that no transaction is open.
func (l *link) idle() (idle bool) {
	_ = l.below(func(conn *pgx.Conn) error {
		idle = conn.PgConn().TxStatus() == 'I'
		return nil
	})
	return idle
}

// server is the one that the connection leads to; "" once it is broken.
func (l *link) server() (server string) {
	_ = l.below(func(conn *pgx.Conn) error {
		server = serverOf(conn)
		return nil
	})
	return server
}

func (l *link) broken() bool {
	return l.below(func(conn *pgx.Conn) error {
		if conn.IsClosed() {
			return errBroken
		}
		return nil
	}) != nil
}

// begin starts a transaction for an Update and waits for its turn among all nodes.
func (l *link) begin(ctx context.Context, how turn) error {
	waiting, cancel := context.WithTimeout(ctx, writerPatience)
	defer cancel()
	_, err := l.exec(waiting, how.begin)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ended(ctx)
	case waiting.Err() != nil:
		return unavailable(errBusy)
	default:
		return err
	}
}

// commit ends the transaction.
func (l *link) commit(ctx context.Context) error {
	if l.broken() {
		return l.judge(ctx, errBroken)
	}
	err := l.below(func(conn *pgx.Conn) error {
		unwarned(conn.PgConn())
		tag, err := conn.Exec(ctx, "COMMIT")
		switch {
		case err != nil:
			return err
		case tag.String() != "COMMIT":
			return errRolledBack
		default:
			return replicated(conn.PgConn())
		}
	})
	var answer *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errRolledBack), errors.As(err, &answer) && answer.SeverityUnlocalized == "ERROR":
		return l.judge(ctx, err)
	}
	// The answer was lost, or it is that the server ends the connection, which it may say with the commit on the disk. pgconn.SafeToRetry
	// is no help: it takes a connection that broke after the statement was sent for one that was broken before.
	_ = l.judge(ctx, err)
	l.failure = nil // or else it would be tried again
	return outcomeUnknown(err)
}

// rollback ends the transaction without a trace. A connection that fails to is closed, which does it too. After a COMMIT that failed there is none,
// and asking for its end would leave a warning in the server's log.
func (l *link) rollback() {
	if l.unfit || l.idle() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), endPatience)
	defer cancel()
	if _, err := l.ExecContext(ctx, "ROLLBACK"); err != nil {
		l.unfit = true
	}
}

// release gives the connection back to the pool, or closes it.
func (l *link) release() {
	if l.unfit {
		_ = l.Raw(func(any) error { return driver.ErrBadConn }) // makes the pool close it
	}
	_ = l.Close()
}
