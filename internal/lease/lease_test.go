package lease

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/sqlstore"
	"github.com/propusk/propusk/internal/store"
)

// atOnce is how many stories are told at a time: on a server most of each is waiting.
const atOnce = "8"

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", atOnce) // a flag that there is
	goleak.VerifyTestMain(m)
}

// book is a Memory that remembers what it was to forget.
type book struct {
	mu      sync.Mutex
	dropped []store.Change
	all     int
	// before, when set, runs at the beginning of each Drop.
	before func()
}

func (b *book) Drop(changes ...store.Change) {
	if b.before != nil {
		b.before()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropped = append(b.dropped, changes...)
}

func (b *book) DropAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all++
}

func (b *book) forgot(c store.Change) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.dropped, c)
}

func (b *book) told() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.dropped)
}

func (b *book) everything() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all
}

const (
	// patience is for what happens for sure, on however busy a machine.
	patience = 2 * time.Minute
	// On a server time is real, and a machine may stand still for longer than a lease. There leases hold for long, and where a story needs the end of
	// one its clocks are put forward.
	longHold, longWait = 40 * time.Second, 60 * time.Second
)

// process is one of several that have the same database open, as far as that can tell.
type process struct {
	*Node
	t      testing.TB
	url    string
	db     *sqlstore.Store
	memory *book
	faults *faults
	// skipped is by how much its clock was put forward.
	skipped atomic.Int64
}

// faults is a log of changes with which things go wrong.
type faults struct {
	store.ChangeLog
	mu sync.Mutex
	// stopped, when set, keeps renewals and acknowledgements waiting until it is closed.
	stopped chan struct{}
	// broken is what renewals answer.
	broken error
	// late is how long the answer to a renewal takes to arrive.
	late time.Duration
	// server, when set, is what calls itself the database's server; it has just begun to.
	server string
	// joined, when set, runs when a row is there, leaving when it is taken away, looking and looked before and after the registry is read, and
	// confirming before a record of nothing is committed.
	joined, leaving, looking, looked, confirming func()
	// seeing, when set, is told whose row is to say how far it has come.
	seeing func(id string)
	// mute loses all messages.
	mute bool
	// patient lets all of this take as long as it takes: the limits are for servers that do not answer, and those of a busy machine do.
	patient bool
	// looks is how often the registry was read, and unseen how many rows did not say the last time that they had seen what was asked about.
	looks, unseen atomic.Int64
}

func (f *faults) within(ctx context.Context) context.Context {
	if f.patient {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// run runs what is set now.
func (f *faults) run(which func() func()) {
	f.mu.Lock()
	do := which()
	f.mu.Unlock()
	if do != nil {
		do()
	}
}

func (f *faults) calledServer() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.server
}

func (f *faults) set(how func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how()
}

func (f *faults) wait() (late time.Duration, broken error) {
	f.mu.Lock()
	stopped := f.stopped
	f.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.late, f.broken
}

func (f *faults) Messenger() store.Messenger {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mute {
		return nil
	}
	return f.ChangeLog.Messenger()
}

func (f *faults) News(ctx context.Context, id string, since store.Position) (store.News, error) {
	if _, broken := f.wait(); broken != nil {
		return store.News{}, broken
	}
	news, err := f.ChangeLog.News(f.within(ctx), id, since)
	late, _ := f.wait()
	time.Sleep(late) // of the bubble's clock, or of the machine's
	if server := f.calledServer(); server != "" {
		news.Server = server
	}
	return news, err
}

func (f *faults) Seen(ctx context.Context, id string, at store.Position) error {
	f.wait()
	if f.seeing != nil {
		f.seeing(id)
	}
	return f.ChangeLog.Seen(f.within(ctx), id, at)
}

func (f *faults) Nodes(ctx context.Context, at store.Position) (store.Census, error) {
	f.run(func() func() { return f.looking })
	var census store.Census
	read := func() (err error) {
		census, err = f.ChangeLog.Nodes(f.within(ctx), at)
		return err
	}
	ask := steady
	if !f.patient {
		ask = func(do func() error, _ ...string) error { return do() }
	}
	err := ask(read)
	if server := f.calledServer(); server != "" {
		census.Server, census.Settled = server, false
	}
	var unseen int64
	for _, n := range census.Nodes {
		if !n.Seen {
			unseen++
		}
	}
	f.unseen.Store(unseen)
	f.looks.Add(1)
	f.run(func() func() { return f.looked })
	return census, err
}

func (f *faults) Join(ctx context.Context, id, name string) error {
	err := f.ChangeLog.Join(f.within(ctx), id, name)
	if f.joined != nil {
		f.joined()
	}
	return err
}

func (f *faults) Leave(ctx context.Context, id string) error {
	if f.leaving != nil {
		f.leaving()
	}
	return f.ChangeLog.Leave(f.within(ctx), id)
}

func (f *faults) Mark(ctx context.Context, ids []string) error {
	return f.ChangeLog.Mark(f.within(ctx), ids)
}

func (f *faults) Delete(ctx context.Context, ids []string) error {
	return f.ChangeLog.Delete(f.within(ctx), ids)
}

func (f *faults) Confirm(ctx context.Context, server string) error {
	f.run(func() func() { return f.confirming })
	return f.ChangeLog.Confirm(ctx, server)
}

// steady does something again for as long as a busy machine refuses it, undone, or for one of these other reasons.
func steady(do func() error, reasons ...string) error {
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		err := do()
		var refused *propusk.Error
		if !errors.As(err, &refused) || !slices.Contains(append(reasons, "database_unavailable"), refused.Code) || time.Since(begun) > patience {
			return err
		}
	}
}

