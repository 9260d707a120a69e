package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"
)

// pace is how long things take.
type pace struct {
	rounds int
	// round is how long one round of a contestant is to last.
	round time.Duration
	// warmUp is at most how long those who keep answers are asked what they will be asked again.
	warmUp time.Duration
}

// walk is a way through questions: so many memberships from the first, and again from there with the next permission for each.
type walk struct {
	w *world
	// at is the membership asked about next, of the first so many; turn is how often all were asked about.
	at, of, turn int
	// again says that each membership is always asked about with the same permission.
	again bool
}

// ask asks n questions and fails on the first wrong answer.
func (k *walk) ask(c contestant, n int) error {
	for range n {
		m := &k.w.members[k.at]
		permission := m.first + k.turn
		if permission >= len(k.w.permissions) {
			permission -= len(k.w.permissions)
		}
		allowed, err := c.ask(m, permission)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if allowed != k.w.allowed[m.role][permission] {
			return fmt.Errorf("%s answers %v: %s, %s in %s, %s", c.name, allowed, m.user, k.w.roles[m.role], m.domain, k.w.permissions[permission])
		}
		k.step()
	}
	return nil
}

func (k *walk) step() {
	if k.at++; k.at < k.of {
		return
	}
	k.at = 0
	if k.again {
		return
	}
	if k.turn++; k.turn == len(k.w.permissions) {
		k.turn = 0
	}
}

// timing is what one contestant took in one way of asking.
type timing struct {
	contestant string
	// questions is how many different ones were asked again and again; 0 where each was new.
	questions int
	// serial and parallel are nanoseconds for one check, a figure from each round; of two goroutines together in parallel.
	serial, parallel []float64
	// allocations for one check, in the serial rounds.
	allocations []float64
}

// runner is a contestant under way.
type runner struct {
	contestant
	timing
	// n is how many questions make a round.
	n int
	// walks are where each goroutine is; the first is also that of serial rounds.
	walks [2]walk
}

// asking is a way of asking: again what was asked before, or something new each time.
type asking bool

const (
	again asking = true
	anew  asking = false
)

// measure times all contestants against one another. Ask again before anew.
func measure(w *world, all []contestant, how asking, p pace, say func(string)) ([]timing, error) {
	runners := make([]*runner, len(all))
	for i, c := range all {
		say(fmt.Sprintf("warming up %s", c.name))
		r, err := newRunner(w, c, how, p)
		if err != nil {
			return nil, err
		}
		runners[i] = r
	}
	order := rand.New(rand.NewPCG(2, 2))
	for round := range p.rounds {
		say(fmt.Sprintf("round %d of %d", round+1, p.rounds))
		// Shuffled, so that nobody always runs in the wake of the same other.
		order.Shuffle(len(runners), func(i, j int) { runners[i], runners[j] = runners[j], runners[i] })
		for _, r := range runners {
			if err := r.round(how); err != nil {
				return nil, err
			}
		}
	}
	timings := make([]timing, len(all))
	for i, c := range all {
		at := slices.IndexFunc(runners, func(r *runner) bool { return r.name == c.name })
		timings[i] = runners[at].timing
	}
	return timings, nil
}

// newRunner lets a contestant answer what it will be asked, and finds out how much it answers in a round.
func newRunner(w *world, c contestant, how asking, p pace) (*runner, error) {
	r := &runner{contestant: c, timing: timing{contestant: c.name}}
	known, err := warm(w, c, how, p.warmUp)
	if err != nil {
		return nil, err
	}
	if how == again {
		r.questions = known
	}
	for i := range r.walks {
		r.walks[i] = walk{w: w, at: known / 2 * i, of: known, again: how == again}
		if how == anew {
			r.walks[i].turn = len(w.permissions) / 2 * i // so that neither asks what the other has asked
		}
	}
	for r.n = 1; ; r.n *= 2 {
		begin := time.Now()
		if err := r.walks[0].ask(c, r.n); err != nil {
			return nil, err
		}
		if took := time.Since(begin); took >= p.round/4 {
			r.n = max(2, int(float64(r.n)*float64(p.round)/float64(took)))
			return r, nil
		}
	}
}

// warm asks about every membership once and returns how many there are. Who keeps answers to questions may be too slow for that, and is asked
// again only what it has been asked. Nobody is warmed up for new questions: who keeps none knows everybody from having been asked before.
func warm(w *world, c contestant, how asking, limit time.Duration) (known int, err error) {
	if how == anew {
		return len(w.members), nil
	}
	k := walk{w: w, of: len(w.members), again: true}
	for begin := time.Now(); known < len(w.members); known++ {
		if c.forget != nil && known >= 2 && time.Since(begin) > limit {
			break
		}
		if err := k.ask(c, 1); err != nil {
			return 0, err
		}
	}
	return known, nil
}

// round is one serial round, and one in parallel if the contestant bears it.
func (r *runner) round(how asking) error {
	var before, after runtime.MemStats
	if err := r.begin(how); err != nil {
		return err
	}
	runtime.ReadMemStats(&before)
	begin := time.Now()
	if err := r.walks[0].ask(r.contestant, r.n); err != nil {
		return err
	}
	took := time.Since(begin)
	runtime.ReadMemStats(&after)
	r.serial = append(r.serial, float64(took)/float64(r.n))
	r.allocations = append(r.allocations, float64(after.Mallocs-before.Mallocs)/float64(r.n))
	if !r.concurrent {
		return nil
	}
	return r.together(how)
}

// together is the round of two goroutines.
func (r *runner) together(how asking) error {
	if err := r.begin(how); err != nil {
		return err
	}
	var both sync.WaitGroup
	var errs [len(r.walks)]error
	begin := time.Now()
	for i := range r.walks {
		both.Go(func() { errs[i] = r.walks[i].ask(r.contestant, r.n/2) })
	}
	both.Wait()
	took := time.Since(begin)
	r.parallel = append(r.parallel, float64(took)/float64(r.n/2*2))
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// begin makes the questions of a round new to who keeps answers.
func (r *runner) begin(how asking) error {
	if how == again || r.forget == nil {
		return nil
	}
	return r.forget()
}

// paired is the median of what one figure is of the other in each round: those of one round were taken close together, and a machine that was
// busy then was busy for both.
func paired(of, to []float64) float64 {
	ratios := make([]float64, min(len(of), len(to)))
	for i := range ratios {
		ratios[i] = ratio(of[i], to[i])
	}
	return median(ratios)
}

// ratio is how two figures compare; 0 where there is nothing to compare with.
func ratio(of, to float64) float64 {
	if to == 0 {
		return 0
	}
	return of / to
}

// median of figures; 0 of none.
func median(figures []float64) float64 {
	if len(figures) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(figures))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}
