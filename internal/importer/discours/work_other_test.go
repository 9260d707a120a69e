//go:build !linux

package discours

import (
	"testing"
	"time"
)

// work is how long fn took: nothing closer to the work of the processor can be had everywhere.
func work(t *testing.T, fn func()) time.Duration {
	t.Helper()
	begun := time.Now()
	fn()
	return time.Since(begun)
}
