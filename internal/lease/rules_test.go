package lease

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/store"
)

// rule is a rule of the protocol and a story in which it is needed: kept says whether what the rule is for is so.
type rule struct {
	name string
	take func(*rules)
	kept func(t *testing.T, server, writer *process) bool
}

var everyRule = []rule{
	{"a lease that ran out never holds again", func(r *rules) { r.noEpoch = true }, func(_ *testing.T, server, _ *process) bool {
		server.serve()
		held := server.Current()
		thaw := server.freeze()
		time.Sleep(server.timing.Hold)
		thaw()
		server.moment()
		return server.Current().Holds() && !held.Holds()
	}},

	{"a lease is counted from before the renewal was sent", func(r *rules) { r.leaseFromReceipt = true }, func(_ *testing.T, server, _ *process) bool {
		server.serve()
		const late = 400 * time.Millisecond
		server.faults.set(func() { server.faults.late = late })
		time.Sleep(time.Second)
		var longest time.Duration
		for range 100 {
			time.Sleep(10 * time.Millisecond)
			longest = max(longest, time.Duration(server.Current().until.Load())-server.now())
		}
		return longest <= server.timing.Hold-late
	}},

	{"a node that was taken for dead begins anew", func(r *rules) { r.noMarkCheck = true }, func(t *testing.T, server, writer *process) bool {
		server.serve()
		held := server.Current()
		must(t, writer.db.ChangeLog().Mark(context.Background(), []string{*server.row.Load()}))
		server.moment()
		return server.Current() != held && !held.Holds()
	}},

	{"changes are applied before anybody is told", func(r *rules) { r.ackFirst = true }, func(t *testing.T, server, writer *process) bool {
		u, _ := anna(t, writer)
		var early atomic.Bool
		server.memory.before = func() {
			time.Sleep(50 * time.Millisecond)
			census, err := writer.db.ChangeLog().Nodes(context.Background(), nil)
			must(t, err)
			early.Store(early.Load() || census.Nodes[0].Seen)
		}
		server.serve()
		writer.took(block(u))
		server.moment()
		return !early.Load()
	}},

	{"the memory goes before the row", func(r *rules) { r.leaveOrder = true }, func(_ *testing.T, server, _ *process) bool {
		kept := false
		server.faults.leaving = func() { kept = !server.Current().Holds() }
		server.serve()()
		return kept
	}},

	{"a change waits", func(r *rules) { r.noWait = true }, func(t *testing.T, server, writer *process) bool {
		u, change := anna(t, writer)
		server.serve()
		writer.took(block(u))
		return server.memory.forgot(change)
	}},

	{"a change that is there already is waited for", func(r *rules) { r.noopAtOnce = true }, func(t *testing.T, server, writer *process) bool {
		u, change := anna(t, writer)
		server.serve()
		must(t, writer.db.Update(context.Background(), block(u)))
		writer.took(nothing)
		return server.memory.forgot(change)
	}},

	{"a node has heard itself of what others made", func(r *rules) { r.noOwnNews = true }, func(t *testing.T, server, writer *process) bool {
		u, change := anna(t, writer)
		server.serve()
		server.moment()
		server.faults.set(func() { server.faults.late = 200 * time.Millisecond })
		must(t, writer.db.Update(context.Background(), block(u)))
		server.took(nothing)
		return server.memory.forgot(change)
	}},

	{"a row stays until its mark has been read for long enough", func(r *rules) { r.deleteAtOnce = true }, func(t *testing.T, server, writer *process) bool {
		u, _ := anna(t, writer)
		server.serve()
		server.freeze()
		writer.took(block(u))
		_, marked := writer.rows()
		return marked == 1
	}},

	{"a server that has just taken over may have lost rows", func(r *rules) { r.noFreshServerRule = true }, func(t *testing.T, _, writer *process) bool {
		u, _ := anna(t, writer)
		for _, server := range []string{"first", "second"} {
			writer.faults.set(func() { writer.faults.server = server })
			if writer.took(block(u)) < writer.timing.Wait || !writer.quick(writer.took(block(u))) {
				return false
			}
		}
		return true
	}},

	{"a node forgets when another server has taken over", nil, func(_ *testing.T, server, _ *process) bool {
		server.faults.set(func() { server.faults.server = "first" })
		server.serve()
		held := server.Current()
		server.faults.set(func() { server.faults.server = "second" })
		server.moment()
		return server.Current() != held && !held.Holds()
	}},

	{"a node forgets when the log no longer has all that happened", nil, func(t *testing.T, server, writer *process) bool {
		u, _ := anna(t, writer)
		server.serve()
		held := server.Current()
		ctx := context.Background()
		begun, err := writer.db.ChangeLog().News(ctx, "", nil)
		must(t, err)
		thaw := server.freeze()
		must(t, writer.db.Update(ctx, block(u)))
		for gap := false; !gap; { // on a server others may keep it from being removed for a while
			must(t, writer.db.ChangeLog().Prune(ctx, time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)))
			news, err := writer.db.ChangeLog().News(ctx, "", begun.At)
			must(t, err)
			gap = news.Gap
			time.Sleep(10 * time.Millisecond)
		}
		thaw()
		server.moment()
		return server.Current() != held && !held.Holds()
	}},

	{"a memory is born empty", nil, func(_ *testing.T, server, _ *process) bool {
		server.serve()
		return server.memory.everything() > 0
	}},

	{"whoever made a change forgets before its call returns", nil, func(t *testing.T, _, writer *process) bool {
		u, change := anna(t, writer)
		return writer.quick(writer.took(block(u))) && writer.memory.forgot(change)
	}},
}

// Each rule is needed: with it all is well, without it something is not.
func TestRules(t *testing.T) {
	for _, rule := range everyRule {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			story(t, func(t *testing.T, server, writer *process) {
				if !rule.kept(t, server, writer) {
					t.Error("the rule is in force and does not help")
				}
			})
			if rule.take == nil {
				return
			}
			story(t, func(t *testing.T, server, writer *process) {
				rule.take(&server.without)
				rule.take(&writer.without)
				if rule.kept(t, server, writer) {
					t.Error("the rule is not in force, and nobody notices")
				}
			})
		})
	}
}

// What was everything is forgotten as everything.
func TestManyChangesAreForgottenAsOne(t *testing.T) {
	b := &book{}
	n := &Node{Config: Config{Memory: b}}
	one := store.Change{Kind: store.ChangedUser, A: 1}
	n.drop(nil)
	n.drop([]store.Change{one})
	if b.everything() != 0 || !b.forgot(one) {
		t.Error("a single change was not dropped by itself")
	}
	n.drop([]store.Change{one, {Kind: store.ChangedAll}})
	if b.everything() != 1 {
		t.Error("everything was to be forgotten")
	}
}
