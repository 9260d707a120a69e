//go:build !hold

package e2e

// How long the stories of imports are told by "go test ./...".
const (
	importPeople = 2000
	importKills  = 3
)
