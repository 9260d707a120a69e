package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// versionTable is where goose keeps which migrations were applied.
const versionTable = "schema_version"

// Migration is one step of the schema.
type Migration struct {
	Number int64
	// Name is the name of its file, or "" when this program does not have it: a newer one applied it.
	Name string
	// AppliedAt is zero while the migration is pending.
	AppliedAt time.Time
}

// schema is how one engine keeps its schema.
type schema struct {
	dialect goose.Dialect
	// dir is where its migrations are.
	dir string
	// exists asks whether the version table, $1, is there.
	exists string
}

func (s schema) files() (fs.FS, error) { return fs.Sub(migrations, "migrations/"+s.dir) }

// migrate brings the schema of db up to date, says what it applied, and refuses a schema that is newer than this program. The caller
// makes sure that nobody else migrates meanwhile.
func (s schema) migrate(ctx context.Context, db *sql.DB) ([]Migration, error) {
	before, err := s.status(ctx, db)
	if err != nil {
		return nil, err
	}
	if known, last := s.newest(before); last > known {
		return nil, fmt.Errorf("its schema has version %d, and this program knows versions up to %d: "+
			"use the newer Propusk that wrote it, or restore a backup", last, known)
	}
	files, err := s.files()
	if err != nil {
		return nil, err
	}
	steps, err := goose.NewProvider(s.dialect, db, files,
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, err
	}
	if _, err = steps.Up(ctx); err != nil {
		return nil, err
	}
	after, err := s.status(ctx, db)
	return slices.DeleteFunc(after, func(m Migration) bool {
		return slices.ContainsFunc(before, func(b Migration) bool { return b.Number == m.Number && !b.AppliedAt.IsZero() })
	}), err
}

// newest are the newest versions that this program knows and that was applied.
func (s schema) newest(all []Migration) (known, applied int64) {
	for _, m := range all {
		if m.Name != "" {
			known = m.Number
		}
		if !m.AppliedAt.IsZero() {
			applied = m.Number
		}
	}
	return known, applied
}

// status is every migration that this program or db knows, by number. It writes nothing, not even an empty version table.
func (s schema) status(ctx context.Context, db *sql.DB) ([]Migration, error) {
	all, err := s.known()
	if err != nil {
		return nil, err
	}
	var exists bool
	if err := db.QueryRowContext(ctx, s.exists, versionTable).Scan(&exists); err != nil || !exists {
		return all, err
	}
	// Version 0 is the table itself.
	rows, err := db.QueryContext(ctx, `SELECT version_id, tstamp FROM `+versionTable+` WHERE version_id > 0 ORDER BY version_id`)
	if err != nil {
		return nil, err
	}
	err = drain(rows, func(rows *sql.Rows) error {
		var applied Migration
		if err := rows.Scan(&applied.Number, &applied.AppliedAt); err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(m Migration) bool { return m.Number == applied.Number })
		if i < 0 {
			all = append(all, applied)
			return nil
		}
		all[i].AppliedAt = applied.AppliedAt
		return nil
	})
	slices.SortStableFunc(all, func(a, b Migration) int { return cmp.Compare(a.Number, b.Number) })
	return all, err
}

// known are the migrations that this program has.
func (s schema) known() ([]Migration, error) {
	files, err := s.files()
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	all := make([]Migration, len(names))
	for i, name := range names {
		number, err := goose.NumericComponent(name)
		if err != nil {
			return nil, err
		}
		all[i] = Migration{Number: number, Name: name}
	}
	return all, nil
}
