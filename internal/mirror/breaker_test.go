package mirror

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b breaker
		expect := func(want admission) {
			t.Helper()
			if got := b.enter(); got != want {
				t.Fatalf("enter says %d, want %d", got, want)
			}
		}
		expect(admitted)
		expect(admitted)
		b.leave(admitted, failed)
		expect(refused)
		// The second says no more than the first did, whatever it says.
		b.leave(admitted, failed)
		time.Sleep(shortPause - time.Nanosecond)
		expect(refused)
		time.Sleep(time.Nanosecond)
		expect(probe)
		b.leave(admitted, worked)
		expect(refused)
		// The probe's caller went away: the next one probes.
		b.leave(probe, unknown)
		for pause := 2 * shortPause; pause < 2*longPause; pause *= 2 {
			expect(probe)
			expect(refused)
			b.leave(probe, failed)
			time.Sleep(min(pause, longPause) - time.Nanosecond)
			expect(refused)
			time.Sleep(time.Nanosecond)
		}
		expect(probe)
		b.leave(probe, worked)
		expect(admitted)
		b.leave(admitted, failed)
		expect(refused)
		b.reset()
		expect(admitted)
	})
}
