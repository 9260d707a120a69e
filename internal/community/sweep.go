package community

import (
	"context"
	"errors"
	"time"

	"github.com/propusk/propusk/internal/store"
)

const (
	// abandonedAfter is how old a bulk is that nobody will apply any more, sweepEvery how often those are looked for, and sweepBatch how many
	// rows are removed at once.
	abandonedAfter = time.Hour
	sweepEvery     = 10 * time.Minute
	sweepBatch     = 2000
)

// Run removes in the background what bulks wrote down and never applied, and lists that hold nowhere, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
				s.Log.Warn("what nobody needs any more was not removed", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// Sweep does it once.
func (s *Service) Sweep(ctx context.Context) error {
	bulks := func(tx store.Tx) (int, error) { return tx.DeleteBulks(s.Now().Add(-abandonedAfter), sweepBatch) }
	lists := func(tx store.Tx) (int, error) { return tx.DeleteUnusedGrants(sweepBatch) }
	return errors.Join(s.repeat(ctx, bulks), s.repeat(ctx, lists))
}

// repeat removes batches as long as they are full.
func (s *Service) repeat(ctx context.Context, remove func(store.Tx) (int, error)) error {
	for {
		var removed int
		err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
			removed, err = remove(tx)
			return err
		})
		if err != nil || removed < sweepBatch {
			return err
		}
	}
}
