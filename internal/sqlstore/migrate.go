package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// versionTable is where goose keeps which migrations were applied.
const versionTable = "schema_version"

// migrate brings the schema of db up to date and refuses one that is newer than this program. The caller makes sure that nobody
// else migrates meanwhile.
func migrate(ctx context.Context, db *sql.DB, dialect goose.Dialect, dir string) error {
	files, err := fs.Sub(migrations, "migrations/"+dir)
	if err != nil {
		return err
	}
	steps, err := goose.NewProvider(dialect, db, files,
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	current, known, err := steps.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > known {
		return fmt.Errorf("its schema has version %d, and this program knows versions up to %d: "+
			"use the newer Propusk that wrote it, or restore a backup", current, known)
	}
	_, err = steps.Up(ctx)
	return err
}
