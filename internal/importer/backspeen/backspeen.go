// Package backspeen reads the accounts of programs built like backend_backspeen: FastAPI and Tortoise ORM over an SQLite file with a table of users
// and one of sessions. Each such program names its columns as it likes, so they are found by what they are called, and where that leaves a doubt
// somebody has to say.
//
// Sessions are not carried over: their tokens were signed with a key that Propusk does not know. Everybody logs in once more.
package backspeen

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver

	"github.com/propusk/propusk/internal/importer/source"
)

// Config says where the database is, and what was said about it.
type Config struct {
	// From is sqlite:FILE.
	From string
	// Table is the table of users; "" finds it.
	Table string
	// Columns give a meaning (see meanings) the name of its column, or "" where there is none such.
	Columns map[string]string
}

// System is such a database. It implements source.System.
type System struct {
	db *sql.DB
	table
	// numbered tells that all ids are whole numbers from 1; otherwise all are texts.
	numbered bool
}

// Open finds the table of users. It never writes, and the program may go on running: each page of rows is a short read of its own. No error holds
// anything of a row.
func Open(ctx context.Context, c Config) (_ *System, err error) {
	path, is := strings.CutPrefix(c.From, "sqlite:")
	if !is || path == "" {
		return nil, errors.New("say where the database is: --from sqlite:FILE")
	}
	// A URL may have a password in it, which the errors below would repeat.
	if strings.Contains(path, "://") {
		return nil, errors.New("--from sqlite:FILE names a file, and what it was given is a URL")
	}
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	// Without _dqs=0 a misspelt column in double quotes would be a text.
	query := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(10000)", "query_only(1)"}, "_dqs": {"0"}}
	where := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", where.String())
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%s: %w", c.From, err), db.Close())
		}
	}()
	s := &System{db: db}
	tables, err := readTables(ctx, db)
	if err != nil {
		return nil, err
	}
	if s.table, err = find(tables, c.Table, c.Columns); err != nil {
		return nil, err
	}
	s.numbered, err = s.checkIDs(ctx)
	return s, err
}

// readTables are all tables with their columns.
func readTables(ctx context.Context, db *sql.DB) (tables []table, err error) {
	rows, err := db.QueryContext(ctx, `SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY t.name, c.cid`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, column string
		if err := rows.Scan(&name, &column); err != nil {
			return nil, err
		}
		if n := len(tables); n == 0 || tables[n-1].name != name {
			tables = append(tables, table{name: name})
		}
		last := &tables[len(tables)-1]
		last.columns = append(last.columns, column)
	}
	return tables, rows.Err()
}

// checkIDs makes sure that ids tell rows apart and have an order, so that no row is passed over between two pages.
func (s *System) checkIDs(ctx context.Context) (numbered bool, err error) {
	id := quote(s.meant["id"])
	var all, different, numbers, texts int
	err = s.db.QueryRowContext(ctx, `SELECT count(*), count(DISTINCT `+id+`), count(CASE WHEN typeof(`+id+`) = 'integer' AND `+id+` > 0 THEN 1 END),
		count(CASE WHEN typeof(`+id+`) = 'text' THEN 1 END) FROM `+quote(s.name)).Scan(&all, &different, &numbers, &texts)
	switch {
	case err != nil:
		return false, err
	case different != all:
		return false, fmt.Errorf("the column %s of table %s has the same value twice, or none: it is no id", s.meant["id"], s.name)
	case numbers != all && texts != all:
		return false, fmt.Errorf("the column %s of table %s has neither numbers from 1 nor texts in all rows: it is no id", s.meant["id"], s.name)
	}
	return numbers == all, nil
}

// Count is exact.
func (s *System) Count(ctx context.Context) (n source.Count, err error) {
	return n, s.db.QueryRowContext(ctx, `SELECT count(*) FROM `+quote(s.name)).Scan(&n.Accounts)
}

// Communities are none: these programs have roles on the platform only.
func (*System) Communities(context.Context) iter.Seq2[source.Community, error] {
	return func(func(source.Community, error) bool) {}
}

// Members are none.
func (*System) Members(context.Context) iter.Seq2[source.Member, error] {
	return func(func(source.Member, error) bool) {}
}

// Followers are none.
func (*System) Followers(context.Context) iter.Seq2[source.Follower, error] {
	return func(func(source.Follower, error) bool) {}
}

// Close ends the connection.
func (s *System) Close() error { return s.db.Close() }
