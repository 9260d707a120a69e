package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/redistest"
)

const (
	// everywhereWithin is when a change is in force that was made and that nobody has waited for: within one lease, and a tenth of a second for
	// the answer itself.
	everywhereWithin = 800 * time.Millisecond
	// spread is the time in which revocations begin around a fault.
	spread = 600 * time.Millisecond
)

// world is what may break.
type world struct {
	*cluster
	postgres *pgtest.Server
	redis    *redistest.Server
}

// fault is something that breaks and is put right again before happen returns.
type fault struct {
	name   string
	happen func(t *testing.T, w *world)
	// always is whether it happens in short runs too.
	always bool
}

// lasting is how long something that lasts does: around all the times that the protocol knows.
func lasting() { <-time.After(200*time.Millisecond + rand.N(2300*time.Millisecond)) }

// ofPostgres need a proxy at each node, and PostgreSQL.
var ofPostgres = []fault{
	{name: "PostgreSQL crashes", always: true, happen: func(t *testing.T, w *world) {
		w.postgres.Abort(t)
		w.postgres.Restart(t)
	}},
	{name: "PostgreSQL is restarted", happen: func(t *testing.T, w *world) {
		w.postgres.Stop(t)
		w.postgres.Restart(t)
	}},
	{name: "PostgreSQL is frozen", happen: func(t *testing.T, w *world) {
		w.postgres.Freeze(t)
		lasting()
		w.postgres.Thaw(t)
	}},
	{name: "the messenger is cut", happen: func(_ *testing.T, w *world) {
		for range 10 {
			for _, n := range w.nodes {
				n.proxy.cut(messenger)
			}
			<-time.After(spread / 10)
		}
	}},
	{name: "the messenger is frozen", happen: func(_ *testing.T, w *world) {
		w.during(treatment{keepThere: true, keepBack: true}, messenger, w.nodes...)
	}},
	{name: "a node is cut off", always: true, happen: func(_ *testing.T, w *world) {
		w.during(treatment{keepThere: true, keepBack: true}, everyConnection, w.any())
	}},
	{name: "a node hears nothing, and is heard", happen: func(_ *testing.T, w *world) { w.during(treatment{keepBack: true}, everyConnection, w.any()) }},
	{name: "a node is late", happen: func(_ *testing.T, w *world) {
		w.during(treatment{lateBack: rand.N(450 * time.Millisecond)}, everyConnection, w.any())
	}},
	{name: "a node's renewals are frozen", happen: func(_ *testing.T, w *world) {
		w.during(treatment{keepThere: true, keepBack: true}, func(c *proxied) bool { return c.renews.Load() }, w.any())
	}},
}

// ofNodes need nothing but nodes.
var ofNodes = []fault{
	{name: "a node is frozen", always: true, happen: func(t *testing.T, w *world) {
		one := w.any().server()
		one.freeze(t)
		lasting()
		one.thaw(t)
	}},
	{name: "a node is killed", happen: func(t *testing.T, w *world) {
		one := w.any()
		<-time.After(rand.N(spread))
		one.server().kill()
		one.start()
	}},
	{name: "a node leaves and another joins", happen: func(t *testing.T, w *world) {
		one := w.any()
		<-time.After(rand.N(spread))
		one.server().stop(t)
		one.start()
	}},
}

var ofRedis = []fault{
	{name: "Redis is killed", always: true, happen: func(t *testing.T, w *world) {
		w.redis.Kill(t)
		lasting()
		w.redis.Restart(t)
	}},
	{name: "Redis is frozen", happen: func(t *testing.T, w *world) {
		w.redis.Freeze(t)
		lasting()
		w.redis.Thaw(t)
	}},
	{name: "Redis is flushed", happen: func(t *testing.T, w *world) {
		for range 20 {
			w.redis.Do(t, "FLUSHALL")
			<-time.After(spread / 20)
		}
	}},
}

func (c *cluster) any() *node { return c.nodes[rand.IntN(len(c.nodes))] }

// during has those connections of the nodes treated like that for a while.
func (w *world) during(how treatment, which func(*proxied) bool, nodes ...*node) {
	for _, n := range nodes {
		n.proxy.order(which, how)
	}
	lasting()
	for _, n := range nodes {
		n.proxy.well()
	}
}

