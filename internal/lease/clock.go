package lease

import (
	"os"
	"strings"
)

// frozenClock stands still while the machine is paused or moved, and so lets a lease hold for longer.
const frozenClock = "kvm-clock"

// FrozenClock is the name of the machine's source of time if it is one that stands still while a hypervisor pauses the machine, and else "".
func FrozenClock() string {
	source, err := os.ReadFile("/sys/devices/system/clocksource/clocksource0/current_clocksource")
	if err != nil || strings.TrimSpace(string(source)) != frozenClock {
		return "" // there is no such file but on Linux
	}
	return frozenClock
}