// begin opens the database in one more process.
func begin(t testing.TB, url string) *process {
	t.Helper()
	ctx := context.Background()
	db, err := sqlstore.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, db.Close()) })
	p := &process{t: t, url: url, db: db, memory: &book{}, faults: &faults{ChangeLog: db.ChangeLog()}}
	c := Config{Database: db, Memory: p.memory, Name: "here:1", Log: slog.New(slog.DiscardHandler), Now: time.Now}
	if p.onServer() {
		p.faults.patient = true
		base := time.Now()
		c.Clock = func() time.Duration { return time.Since(base) + time.Duration(p.skipped.Load()) }
	}
	must(t, steady(func() error {
		p.Node, err = New(ctx, c)
		return err
	}))
	if p.onServer() {
		p.timing.Hold, p.timing.Wait = longHold, longWait
	}
	p.log = p.faults
	return p
}

// usual makes leases as long as they usually are, and what is asked of the log as short.
func (p *process) usual() {
	p.t.Helper()
	p.faults.patient = false
	must(p.t, steady(func() (err error) {
		p.timing, err = p.db.ChangeLog().Timing(context.Background())
		return err
	}))
}

// sleep lets time go by for these processes: on a server by putting their clocks forward.
func sleep(d time.Duration, all ...*process) {
	if !all[0].onServer() {
		time.Sleep(d)
		return
	}
	for _, p := range all {
		p.skipped.Add(int64(d))
	}
}

// await waits for something that comes for sure.
func (p *process) await(what string, so func() bool) {
	p.t.Helper()
	for begun := time.Now(); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begun) > patience {
			p.t.Fatalf("in vain awaited: %s", what)
		}
	}
}

// serve runs the node until stop or the end of the test, and waits until it has a lease and has told everybody.
func (p *process) serve() (stop func()) {
	p.t.Helper()
	stop = p.run()
	if !p.Current().Holds() {
		p.t.Fatal("no lease")
	}
	return stop
}

// run is serve where the lease may have ended already.
func (p *process) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	stop = func() {
		cancel()
		running.Wait()
	}
	p.t.Cleanup(stop)
	p.Await(ctx, patience)
	return stop
}