// While something is broken answers may be late or be refused. None allows what had been taken from somebody, and when it is put right all is well
// within seconds.
func TestNodesForgetWhateverBreaks(t *testing.T) {
	besideOthers(t)
	t.Run("PostgreSQL", func(t *testing.T) {
		besideOthers(t)
		postgres := pgtest.Start(t)
		w := &world{cluster: newCluster(t, 3, throughProxies(t, postgres.Database(t))), postgres: postgres}
		w.suffer(t, ofPostgres)
		w.suffer(t, ofNodes)
	})
	t.Run("Redis", func(t *testing.T) {
		besideOthers(t)
		redis := redistest.Start(t)
		w := &world{cluster: newCluster(t, 3, directly(pgtest.Database(t)), "--redis", redis.URL()), redis: redis}
		w.suffer(t, ofRedis)
	})
	t.Run("SQLite", func(t *testing.T) {
		besideOthers(t)
		w := &world{cluster: newCluster(t, 3, oneFile(t))}
		if hold {
			w.suffer(t, ofNodes)
			return
		}
		w.suffer(t, ofNodes[:1])
	})
}

func (w *world) suffer(t *testing.T, faults []fault) {
	t.Helper()
	for _, f := range faults {
		if !hold && !f.always {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			var sum tally
			for range nodeFaults {
				w.injure(t, f, w.cast(t, everyRevocation, nodeSubjects), &sum)
			}
			t.Logf("%v", &sum)
		})
	}
}

// tally is what was seen under faults.
type tally struct {
	rounds, wrong, tries, unanswered int64
	asked, failed, afterwards        int64
	took                             []time.Duration
	healthy                          time.Duration // the longest time until all was well again
}

func (s *tally) String() string {
	return fmt.Sprintf("%d rounds, %d of %d questions sent after the answer allowed (%d asked in all, %d failed); "+
		"%d revocations sent, %d of them never answered as done; answers after %v (median), %v (p99); all well after at most %v",
		s.rounds, s.wrong, s.afterwards, s.asked, s.failed, s.tries, s.unanswered, percentile(0.5, s.took), percentile(0.99, s.took), s.healthy)
}

// injure lets something happen while things are taken from all subjects.
func (w *world) injure(t *testing.T, f fault, subjects []*subject, sum *tally) {
	t.Helper()
	for _, s := range subjects {
		if err := w.warm(s); err != nil {
			t.Fatalf("%s: %v", s.kind.name, err)
		}
	}
	asking := w.ask(subjects)
	var revoking sync.WaitGroup
	for _, s := range subjects {
		revoking.Go(func() {
			<-time.After(rand.N(spread))
			if err := w.insist(s); err != nil {
				t.Errorf("%s: %v", s.kind.name, err)
			}
		})
	}
	f.happen(t, w)
	righted := time.Now()
	w.await(t, healthyWithin)
	sum.healthy = max(sum.healthy, time.Since(righted))
	revoking.Wait()
	<-time.After(everywhereWithin) // what a node has missed it believes for that long at most, so until then it is asked
	asking.leave()
	w.sweep(t, subjects)
	sum.add(t, asking, subjects)
}

func (s *tally) add(t *testing.T, c *askers, subjects []*subject) {
	t.Helper()
	s.asked += c.asked.Load()
	s.failed += c.failed.Load()
	s.afterwards += c.afterwards.Load()
	for _, one := range subjects {
		s.rounds++
		s.tries += one.tries.Load()
		s.unanswered += one.unanswered.Load()
		s.wrong += one.blame(t)
		s.took = append(s.took, one.took)
	}
}

// insist revokes until it is answered that this is done, each time on some node.
func (c *cluster) insist(s *subject) error {
	return c.insistOn(s, func(int) *node { return c.any() })
}

