package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
)

// schemaItem is a table, an index, a trigger or a view.
type schemaItem struct{ kind, name, table, text string }

// errAlien is a schema that a file of ours cannot have.
var errAlien = errors.New("its schema is not the one that Propusk made")

// sameSchema refuses a database whose schema is not what the migrations up to a version make of an empty file. Whoever could write to a backup
// could leave a trigger in it that lets him in as soon as it runs again.
func sameSchema(ctx context.Context, path string, version int64) (err error) {
	fresh, err := partBeside(path, "schema")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeDatabase(fresh)) }()
	wanted, err := schemaUpTo(ctx, fresh, version)
	if err != nil {
		return err
	}
	found, err := schemaOf(ctx, path)
	if err != nil {
		return err
	}
	for _, item := range found {
		if !slices.Contains(wanted, item) {
			return fmt.Errorf("%w: the %s %q on %q was added or changed. Find out who did; then restore another backup, "+
				"or make the schema of a copy of this one what it was", errAlien, item.kind, item.name, item.table)
		}
	}
	for _, item := range wanted {
		if !slices.Contains(found, item) {
			return fmt.Errorf("%w: the %s %q on %q is missing: restore another backup", errAlien, item.kind, item.name, item.table)
		}
	}
	return nil
}

// schemaUpTo is the schema that the migrations up to a version make of an empty file.
func schemaUpTo(ctx context.Context, path string, version int64) ([]schemaItem, error) {
	db, err := connectSQLite(path, "journal_mode(MEMORY)", "synchronous(OFF)", "foreign_keys(0)")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	files, err := sqliteSchema.files()
	if err != nil {
		return nil, err
	}
	steps, err := goose.NewProvider(sqliteSchema.dialect, db, files,
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, err
	}
	if _, err := steps.UpTo(ctx, version); err != nil {
		return nil, err
	}
	return readSchema(ctx, db)
}

// schemaOf is the schema of a database.
func schemaOf(ctx context.Context, path string) ([]schemaItem, error) {
	db, err := connectSQLite(path, "query_only(1)")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return readSchema(ctx, db)
}

// readSchema leaves out the statistics that ANALYZE makes, if they are as it makes them, and what is in the table of versions: its text belongs
// to a module that may write it otherwise one day.
func readSchema(ctx context.Context, db *sql.DB) (items []schemaItem, err error) {
	rows, err := db.QueryContext(ctx, `SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name`)
	if err != nil {
		return nil, err
	}
	statistics := []string{"CREATE TABLE sqlite_stat1(tbl,idx,stat)", "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"}
	err = drain(rows, func(rows *sql.Rows) error {
		var item schemaItem
		if err := rows.Scan(&item.kind, &item.name, &item.table, &item.text); err != nil {
			return err
		}
		switch {
		case strings.HasPrefix(item.name, "sqlite_stat") && slices.Contains(statistics, item.text):
			return nil
		case item.kind == "table" && item.name == versionTable:
			item.text = ""
		default:
			item.text = bareSQL(item.text)
		}
		items = append(items, item)
		return nil
	})
	return items, err
}

// bareSQL is a statement with one space for each run of white space and comments, which SQLite keeps as they were written and the program that
// applies migrations may not. What is quoted stays.
func bareSQL(text string) string {
	var bare strings.Builder
	for text != "" {
		end := 1
		gap := false
		switch text[0] {
		case ' ', '\t', '\r', '\n', '\f':
			gap = true
		case '\'', '"', '`':
			end = through(text, text[:1], 1) // a doubled quote is two texts side by side
		case '[':
			end = through(text, "]", 1)
		case '-':
			if gap = strings.HasPrefix(text, "--"); gap {
				end = through(text, "\n", 2)
			}
		case '/':
			if gap = strings.HasPrefix(text, "/*"); gap {
				end = through(text, "*/", 2)
			}
		}
		switch {
		case !gap:
			bare.WriteString(text[:end])
		case !strings.HasSuffix(bare.String(), " "):
			bare.WriteByte(' ')
		}
		text = text[end:]
	}
	return strings.TrimSpace(bare.String())
}

// through is where a text goes on after the first end that it has from a place on.
func through(text, end string, from int) int {
	if at := strings.Index(text[from:], end); at >= 0 {
		return from + at + len(end)
	}
	return len(text)
}

// endedAll makes sure that no session is left, whatever ended them, and that the database is one file.
func endedAll(ctx context.Context, path string) error {
	return onCopy(ctx, path, func(db *sql.DB) error {
		var left int
		err := db.QueryRowContext(ctx, `SELECT count(*) FROM session`).Scan(&left)
		if err == nil && left > 0 {
			err = fmt.Errorf("%d sessions are there after all were ended: nothing was restored, and this file is not to be trusted", left)
		}
		return err
	})
}
