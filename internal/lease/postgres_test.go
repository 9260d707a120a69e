package lease

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/store"
)

// town is nodes that all serve and change, over one PostgreSQL.
func town(t testing.TB, nodes int) []*process {
	t.Helper()
	url := pgtest.Database(t)
	all := make([]*process, nodes)
	for i := range all {
		all[i] = begin(t, url)
	}
	for _, p := range all {
		p.serve()
	}
	return all
}

// middle is the median of how long each of so many changes by p took.
func (p *process) middle(changes int, fn func(store.Tx) error) time.Duration {
	p.t.Helper()
	took := make([]time.Duration, changes)
	for i := range took {
		took[i] = p.took(fn)
	}
	slices.Sort(took)
	p.t.Logf("of %d changes half took %v, nine of ten %v, the longest %v", changes, took[changes/2], took[changes*9/10], took[changes-1])
	return took[changes/2]
}

// mute takes the messenger of a process away.
func (p *process) mute() { p.faults.set(func() { p.faults.mute = true }) }

// Messages bring the news, and nobody waits for a renewal that would come by itself. How fast they are is for "make hold" to say.
func TestThreeNodesForgetWithinMilliseconds(t *testing.T) {
	t.Parallel()
	const rarely = 4 * time.Second
	all := make([]*process, 3)
	url := pgtest.Database(t)
	for i := range all {
		all[i] = begin(t, url)
		all[i].timing.Renew = rarely
	}
	for _, p := range all {
		p.serve()
	}
	u, change := anna(t, all[0])
	held := all[1].Current()
	all[0].took(block(u)) // connects
	if half := all[0].middle(21, block(u)); half > rarely/4 {
		t.Errorf("half of the changes take %v", half)
	}
	for _, p := range all {
		if !p.memory.forgot(change) {
			t.Error("somebody remembers")
		}
	}
	if s := all[0].Stats(); s.Expired != 0 || s.Nodes != 3 {
		t.Errorf("stats: %+v", s)
	}
	if all[1].Current() != held || !held.Holds() {
		t.Error("a lease did not outlive the changes")
	}
}

func TestWithoutMessengerAChangeTakesARenewalLonger(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	all := []*process{begin(t, url), begin(t, url), begin(t, url)}
	for _, p := range all {
		p.mute()
		p.serve()
	}
	u, _ := anna(t, all[0])
	all[0].middle(5, block(u))
	if s := all[0].Stats(); s.Expired != 0 {
		t.Errorf("stats: %+v", s)
	}
}

