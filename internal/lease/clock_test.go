package lease

import (
	"testing"
	"time"
)

// A lease goes by the clock that its node was given, whichever way it is asked.
func TestALeaseGoesByTheStrictClock(t *testing.T) {
	var clock time.Duration
	l := &Lease{base: time.Now(), clock: func() time.Duration { return clock }}
	l.until.Store(int64(time.Second))
	if !l.Holds() || !l.HoldsAt(time.Now().Add(time.Hour)) {
		t.Error("it does not hold")
	}
	clock = time.Second // the machine was suspended; Go's clock does not know
	if l.Holds() || l.HoldsAt(time.Now()) {
		t.Error("it holds for longer than it may")
	}
}

func TestTheStrictClockGoesOn(t *testing.T) {
	clock, err := StrictClock()
	if err != nil {
		t.Skip(err)
	}
	real := time.Now() // before and after the other, so that it measures no less wherever the machine stands still
	begun := clock()
	time.Sleep(time.Millisecond)
	if took, least := clock()-begun, time.Millisecond; took < least || took > time.Since(real)+time.Millisecond {
		t.Errorf("a millisecond took %v", took)
	}
	if n := testing.AllocsPerRun(100, func() { clock() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