// freeze stops renewals, as SIGSTOP would, until the test ends or thaw.
func (p *process) freeze() (thaw func()) {
	stopped := make(chan struct{})
	p.faults.set(func() { p.faults.stopped = stopped })
	thaw = sync.OnceFunc(func() {
		p.faults.set(func() { p.faults.stopped = nil })
		close(stopped)
	})
	p.t.Cleanup(thaw)
	return thaw
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// anna is the account that the changes of this file are about.
func anna(t testing.TB, p *process) (propusk.User, store.Change) {
	t.Helper()
	u := someone(t, p, "anna", "00000001-0000-7000-8000-000000000000")
	return u, store.Change{Kind: store.ChangedUser, A: u.ID}
}

func boris(t testing.TB, p *process) propusk.User {
	t.Helper()
	return someone(t, p, "boris", "00000002-0000-7000-8000-000000000000")
}

func someone(t testing.TB, p *process, name, id string) propusk.User {
	t.Helper()
	born := time.Unix(1_800_000_000, 0).UTC()
	u := propusk.User{
		UserID: id, Name: name, Slug: name, Email: name + "@example.org", Role: "user", IsActive: true, CreatedAt: born, UpdatedAt: born,
	}
	var made propusk.User
	p.alone(func(tx store.Tx) (err error) {
		made, err = tx.InsertUser(store.UserRow{User: u, EmailKey: u.Email, PasswordHash: "x"})
		return err
	})
	return made
}

// alone changes something as a process does that dies before it has told anybody.
func (p *process) alone(fn func(store.Tx) error) {
	p.t.Helper()
	must(p.t, steady(func() error { return p.db.Update(context.Background(), fn) }))
}

func block(u propusk.User) func(store.Tx) error {
	return func(tx store.Tx) error { return tx.UpdateUser(u) }
}

func nothing(store.Tx) error { return nil }

// took runs an Update of the process and says how long it took by the clock of the process.
func (p *process) took(fn func(store.Tx) error) time.Duration {
	p.t.Helper()
	took, err := p.update(fn)
	must(p.t, err)
	return took
}

func (p *process) update(fn func(store.Tx) error) (took time.Duration, err error) {
	err = steady(func() error {
		begun := p.now()
		defer func() { took = p.now() - begun }()
		return p.Store().Update(context.Background(), fn)
	}, "outcome_unknown") // what is changed here may be changed again
	return took, err
}

// outlast is took where one node is waited for in vain. On a server the time that the change waits goes by at once for all of these, as soon as it
// waits for nobody else.
func (p *process) outlast(fn func(store.Tx) error, others ...*process) (took time.Duration) {
	p.t.Helper()
	if !p.onServer() {
		return p.took(fn)
	}
	before, done := p.faults.looks.Load(), make(chan error, 1)
	go func() {
		var err error
		took, err = p.update(fn)
		done <- err
	}()
	skip := sync.OnceFunc(func() { sleep(p.timing.Wait+2*margin, append(others, p)...) })
	for {
		select {
		case err := <-done:
			must(p.t, err)
			return took
		case <-time.After(5 * time.Millisecond):
			if p.faults.looks.Load() > before+2 && p.faults.unseen.Load() <= 1 {
				skip()
			}
		}
	}
}

// onLook has something done once this process has read the registry for the n-th time from now on. It does so more than once only if it waits.
func (p *process) onLook(n int64, do func()) {
	p.faults.set(func() {
		last := p.faults.looks.Load() + n
		p.faults.looked = func() {
			if p.faults.looks.Load() == last {
				do()
			}
		}
	})
}

// tookLate is took while this process does not renew, and thaw ends that long after a call has gone on that does not wait for it: who has come to
// the last thing that a call does has not waited.
func (p *process) tookLate(thaw func(), fn func(store.Tx) error) {
	p.t.Helper()
	long := 200 * time.Millisecond
	if p.onServer() {
		long = 3 * time.Second
	}
	var timer *time.Timer
	p.faults.set(func() { p.faults.confirming = func() { timer.Stop() } })
	p.took(func(tx store.Tx) error {
		if timer == nil {
			timer = time.AfterFunc(long, thaw)
		}
		return fn(tx)
	})
}

// news is what happened since then, whoever asks.
func (p *process) news(since store.Position) (news store.News) {
	p.t.Helper()
	must(p.t, steady(func() (err error) {
		news, err = p.db.ChangeLog().News(context.Background(), "", since)
		return err
	}))
	return news
}

func (p *process) census() (census store.Census) {
	p.t.Helper()
	must(p.t, steady(func() (err error) {
		census, err = p.db.ChangeLog().Nodes(context.Background(), nil)
		return err
	}))
	return census
}

func (p *process) rows() (live, marked int) {
	p.t.Helper()
	for _, n := range p.census().Nodes {
		if n.Marked {
			marked++
		} else {
			live++
		}
	}
	return live, marked
}

// story is told of two processes, one that serves and one that only changes, on each engine.
func story(t *testing.T, tell func(t *testing.T, server, writer *process)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { bubble(t, tell) })
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		url := pgtest.Database(t)
		tell(t, begin(t, url), begin(t, url))
	})
}

// bubble tells it where nothing takes time but waiting. There is no such place for a server.
func bubble(t *testing.T, tell func(t *testing.T, server, writer *process)) {
	synctest.Test(t, func(t *testing.T) {
		url := "sqlite:" + filepath.Join(t.TempDir(), "propusk.db")
		tell(t, begin(t, url), begin(t, url))
	})
}

// onServer reports whether time is real.
func (p *process) onServer() bool { return strings.HasPrefix(p.url, "postgres") }

