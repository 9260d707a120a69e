package load

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// meter measures requests of one kind.
type meter struct {
	// times are of the requests that were not refused.
	times  Histogram
	failed faults
}

// faults counts what went wrong, by what it was.
type faults struct {
	mu  sync.Mutex
	all map[string]int
	n   atomic.Int64
}

func (f *faults) add(what string) {
	f.n.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all == nil {
		f.all = map[string]int{}
	}
	f.all[what]++
}

func (f *faults) counts() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.all)
}

// note takes note of a request that lasted from since until now. One that got no answer lasted at least that long and counts as such; a refusal
// may have cost the server nothing, and would make it look faster than it is.
func (m *meter) note(since time.Time, err error) {
	var answer *refused
	if !errors.As(err, &answer) {
		m.times.Add(time.Since(since))
	}
	if err != nil {
		m.failed.add(failure(err))
	}
}

// requests is how many there were, and how many of them failed.
func (m *meter) requests() (all, failed int) {
	failed, all = int(m.failed.n.Load()), m.times.Count()
	for what, n := range m.failed.counts() {
		if isStatus(what) {
			all += n
		}
	}
	return all, failed
}

// isStatus tells refusals from what came instead of an answer.
func isStatus(what string) bool { return what != "" && what[0] >= '0' && what[0] <= '9' }

// Snapshot is how it goes.
type Snapshot struct {
	Elapsed                             time.Duration
	Requests, LastSecond, Errors, Wrong int
	P50, P99                            time.Duration
}

func (r *run) snapshot() Snapshot {
	var all Histogram
	s := Snapshot{Elapsed: time.Since(r.began), Wrong: int(r.wrong.n.Load())}
	for k := range r.meters {
		n, failed := r.meters[k].requests()
		s.Requests, s.Errors = s.Requests+n, s.Errors+failed
		all.AddAll(&r.meters[k].times)
	}
	s.P50, s.P99 = all.Quantile(0.5), all.Quantile(0.99)
	return s
}

// String is the snapshot in one line.
func (s Snapshot) String() string {
	text := fmt.Sprintf("%4.0f s  %d requests/s  p50 %s  p99 %s  %d errors", s.Elapsed.Seconds(), s.LastSecond, short(s.P50), short(s.P99), s.Errors)
	if s.Wrong > 0 {
		text += fmt.Sprintf("  %d WRONG", s.Wrong)
	}
	return text
}

// Result is how it was. Times are in milliseconds.
type Result struct {
	URL         string  `json:"url"`
	Seconds     float64 `json:"seconds"`
	Connections int     `json:"connections"`
	Rate        float64 `json:"rate,omitempty"`
	// Late are requests that should have begun and did not, because all connections were waiting.
	Late  int       `json:"late"`
	Kinds []Measure `json:"kinds"`
	Total Measure   `json:"total"`
	// Wrong are answers that contradict what the server had acknowledged before, by what they were.
	Wrong map[string]int `json:"wrong,omitempty"`
	// Verified is how many answers were looked at for that.
	Verified int `json:"verified"`
	// Left is what could not be deleted.
	Left string `json:"left,omitempty"`
}

// Measure is about requests of one kind.
type Measure struct {
	Kind   string         `json:"kind"`
	Count  int            `json:"count"`
	RPS    float64        `json:"rps"`
	P50    float64        `json:"p50_ms"`
	P90    float64        `json:"p90_ms"`
	P99    float64        `json:"p99_ms"`
	P999   float64        `json:"p999_ms"`
	Max    float64        `json:"max_ms"`
	Errors map[string]int `json:"errors,omitempty"`
}

func (r *run) result(left error) Result {
	out := Result{
		URL: r.URL, Seconds: r.took.Seconds(), Connections: r.Connections, Rate: r.Rate, Late: r.late(), Wrong: r.wrong.counts(),
		Verified: int(r.stage.verified.Load()),
	}
	if left != nil {
		out.Left = left.Error()
	}
	var total meter
	for k := range kinds {
		m := &r.meters[k]
		if n, _ := m.requests(); n == 0 {
			continue
		}
		out.Kinds = append(out.Kinds, m.measure(k.String(), r.took))
		total.times.AddAll(&m.times)
		for what, n := range m.failed.counts() {
			for range n {
				total.failed.add(what)
			}
		}
	}
	out.Total = total.measure("total", r.took)
	return out
}

// late is how many requests of an open loop were due before the end and not begun.
func (r *run) late() int {
	if r.Rate == 0 {
		return 0
	}
	due := int64(min(r.asked, r.Duration).Seconds() * r.Rate)
	return int(max(0, due-r.begun.Load()))
}

func (m *meter) measure(kind string, took time.Duration) Measure {
	n, _ := m.requests()
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	quantile := func(q float64) float64 { return ms(m.times.Quantile(q)) }
	return Measure{
		Kind: kind, Count: n, RPS: float64(n) / took.Seconds(), Errors: m.failed.counts(), Max: ms(m.times.Max()),
		P50: quantile(0.5), P90: quantile(0.9), P99: quantile(0.99), P999: quantile(0.999),
	}
}

// Print writes the result as a table for people.
func (r Result) Print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KIND\tCOUNT\tPER SECOND\tP50\tP90\tP99\tP99.9\tMAX\tERRORS")
	for _, m := range append(slices.Clone(r.Kinds), r.Total) {
		fmt.Fprintf(table, "%s\t%d\t%.1f\t%s\t%s\t%s\t%s\t%s\t%s\n", m.Kind, m.Count, m.RPS,
			millis(m.P50), millis(m.P90), millis(m.P99), millis(m.P999), millis(m.Max), listed(m.Errors))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if r.Late > 0 {
		fmt.Fprintf(w, "%d requests were due and could not begin, because all connections were waiting\n", r.Late)
	}
	if r.Verified > 0 {
		fmt.Fprintf(w, "%d answers about roles that it changed itself were verified, %d of them were wrong\n", r.Verified, r.wrong())
	}
	for _, what := range slices.Sorted(maps.Keys(r.Wrong)) {
		fmt.Fprintf(w, "WRONG: %d × %s\n", r.Wrong[what], what)
	}
	if r.Left != "" {
		fmt.Fprintf(w, "could not be deleted: %s\n", r.Left)
	}
	return nil
}

func (r Result) wrong() (n int) {
	for _, count := range r.Wrong {
		n += count
	}
	return n
}

// Err is an error when an answer was wrong.
func (r Result) Err() error {
	if n := r.wrong(); n > 0 {
		return fmt.Errorf("%d answers were wrong", n)
	}
	return nil
}

// listed are errors, as in "2 (503: 1, timeout: 1)".
func listed(errors map[string]int) string {
	var parts []string
	sum := 0
	for _, what := range slices.Sorted(maps.Keys(errors)) {
		parts = append(parts, fmt.Sprintf("%s: %d", what, errors[what]))
		sum += errors[what]
	}
	if sum == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%s)", sum, strings.Join(parts, ", "))
}

func millis(ms float64) string { return short(time.Duration(ms * float64(time.Millisecond))) }

// short is a time with three digits or so.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
