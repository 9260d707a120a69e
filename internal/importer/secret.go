package importer

import (
	"context"
	"runtime"
	"strings"
	"sync"

	"github.com/propusk/propusk/internal/store"
)

// unusable makes of a hash the one that stands for no password: the same work to verify, so that a login takes as long as any other, with a
// result of zeros, for which nobody can find a password. It is the same each time, so that a run that is repeated writes what it wrote.
func unusable(hash string) string {
	parts := strings.Split(hash, "$")
	for i := len(parts) - 2; i < len(parts); i++ {
		parts[i] = strings.Repeat("A", len(parts[i])) // A is six zero bits in base64
	}
	return strings.Join(parts, "$")
}

// hashPasswords hashes the passwords of rows that have one in plain text and are not there yet, outside of any transaction.
func (r *run) hashPasswords(ctx context.Context, rows []*accountRow) error {
	var keys []string
	var plain []*accountRow
	for _, row := range rows {
		if row.refused == "" && row.Password.Plain != "" {
			keys, plain = append(keys, row.Key), append(plain, row)
		}
	}
	if len(plain) == 0 || r.memory != nil {
		return nil
	}
	known, err := r.Store.Now(ctx).Imported(r.Source, store.ImportedAccount, keys)
	if err != nil {
		return err
	}
	// The first that fails ends the work of all.
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	work := make(chan *accountRow)
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for row := range work {
				if err := r.hash(ctx, row); err != nil {
					stop(err)
				}
			}
		})
	}
	for i := 0; i < len(plain) && ctx.Err() == nil; i++ {
		if known[i] != 0 {
			continue
		}
		select {
		case work <- plain[i]:
		case <-ctx.Done():
		}
	}
	close(work)
	all.Wait()
	return context.Cause(ctx)
}

func (r *run) hash(ctx context.Context, row *accountRow) error {
	hash, err := r.Hasher.Hash(ctx, row.Password.Plain)
	if err == nil {
		row.user.PasswordHash = hash
	}
	return err
}
