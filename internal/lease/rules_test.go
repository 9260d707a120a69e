package lease

import (
	"context"
	"os"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/propusk/propusk/internal/store"
)

// rule is a rule of the protocol and a story in which it is needed: kept says whether what the rule is for is so.
type rule struct {
	name string
	// model is the switch that takes the rule away in docs/lease.pml, and take what does here.
	model string
	take  func(*rules)
	kept  func(t *testing.T, server, writer *process) bool
	// file is whether the rule is needed on SQLite only.
	file bool
}

// forgotten is the plainest of stories: what one process has changed the other has forgotten.
func forgotten(t *testing.T, server, writer *process) bool {
	u, change := anna(t, writer)
	server.serve()
	writer.onLook(2, server.freeze()) // until then nobody has told it
	writer.took(block(u))
	return server.memory.forgot(change)
}

var everyRule = []rule{
	{name: "a lease that ran out never holds again", model: "NO_EPOCH", take: func(r *rules) { r.noEpoch = true }, kept: func(_ *testing.T, server, _ *process) bool {
		server.serve()
		held := server.Current()
		thaw := server.freeze()
		sleep(server.timing.Hold, server)
		thaw()
		server.moment()
		return server.Current().Holds() && !held.Holds()
	}},

	{name: "a lease is counted from before the renewal was sent", model: "BAD_LEASE_FROM_RECEIPT", take: func(r *rules) { r.leaseFromReceipt = true }, kept: func(_ *testing.T, server, _ *process) bool {
		server.serve()
		const late = 400 * time.Millisecond
		server.faults.set(func() { server.faults.late = late })
		server.moment() // what was under way is not late
		var longest time.Duration
		for before := server.renewals.Load(); server.renewals.Load() < before+10; time.Sleep(5 * time.Millisecond) {
			longest = max(longest, time.Duration(server.Current().until.Load())-server.now())
		}
		return longest <= server.timing.Hold-late
	}},

	{name: "a node that was taken for dead begins anew", model: "NO_MARK_CHECK", take: func(r *rules) { r.noMarkCheck = true }, kept: func(t *testing.T, server, writer *process) bool {
		server.serve()
		held := server.Current()
		must(t, steady(func() error { return writer.db.ChangeLog().Mark(context.Background(), []string{*server.row.Load()}) }))
		server.moment()
		return server.Current() != held && !held.Holds()
	}},

	{name: "changes are applied before anybody is told", model: "BAD_ACK_FIRST", take: func(r *rules) { r.ackFirst = true }, kept: func(t *testing.T, server, writer *process) bool {
		u, _ := anna(t, writer)
		var early atomic.Bool
		most := 50 * time.Millisecond
		if server.without.ackFirst { // then it comes for sure
			most = patience
		}
		server.memory.before = func() {
			for begun := time.Now(); !early.Load() && time.Since(begun) < most; time.Sleep(5 * time.Millisecond) {
				census, err := writer.db.ChangeLog().Nodes(context.Background(), nil)
				early.Store(err == nil && len(census.Nodes) > 0 && census.Nodes[0].Seen)
			}
		}
		server.serve()
		writer.took(block(u))
		server.moment()
		return !early.Load()
	}},

	{name: "the memory goes before the row", model: "BAD_LEAVE_ORDER", take: func(r *rules) { r.leaveOrder = true }, kept: func(_ *testing.T, server, _ *process) bool {
		kept := false
		server.faults.leaving = func() { kept = !server.Current().Holds() }
		server.serve()()
		return kept
	}},

	{name: "a change waits", model: "NO_WAIT", take: func(r *rules) { r.noWait = true }, kept: forgotten},

	{name: "a change that is there already is waited for", model: "BAD_NOOP_AT_ONCE", take: func(r *rules) { r.noopAtOnce = true }, kept: func(t *testing.T, server, writer *process) bool {
		u, change := anna(t, writer)
		server.serve()
		thaw := server.freeze()
		writer.alone(block(u))
		writer.onLook(2, thaw)
		writer.took(nothing)
		return server.memory.forgot(change)
	}},

	{name: "a node has heard itself of what others made", model: "NO_OWN_NEWS", take: func(r *rules) { r.noOwnNews = true }, kept: func(t *testing.T, server, writer *process) bool {
		u, change := anna(t, writer)
		server.serve()
		server.moment()
		thaw := server.freeze()
		writer.alone(block(u))
		server.tookLate(thaw, nothing)
		return server.memory.forgot(change)
	}},

	{name: "a row stays until its mark has been read for long enough", model: "BAD_DELETE_AT_ONCE", take: func(r *rules) { r.deleteAtOnce = true }, kept: func(t *testing.T, server, writer *process) bool {
		u, _ := anna(t, writer)
		server.serve()
		server.freeze()
		writer.outlast(block(u), server)
		_, marked := writer.rows()
		return marked == 1
	}},

	{name: "a server that has just taken over may have lost rows", model: "NO_FRESH_SERVER_RULE", take: func(r *rules) { r.noFreshServerRule = true }, kept: func(t *testing.T, _, writer *process) bool {
		u, _ := anna(t, writer)
		for _, server := range []string{"first", "second"} {
			writer.faults.set(func() { writer.faults.server = server })
			if writer.outlast(block(u)) < writer.timing.Wait || writer.took(block(u)) >= writer.timing.Wait {
				return false
			}
		}
		return true
	}},

	{name: "a node forgets when another server has taken over", kept: func(_ *testing.T, server, _ *process) bool {
		server.faults.set(func() { server.faults.server = "first" })
		server.serve()
		held := server.Current()
		server.faults.set(func() { server.faults.server = "second" })
		server.moment()
		return server.Current() != held && !held.Holds()
	}},

	{name: "a node forgets when the log no longer has all that happened", kept: func(t *testing.T, server, writer *process) bool {
		u, _ := anna(t, writer)
		server.serve()
		held := server.Current()
		ctx := context.Background()
		begun := writer.news(nil)
		thaw := server.freeze()
		writer.alone(block(u))
		for gap := false; !gap; { // on a server others may keep it from being removed for a while
			must(t, steady(func() error { return writer.db.ChangeLog().Prune(ctx, time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)) }))
			gap = writer.news(begun.At).Gap
			time.Sleep(10 * time.Millisecond)
		}
		thaw()
		server.moment()
		return server.Current() != held && !held.Holds()
	}},

	{name: "a memory is born empty", kept: func(_ *testing.T, server, _ *process) bool {
		server.serve()
		return server.memory.everything() > 0
	}},

	{name: "whoever made a change forgets before its call returns", model: "BAD_SKIP_SELF", take: func(r *rules) { r.skipSelf = true }, kept: func(t *testing.T, _, writer *process) bool {
		u, change := anna(t, writer)
		return writer.quick(writer.took(block(u))) && writer.memory.forgot(change)
	}},

	{name: "nobody remembers without a row", model: "BAD_SERVE_BEFORE_ROW", take: func(r *rules) { r.serveBeforeRow = true }, kept: forgotten},

	{name: "a memory whose row has gone does not begin", model: "NO_JOIN_CHECK", take: func(r *rules) { r.noJoinCheck = true }, kept: func(t *testing.T, server, writer *process) bool {
		var gone string
		var begun atomic.Bool
		server.faults.joined = sync.OnceFunc(func() {
			gone = *server.row.Load()
			must(t, steady(func() error { return writer.db.ChangeLog().Mark(context.Background(), []string{gone}) }))
			must(t, steady(func() error { return writer.db.ChangeLog().Delete(context.Background(), []string{gone}) }))
		})
		server.faults.seeing = func(id string) { begun.Store(begun.Load() || id == gone) }
		server.run()
		return !begun.Load()
	}},

	{name: "the registry is read after the commit", model: "BAD_REGISTRY_FIRST", take: func(r *rules) { r.registryFirst = true }, kept: func(t *testing.T, server, writer *process) bool {
		u, change := anna(t, writer)
		committed := false
		writer.faults.looked = sync.OnceFunc(func() { // somebody joins who was not seen
			must(t, steady(func() error {
				now, err := writer.db.Now(context.Background()).UserByUserID(u.UserID)
				committed = !now.IsActive
				return err
			}))
			server.serve()
		})
		u.IsActive = false
		writer.took(block(u))
		return committed || server.memory.forgot(change)
	}},

	{name: "whoever finds a change waits until this process has forgotten, lease or not", model: "BAD_OWN_LEASE_SHORTCUT", take: func(r *rules) { r.ownLeaseShortcut = true }, kept: func(t *testing.T, server, writer *process) bool {
		u, change := anna(t, writer)
		server.serve()
		server.moment()
		thaw := server.freeze()
		sleep(server.timing.Hold, server)
		writer.alone(block(u)) // a renewal that was sent before may be under way, and make a lease hold
		server.tookLate(thaw, nothing)
		return server.memory.forgot(change)
	}},

	// Elsewhere renewals bring what the own process has made as well.
	{name: "what this process has committed is forgotten before anybody is told of it", model: "NO_PENDING", take: func(r *rules) { r.noPending = true }, file: true, kept: func(t *testing.T, server, _ *process) bool {
		u, change := anna(t, server)
		server.serve()
		var drops atomic.Int32
		server.memory.before = func() {
			if drops.Add(1) == 1 {
				time.Sleep(time.Second) // it is committed, and the one who made it comes no further
			}
		}
		var first sync.WaitGroup
		first.Go(func() { server.took(block(u)) })
		synctest.Wait()
		kept := server.quick(server.took(nothing)) && server.memory.forgot(change)
		first.Wait()
		if left := server.pending.others(nil); left != nil {
			t.Errorf("%v are pending for ever", left)
		}
		return kept
	}},
}

