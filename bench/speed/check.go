package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// checks are the timings of the check inside one's own process, at one number of memberships.
type checks struct {
	memberships, people, communities int
	// again are timings of questions that were asked before, anew of new ones.
	again, anew []timing
	// casbin tells whether Casbin took part, told how long all of it was told the policy.
	casbin bool
	told   time.Duration
}

// timeChecks builds a world and times all who take part in it. Casbin does up to so many memberships.
func timeChecks(ctx context.Context, memberships, casbinUpTo int, p pace, say func(string)) (found checks, err error) {
	dir, err := os.MkdirTemp("", "propusk-bench-")
	if err != nil {
		return found, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	say = prefixed(say, fmt.Sprintf("check, %d memberships: ", memberships))
	w, err := newWorld(memberships)
	if err != nil {
		return found, err
	}
	system, err := w.inhabit(ctx, dir, say)
	if err != nil {
		return found, err
	}
	defer func() { _ = system.Close() }()
	found = checks{memberships: len(w.members), people: w.people, communities: w.domains, casbin: memberships <= casbinUpTo}
	all := []contestant{byPropusk(ctx, w, system), byPass(ctx, w, system), byMap(w)}
	if found.casbin {
		begin := time.Now()
		peers, err := byCasbin(w, say)
		if err != nil {
			return found, err
		}
		found.told = time.Since(begin)
		all = append(all, peers...)
	}
	if found.again, err = measure(w, all, again, p, prefixed(say, "asked before, ")); err != nil {
		return found, err
	}
	found.anew, err = measure(w, all, anew, p, prefixed(say, "new questions, "))
	return found, err
}

func prefixed(say func(string), with string) func(string) {
	return func(text string) { say(with + text) }
}
