//go:build !hold

package e2e

import "time"

// How long each story is told by "go test ./...". counts_hold.go has the lengths at which the claims are made.
const (
	hold = false

	crashRounds     = 2
	crashFewest     = 100 // milliseconds of writing before a kill, at least
	crashMost       = 500 // and at most
	registrations   = 320 // of 32 clients together, for one count of fsyncs
	sharedBy        = 2   // so many must share a flush on average; few registrations on a busy machine share less
	alone           = 40  // of one client, for comparison, in long runs
	loginsOfEach    = 60  // for each way a login can fail
	refreshRaces    = 20  // of a refresh with logout-all
	commandRounds   = 2
	doubleStarts    = 2
	demotions       = 9    // of two admins by each other
	bulkRows        = 1000 // of one bulk
	mirrored        = 20   // communities whose lists are in Redis
	redisChecks     = 100  // in each state of Redis
	meddleEvery     = 20 * time.Millisecond
	loginMemory     = "64" // KiB of one hash where the time of a login is looked at
	loginIterations = "1"
)