// Many who wait hold no connection that others need, and look at the registry together.
func TestManyChangesAtOnceAreAllAcknowledged(t *testing.T) {
	t.Parallel()
	all := town(t, 3)
	u, _ := anna(t, all[0])
	all[0].took(block(u))
	begun := time.Now()
	var running sync.WaitGroup
	for range 100 {
		running.Go(func() {
			if _, err := all[0].update(nothing); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	t.Logf("100 changes at once took %v", time.Since(begun))
	if s := all[0].Stats(); s.Expired != 0 {
		t.Errorf("stats: %+v", s)
	}
}

// Nodes of which nobody waits for the other do not wake each other without end.
func TestNodesThatAreLevelAreQuiet(t *testing.T) {
	t.Parallel()
	all := town(t, 3)
	u, _ := anna(t, all[0])
	all[0].took(block(u))
	all[0].moment()
	before, begun := all[1].Stats().Renewals, time.Now()
	time.Sleep(time.Second) // or longer, where the machine has no time
	n := all[1].Stats().Renewals - before
	if took := time.Since(begun); float64(n) > 10+10*took.Seconds() {
		t.Errorf("%d renewals in %v in which nothing happened", n, took)
	}
}

// once makes a server with a database on it that one process has open.
func once(t *testing.T) (*pgtest.Server, *process) {
	t.Helper()
	server := pgtest.Start(t)
	return server, begin(t, server.Database(t))
}

// What is visible on the primary need not be on a standby: whoever committed it may have been told to wait no longer. Who repeats the change finds
// nothing to do, and must not be told that it is done before a standby has it.
func TestAChangeThatFindsItMadeOnThePrimaryAloneWaitsForAStandby(t *testing.T) {
	t.Parallel()
	server, p := once(t)
	u, _ := anna(t, p)
	p.serve()
	repeat := func(within time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		return p.Store().Update(ctx, nothing)
	}
	again := func() error { return repeat(patience) }
	must(t, steady(again))
	server.Synchronous(t, "nobody")
	made := make(chan error, 1)
	go func() {
		var err error
		for err == nil { // until the server has heard of it, commits do not wait
			err = steady(func() error { return p.Store().Update(context.Background(), block(u)) })
		}
		made <- err
	}()
	server.Exec(t, `DO $$ BEGIN
		FOR attempt IN 1..2500 LOOP
			PERFORM pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type = 'client backend';
			IF FOUND THEN RETURN; END IF;
			PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
		END LOOP;
		RAISE EXCEPTION 'nobody waits';
	END $$`)
	if err := <-made; propusk.KindOf(err) != propusk.Unavailable {
		t.Errorf("a commit that gave up is answered with %v", err)
	}
	// Where the machine is busy the time may be over earlier, and that says nothing either.
	unsure := func(err error) bool {
		return propusk.KindOf(err) == propusk.Unavailable || errors.Is(err, context.DeadlineExceeded)
	}
	if err := repeat(time.Second); !unsure(err) {
		t.Errorf("the change that only the primary has is answered with %v", err)
	}
	refused := errors.New("not found")
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := p.Store().Update(ctx, func(store.Tx) error { return refused }); !unsure(err) {
		t.Errorf("that it is so already is answered with %v", err)
	}
	server.Synchronous(t, "")
	must(t, steady(again))
}

// What was found on a primary that has died since, its successor may not have. Whoever repeats the change is not told that it is done because another
// server takes writes, and waits for nobody.
func TestWhatWasFoundOnAnotherServerIsNotConfirmed(t *testing.T) {
	t.Parallel()
	for name, confirming := range map[string]bool{"before the registry is read": false, "while a standby is waited for": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary := pgtest.Start(t)
			primary.Create(t, "propusk")
			standby := primary.Standby(t, "second")
			p := begin(t, primary.Either(standby, "propusk"))
			p.usual() // for the successor is known only after as long as a change waits
			u, _ := anna(t, p)
			part(t, primary, standby)
			looked, over := make(chan struct{}), make(chan struct{})
			if !confirming {
				first := sync.OnceFunc(func() { close(looked) })
				p.faults.looking = func() {
					first()
					<-over
				}
			}
			onThePrimaryAlone(t, primary, p, u)
			answered := make(chan error, 1)
			go func() { answered <- again(p, u) }()
			if confirming {
				primary.Exec(t, untilSomebodyWaits)
			} else {
				<-looked
			}
			primary.Kill(t)
			standby.Promote(t)
			close(over)
			if err := <-answered; propusk.KindOf(err) != propusk.Unavailable {
				t.Errorf("the change that was lost is answered with %v", err)
			}
			must(t, steady(func() error {
				now, err := p.db.Now(context.Background()).UserByUserID(u.UserID)
				if err == nil && !now.IsActive {
					t.Errorf("the standby has %+v", now)
				}
				return err
			}))
		})
	}
}

// part makes a standby hear nothing any more of a primary, which goes on waiting for it.
func part(t *testing.T, primary, standby *pgtest.Server) {
	t.Helper()
	primary.Synchronous(t, "second")
	primary.Follows(t)
	standby.Exec(t, "ALTER SYSTEM SET primary_conninfo = ''")
	standby.Exec(t, "SELECT pg_reload_conf()")
	primary.Exec(t, `DO $$ BEGIN
		WHILE EXISTS (SELECT FROM pg_stat_replication) LOOP
			PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
		END LOOP;
	END $$`)
}

const untilSomebodyWaits = `DO $$ BEGIN
	WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type = 'client backend') LOOP
		PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
	END LOOP;
END $$`

var errNotYet = errors.New("the account is not blocked yet")

// again blocks an account that is blocked already.
func again(p *process, u propusk.User) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return p.Store().Update(ctx, func(tx store.Tx) error {
		now, err := tx.UserByUserID(u.UserID)
		if err == nil && now.IsActive {
			err = errNotYet
		}
		return err
	})
}

