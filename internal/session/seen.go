package session

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/propusk/propusk/internal/store"
)

const (
	// seenEvery is how often at most a session's last_seen is written for a token on a node.
	seenEvery = time.Minute
	// flushEvery is how long a note of use may wait in memory.
	flushEvery = 2 * time.Second
	// sweepEvery and sweepBatch pace the removal of sessions that are over.
	sweepEvery = 10 * time.Minute
	sweepBatch = 1000
)

// Uses collects when things were last used, by their public ids. It is safe for concurrent use.
type Uses struct {
	mu    sync.Mutex
	notes map[string]time.Time
}

// Note takes note of a use.
func (s *Uses) Note(id string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notes == nil {
		s.notes = make(map[string]time.Time)
	}
	s.notes[id] = now
}

// Take returns what was noted since it was last called.
func (s *Uses) Take() map[string]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	notes := s.notes
	s.notes = nil
	return notes
}

// Run writes in the background when sessions were last used and removes those that are over, until ctx ends; then it writes what is
// still noted.
func (s *Service) Run(ctx context.Context) {
	flush, sweep := time.NewTicker(flushEvery), time.NewTicker(sweepEvery)
	defer flush.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-flush.C:
			s.flush(ctx)
		case <-sweep.C:
			s.Sweep(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushEvery)
			defer cancel()
			s.flush(last)
			return
		}
	}
}

// flush loses the notes if the database refuses them: a use a minute later is noted again.
func (s *Service) flush(ctx context.Context) {
	uses := s.seen.Take()
	if len(uses) == 0 {
		return
	}
	notes := make([]store.Seen, 0, len(uses))
	for id, at := range uses {
		notes = append(notes, store.Seen{SessionID: id, At: at})
	}
	err := s.Store.Update(ctx, func(tx store.Tx) error { return tx.TouchSessions(notes) })
	if err != nil {
		s.Log.Warn("last use of sessions was not written", "sessions", len(notes), "error", err)
	}
}

// Sweep removes sessions that are over, counters that no longer matter and keys whose last tokens have expired.
func (s *Service) Sweep(ctx context.Context) {
	if err := errors.Join(s.Throttle.Sweep(ctx), s.Keys.sweep(ctx)); err != nil {
		s.Log.Warn("old counters or keys were not removed", "error", err)
	}
	for removed := sweepBatch; removed == sweepBatch; {
		now := s.Now()
		err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
			removed, err = tx.DeleteOverSessions(now, now.Add(-s.Limits.Idle), sweepBatch)
			return err
		})
		if err != nil {
			s.Log.Warn("sessions that are over were not removed", "error", err)
			return
		}
	}
}

// printable keeps at most limit bytes of what a client says of itself, without anything that could break a line or hide text.
func printable(s string, limit int) string {
	var b strings.Builder
	for _, r := range s {
		if b.Len() >= limit-4 {
			break
		}
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}
