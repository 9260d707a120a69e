package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/propusk/propusk/internal/store"
)

// sqliteEngine has one connection that writes and several that read. In WAL mode neither waits for the other.
type sqliteEngine struct {
	*pool
	writer *writer
}

// The memory of the page caches. An idle server is to stay small whatever the number of processors, so readers share theirs.
const (
	writerCacheKiB  = 4 << 10
	readersCacheKiB = 16 << 10
)

// migrationPatience is how long Open waits for another process that is migrating or writing.
const migrationPatience = time.Minute

// openSQLite opens the file at path and creates it if need be. Only the owner may read or write it and its companions -wal and
// -shm: rights that an existing file grants to others are taken away, and if that is not possible the file is refused.
func openSQLite(ctx context.Context, path string) (_ *sqliteEngine, err error) {
	if path, err = privateFile(path); err != nil {
		return nil, err
	}
	if _, err := migrateSQLite(ctx, path); err != nil {
		return nil, err
	}
	size := max(4, runtime.NumCPU())
	readers, err := connectSQLite(path, "busy_timeout(5000)", "query_only(1)", cacheSize(readersCacheKiB/size))
	if err != nil {
		return nil, err
	}
	// The writer waits for other processes by itself, so that its caller may give up at any time.
	writing, err := connectSQLite(path, "busy_timeout(0)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		cacheSize(writerCacheKiB))
	if err != nil {
		return nil, err
	}
	return &sqliteEngine{newPool(readers, size), newWriter(writing, writeAheadLog{path: path + "-wal", step: logStep})}, nil
}

func cacheSize(kib int) string { return "cache_size(" + strconv.Itoa(-kib) + ")" }

// connectSQLite gives access to the file at path; each connection is made with these pragmas.
func connectSQLite(path string, pragmas ...string) (*sql.DB, error) {
	connector, err := sqliteConnector(path, pragmas...)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

func sqliteConnector(path string, pragmas ...string) (driver.Connector, error) {
	// As a URL the path may hold ?, #, % and spaces. Without _dqs=0 a misspelt column in double quotes would be a text.
	query := url.Values{"_pragma": append(pragmas, "temp_store(memory)"), "_dqs": {"0"}}
	source := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query.Encode()}
	return sqlite.NewConnector(source.String())
}

// privateFile makes sure that path is a file that nobody but its owner can read, and returns its absolute path.
func privateFile(path string) (string, error) {
	switch {
	case path == "":
		return "", errors.New("the path of the file is missing: sqlite:PATH")
	case strings.HasPrefix(path, ":memory:"):
		return "", errors.New("a database in memory would be another one for each connection and lost at exit: " +
			"name a file, in a temporary directory if need be")
	case strings.HasPrefix(path, "//"):
		return "", errors.New("the path follows the colon without //: sqlite:propusk.db or sqlite:/var/lib/propusk/propusk.db")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if err := createPrivate(path); err != nil {
		return "", err
	}
	// SQLite puts the companions beside the file that a symbolic link leads to.
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	for _, companion := range []string{"", "-wal", "-shm"} {
		if err := makePrivate(path + companion); err != nil && !(companion != "" && errors.Is(err, fs.ErrNotExist)) {
			return "", err
		}
	}
	return path, nil
}

// createPrivate creates the file unless something of that name is there. It never opens a file that may be in use: closing it again
// would drop the locks that SQLite holds on it for the whole process. SQLite gives the companions the rights of the file.
func createPrivate(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the directory %s does not exist: create it first", filepath.Dir(path))
	case err != nil:
		return err
	}
	// An odd umask may have taken rights from the owner too.
	return errors.Join(file.Chmod(0o600), file.Close())
}

func makePrivate(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", path)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(path, info.Mode().Perm()&0o700); err != nil {
		return fmt.Errorf("other users of this machine can read it, and that cannot be changed: %w", err)
	}
	return nil
}

// sqliteFile is the database in the file of that path.
type sqliteFile string

func (f sqliteFile) open(ctx context.Context) (engine, error) { return openSQLite(ctx, string(f)) }

func (f sqliteFile) migrate(ctx context.Context) ([]Migration, error) {
	path, err := privateFile(string(f))
	if err != nil {
		return nil, err
	}
	return migrateSQLite(ctx, path)
}

func (f sqliteFile) status(ctx context.Context) ([]Migration, error) {
	path, err := filepath.Abs(string(f))
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil { // SQLite would create it
		return nil, err
	}
	db, err := connectSQLite(path, "busy_timeout(5000)", "query_only(1)")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return sqliteSchema.status(ctx, db)
}

