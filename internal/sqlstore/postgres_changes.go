package sqlstore

import "github.com/propusk/propusk/internal/store"

// changeLog implements engine: there is none yet, so nobody remembers what is read here.
func (*postgresEngine) changeLog(*Store) store.ChangeLog { return nil }

// changes implements dialect.
func (*postgresEngine) changes(tx) ([]store.Change, store.Position, error) { return nil, nil, nil }

// quietly implements dialect: nothing is logged anyway.
func (*postgresEngine) quietly(_ tx, _ []store.Change, change func() error) error { return change() }
