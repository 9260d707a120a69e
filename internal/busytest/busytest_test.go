package busytest

import (
	"fmt"
	"net"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWaitingIsCounted(t *testing.T) {
	const wait = 300 * time.Millisecond
	// On a busy machine it may be counted as less, and not each time.
	most := time.Duration(0)
	for range 20 {
		begun := time.Now()
		took := Took(func() { time.Sleep(wait) })
		if clock := time.Since(begun); took > clock {
			t.Errorf("%v are counted as %v", clock, took)
		}
		if most = max(most, took); most > wait/2 {
			return
		}
	}
	t.Errorf("%v are counted as %v", wait, most)
}

func TestATestMayEndInside(t *testing.T) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		Took(runtime.Goexit)
	}()
	<-over // goleak sees who was left
}

func TestAPortIsGivenOnce(t *testing.T) {
	given := map[int]bool{}
	for range 500 {
		port, giveBack, err := Port()
		if err != nil {
			t.Fatal(err)
		}
		defer giveBack()
		if given[port] {
			t.Errorf("port %d was given twice", port)
		}
		given[port] = true
	}
	for port := range given { // and may be listened on
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		_ = listener.Close()
		break
	}
}
