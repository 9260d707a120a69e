package session

import "context"

// FlushEvery is how long a note of use may wait.
const FlushEvery = flushEvery

// Flush writes what was noted, as Run does now and then, but takes as long as it takes.
func (s *Service) Flush(ctx context.Context) { s.flush(ctx) }