// quick reports whether something waited for nobody, and prompt whether it waited for nobody's lease.
func (p *process) quick(took time.Duration) bool {
	return took <= leastRenew || p.onServer() && took < p.timing.Wait
}

func (p *process) prompt(took time.Duration) bool {
	return took <= 100*time.Millisecond || p.onServer() && took < p.timing.Wait
}

// oneWait reports whether something took a lease and not much more.
func (p *process) oneWait(took time.Duration) bool {
	most := p.timing.Wait + margin
	if p.onServer() {
		most = 2 * p.timing.Wait
	}
	return took >= p.timing.Wait && took <= most
}

// moment lets a few renewals happen, one of which was sent from now on at the earliest.
func (p *process) moment() {
	p.t.Helper()
	before := p.renewals.Load()
	p.await("a renewal", func() bool { return p.renewals.Load() > before+2 })
}

func TestALeaseIsHeldWhileTheNodeRuns(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, server, writer *process) {
		if server.Current() != nil || (*Lease)(nil).Holds() {
			t.Error("a lease before Run")
		}
		stop := server.serve()
		first := server.Current()
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			if server.Current() != first || !first.Holds() {
				t.Fatal("the lease was broken")
			}
		}
		if live, _ := writer.rows(); live != 1 {
			t.Errorf("%d rows", live)
		}
		forgotten := server.memory.everything()
		stop()
		if live, marked := writer.rows(); live+marked != 0 || server.Current() != nil || first.Holds() || server.memory.everything() == forgotten {
			t.Error("the node has stopped and remembers")
		}
	})
}

func TestAChangeReturnsWhenOthersHaveForgotten(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, server, writer *process) {
		u, change := anna(t, writer)
		server.serve()
		held := server.Current()
		if took := writer.took(block(u)); !writer.prompt(took) {
			t.Errorf("it took %v", took)
		}
		if !server.memory.forgot(change) || !writer.memory.forgot(change) {
			t.Error("somebody remembers")
		}
		if server.Current() != held || !held.Holds() {
			t.Error("the lease did not outlive somebody else's change")
		}
		if s := writer.Stats(); s.Acknowledged != 1 || s.Expired != 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestOwnChangesAreForgottenAtOnceAndWaitForNobody(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, server, _ *process) {
		u, change := anna(t, server)
		server.serve()
		if took := server.took(block(u)); !server.quick(took) || !server.memory.forgot(change) {
			t.Errorf("it took %v, forgotten: %v", took, server.memory.forgot(change))
		}
	})
}

func TestAChangeWaitsForANodeThatDoesNotAnswerUntilItsLeaseIsOver(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, server, writer *process) {
		u, _ := anna(t, writer)
		server.serve()
		held, forgotten := server.Current(), server.memory.everything()
		thaw := server.freeze()
		if took := writer.outlast(block(u), server); !writer.oneWait(took) {
			t.Errorf("it took %v", took)
		}
		if held.Holds() {
			t.Error("the change is done, and the lease holds")
		}
		if live, marked := writer.rows(); live != 0 || marked != 1 {
			t.Errorf("%d rows live, %d marked", live, marked)
		}
		thaw()
		server.await("the node begins anew", func() bool { return server.Current() != held && server.Current().Holds() })
		if held.Holds() {
			t.Error("its former lease holds")
		}
		if server.memory.everything() < forgotten+2 { // once when it learns, once when it begins
			t.Error("it remembers what its former row knew")
		}
		if took := writer.took(block(u)); !writer.prompt(took) {
			t.Errorf("the next change took %v", took)
		}
	})
}

func TestADeadNodeCostsTwoChanges(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, server, writer *process) {
		u, _ := anna(t, writer)
		server.serve()
		server.freeze()
		third := begin(t, writer.url)
		for i, p := range []*process{writer, third} { // each in a process of its own, as commands are
			if took := p.outlast(block(u), server); !p.oneWait(took) {
				t.Errorf("change %d took %v", i, took)
			}
		}
		if live, marked := writer.rows(); live+marked != 0 {
			t.Errorf("%d rows live, %d marked", live, marked)
		}
		if took := writer.took(block(u)); !writer.quick(took) {
			t.Errorf("the third took %v", took)
		}
	})
}

