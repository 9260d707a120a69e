// Package browsertest gives tests a real browser.
package browsertest

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// patience is for all that a test does with its browser, which on a busy machine is slow from its start on.
const patience = 4 * time.Minute

// New starts a browser with a profile of its own, and skips the test where none is installed.
func New(t *testing.T) context.Context {
	t.Helper()
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("no chromium on this machine; in CI that is a failure, see .ci/run")
		}
		t.Skip("no chromium on this machine: whether the page draws itself was not tested")
	}

	limited, stop := context.WithTimeout(t.Context(), patience)
	t.Cleanup(stop)
	allocator, stopAllocator := chromedp.NewExecAllocator(limited,
		chromedp.ExecPath(program),
		chromedp.Headless,
		chromedp.WSURLReadTimeout(patience),
		// As on a machine without internet: no name resolves, only the test's own server answers.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
	)
	t.Cleanup(stopAllocator)
	browser, closeBrowser := chromedp.NewContext(allocator)
	t.Cleanup(closeBrowser)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("%s does not start: %v", program, err)
	}
	return browser
}
