package discours

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	// For the driver of SQLite, which it registers.
	_ "modernc.org/sqlite"
)

// database is one snapshot of a database that is only read.
type database struct {
	db       *sql.DB
	tx       *sql.Tx
	postgres bool
	// tables are the columns of each table that matters.
	tables map[string]map[string]bool
}

// tables are all that are read, if they are there.
var tableNames = [...]string{
	"author", "community", "community_author", "community_follower", "author_role", "role", "role_permission", "permission",
}

func openDatabase(ctx context.Context, from string) (*database, error) {
	d, err := connect(from)
	if err != nil {
		return nil, err
	}
	if err := d.begin(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("the database of Discours: %w", err), d.db.Close())
	}
	if !d.hasColumn("author", "id") || !d.hasColumn("community", "id") {
		return nil, errors.Join(errors.New("the database is not one of Discours: it has no tables author and community"), d.close())
	}
	return d, nil
}

func connect(from string) (*database, error) {
	scheme, rest, _ := strings.Cut(from, ":")
	switch scheme = strings.ToLower(scheme); {
	case scheme == "sqlite" && !strings.Contains(rest, "://"): // a URL behind it may hold a password, and errors about files repeat the name
		return openSQLite(rest)
	case (scheme == "postgres" || scheme == "postgresql") && strings.HasPrefix(rest, "//"):
		return openPostgres(scheme + ":" + rest)
	}
	return nil, errors.New("the database of Discours must be postgres://USER:PASSWORD@HOST:PORT/DATABASE or sqlite:PATH")
}

func openSQLite(path string) (*database, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("the database of Discours: %w", err)
	}
	name := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: "mode=ro&_pragma=busy_timeout(5000)&_pragma=query_only(1)"}).String()
	db, err := sql.Open("sqlite", name)
	return &database{db: db}, err
}

// openPostgres does not pass an error about the URL on, which may repeat the password.
func openPostgres(from string) (*database, error) {
	config, err := pgx.ParseConfig(from)
	if err != nil {
		return nil, errors.New("the URL of the database of Discours cannot be read: it must be postgres://USER:PASSWORD@HOST:PORT/DATABASE, " +
			"with special characters in the password written as %XX")
	}
	return &database{db: stdlib.OpenDB(*config), postgres: true}, nil
}

// begin starts the snapshot, on the one connection.
func (d *database) begin(ctx context.Context) (err error) {
	d.db.SetMaxOpenConns(1)
	how := &sql.TxOptions{}
	if d.postgres {
		how = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	if err := d.db.PingContext(ctx); err != nil {
		return err
	}
	// It ends with close, and not with ctx, which may end in the middle of a row.
	if d.tx, err = d.db.BeginTx(context.WithoutCancel(ctx), how); err != nil {
		return err
	}
	if err := d.unhurried(ctx); err != nil {
		return errors.Join(err, d.tx.Rollback())
	}
	d.tables = map[string]map[string]bool{}
	for _, table := range tableNames {
		if err := d.learn(ctx, table); err != nil {
			return errors.Join(err, d.tx.Rollback())
		}
	}
	return nil
}

// unhurried lifts the limits of time that a server may set: a statement lasts for as long as what it reads is written elsewhere.
func (d *database) unhurried(ctx context.Context) error {
	if !d.postgres {
		return nil
	}
	_, err := d.tx.ExecContext(ctx, `SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true)`)
	return err
}

// learn finds out which columns a table has; none when there is no such table.
func (d *database) learn(ctx context.Context, table string) error {
	text := `SELECT name FROM pragma_table_info($1)`
	if d.postgres {
		text = `SELECT column_name::text FROM information_schema.columns WHERE table_name = $1 AND table_schema = ANY (current_schemas(false))`
	}
	d.tables[table] = map[string]bool{}
	for r, err := range d.query(ctx, text, table) {
		if err != nil {
			return err
		}
		d.tables[table][r.text(0)] = true
	}
	return nil
}

func (d *database) close() error {
	_ = d.tx.Rollback() // there is nothing in it that could be lost
	return d.db.Close()
}

func (d *database) has(table string) bool { return len(d.tables[table]) > 0 }

func (d *database) hasColumn(table, column string) bool { return d.tables[table][column] }

// maxCell bounds what is read of one cell, in bytes. Nothing of Discours is longer that Propusk would take over.
const maxCell = 64 << 10

// columns selects those columns, and NULL for those that are not there, and behind them what tooLong says. JSON comes as text.
func (d *database) columns(table string, names ...string) string {
	list := make([]string, len(names))
	for i, name := range names {
		switch {
		case !d.hasColumn(table, name):
			list[i] = `NULL`
		case name == "settings":
			list[i] = d.bounded(`CAST(settings AS TEXT)`)
		default:
			list[i] = d.bounded(quote(name))
		}
	}
	return strings.Join(list, ", ") + ", " + d.tooLong(table, names...)
}

// bounded is the value, or NULL in place of what is too long.
func (d *database) bounded(value string) string {
	return `CASE WHEN ` + d.size(value) + ` <= ` + strconv.Itoa(maxCell) + ` THEN ` + value + ` END`
}

// tooLong is the name of the first of the columns that is too long; NULL when none is.
func (d *database) tooLong(table string, names ...string) string {
	cases := ""
	for _, name := range names {
		if d.hasColumn(table, name) {
			cases += ` WHEN ` + d.size(quote(name)) + ` > ` + strconv.Itoa(maxCell) + ` THEN '` + name + `'`
		}
	}
	if cases == "" {
		return `CAST(NULL AS TEXT)`
	}
	return `CASE` + cases + ` END`
}

func (d *database) size(value string) string {
	if d.postgres {
		value = `CAST(` + value + ` AS TEXT)`
	}
	return `octet_length(` + value + `)`
}

// quote is for names that are words of SQL, such as desc. They are all constants of this package.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// query reads row by row. No other statement may run meanwhile.
func (d *database) query(ctx context.Context, text string, args ...any) iter.Seq2[*record, error] {
	return func(yield func(*record, error) bool) {
		rows, err := d.tx.QueryContext(ctx, text, args...)
		if err != nil {
			yield(nil, err)
			return
		}
		defer rows.Close()
		names, err := rows.Columns()
		if err != nil {
			yield(nil, err)
			return
		}
		for rows.Next() {
			r, err := scan(rows, len(names))
			if !yield(r, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, err)
		}
	}
}

func scan(rows *sql.Rows, width int) (*record, error) {
	r := &record{values: make([]any, width)}
	to := make([]any, width)
	for i := range to {
		to[i] = &r.values[i]
	}
	return r, rows.Scan(to...)
}