var sqliteSchema = schema{
	dialect: goose.DialectSQLite3, dir: "sqlite", exists: `SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = $1)`,
}

// migrateSQLite holds the write lock of the file while it migrates, so of several processes one migrates and the others wait.
func migrateSQLite(ctx context.Context, path string) ([]Migration, error) {
	// Foreign keys are off, as SQLite wants it for migrations that replace a table: dropping the old one would delete what
	// refers to it.
	connector, err := sqliteConnector(path, "busy_timeout(0)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(0)")
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(nested{connector})
	defer db.Close()
	db.SetMaxOpenConns(1) // the lock belongs to a connection

	waiting, cancel := context.WithTimeout(ctx, migrationPatience)
	defer cancel()
	err = whileBusy(waiting, func() error {
		_, err := db.ExecContext(ctx, "BEGIN IMMEDIATE")
		return err
	})
	if err != nil {
		return nil, err
	}
	applied, err := sqliteSchema.migrate(ctx, db)
	if err != nil {
		return nil, err // closing the connection rolls back
	}
	_, err = db.ExecContext(ctx, "COMMIT")
	return applied, err
}

// nested makes the transactions of its connections savepoints, so that they can be opened inside the one that is the lock.
type nested struct{ driver.Connector }

func (n nested) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := n.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return savepoints{conn.(sqliteConn)}, nil
}

type sqliteConn interface {
	driver.Conn
	driver.ExecerContext
	driver.QueryerContext
}

type savepoints struct{ sqliteConn }

func (s savepoints) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	_, err := s.ExecContext(ctx, "SAVEPOINT migration", nil)
	return s, err
}

func (s savepoints) Commit() error {
	_, err := s.ExecContext(context.Background(), "RELEASE migration", nil)
	return err
}

func (s savepoints) Rollback() error {
	_, err := s.ExecContext(context.Background(), "ROLLBACK TO migration; RELEASE migration", nil)
	return err
}

// whileBusy repeats try until it succeeds, fails for another reason than another process that writes, or ctx ends. The pauses are
// short because a busy server leaves other processes only short gaps.
func whileBusy(ctx context.Context, try func() error) error {
	for {
		err := try()
		if !isBusy(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// isBusy reports whether another process holds the lock that was asked for.
func isBusy(err error) bool { return sqliteCode(err) == sqlite3.SQLITE_BUSY }

// view implements engine.
func (e *sqliteEngine) view(ctx context.Context, fn func(context.Context, querier) error) error {
	return e.with(ctx, func(h *handle) error {
		if _, err := h.exec(ctx, "BEGIN"); err != nil {
			return translateSQLite(err)
		}
		// A caller that has gone must not leave the transaction open for the next one.
		defer func() {
			if _, err := h.exec(context.WithoutCancel(ctx), "ROLLBACK"); err != nil {
				h.drop()
			}
		}()
		return fn(ctx, h)
	})
}

// update implements engine. The statements run on a context that nobody ends: interrupting one would roll back the work of
// everybody in the group.
func (e *sqliteEngine) update(ctx context.Context, fn func(context.Context, querier) error) error {
	return e.writer.update(ctx, fn)
}

// updateBeside implements engine: the file has one writer.
func (e *sqliteEngine) updateBeside(ctx context.Context, fn func(context.Context, querier) error) error {
	return e.writer.update(ctx, fn)
}

// translate implements dialect.
func (e *sqliteEngine) translate(err error) error { return translateSQLite(err) }

func translateSQLite(err error) error {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_CONSTRAINT:
		// SQLite names the columns of a broken unique constraint, and not the constraint.
		switch text := err.Error(); {
		case strings.Contains(text, "UNIQUE constraint failed: author.email_key"):
			return store.ErrEmailTaken
		case strings.Contains(text, "UNIQUE constraint failed: author.slug"),
			strings.Contains(text, "UNIQUE constraint failed: community.slug"):
			return store.ErrSlugTaken
		}
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL:
		return unavailable(err)
	}
	return err
}

// sqliteCode is the primary result code of an error of the driver, and 0 for every other error.
func sqliteCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// stats implements engine.
func (e *sqliteEngine) stats() Stats {
	s := e.writer.counted()
	s.Pool = e.db.Stats()
	return s
}

// close implements engine. The writer goes last: the last connection moves the log into the database and removes it.
func (e *sqliteEngine) close() error {
	return errors.Join(e.pool.close(), e.writer.close())
}