func TestTheOthersFindADeadNodeBeforeAnybodyWaits(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, server, other *process) {
		u, _ := anna(t, other)
		server.serve()
		other.serve()
		server.freeze()
		time.Sleep(2*probeEvery + 5*time.Second)
		if live, marked := other.rows(); live != 1 || marked != 0 {
			t.Errorf("%d rows live, %d marked", live, marked)
		}
		if took := other.took(block(u)); took > other.timing.Renew {
			t.Errorf("a change took %v", took)
		}
	})
}

func TestALeaseThatRanOutNeverHoldsAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, server, _ *process) {
		server.serve()
		held := server.Current()
		server.faults.set(func() { server.faults.broken = errors.New("no database") })
		time.Sleep(server.timing.Hold)
		if held.Holds() {
			t.Error("it holds for longer than was agreed")
		}
		server.faults.set(func() { server.faults.broken = nil })
		time.Sleep(2 * lastRetry)
		if next := server.Current(); held.Holds() || next == held || !next.Holds() {
			t.Error("the same lease holds again, or none")
		}
	})
}

func TestALeaseIsHeldWhileTheFileIsBeingWritten(t *testing.T) {
	for name, who := range map[string]func(server, writer *process) *process{
		"by this process":    func(server, _ *process) *process { return server },
		"by another process": func(_, writer *process) *process { return writer },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, server, writer *process) {
				server.serve()
				held := server.Current()
				var writing sync.WaitGroup
				writing.Go(func() {
					_ = who(server, writer).db.Update(context.Background(), func(store.Tx) error {
						time.Sleep(4 * time.Second)
						return nil
					})
				})
				synctest.Wait()
				writing.Go(func() { _ = server.db.Update(context.Background(), nothing) }) // waits for its turn
				for range 35 {
					time.Sleep(100 * time.Millisecond)
					if server.Current() != held || !held.Holds() {
						t.Error("the lease was lost")
						break
					}
				}
				writing.Wait()
			})
		})
	}
}

func TestACallerThatCannotWaitIsToldThatNothingIsSure(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, server, writer *process) {
		u, _ := anna(t, writer)
		server.serve()
		server.freeze()
		ctx, cancel := context.WithTimeout(context.Background(), writer.timing.Wait/30)
		defer cancel()
		err := writer.Store().Update(ctx, block(u))
		if propusk.KindOf(err) != propusk.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("answered %v", err)
		}
	})
}

// Whoever finds that a change is there already, outside or inside a node, by finding nothing to do, by being refused for it or beside something that
// he changes himself, is not answered before everybody has forgotten what was before. The one who made it has died.
func TestAChangeThatIsThereAlreadyIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]func(other propusk.User) func(store.Tx) error{
		"nothing to do":  func(propusk.User) func(store.Tx) error { return nothing },
		"refused":        func(propusk.User) func(store.Tx) error { return func(store.Tx) error { return store.ErrNotFound } },
		"something else": block,
	} {
		for where, from := range map[string]func(server, writer *process) *process{
			"outside": func(_, writer *process) *process { return writer }, "inside": func(server, _ *process) *process { return server },
		} {
			t.Run(name+", "+where, func(t *testing.T) {
				t.Parallel()
				story(t, func(t *testing.T, server, writer *process) {
					u, change := anna(t, writer)
					other := boris(t, writer)
					server.serve()
					server.moment()
					writer.alone(block(u)) // and dies before it has waited
					_, err := from(server, writer).update(again(other))
					if err != nil && !errors.Is(err, store.ErrNotFound) {
						t.Error(err)
					}
					if !server.memory.forgot(change) {
						t.Error("somebody remembers")
					}
				})
			})
		}
	}
}

// Whoever has emptied a table by hand, or is about to fill it from a dump, has not ended the leases that there are.
func TestWhereNothingIsToldOfTheRegistryNodesMayBe(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, server, writer *process) {
		// Here a lease that is really held is to last for as long as it really does.
		server.usual()
		writer.usual()
		u, _ := anna(t, writer)
		server.run()
		writer.took(block(u)) // connects
		held := server.Current()
		hand(t, server.url, `DELETE FROM cache_state`)
		begun := time.Now()
		err := writer.Store().Update(context.Background(), block(u))
		if err == nil && held.Holds() {
			t.Errorf("after %v it is answered, and a node answers from before it", time.Since(begun))
		}
	})
}

func TestWhoFindsNothingToDoDoesNotWaitForWhatANodeChangedItself(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, server, writer *process) {
		u, _ := anna(t, writer)
		server.serve()
		server.took(block(u))
		if took := writer.took(nothing); !writer.prompt(took) {
			t.Errorf("it took %v", took)
		}
	})
}

