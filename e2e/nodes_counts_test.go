//go:build !hold

package e2e

import "time"

// How long the stories of several nodes are told by "go test ./...". nodes_counts_hold_test.go has the lengths at which the claims are made.
const (
	nodeRounds     = 20 // of each kind of revocation while all is well
	nodeFileRounds = 4  // the same over one file of SQLite
	nodeTimed      = 5  // of each kind, timed while nobody else asks
	nodeFaults     = 1  // times that each fault happens
	nodeSubjects   = 1  // of each kind revoked during one fault
	nodeUpgraded   = 1  // of each kind on old and on new nodes
	nodeFailovers  = 30 // revocations answered around the death of a primary
	// nodeRest is what who asks all the time rests between two questions: other stories want the processor too.
	nodeRest = 8 * time.Millisecond

	// How soon something is well again, or refused, is claimed for a machine that does nothing else. Here it only has to happen.
	healthyWithin = patience
	resumesWithin = patience
	backWithin    = patience
	refusedWithin = patience / 4
	insistence    = 2 * patience
)
