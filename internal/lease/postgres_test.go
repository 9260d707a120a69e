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

func TestThreeNodesForgetWithinMilliseconds(t *testing.T) {
	all := town(t, 3)
	u, change := anna(t, all[0])
	held := all[1].Current()
	all[0].took(block(u)) // connects
	if half := all[0].middle(50, block(u)); half > 50*time.Millisecond {
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
	url := pgtest.Database(t)
	all := []*process{begin(t, url), begin(t, url), begin(t, url)}
	for _, p := range all {
		p.mute()
		p.serve()
	}
	u, _ := anna(t, all[0])
	if half := all[0].middle(5, block(u)); half > renewalTimeout {
		t.Errorf("half of the changes take %v", half)
	}
	if s := all[0].Stats(); s.Expired != 0 {
		t.Errorf("stats: %+v", s)
	}
}

// Many who wait hold no connection that others need, and look at the registry together.
func TestManyChangesAtOnceAreAllAcknowledged(t *testing.T) {
	all := town(t, 3)
	u, _ := anna(t, all[0])
	all[0].took(block(u))
	begun := time.Now()
	var running sync.WaitGroup
	for range 100 {
		running.Go(func() { must(t, all[0].Store().Update(context.Background(), nothing)) })
	}
	running.Wait()
	t.Logf("100 changes at once took %v", time.Since(begun))
	if s := all[0].Stats(); s.Expired != 0 {
		t.Errorf("stats: %+v", s)
	}
}

// Nodes of which nobody waits for the other do not wake each other without end.
func TestNodesThatAreLevelAreQuiet(t *testing.T) {
	all := town(t, 3)
	u, _ := anna(t, all[0])
	all[0].took(block(u))
	all[0].moment()
	before := all[1].Stats().Renewals
	time.Sleep(time.Second)
	if n := all[1].Stats().Renewals - before; n > 10 {
		t.Errorf("%d renewals in a second in which nothing happened", n)
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
	server, p := once(t)
	u, _ := anna(t, p)
	p.serve()
	repeat := func(within time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		return p.Store().Update(ctx, nothing)
	}
	must(t, repeat(5*time.Second))
	server.Synchronous(t, "nobody")
	made := make(chan error, 1)
	go func() {
		var err error
		for err == nil { // until the server has heard of it, commits do not wait
			err = p.Store().Update(context.Background(), block(u))
		}
		made <- err
	}()
	server.Exec(t, `DO $$ BEGIN
		FOR attempt IN 1..1000 LOOP
			PERFORM pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep';
			IF FOUND THEN RETURN; END IF;
			PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
		END LOOP;
		RAISE EXCEPTION 'nobody waits';
	END $$`)
	if err := <-made; propusk.KindOf(err) != propusk.Unavailable {
		t.Errorf("a commit that gave up is answered with %v", err)
	}
	if err := repeat(time.Second); propusk.KindOf(err) != propusk.Unavailable {
		t.Errorf("the change that only the primary has is answered with %v", err)
	}
	refused := errors.New("not found")
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := p.Store().Update(ctx, func(store.Tx) error { return refused }); propusk.KindOf(err) != propusk.Unavailable {
		t.Errorf("that it is so already is answered with %v", err)
	}
	server.Synchronous(t, "")
	must(t, repeat(10*time.Second))
}

// What was found on a primary that has died since, its successor may not have. Whoever repeats the change is not told that it is done because another
// server takes writes, and waits for nobody.
func TestWhatWasFoundOnAnotherServerIsNotConfirmed(t *testing.T) {
	for name, confirming := range map[string]bool{"before the registry is read": false, "while a standby is waited for": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary := pgtest.Start(t)
			primary.Create(t, "propusk")
			standby := primary.Standby(t, "second")
			p := begin(t, primary.Either(standby, "propusk"))
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
			onThePrimaryAlone(t, p, u)
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
			if now, err := p.db.Now(context.Background()).UserByUserID(u.UserID); err != nil || !now.IsActive {
				t.Errorf("the standby has %+v (%v)", now, err)
			}
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
	WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep') LOOP
		PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
	END LOOP;
END $$`

var errNotYet = errors.New("the account is not blocked yet")

// again blocks an account that is blocked already.
func again(p *process, u propusk.User) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
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
func onThePrimaryAlone(t *testing.T, p *process, u propusk.User) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	u.IsActive = false
	if err := p.db.Update(ctx, block(u)); err != nil && propusk.KindOf(err) != propusk.Unavailable {
		t.Fatalf("a commit that is cut off is answered with %v", err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		now, err := p.db.Now(context.Background()).UserByUserID(u.UserID)
		must(t, err)
		if !now.IsActive {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it is not visible")
		}
	}
}

// Nobody need have a standby to take part.
func TestANodeJoinsWithoutTheStandby(t *testing.T) {
	server, p := once(t)
	server.Synchronous(t, "nobody")
	p.serve()
	must(t, p.log.Mark(context.Background(), []string{*p.row.Load()}))
	server.Synchronous(t, "")
}

// What came out of a dump has the numbers of another server, which this one may reach in years. Nodes would begin anew at each renewal.
func TestADumpInANewServerIsRememberedLikeAnyOther(t *testing.T) {
	for name, statement := range map[string]string{
		"floor": `UPDATE cache_state SET floor = '1000000000'`,
		"log":   `INSERT INTO cache_change (txid, kind, a) SELECT '1000000000', 1, n FROM generate_series(1, 1000) AS n`,
		"nodes": `INSERT INTO cache_node (id, name, seen) VALUES ('old', 'old', '1000000000:1000000000:')`,
	} {
		t.Run(name, func(t *testing.T) {
			server := pgtest.Start(t)
			url := server.Database(t)
			writer, node := begin(t, url), begin(t, url)
			hand(t, url, statement)
			node.serve()
			u, change := anna(t, writer)
			held, all := node.Current(), node.memory.everything()
			writer.took(block(u)) // names dead nodes
			if took := writer.took(block(u)); took > 2*time.Second {
				t.Errorf("a change takes %v", took)
			}
			if node.Current() != held || node.memory.everything() != all || len(node.memory.dropped) > 10 {
				t.Errorf("everything was forgotten %d times, and %d changes were told", node.memory.everything()-all, len(node.memory.dropped))
			}
			if !node.memory.forgot(change) {
				t.Error("the node remembers")
			}
		})
	}
}

// A dump also has what the other server was called, and that it has been the one for long.
func TestADumpDoesNotSayThatTheServerIsKnown(t *testing.T) {
	server := pgtest.Start(t)
	one, other := server.Database(t), server.Database(t)
	p := begin(t, one)
	census, err := p.db.ChangeLog().Nodes(context.Background(), nil)
	if err != nil || !census.Settled {
		t.Fatalf("%+v (%v)", census, err)
	}
	q := begin(t, other)
	db, err := sql.Open("pgx", one)
	must(t, err)
	defer db.Close()
	var life, settled string
	must(t, db.QueryRow(`SELECT life::text, settled FROM cache_life`).Scan(&life, &settled))
	hand(t, other, `DELETE FROM cache_life; INSERT INTO cache_life (life, settled) VALUES ('`+life+`', '`+settled+`')`)
	census, err = q.db.ChangeLog().Nodes(context.Background(), nil)
	if err != nil || census.Settled {
		t.Errorf("%+v (%v)", census, err)
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
