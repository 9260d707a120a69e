//go:build hold

package e2e

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
)
