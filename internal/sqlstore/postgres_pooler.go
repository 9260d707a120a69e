package sqlstore

import (
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// errShared refuses a pooler that makes connections take turns at the processes of the server, as PgBouncer's transaction mode does.
var errShared = errors.New("a pooler before the server makes connections take turns at its processes: give each a process of its own " +
	"(pool_mode = session in PgBouncer), or name the server itself in the URL")

// pidRounds is how often both connections are asked. One round tells, but where others use the pool at the same moment.
const pidRounds = 10

// unshared makes sure that conn has a process of the server for itself: what is set, locked or listened to in a session would else be another
// program's. Who is connected to the server itself knows its process from the beginning. Behind a pooler a second connection is asked too: each has
// one process from first to last, and not the same.
func (u postgresURL) unshared(ctx context.Context, conn *pgx.Conn) error {
	own, err := backend(ctx, conn)
	if err != nil || own == int(conn.PgConn().PID()) {
		return err
	}
	second, err := pgx.ConnectConfig(ctx, inSession(u.within(startPatience)))
	if err != nil {
		return err
	}
	defer func() { _ = second.Close(context.WithoutCancel(ctx)) }()
	others, err := backend(ctx, second)
	for range pidRounds {
		var again, othersAgain int
		if err == nil {
			again, err = backend(ctx, conn)
		}
		if err == nil {
			othersAgain, err = backend(ctx, second)
		}
		switch {
		case err != nil:
			return err
		case own == others, again != own, othersAgain != others:
			return errShared
		}
	}
	return nil
}

// backend is the process that answers at the other end of a connection. The statement is not prepared: the next process would not know it.
func backend(ctx context.Context, conn *pgx.Conn) (int, error) {
	results, err := conn.PgConn().Exec(ctx, "SELECT pg_backend_pid()").ReadAll()
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(results[0].Rows[0][0]))
}
