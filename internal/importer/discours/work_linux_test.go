package discours

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// work is how long the processor worked for fn. Unlike a clock it does not count what other tests and other programs did meanwhile.
func work(t *testing.T, fn func()) time.Duration {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begun := ofThread(t)
	fn()
	return ofThread(t) - begun
}

func ofThread(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_THREAD, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