// onThePrimaryAlone blocks an account on a primary whose standby is away, and returns when that is visible there. The commit is cut off, unless the
// primary does not know yet that it is to wait.
func onThePrimaryAlone(t *testing.T, primary *pgtest.Server, p *process, u propusk.User) {
	t.Helper()
	ctx, cutOff := context.WithCancel(context.Background())
	defer cutOff()
	u.IsActive = false
	made := make(chan error, 1)
	go func() { made <- steady(func() error { return p.db.Update(ctx, block(u)) }) }()
	db, err := sql.Open("pgx", primary.URL("postgres"))
	must(t, err)
	defer db.Close()
	const waiting = `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type = 'client backend')`
	for waits := false; !waits && len(made) == 0; time.Sleep(5 * time.Millisecond) {
		must(t, db.QueryRow(waiting).Scan(&waits))
	}
	cutOff()
	if err := <-made; err != nil && propusk.KindOf(err) != propusk.Unavailable {
		t.Fatalf("a commit that is cut off is answered with %v", err)
	}
	p.await("it is visible", func() bool {
		now, err := p.db.Now(context.Background()).UserByUserID(u.UserID)
		return err == nil && !now.IsActive
	})
}

// Nobody need have a standby to take part.
func TestANodeJoinsWithoutTheStandby(t *testing.T) {
	t.Parallel()
	server, p := once(t)
	server.Synchronous(t, "nobody")
	p.serve()
	must(t, p.log.Mark(context.Background(), []string{*p.row.Load()}))
	server.Synchronous(t, "")
}

// What came out of a dump has the numbers of another server, which this one may reach in years. Nodes would begin anew at each renewal.
func TestADumpInANewServerIsRememberedLikeAnyOther(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"floor": `UPDATE cache_state SET floor = '1000000000'`,
		"log":   `INSERT INTO cache_change (txid, kind, a) SELECT '1000000000', 1, n FROM generate_series(1, 1000) AS n`,
		"nodes": `INSERT INTO cache_node (id, name, seen) VALUES ('old', 'old', '1000000000:1000000000:')`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Database(t)
			writer, node := begin(t, url), begin(t, url)
			hand(t, url, statement)
			node.serve()
			u, change := anna(t, writer)
			held, all := node.Current(), node.memory.everything()
			if name == "nodes" {
				writer.outlast(block(u)) // the dead one is waited for
			}
			if took := writer.took(block(u)); !writer.prompt(took) {
				t.Errorf("a change takes %v", took)
			}
			if told := node.memory.told(); node.Current() != held || node.memory.everything() != all || told > 10 {
				t.Errorf("everything was forgotten %d times, and %d changes were told", node.memory.everything()-all, told)
			}
			if !node.memory.forgot(change) {
				t.Error("the node remembers")
			}
		})
	}
}

// A dump also has what the other server was called, and that it has been the one for long.
func TestADumpDoesNotSayThatTheServerIsKnown(t *testing.T) {
	t.Parallel()
	one, other := pgtest.Database(t), pgtest.Database(t)
	p := begin(t, one)
	if census := p.census(); !census.Settled {
		t.Fatalf("%+v", census)
	}
	q := begin(t, other)
	db, err := sql.Open("pgx", one)
	must(t, err)
	defer db.Close()
	var life, settled string
	must(t, db.QueryRow(`SELECT life::text, settled FROM cache_life`).Scan(&life, &settled))
	hand(t, other, `DELETE FROM cache_life; INSERT INTO cache_life (life, settled) VALUES ('`+life+`', '`+settled+`')`)
	if census := q.census(); census.Settled {
		t.Errorf("%+v", census)
	}
}

// hand runs statements as an operator would.
func hand(t *testing.T, url, statements string) {
	t.Helper()
	driver, name := "pgx", url
	if path, file := strings.CutPrefix(url, "sqlite:"); file {
		driver, name = "sqlite", path
	}
	db, err := sql.Open(driver, name)
	must(t, err)
	defer db.Close()
	_, err = db.Exec(statements)
	must(t, err)
}
