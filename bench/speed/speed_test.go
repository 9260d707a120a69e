package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/password"
)

// The test is the processes beside it too, as the program is.
func TestMain(m *testing.M) {
	aside()
	os.Exit(m.Run())
}

// Everything runs once, as small as it can be, and no answer is wrong.
func TestOneIterationOfEverything(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	err := run(t.Context(), options{
		parts: []string{checkPart, restPart, loginPart}, sizes: []int{50, 200}, casbinUpTo: 50,
		pace:   pace{rounds: 1, round: time.Millisecond, warmUp: 10 * time.Millisecond},
		server: 20 * time.Millisecond, cost: password.Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1},
		root: "../..", out: out, say: func(text string) { t.Log(text) }, told: io.Discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"no difference", "50 memberships", "200 memberships", "Casbin v2 Enforcer, documented", "Casbin v3 SyncedCachedEnforcer, role lines",
		"POST /api/check", "GET /api/users/me", "logins of hashes", "What Propusk promises itself",
	} {
		if text := read(t, filepath.Join(out, "latest.txt")); !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	drawn := xml.NewDecoder(strings.NewReader(read(t, filepath.Join(out, "latest.svg"))))
	for {
		if _, err := drawn.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// No figure of the page was typed by hand.
func TestThePageHoldsTheResults(t *testing.T) {
	t.Parallel()
	_, text, _, err := quoted(read(t, "../../docs/performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	if text != read(t, "../results/latest.txt") {
		t.Error("docs/performance.md and bench/results/latest.txt differ: run go -C bench run ./speed -update-docs")
	}
}

func TestUpdatePage(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "page.md")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("before\n" + figuresBegin + "old\n" + figuresEnd + "after\n")
	if err := updatePage(file, "new\n"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, file); got != "before\n"+figuresBegin+"new\n"+figuresEnd+"after\n" {
		t.Errorf("%s", got)
	}
	write("without a place")
	if err := updatePage(file, "new\n"); err == nil {
		t.Error("a page without a place for figures is taken")
	}
}

// A wrong answer ends the run, however fast it came.
func TestWrongAnswersAreNotTimed(t *testing.T) {
	t.Parallel()
	w, err := newWorld(50)
	if err != nil {
		t.Fatal(err)
	}
	for i := range w.members {
		w.members[i].token = w.members[i].user
	}
	// Whatever is asked first, one of them is wrong: a busy machine may have no time for more.
	yes := contestant{name: "yes", concurrent: true, ask: func(*member, int) (bool, error) { return true, nil }}
	no := contestant{name: "no", concurrent: true, ask: func(*member, int) (bool, error) { return false, nil }}
	for _, how := range []asking{again, anew} {
		_, err = measure(w, []contestant{byMap(w), yes, no}, how, pace{1, time.Millisecond, time.Millisecond}, func(string) {})
		if err == nil || !strings.Contains(err.Error(), "yes answers true") && !strings.Contains(err.Error(), "no answers false") {
			t.Errorf("%v", err)
		}
	}
}

func TestFigures(t *testing.T) {
	t.Parallel()
	for ns, want := range map[float64]string{
		0: "0 ns", 7.126: "7.13 ns", 84.9: "84.9 ns", 999: "999 ns", 12_345: "12.3 µs", 5_600_000: "5.60 ms", 2.5e9: "2.50 s",
	} {
		if got := duration(ns); got != want {
			t.Errorf("%g ns is written %q and not %q", ns, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("%d is written %q and not %q", n, got, want)
		}
	}
	if got := paired([]float64{10, 200, 30}, []float64{10, 100, 10, 7}); got != 2 {
		t.Errorf("the median of 1, 2 and 3 is %g", got)
	}
	if got := []float64{median(nil), median([]float64{3, 1, 2}), median([]float64{4, 1, 3, 2})}; got[0] != 0 || got[1] != 2 || got[2] != 2.5 {
		t.Errorf("medians %v", got)
	}
}
