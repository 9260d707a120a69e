// Package busytest is for tests that share a machine: what they need so that others, who take its processors and ports, make no test fail.
package busytest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
	"time"
)

// beat is the unit of Took.
const beat = time.Millisecond

// Took is how long do took, without the time in which this process did not get a processor. It is counted by a goroutine beside do that wakes
// up each millisecond: whoever waits for an answer lets it count on, and where others have the processor neither gets further. So a promise
// about time can be held against it on a machine of any speed, which no clock allows.
func Took(do func()) time.Duration {
	over, counted := make(chan struct{}), make(chan time.Duration)
	go func() {
		var took time.Duration
		for {
			select {
			case <-over:
				counted <- took
				return
			case <-time.After(beat):
				took += beat
			}
		}
	}()
	defer func() { // a test may end inside do
		select {
		case <-over:
		default:
			close(over)
			<-counted
		}
	}()
	do()
	close(over)
	return <-counted
}

// Port gives a port of the loopback interface to a server that does not listen yet, or not all the time. Until it is given back nobody else who
// asks here gets it, in whatever process: the UDP port of that number is held meanwhile, which servers of TCP do not mind. It ends with the
// process too. Ports are below those that systems give to outgoing connections: one of those could be taken before the server listens.
func Port() (port int, giveBack func(), err error) {
	for {
		port := 15_000 + rand.IntN(15_000)
		address := fmt.Sprintf("127.0.0.1:%d", port)
		held, err := net.ListenPacket("udp", address)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return 0, nil, err
		}
		free, err := net.Listen("tcp", address)
		if err == nil {
			err = free.Close()
		}
		if err == nil {
			return port, func() { _ = held.Close() }, nil
		}
		_ = held.Close()
		if !errors.Is(err, syscall.EADDRINUSE) {
			return 0, nil, err
		}
	}
}
