//go:build hold

package e2e

// The lengths at which the claims about imports are made.
const (
	importPeople = 20_000
	importKills  = 20
)