func (c *cluster) insistOn(s *subject, where func(try int) *node) error {
	for begun, try := c.clock(), 1; ; try++ {
		sent := c.clock()
		on := where(try)
		got, err := s.kind.revoke(on.server().client, s)
		answered := c.clock()
		s.tries.Add(1)
		switch {
		case err == nil && got.status < http.StatusMultipleChoices:
		case err == nil && got.status < http.StatusInternalServerError && got.status != http.StatusTooManyRequests:
			if try == 1 {
				return fmt.Errorf("it was refused: %v", got)
			}
			if s.kind.itself { // an earlier try has done it; who is refused at the door is not told that others know
				s.unanswered.Add(1)
				answered += everywhereWithin
			}
		case answered-begun > insistence:
			return fmt.Errorf("after %v and %d tries: %v, %v", answered-begun, try, got, err)
		default:
			<-time.After(10 * time.Millisecond)
			continue
		}
		s.took, s.on = answered-sent, on.name
		s.answered.Store(int64(answered))
		return nil
	}
}

// askers are those who ask all the time.
type askers struct {
	stop                      chan struct{}
	hands                     sync.WaitGroup
	asked, failed, afterwards atomic.Int64
}

// handsAtEach is how many of them ask one node.
const handsAtEach = 3

// ask has every node asked about all subjects until the askers leave.
func (c *cluster) ask(subjects []*subject) *askers {
	asking := &askers{stop: make(chan struct{})}
	for _, n := range c.nodes {
		for range handsAtEach {
			asking.hands.Go(func() {
				for {
					select {
					case <-asking.stop:
						return
					default:
						asking.once(c, n, subjects[rand.IntN(len(subjects))])
					}
				}
			})
		}
	}
	return asking
}

func (a *askers) leave() {
	close(a.stop)
	a.hands.Wait()
}

func (a *askers) once(c *cluster, n *node, s *subject) {
	all := s.kind.questions()
	sent := c.clock()
	q := all[rand.IntN(len(all))]
	v := q.ask(n.server().client, s)
	a.asked.Add(1)
	defer rest()
	if v == failed {
		a.failed.Add(1)
		<-time.After(5 * time.Millisecond) // a node that is down refuses at once, and others want the processor
		return
	}
	if answered := s.answered.Load(); answered != 0 && int64(sent) > answered {
		a.afterwards.Add(1)
		s.see(c, q, n, sent, v)
	}
}

// rest is between two questions of one who asks.
func rest() {
	if nodeRest > 0 {
		<-time.After(nodeRest)
	}
}

// sweep asks everything everywhere once all is well again: nobody is allowed anything, and nobody is put off.
func (c *cluster) sweep(t *testing.T, subjects []*subject) {
	t.Helper()
	for _, n := range c.nodes {
		for _, s := range subjects {
			for _, q := range s.kind.questions() {
				if v := q.put(n.server().client, s); v != denied {
					t.Errorf("%s, %s on %s: verdict %d after everything", s.kind.name, q.name, n.name, v)
				}
			}
		}
	}
}

// The node that is told to take something away commits that and dies, before anybody has heard. Whoever tells another one, and is answered, may rely
// on all of them.
func TestNodesForgetWhenTheWriterDies(t *testing.T) {
	besideOthers(t)
	c := newCluster(t, 3, throughProxies(t, pgtest.Database(t)))
	var sum tally
	for _, s := range c.cast(t, someRevocations(), nodeFaults*nodeSubjects) {
		asking := c.orphan(t, s)
		c.sweep(t, []*subject{s})
		sum.add(t, asking, []*subject{s})
	}
	t.Logf("%v", &sum)
}

// orphan has one change committed by a node that dies of it, and tried again on the next.
func (c *cluster) orphan(t *testing.T, s *subject) *askers {
	t.Helper()
	if err := c.warm(s); err != nil {
		t.Fatalf("%s: %v", s.kind.name, err)
	}
	writer := c.nodes[0]
	writer.proxy.onCommit(sync.OnceFunc(func() { writer.server().kill() }))
	asking := (&cluster{nodes: c.others(writer), began: c.began}).ask([]*subject{s})
	toDie := func(int) *node { // or, where it has, the next
		if writer.server().running() {
			return writer
		}
		return c.nodes[1]
	}
	if err := c.insistOn(s, toDie); err != nil {
		t.Errorf("%s: %v", s.kind.name, err)
	}
	writer.proxy.onCommit(nil)
	if writer.server().running() {
		t.Errorf("%s: the writer lives", s.kind.name)
		writer.server().kill()
	}
	writer.start()
	c.await(t, healthyWithin)
	asking.leave()
	return asking
}