func TestWhatNobodyRemembersWaitsForNobody(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, server, writer *process) {
		u, _ := anna(t, writer)
		server.serve()
		server.freeze()
		writer.alone(block(u))
		for name, note := range map[string]func(store.Tx) error{
			"count": func(tx store.Tx) error { return tx.SetCounter(store.CounterKey{1}, store.Counter{Count: 1}) },
			"use":   func(tx store.Tx) error { return tx.TouchSessions([]store.Seen{{SessionID: "x", At: time.Now()}}) },
			"login": func(tx store.Tx) error {
				return tx.InsertSession(store.SessionRow{Session: propusk.Session{ID: "x"}, UserID: u.ID})
			},
		} {
			if took := writer.took(note); !writer.quick(took) {
				t.Errorf("%s took %v", name, took)
			}
		}
		if took := writer.outlast(nothing, server); took < writer.timing.Wait {
			t.Errorf("a change that may have been made before took %v", took)
		}
	})
}

func TestAFailedUpdateChangesNothing(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, server, writer *process) {
		u, change := anna(t, writer)
		server.serve()
		refused := errors.New("refused")
		err := writer.Store().Update(context.Background(), func(tx store.Tx) error { return errors.Join(tx.UpdateUser(u), refused) })
		if !errors.Is(err, refused) || server.memory.forgot(change) || writer.memory.forgot(change) {
			t.Errorf("%v; forgotten by the server: %v", err, server.memory.forgot(change))
		}
	})
}

func TestTheLogIsKeptShort(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, server, writer *process) {
		u, _ := anna(t, writer)
		// The log goes by SQLite's clock, which no bubble has.
		server.Now = func() time.Time { return time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC) }
		begun, err := server.db.ChangeLog().News(context.Background(), "", nil)
		must(t, err)
		server.serve()
		held := server.Current()
		writer.took(block(u))
		server.took(block(u))
		time.Sleep(keepLog + 2*pruneEvery + 2*probeEvery)
		if news, err := server.db.ChangeLog().News(context.Background(), "", begun.At); err != nil || !news.Gap {
			t.Errorf("nothing was removed (%v)", err)
		}
		if took := writer.took(block(u)); took > 100*time.Millisecond || server.Current() != held {
			t.Errorf("the next change took %v, the lease was kept: %v", took, server.Current() == held)
		}
	})
}

func TestLeasesThatChangesDoNotWaitForAreRefused(t *testing.T) {
	for _, c := range []struct {
		hold, wait time.Duration
		ok         bool
	}{
		{700 * time.Millisecond, time.Second, true},
		{800 * time.Millisecond, 1100 * time.Millisecond, true},
		{800 * time.Millisecond, 1099 * time.Millisecond, false},
		{0, time.Second, false},
	} {
		if err := check(store.Timing{Hold: c.hold, Wait: c.wait}); (err == nil) != c.ok {
			t.Errorf("%v and %v: %v", c.hold, c.wait, err)
		}
	}
}

func TestWhereThereIsNoLogNobodyRemembers(t *testing.T) {
	n, err := New(t.Context(), Config{Database: noLog{}})
	must(t, err)
	n.Run(t.Context())
	if n.Current() != nil || n.Store() != (noLog{}) {
		t.Error("there is a lease, or something between the services and the database")
	}
}

type noLog struct{ store.Store }

func (noLog) ChangeLog() store.ChangeLog { return nil }

func TestHoldsCostsNothing(t *testing.T) {
	l := &Lease{base: time.Now()}
	if n := testing.AllocsPerRun(100, func() { l.Holds() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkHolds(b *testing.B) {
	l := &Lease{base: time.Now()}
	l.until.Store(int64(time.Hour))
	for b.Loop() {
		l.Holds()
	}
}

// BenchmarkChange says what a change costs beside its commit: with nobody to wait for, and with another node that has to see it.
func BenchmarkChange(b *testing.B) {
	for name, c := range map[string]struct{ raw, other bool }{"bare": {raw: true}, "alone": {}, "beside a node": {other: true}} {
		b.Run(name, func(b *testing.B) {
			url := "sqlite:" + filepath.Join(b.TempDir(), "propusk.db")
			p := begin(b, url)
			u, _ := anna(b, p)
			db := p.Store()
			if c.raw {
				db = p.db
			}
			if c.other {
				begin(b, url).serve()
			}
			for b.Loop() {
				must(b, db.Update(context.Background(), block(u)))
			}
		})
	}
}
