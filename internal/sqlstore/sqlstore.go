// Package sqlstore is the adapter of package store to SQL databases.
//
// One SQL text serves every engine; what differs (opening, errors, transactions, migrations) is behind the small interface
// engine, in files named after the engine. An Update whose statement failed sends nothing more and is rolled back, on every engine.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
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
	// view runs fn on a read-only snapshot. The context that fn gets is the one for its statements.
	view(ctx context.Context, fn func(context.Context, querier) error) error
	// update runs fn in a transaction of its own, as store.Store says. The context that fn gets is the one for its statements.
	update(ctx context.Context, fn func(context.Context, querier) error) error
	// updateBeside runs fn as store.Store says of UpdateBeside.
	updateBeside(ctx context.Context, fn func(context.Context, querier) error) error
	dialect
	// changeLog is store.Store's.
	changeLog(*Store) store.ChangeLog
	stats() Stats
	close() error
}

// dialect is what of SQL differs between databases.
type dialect interface {
	// translate turns an error of the driver into one that the port knows; it leaves every other error as it is.
	translate(error) error
	// locking ends a SELECT of rows of a table that the transaction is about to change.
	locking(table string) string
	// instr is the function of two texts that says where in the first the second begins, or 0.
	instr() string
	// list makes a slice an argument for elements and oneOf.
	list(values any) (any, error)
	// elements is a table of the elements of a list of that type, as v, with n to order them by.
	elements(placeholder, kind string) string
	// oneOf is the condition that a column is an element of a list of that type.
	oneOf(column, placeholder, kind string) string
	// membersInOrder is the condition that a row of community_author is of community $1, and with a list has the list of roles $4, and the
	// order of joining, so that they are read along an index.
	membersInOrder(list bool) (which, order string)
	// foundAnywhere selects id and roles of the members of community $1 in whose texts, those of addresses only with emails, a term of at
	// least three characters is found, and gives $2. The statement may be continued with AND and LIMIT.
	foundAnywhere(term string, emails bool) (text, arg string)
	// changes implements store.ChangeReader.
	changes(tx) ([]store.Change, store.Position, error)
	// server implements store.ChangeReader.
	server(tx) string
	// quietly runs a change of many memberships that is logged as these.
	quietly(t tx, logged []store.Change, change func() error) error
	manyWriter
}

// manyWriter is how many rows are written at once.
type manyWriter interface {
	// insertRows adds rows in their order. Each has a value for every column of in.
	insertRows(t tx, in insertion, rows [][]any) error
	// takeNumbers gives out the next n ids of a table, which are ascending.
	takeNumbers(t tx, table string, n int) ([]int64, error)
	// reserveNumbers keeps a table from giving out ids up to last, and returns the last that it may have given out before.
	reserveNumbers(t tx, table string, last int64) (before int64, err error)
}

// insertion is where rows are added.
type insertion struct {
	// into is the table with its columns: grants (hash, lists).
	into string
	// kinds are the types of these columns.
	kinds []string
	// conflict begins with ON CONFLICT and says what happens to a row that is there already; without it that is a failure.
	conflict string
}

// database is a database that a URL names.
type database interface {
	// open brings the schema up to date and connects.
	open(context.Context) (engine, error)
	// migrate brings the schema up to date and says what it applied.
	migrate(context.Context) ([]Migration, error)
	// status says which migrations there are, and changes nothing.
	status(context.Context) ([]Migration, error)
}

// Open opens the database that url names and brings its schema up to date. There are two forms: sqlite:PATH, a file whose directory
// exists (see openSQLite for what happens to its rights), and postgres://… (or postgresql://…), a database of PostgreSQL 15 or newer
// (see postgresURL for its parameters). No error holds a password. The caller closes the Store.
func Open(ctx context.Context, url string) (*Store, error) {
	return at(url, func(d database) (*Store, error) {
		e, err := d.open(ctx)
		if err != nil {
			return nil, err
		}
		return &Store{engine: e, closeOnce: sync.OnceValue(e.close)}, nil
	})
}

// Migrate brings the schema of the database that url names up to date and returns what it applied, the oldest first. Of several that
// migrate at once one does the work and the others wait. Open does the same.
func Migrate(ctx context.Context, url string) ([]Migration, error) {
	return at(url, func(d database) ([]Migration, error) { return d.migrate(ctx) })
}

// Status is every migration of the database that url names, by number, those unknown to this program included. It changes nothing
// and creates nothing.
func Status(ctx context.Context, url string) ([]Migration, error) {
	return at(url, func(d database) ([]Migration, error) { return d.status(ctx) })
}

// at does something with the database that url names.
func at[T any](url string, do func(database) (T, error)) (result T, err error) {
	d, err := parse(url)
	if err == nil {
		result, err = do(d)
	}
	if err != nil {
		return result, fmt.Errorf("database %s: %w", Redact(url), err)
	}
	return result, nil
}

func parse(url string) (database, error) {
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		return sqliteFile(path), nil
	}
	if isPostgres(url) {
		return parsePostgres(url)
	}
	return nil, errors.New("it must be sqlite:PATH, for example sqlite:propusk.db, or postgres://USER:PASSWORD@HOST:PORT/DATABASE")
}

// Redact is a URL that Open takes, or should have taken, without what may be a password, for people and logs.
func Redact(url string) string {
	if strings.HasPrefix(url, "sqlite:") {
		return url
	}
	scheme, _, found := strings.Cut(url, ":")
	switch {
	case isPostgres(url):
		return scheme + "://" + redactPostgres(url)
	case found:
		return strconv.Quote(scheme) + "…"
	default:
		return "…"
	}
}

// Now implements store.Store.
func (s *Store) Now(ctx context.Context) store.Reader { return s.reader(ctx, s.engine) }

// View implements store.Store. What fn gets has no methods that write.
func (s *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	return s.view(ctx, func(ctx context.Context, q querier) error { return fn(s.reader(ctx, q)) })
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, fn func(store.Tx) error) error {
	return s.update(ctx, s.transaction(fn))
}

// UpdateBeside implements store.Store.
func (s *Store) UpdateBeside(ctx context.Context, fn func(store.Tx) error) error {
	return s.updateBeside(ctx, s.transaction(fn))
}

// transaction runs fn on a transaction that ends with it.
func (s *Store) transaction(fn func(store.Tx) error) func(context.Context, querier) error {
	return func(ctx context.Context, q querier) error {
		failed := new(error)
		t := tx{s.reader(ctx, q)}
		t.failed = failed
		err := fn(t)
		if err == nil {
			err = *failed
		}
		*failed = errOver
		return err
	}
}

func (s *Store) reader(ctx context.Context, q querier) reader {
	return reader{ctx: ctx, db: q, dialect: s.engine}
}

// ChangeLog implements store.Store. Only SQLite has one.
func (s *Store) ChangeLog() store.ChangeLog { return s.changeLog(s) }

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
	// Conflicts is how often an Update ran again because another was in its way. Only PostgreSQL has any.
	Conflicts uint64
	// Pool is the state of the connections: on SQLite of those for reading.
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
