package sqlstore

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/storetest"
)

func TestPostgres(t *testing.T) {
	storetest.Run(t, func(t *testing.T) func() (store.Store, error) {
		url := pgtest.Database(t)
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

// PostgreSQL keeps no log of changes yet: nothing that is read from it is remembered, so there is nothing to be told.
func TestPostgresLogsNoChanges(t *testing.T) {
	s := openURL(t, pgtest.Database(t))
	if log := s.ChangeLog(); log != nil {
		t.Errorf("there is a log: %T: run storetest.RunChanges on it", log)
	}
	err := s.Update(t.Context(), func(tx store.Tx) error {
		made, at, err := tx.Changes()
		if len(made) > 0 || at != nil {
			t.Errorf("changes %v at %v", made, at)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
