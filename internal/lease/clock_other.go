//go:build !linux

package lease

import (
	"errors"
	"time"
)

// StrictClock is there on Linux only.
func StrictClock() (func() time.Duration, error) {
	return nil, errors.New("lease: a clock that goes on while the machine is suspended is read on Linux only")
}
