package community

import (
	"context"
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

// Run removes in the background what bulks wrote down and never applied, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
				s.Log.Warn("abandoned bulks were not removed", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// Sweep does it once.
func (s *Service) Sweep(ctx context.Context) error {
	for {
		var removed int
		err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
			removed, err = tx.DeleteBulks(s.Now().Add(-abandonedAfter), sweepBatch)
			return err
		})
		if err != nil || removed < sweepBatch {
			return err
		}
	}
}
