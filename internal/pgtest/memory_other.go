//go:build !linux

package pgtest

// memory is a directory whose files are in memory: none that is known of.
func memory() string { return "" }
