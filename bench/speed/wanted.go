package main

import (
	"fmt"
	"strings"
)

// wish is what Propusk promises itself, and what was measured.
type wish struct {
	what, wanted, measured string
	held                   bool
}

// What is wanted at most, or at least.
const (
	mostOfMap        = 5
	leastOfFastest   = 50
	leastOfDocument  = 500
	leastCheck       = 0.60
	leastMe          = 0.55
	leastWithLog     = 0.45
	leastLogins      = 0.75
	mostAllocations  = 0.05 // what others do in the background is counted too
	documentedLayout = "documented"
)

func (r results) wanted() (all []wish) {
	for _, c := range r.checks {
		all = append(all, c.wanted()...)
	}
	for i, e := range r.endpoints {
		least := []float64{leastCheck, leastMe}[i]
		bare := e.server(bareServer).rounds
		for _, with := range []struct {
			server string
			least  float64
		}{{withoutLog, least}, {withLog, leastWithLog}} {
			share := paired(e.server(with.server).rounds, bare)
			all = append(all, wish{
				e.name + ", " + strings.TrimPrefix(with.server, "Propusk, "), "≥ " + percent(with.least) + " of bare", percent(share), share >= with.least,
			})
		}
	}
	if r.logins != nil {
		share := r.logins.share()
		all = append(all, wish{"logins", "≥ " + percent(leastLogins) + " of hashes", percent(share), share >= leastLogins})
	}
	return all
}

func (c checks) wanted() (all []wish) {
	at := func(what string) string { return fmt.Sprintf("check at %s, %s", count(c.memberships), what) }
	ours, bare := find(c.again, propuskName), find(c.again, mapName)
	allocations := median(ours.allocations)
	all = append(all, wish{at("allocations"), "0", fmt.Sprintf("%.1f", allocations), allocations <= mostAllocations})
	for _, way := range []struct {
		name       string
		ours, bare []float64
	}{{"one goroutine", ours.serial, bare.serial}, {"two goroutines", ours.parallel, bare.parallel}} {
		of := paired(way.ours, way.bare)
		all = append(all, wish{at(way.name), fmt.Sprintf("≤ %d × the map", mostOfMap), times(of), of <= mostOfMap})
	}
	if !c.casbin {
		return all
	}
	for _, against := range []struct {
		layout string
		fits   func(timing) bool
		least  float64
	}{
		{"Casbin's fastest layout, new questions", func(t timing) bool { return !t.documented() }, leastOfFastest},
		{"Casbin's documented layout, new questions", timing.documented, leastOfDocument},
	} {
		of := paired(fastest(c.anew, against.fits).serial, find(c.anew, propuskName).serial)
		all = append(all, wish{at(against.layout), fmt.Sprintf("≥ %.0f × faster", against.least), times(of), of >= against.least})
	}
	return all
}

func (t timing) documented() bool { return strings.HasSuffix(t.contestant, ", "+documentedLayout) }

// fastest is the timing with the least median among those enforcers of Casbin that fit and keep no answers.
func fastest(timings []timing, fits func(timing) bool) (least timing) {
	for _, t := range timings {
		ofCasbin := strings.HasPrefix(t.contestant, "Casbin") && !strings.Contains(t.contestant, "Cached")
		if ofCasbin && fits(t) && (least.contestant == "" || median(t.serial) < median(least.serial)) {
			least = t
		}
	}
	return least
}

func writeWanted(b *strings.Builder, all []wish) {
	heading(b, "What Propusk promises itself")
	rows := [][]string{{"", "wanted", "measured", "held"}}
	for _, w := range all {
		held := "no"
		if w.held {
			held = "yes"
		}
		rows = append(rows, []string{w.what, w.wanted, w.measured, held})
	}
	table(b, rows)
}
