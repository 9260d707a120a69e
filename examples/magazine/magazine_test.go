package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// printed is what the program says, as it says it.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// start runs the magazine until the test ends, and returns the lines that it prints for a newcomer to paste.
func start(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var out printed
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, "127.0.0.1:0", "sqlite:"+filepath.Join(t.TempDir(), "magazine.db"), &out) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(out.String(), "URL=") {
			return out.String()
		}
	}
	t.Fatalf("it does not say where it listens: %s", &out)
	return ""
}

// TestTheTour pastes the README, and compares what comes back with what the README promises.
func TestTheTour(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("this test needs curl")
	}
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	script := "set -eu\n" + start(t) + "curl() { command curl \"$@\" -w '%{stderr} %{http_code}\\n'; }\n"
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		script += block[1]
	}
	raw, err := exec.Command("bash", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	// GraphQL answers a refusal with 200 too; success tells.
	var answers []string
	for _, found := range regexp.MustCompile(`(?m) (\d{3})$|"success":(\w+)`).FindAllStringSubmatch(string(raw), -1) {
		answers = append(answers, found[1]+found[2])
	}
	const want = "403 200 200 200 200 403 403 200 200 200 200 403 true 200 " +
		"true 200 false 200 true 200 false 200 true 200 200 true 200 404 " +
		"200 200 403"
	if got := strings.Join(answers, " "); got != want {
		t.Errorf("the tour answers\n%s\nand not\n%s\n%s", got, want, raw)
	}
}
