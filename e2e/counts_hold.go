//go:build hold

package e2e

import "time"

// The lengths at which the claims are made; counts.go says what each constant is.
const (
	hold = true

	crashRounds     = 20
	crashFewest     = 100
	crashMost       = 1500
	registrations   = 6400
	sharedBy        = 5
	alone           = 500
	loginsOfEach    = 1000
	refreshRaces    = 1000
	commandRounds   = 50
	doubleStarts    = 20
	demotions       = 1000
	bulkRows        = 100_000
	mirrored        = 1100 // more than are remembered
	redisChecks     = 10_000
	meddleEvery     = time.Second
	loginMemory     = "19456" // the default
	loginIterations = "2"

	healthyWithin = 5 * time.Second  // after a fault every node serves again, from memory if it did before
	resumesWithin = 15 * time.Second // after a standby has taken over changes are made again
	backWithin    = 10 * time.Second // after its database a server is back
	refusedWithin = 1200 * time.Millisecond
	insistence    = 30 * time.Second // so long a revocation is tried again while something is broken
)
