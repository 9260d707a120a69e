package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// Replication is what a primary says of its standbys, as it concerns our connections.
type Replication struct {
	// Names is the server's synchronous_standby_names: whom a commit waits for. Empty for nobody.
	Names string
	// Commit is synchronous_commit on our connections.
	Commit string
	// Standbys is how many are connected, Synchronous how many of them a commit waits for.
	Standbys, Synchronous int
	// Hidden is set when standbys are connected and our user may not see in what state.
	Hidden bool
}

// errNoStandby says that the engine knows no standbys.
var errNoStandby = errors.New("sqlstore: only PostgreSQL has standbys")

// Waits reports whether a commit waits until a standby has it on its disk. With remote_write it is only in the memory of the standby's system,
// and a loss of power on both sides would lose it.
func (r Replication) Waits() bool {
	return r.Names != "" && (r.Commit == "on" || r.Commit == "remote_apply")
}

// Replication asks the primary. It costs one statement that reads no table.
func (s *Store) Replication(ctx context.Context) (r Replication, err error) {
	e, ok := s.engine.(*postgresEngine)
	if !ok {
		return Replication{}, errNoStandby
	}
	return e.replication(ctx)
}

// A row of another user is there with nothing in it, unless ours may read all statistics. Base backups are in the view, too: they wait for nothing.
const replicationQuery = `SELECT current_setting('synchronous_standby_names'), current_setting('synchronous_commit'),
	count(*) FILTER (WHERE state IS NULL OR state <> 'backup'), count(*) FILTER (WHERE sync_state IN ('sync', 'quorum') AND state = 'streaming'),
	coalesce(bool_or(state IS NULL), false)
FROM pg_stat_replication`

func (e *postgresEngine) replication(ctx context.Context) (r Replication, err error) {
	err = e.with(ctx, func(ctx context.Context, l *link) error {
		err := l.QueryRowContext(ctx, replicationQuery).Scan(&r.Names, &r.Commit, &r.Standbys, &r.Synchronous, &r.Hidden)
		return l.judge(ctx, err)
	})
	if err != nil {
		return Replication{}, fmt.Errorf("the state of replication: %w", err)
	}
	return r, nil
}

// errNotReplicated is a commit that gave up waiting for a standby, because somebody on the primary told it to. PostgreSQL calls that a success
// with a warning; after a failover it may turn out to have been nothing.
var errNotReplicated = errors.New("sqlstore: the commit is on the primary alone: it was told to wait for no standby")

// wasWarned is the key under which a connection knows that it was warned, as a bool.
const wasWarned = "propusk gave up"

// warned takes note of what a server says beside its answers.
func warned(conn *pgconn.PgConn, notice *pgconn.Notice) {
	if notice.SeverityUnlocalized == "WARNING" && notice.Code == "01000" {
		conn.CustomData()[wasWarned] = true
	}
}

// replicated tells a commit that went well from one that gave up waiting.
func replicated(conn *pgconn.PgConn) error {
	if gave, _ := conn.CustomData()[wasWarned].(bool); gave {
		return errNotReplicated
	}
	return nil
}

// unwarned forgets what was said before a commit.
func unwarned(conn *pgconn.PgConn) { delete(conn.CustomData(), wasWarned) }
