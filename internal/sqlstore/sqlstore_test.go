package sqlstore

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/storetest"
)

// migrated gives an empty database that has the schema already. To make that anew takes longer than most tests do.
var migrated = pgtest.Template(func(url string) error {
	_, err := Migrate(context.Background(), url)
	return err
})

func TestPostgres(t *testing.T) {
	storetest.Run(t, func(t *testing.T) func() (store.Store, error) {
		url := migrated(t)
		return func() (store.Store, error) { return Open(context.Background(), url) }
	})
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) func() (store.Store, error) {
		url := "sqlite:" + filepath.Join(t.TempDir(), "propusk.db")
		return func() (store.Store, error) { return Open(context.Background(), url) }
	})
}

func TestSQLiteLogsChanges(t *testing.T) {
	storetest.RunChanges(t, func(t *testing.T) func() (store.Store, error) {
		url := "sqlite:" + filepath.Join(t.TempDir(), "propusk.db")
		return func() (store.Store, error) { return Open(context.Background(), url) }
	})
}

func TestPostgresLogsChanges(t *testing.T) {
	storetest.RunChanges(t, func(t *testing.T) func() (store.Store, error) {
		url := migrated(t)
		return func() (store.Store, error) { return Open(context.Background(), url) }
	})
}
