package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

var postgresSchema = schema{dialect: goose.DialectPostgres, dir: "postgres", exists: `SELECT to_regclass($1) IS NOT NULL`}

// migrationLock is the advisory lock of whoever migrates: "propusk" as a number.
const migrationLock int64 = 0x70726f7075736b

// errMigrationBusy refuses whoever waited for migrationPatience.
var errMigrationBusy = errors.New("another process has been migrating it for too long")

func (u postgresURL) migrate(ctx context.Context) ([]Migration, error) {
	db := u.single(func(ctx context.Context, conn *pgx.Conn) error {
		if err := u.unshared(ctx, conn); err != nil {
			return err
		}
		return lockMigrations(ctx, conn)
	})
	defer db.Close()
	applied, err := postgresSchema.migrate(ctx, db)
	return applied, advised(err)
}

func (u postgresURL) status(ctx context.Context) ([]Migration, error) {
	db := u.single(func(context.Context, *pgx.Conn) error { return nil })
	defer db.Close()
	all, err := postgresSchema.status(ctx, db)
	return all, advised(err)
}

// single is one connection whose statements may take their time. Should it have to be made anew, prepare runs again first.
func (u postgresURL) single(prepare func(context.Context, *pgx.Conn) error) *sql.DB {
	config := u.within(startPatience)
	config.RuntimeParams["statement_timeout"] = "0"
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	db := stdlib.OpenDB(*inSession(config), stdlib.OptionAfterConnect(prepare))
	db.SetMaxOpenConns(1)
	return db
}

// lockMigrations waits until nobody else migrates. The lock ends with the connection. It is asked for again and again: a statement
// that waits in the server would hold up a CREATE INDEX CONCURRENTLY of the one who migrates.
func lockMigrations(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeoutCause(ctx, migrationPatience, errMigrationBusy)
	defer cancel()
	for {
		var locked bool
		err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, migrationLock).Scan(&locked)
		if err != nil || locked {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// advised puts an error that an operator will read on one line, and adds what to do about the commonest.
func advised(err error) error {
	if err == nil {
		return nil
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if postgresCode(err) == "42501" { // insufficient_privilege, as everybody but the owner has from PostgreSQL 15 on
		text += ": Propusk's user must own the database: ALTER DATABASE … OWNER TO …"
	}
	return advice{text, err}
}

type advice struct {
	text  string
	cause error
}

func (a advice) Error() string { return a.text }

func (a advice) Unwrap() error { return a.cause }
