//go:build hold

package e2e

import "time"

// The lengths at which the claims are made; nodes_counts_test.go says what each constant is.
const (
	nodeRounds     = 1000
	nodeFileRounds = 200
	nodeTimed      = 100
	nodeFaults     = 10
	nodeSubjects   = 5 // ten faults make fifty rounds of each kind
	nodeUpgraded   = 10
	nodeFailovers  = 1000
	nodeRest       = 0

	healthyWithin = 5 * time.Second  // after a fault every node serves again, from memory if it did before
	resumesWithin = 15 * time.Second // after a standby has taken over changes are made again
	backWithin    = 10 * time.Second // after its database a server is back
	refusedWithin = 1200 * time.Millisecond
	insistence    = 30 * time.Second // so long a revocation is tried again while something is broken
)