// elsewhere are rules of the model that this package cannot break, and what holds them.
var elsewhere = map[string]string{
	"NO_FILL_TOKEN":      "internal/memory: noFillToken, TestAReadThatBeganBeforeAChangeIsNotKept",
	"NO_LEASE_CHECK":     "internal/access: noLeaseCheck, TestOnlyALeaseLetsMemoryAnswer",
	"BAD_CHECK_AT_START": "internal/access: checkAtStart, TestTheLeaseIsAskedLast",
	"BAD_JOIN_ANYWAY":    "internal/access asks the lease after a read that was joined as after what was remembered",
	"BAD_PUBLISH_FIRST":  "a poke says nothing but that there is news, and who is poked reads what was committed",
	"BAD_REPLICA":        "internal/sqlstore: every connection asks for a server that takes writes, TestAStandbyIsNotRead",
	"BAD_LOG_BY_ID":      "internal/sqlstore: the log is read by snapshots, TestWhatIsCommittedLateIsTold",
}

// noRules are switches of the model that take no rule away, and what they are for.
var noRules = map[string]string{
	"NO_SWEEPER": "leaves out what others do to make the search smaller",
	"NO_JOINS":   "the same",
}

// Whatever can be taken away from the model can be taken away here, or it is said what stands for it.
func TestEveryRuleOfTheModelIsHere(t *testing.T) {
	here := map[string]bool{}
	for _, rule := range everyRule {
		here[rule.model] = true
	}
	model, err := os.ReadFile("../../docs/lease.pml")
	must(t, err)
	for _, found := range regexp.MustCompile(`\b(?:NO|BAD)_[A-Z_]+\b`).FindAllString(string(model), -1) {
		if noRules[found] == "" && here[found] == (elsewhere[found] != "") {
			t.Errorf("%s: taken away here: %t, elsewhere: %q", found, here[found], elsewhere[found])
		}
	}
}

// Each rule is needed: with it all is well, without it something is not.
func TestRules(t *testing.T) {
	for _, rule := range everyRule {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			story := story
			if rule.file {
				story = bubble
			}
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
