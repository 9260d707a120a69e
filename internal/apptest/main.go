package apptest

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"
)

// Main runs the tests of a package, and fails when they leave goroutines behind, as left tells. What is about to end has half a minute: goleak
// alone gives it half a second, for which a busy machine may be late.
func Main(m *testing.M, left func() error) {
	code := m.Run()
	// Connections that wait in the default transport are nobody's loss.
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	for start := time.Now(); code == 0; {
		err := left()
		if err == nil {
			break
		}
		if time.Since(start) > 30*time.Second {
			fmt.Fprintln(os.Stderr, "the tests passed, but left behind:", err)
			code = 1
		}
	}
	os.Exit(code)
}
