package app

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/sqlstore"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/transfer"
)

// Errors of Backup and Restore.
var (
	ErrNoFile  = sqlstore.ErrNoFile
	ErrInPlace = sqlstore.ErrInPlace
)

// Restored is what came of a Restore.
type Restored = sqlstore.Restored

// Watch is told how many steps something has, and gives what is called after each.
type Watch = func(steps int) (step func())

// Export writes all that the database holds, hashes and private keys included. A server may run on it meanwhile.
func Export(ctx context.Context, c *config.Config, to io.Writer, watch Watch) (s transfer.Summary, err error) {
	err = onStore(ctx, c, func(db *sqlstore.Store) error {
		s, err = transfer.Export(ctx, db, to, watch)
		return err
	})
	return s, err
}

// Import fills an empty database, which is made if it is not there, with what Export wrote. A database that holds just that is left alone, and
// already is true.
func Import(ctx context.Context, c *config.Config, from io.Reader, watch Watch) (s transfer.Summary, already bool, err error) {
	err = onStore(ctx, c, func(db *sqlstore.Store) error {
		s, already, err = transfer.Import(ctx, db, from, watch)
		return err
	})
	return s, already, err
}

// ProbeImport reads the file and says what Import would do. It makes and changes nothing.
func ProbeImport(ctx context.Context, c *config.Config, from io.Reader, watch Watch) (s transfer.Summary, already bool, err error) {
	made, err := isMade(ctx, c)
	if err != nil {
		return transfer.Summary{}, false, err
	}
	if !made {
		s, err = transfer.Check(from, watch)
		return s, false, err
	}
	err = onStore(ctx, c, func(db *sqlstore.Store) error {
		s, already, err = transfer.Probe(ctx, db, from, watch)
		return err
	})
	return s, already, err
}

// isMade reports whether there is a database that a Propusk made.
func isMade(ctx context.Context, c *config.Config) (bool, error) {
	all, err := sqlstore.Status(ctx, c.Database)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	for _, m := range all {
		if !m.AppliedAt.IsZero() {
			return true, err
		}
	}
	return false, err
}

func onStore(ctx context.Context, c *config.Config, do func(*sqlstore.Store) error) error {
	db, err := sqlstore.Open(ctx, c.Database)
	if err != nil {
		return err
	}
	return errors.Join(do(db), db.Close())
}

// Backup writes a copy of a SQLite database that may be in use to a new file. ErrNoFile, fs.ErrExist.
func Backup(ctx context.Context, c *config.Config, to string, watch Watch) error {
	return sqlstore.Backup(ctx, c.Database, to, watch)
}

// Restore puts a copy that Backup made in the place of the database, ends all sessions, and takes note of that in the audit. With replace it
// may take the place of a database, which is kept. ErrNoFile, ErrInPlace.
func Restore(ctx context.Context, c *config.Config, file string, replace bool, watch Watch) (Restored, error) {
	now := time.Now()
	me := (&App{Access: &access.Service{}}).Operator() // of whom nothing is asked but who it is
	return sqlstore.Restore(ctx, c.Database, sqlstore.Restoration{
		File: file, Replace: replace, Now: now, Watch: watch,
		Deed: func(tx store.Tx, done Restored) error {
			return audit.Record(tx, now, me, audit.Entry{
				Action: "database.restore", Target: strings.ToValidUTF8(filepath.Base(file), "?"),
				After: audit.Fields{"sessions_ended": done.Sessions, "api_keys": done.APIKeys},
			})
		},
	})
}
