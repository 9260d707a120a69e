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
)
