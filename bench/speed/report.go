package main

import (
	"fmt"
	"math"
	"strings"
	"text/tabwriter"
	"time"
)

// results are all that one run has found.
type results struct {
	machine   machine
	took      time.Duration
	agreement agreement
	checks    []checks
	endpoints []endpoint
	logins    *logins
}

// text is the results as a page of plain text.
func (r results) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Propusk beside its peers, %s\n\n", r.machine.day)
	fmt.Fprintf(&b, "%s, %d cores, %s\n", r.machine.cpu, r.machine.cores, r.machine.system)
	fmt.Fprintf(&b, "%s; Propusk %s; Casbin %s\n", r.machine.golang, r.machine.revision, strings.Join(r.machine.casbin, " and "))
	fmt.Fprintf(&b, "Medians of rounds that alternate, and of the ratios in each round; the whole run took %s.\n", r.took.Round(time.Second))
	r.agreement.write(&b)
	for _, c := range r.checks {
		c.write(&b)
	}
	writeEndpoints(&b, r.endpoints)
	if r.logins != nil {
		r.logins.write(&b)
	}
	writeWanted(&b, r.wanted())
	return b.String()
}

func heading(b *strings.Builder, format string, args ...any) {
	title := fmt.Sprintf(format, args...)
	fmt.Fprintf(b, "\n%s\n%s\n", title, strings.Repeat("-", len([]rune(title))))
}

// table writes rows in columns. The first row names them; the first column is text, the others are figures.
func table(b *strings.Builder, rows [][]string) {
	columns := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(columns, strings.Join(row, "\t")) // a Builder takes everything
	}
	_ = columns.Flush()
}

func (a agreement) write(b *strings.Builder) {
	heading(b, "Agreement with decisions/")
	fmt.Fprintf(b, "%d of %d rows asked of %d enforcers, twice each: no difference.\n", a.rows, a.of, a.enforcers)
	fmt.Fprintf(b, "%d of them still allow what a role permitted after it was taken away through them, until they are told to forget.\n", len(a.stale))
	for _, name := range a.stale {
		fmt.Fprintf(b, "  %s\n", name)
	}
}

func (c checks) write(b *strings.Builder) {
	heading(b, "One check inside the process: %s memberships, %s people, %s communities", count(c.memberships), count(c.people), count(c.communities))
	if c.casbin {
		fmt.Fprintf(b, "Telling Casbin the policy six times, two versions in three layouts, took %s.\n", c.told.Round(time.Millisecond))
	} else {
		fmt.Fprintln(b, "Without Casbin: the run was told to leave it out here, as six copies of the policy have to be held at once (-casbin-up-to).")
	}
	for _, part := range []struct {
		title   string
		timings []timing
	}{{"Asked before: every question was answered at least once", c.again}, {"New questions: nobody has asked them since a role was last changed", c.anew}} {
		fmt.Fprintf(b, "\n%s\n", part.title)
		ours := find(part.timings, propuskName)
		rows := [][]string{{"", "one goroutine", "two", "allocations", "times Propusk", "questions"}}
		for _, t := range part.timings {
			rows = append(rows, t.row(ours))
		}
		table(b, rows)
	}
}

func (t timing) row(ours timing) []string {
	two, questions := "-", "new"
	if len(t.parallel) > 0 {
		two = duration(median(t.parallel))
	}
	if t.questions > 0 {
		questions = count(t.questions)
	}
	return []string{
		t.contestant, duration(median(t.serial)), two, fmt.Sprintf("%.1f", median(t.allocations)),
		times(paired(t.serial, ours.serial)), questions,
	}
}

// find is the timing of a contestant, or the zero timing.
func find(timings []timing, name string) timing {
	for _, t := range timings {
		if t.contestant == name {
			return t
		}
	}
	return timing{}
}

func writeEndpoints(b *strings.Builder, endpoints []endpoint) {
	for _, e := range endpoints {
		heading(b, "%s, %d connections", e.name, connections)
		bare := e.server(bareServer).rounds
		rows := [][]string{{"", "requests/s", "of bare"}}
		for _, s := range e.servers {
			rows = append(rows, []string{s.name, count(int(median(s.rounds))), percent(paired(s.rounds, bare))})
		}
		table(b, rows)
	}
}

// server is what one of the servers did, or nothing.
func (e endpoint) server(name string) rates {
	for _, s := range e.servers {
		if s.name == name {
			return s
		}
	}
	return rates{}
}

func (l logins) write(b *strings.Builder) {
	heading(b, "Logins, %d connections, Argon2id m=%d KiB t=%d p=%d, hashed %d at a time",
		connections, l.params.MemoryKiB, l.params.Iterations, l.params.Parallelism, l.slots)
	table(b, [][]string{
		{"", "per second"},
		{l.hashes.name, fmt.Sprintf("%.1f", median(l.hashes.rounds))},
		{l.logins.name, fmt.Sprintf("%.1f", median(l.logins.rounds))},
		{"logins of hashes", percent(l.share())},
	})
}

func (l logins) share() float64 { return paired(l.logins.rounds, l.hashes.rounds) }

// duration is nanoseconds as people write them, with three figures.
func duration(ns float64) string {
	for _, unit := range []struct {
		name  string
		below float64
		in    float64
	}{{"ns", 1e3, 1}, {"µs", 1e6, 1e3}, {"ms", 1e9, 1e6}} {
		if ns < unit.below {
			return figures(ns/unit.in) + " " + unit.name
		}
	}
	return figures(ns/1e9) + " s"
}

// figures are three of a positive number, or as many as stand before the point.
func figures(x float64) string {
	if x <= 0 {
		return "0"
	}
	return fmt.Sprintf("%.*f", max(0, 2-int(math.Floor(math.Log10(x)))), x)
}

func times(x float64) string { return figures(x) + " ×" }

func percent(x float64) string { return fmt.Sprintf("%.0f %%", 100*x) }

// count is a whole number in groups of three.
func count(n int) string {
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
