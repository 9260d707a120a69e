package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/busytest"
	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/store"
)

// calls are all ways to use a store.
var calls = map[string]func(s *Store, n int64) error{
	"Now": func(s *Store, _ int64) error {
		_, err := s.Now(context.Background()).UserByUserID(numbered(0).UserID)
		return err
	},
	"View": func(s *Store, _ int64) error {
		return s.View(context.Background(), func(r store.Reader) error {
			_, err := r.UserByUserID(numbered(0).UserID)
			return err
		})
	},
	"Update": func(s *Store, n int64) error { return s.Update(context.Background(), inserting(n)) },
	"Ready":  func(s *Store, _ int64) error { return s.Ready(context.Background()) },
}

// punctual gives up on a server when a program would that is no test. Its log of changes keeps its patience.
func punctual(s *Store) *Store {
	conns := &s.engine.(*postgresEngine).conns
	conns.silence, conns.probePatience = usualSilence, usualProbePatience
	return s
}

// A server that goes away is told as that within a second, by whichever call and however it goes, and nothing needs to be done when it
// is back.
func TestPostgresGoesAndComesBack(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	ways := []struct {
		name       string
		away, back func(testing.TB)
	}{
		{"stopped", server.Stop, server.Restart},
		{"aborted", server.Abort, server.Restart},
		{"killed", server.Kill, server.Restart},
		{"frozen", server.Freeze, server.Thaw},
	}
	s := punctual(openURL(t, server.Database(t)))
	if err := s.Update(t.Context(), inserting(0)); err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			warm(t, s)
			way.away(t)
			var wg sync.WaitGroup
			for name, call := range calls {
				for range 8 {
					wg.Go(func() {
						var err error
						if took := busytest.Took(func() { err = call(s, n.Add(1)) }); took > time.Second {
							t.Errorf("%s: answered after %v", name, took)
						}
						if propusk.KindOf(err) != propusk.Unavailable {
							t.Errorf("%s: answered %v", name, err)
						}
					})
				}
			}
			wg.Wait()
			way.back(t)
			returned := time.Now()
			for name, call := range calls {
				if err := call(s, n.Add(1)); err != nil {
					t.Errorf("%s, when it is back: %v", name, err)
				}
			}
			t.Logf("back after %v", time.Since(returned))
		})
	}
}

// warm uses every connection of the pool.
func warm(t *testing.T, s *Store) {
	t.Helper()
	e := s.engine.(*postgresEngine)
	var links []*link
	for range e.db.Stats().MaxOpenConnections {
		l, err := e.lend(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		links = append(links, l)
	}
	for _, l := range links {
		l.release()
	}
}

// After a restart that nobody noticed, or when an operator ends all connections, each connection of the pool is broken. Nobody is told.
func TestBrokenConnectionsAreReplacedUnseen(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	s := openURL(t, server.Database(t))
	for name, call := range calls {
		if err := s.Update(t.Context(), inserting(0)); err != nil && !errors.Is(err, store.ErrEmailTaken) {
			t.Fatal(err)
		}
		warm(t, s)
		server.Abort(t)
		server.Restart(t)
		var wg sync.WaitGroup
		for n := range int64(8) {
			wg.Go(func() {
				if err := call(s, 1+n); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		wg.Wait()
	}
}

func TestUpdateWhoseConnectionBreaksRunsAgain(t *testing.T) {
	s := openURL(t, migrated(t))
	runs := 0
	err := s.Update(t.Context(), func(tx_ store.Tx) error {
		if err := inserting(1)(tx_); err != nil {
			return err
		}
		if runs++; runs == 1 {
			// The error is forgotten, as a careless closure may.
			_, _ = tx_.(tx).db.exec(context.Background(), `SELECT pg_terminate_backend(pg_backend_pid())`)
		}
		return nil
	})
	if err != nil || runs != 2 {
		t.Errorf("Update ran %d times and answered %v", runs, err)
	}
	checkThere(t, s, map[int64]bool{1: true})
}

func TestUpdateWhoseConnectionsKeepBreakingGivesUp(t *testing.T) {
	s := openURL(t, migrated(t))
	runs := 0
	err := s.Update(t.Context(), func(tx_ store.Tx) error {
		runs++
		_, err := tx_.(tx).db.exec(context.Background(), `SELECT pg_terminate_backend(pg_backend_pid())`)
		return err
	})
	if propusk.KindOf(err) != propusk.Unavailable || runs != 2 {
		t.Errorf("Update ran %d times and answered %v", runs, err)
	}
}

// proxy stands between a store and its server and cuts the connection at a commit, once it is armed.
type proxy struct {
	listener net.Listener
	server   string
	// armed is what happens to the next commit: it is lost, or its answer is.
	armed atomic.Int32
}

const (
	loseCommit = 1 + iota
	loseAnswer
)

// proxied gives a URL that leads to the database at target through a proxy.
func proxied(t *testing.T, target string) (string, *proxy) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{server: u.Host}
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	u.Host = p.listener.Addr().String()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := p.listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		p.listener.Close()
		wg.Wait()
	})
	return u.String(), p
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer client.Close()
		buffer := make([]byte, 64<<10)
		for {
			n, err := client.Read(buffer)
			if err != nil {
				break
			}
			armed := int32(0)
			if strings.Contains(string(buffer[:n]), "COMMIT\x00") {
				armed = p.armed.Swap(0)
			}
			if armed == loseCommit {
				break
			}
			if armed == loseAnswer {
				client.Close() // first, so that the answer finds nobody
			}
			if _, err := server.Write(buffer[:n]); err != nil || armed == loseAnswer {
				break
			}
		}
		server.(*net.TCPConn).CloseWrite()
	})
	_, _ = io.Copy(client, server)
	_, _ = io.Copy(io.Discard, server)
	client.Close()
	server.Close()
	wg.Wait()
}

// When the connection breaks during a commit nobody can know what became of it. It must not be tried again: the change may be in force.
func TestOutcomeOfACommitIsUnknown(t *testing.T) {
	direct := migrated(t)
	through, p := proxied(t, direct)
	s := openURL(t, through)
	for n, there := range map[int32]bool{loseCommit: false, loseAnswer: true} {
		runs := 0
		p.armed.Store(n)
		err := s.Update(t.Context(), func(tx store.Tx) error {
			runs++
			return inserting(int64(n))(tx)
		})
		var refusal *propusk.Error
		if !errors.As(err, &refusal) || refusal.Kind != propusk.Unavailable || refusal.Code != "outcome_unknown" || refusal.RetryAfter != 0 {
			t.Errorf("answered %v", err)
		}
		if runs != 1 {
			t.Errorf("the closure ran %d times", runs)
		}
		// The server may still be at it.
		deadline := time.Now().Add(time.Minute)
		for there && time.Now().Before(deadline) {
			if _, err := s.Now(t.Context()).UserByUserID(numbered(int64(n)).UserID); err == nil {
				break
			}
		}
		checkThere(t, s, map[int64]bool{int64(n): there})
	}
}

// Whatever 32 writers were told is in force is there after kill -9 of the whole server, and of what was not answered all or nothing.
func TestWhatWasAnsweredSurvivesKillOfPostgres(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	s := openURL(t, server.Database(t))
	var next, count atomic.Int64
	var answered sync.Map
	for round := range int64(3) {
		var wg sync.WaitGroup
		var killing atomic.Bool
		for range 32 {
			wg.Go(func() {
				for !killing.Load() && !t.Failed() {
					n := next.Add(1)
					err := s.Update(context.Background(), registering(n))
					if err == nil {
						answered.Store(n, true)
						count.Add(1)
					} else if !killing.Load() || propusk.KindOf(err) != propusk.Unavailable {
						t.Errorf("user %d: %v (%v)", n, err, errors.Unwrap(err))
					}
				}
			})
		}
		for count.Load() < 100*(round+1) && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
		killing.Store(true)
		server.Kill(t)
		wg.Wait()
		server.Restart(t)
	}
	want := map[int64]bool{}
	answered.Range(func(n, _ any) bool {
		want[n.(int64)] = true
		return true
	})
	checkThere(t, s, want)
	_, total, err := s.Now(t.Context()).Users(store.UserFilter{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := s.Now(t.Context()).CountSessions()
	if err != nil || sessions != total || total < len(want) {
		t.Errorf("%d users, %d sessions (%v), %d answered", total, sessions, err, len(want))
	}
}

// Slow is not silent: a statement that takes long on a server that is there gets its answer.
func TestSlowStatementGetsItsAnswer(t *testing.T) {
	t.Parallel()
	s := openURL(t, migrated(t))
	s.engine.(*postgresEngine).conns.silence = usualSilence
	if _, err := s.exec(t.Context(), fmt.Sprintf(`SELECT pg_sleep(%f)`, 3*usualSilence.Seconds())); err != nil {
		t.Error(err)
	}
}

func TestEndlessStatementIsEnded(t *testing.T) {
	t.Parallel()
	s := openURL(t, migrated(t)+"&statement_timeout=1000") // the others must have time enough
	if _, err := s.exec(t.Context(), `SELECT pg_sleep(3600)`); propusk.KindOf(s.translate(err)) != propusk.Unavailable {
		t.Errorf("answered %v", err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// A node that stops in the middle of an Update keeps the others waiting for a few seconds and not for ever.
func TestStoppedNodeLetsGo(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	stopped, other := openURL(t, url+"&idle_in_transaction_session_timeout=500"), openURL(t, url)
	inside, goOn := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		stops := sync.OnceFunc(func() { close(inside) })
		defer stops() // whatever fails
		been := false
		err := stopped.Update(context.Background(), func(tx store.Tx) error {
			if been {
				return nil
			}
			if _, err := tx.Counter(store.CounterKey{}); err != nil {
				return err
			}
			been = true
			stops()
			<-goOn
			return counting(store.CounterKey{})(tx)
		})
		if err != nil {
			t.Errorf("once it goes on: %v", err)
		}
	})
	<-inside
	l, err := other.engine.(*postgresEngine).lend(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.release()
	if err := l.begin(t.Context(), alone); err != nil {
		t.Errorf("whoever must run alone: %v", err)
	}
	l.rollback()
	close(goOn)
	wg.Wait()
}

// absent makes a server whose commits wait for a standby that never comes, once the database is there, and opens that.
func absent(t *testing.T, parameters string) (*pgtest.Server, *Store) {
	t.Helper()
	server := pgtest.Start(t)
	url := server.Database(t)
	s := openURL(t, url+parameters)
	if err := s.Update(t.Context(), inserting(1)); err != nil {
		t.Fatal(err)
	}
	server.Synchronous(t, "nobody")
	t.Cleanup(func() { server.Synchronous(t, "") }) // or the database could not be dropped
	for deadline := time.Now().Add(time.Minute); !waits(t, url, s); {
		if time.Now().After(deadline) {
			t.Fatal("the server waits for nobody")
		}
	}
	nobodyWaits(t, server)
	return server, s
}

// waits reports whether commits wait for a standby. A process of the server that looks after that hears of new settings some time after those that
// answer questions about them.
func waits(t *testing.T, url string, s *Store) bool {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answered := make(chan error, 1)
	go func() {
		answered <- s.Update(ctx, func(tx store.Tx) error { return tx.SetPasswordHash(1, "waits") })
	}()
	hand := connected(t, url)
	for {
		var waiting bool
		if err := hand.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		if waiting {
			cancel()
			return <-answered != nil
		}
		select {
		case err := <-answered:
			return err != nil
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// nobodyWaits has all commits give up that wait for a standby. The server does not look whether whoever sent them has gone.
func nobodyWaits(t *testing.T, server *pgtest.Server) {
	t.Helper()
	server.Exec(t, `DO $$ BEGIN
		WHILE EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep') LOOP
			PERFORM pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep';
			PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
		END LOOP;
	END $$`)
}

// waited returns when a commit waits for a standby.
func waited(t *testing.T, server *pgtest.Server) {
	t.Helper()
	server.Exec(t, `DO $$ BEGIN
		WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep') LOOP
			PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
		END LOOP;
	END $$`)
}

// giveUp makes commits that wait for a standby wait no longer, once there are any.
func giveUp(t *testing.T, server *pgtest.Server) {
	t.Helper()
	server.Exec(t, `DO $$ BEGIN
		FOR attempt IN 1..3000 LOOP
			PERFORM pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep';
			IF FOUND THEN RETURN; END IF;
			PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
		END LOOP;
		RAISE EXCEPTION 'nobody waits';
	END $$`)
}

// checkUnknown checks that an error is that nobody knows what became of a commit.
func checkUnknown(t *testing.T, err error) {
	t.Helper()
	var refusal *propusk.Error
	if !errors.As(err, &refusal) || refusal.Kind != propusk.Unavailable || refusal.Code != "outcome_unknown" {
		t.Errorf("answered %v", err)
	}
}

// While a server recovers it lets nobody in, and whoever waits for it must not keep it from its work by asking.
func TestAServerThatLetsNobodyInIsNotStormed(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var attempts, answers atomic.Int64
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			attempts.Add(1)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close() })
	u, err := parsePostgres("postgres://anna@" + listener.Addr().String() + "/propusk?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	conns := &connections{config: u.config, begun: time.Now()}
	db := sql.OpenDB(conns.connector())
	t.Cleanup(func() { _ = db.Close() })
	const waiting, each = 8, 6
	begun := time.Now()
	var all sync.WaitGroup
	for range waiting {
		all.Go(func() {
			for range each {
				if _, err := db.Conn(t.Context()); err == nil {
					t.Error("connected")
				}
				answers.Add(1)
			}
		})
	}
	all.Wait()
	// All may come before the first is refused. From then on there is one attempt for all, and a breather before it. Each is two connections, since
	// the driver tries again by itself where it is cut off.
	if n, most := attempts.Load(), 2*(waiting+int64(time.Since(begun)/breather)); n == 0 || n > most || n >= answers.Load() {
		t.Errorf("%d attempts to connect for %d questions, at most %d were due", n, answers.Load(), most)
	}
}

// What a standby knows may be old. It is not asked, also where it is named first.
func TestAStandbyIsNotRead(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	primary.Create(t, "propusk")
	standby := primary.Standby(t, "second")
	if s, err := Open(t.Context(), standby.URL("propusk")); err == nil {
		t.Error("a standby is taken for a server")
		_ = s.Close()
	}
	s := openURL(t, standby.Either(primary, "propusk"))
	if err := s.Update(t.Context(), func(tx store.Tx) error { _, err := tx.InsertUser(numbered(1)); return err }); err != nil {
		t.Error(err)
	}
}

// Where no standby is, whoever said until when he waits is answered by then, and who has gone is waited for only a moment.
func TestACommitThatWaitsForAStandbyEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	server, s := absent(t, "")
	const until = 2 * time.Second // by then the commit must have been sent
	for name, c := range map[string]struct {
		caller func() (context.Context, context.CancelFunc)
		within time.Duration
	}{
		"deadline": {func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), until)
		}, until + 500*time.Millisecond},
		"cancelled": {func() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) }, commitGrace + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := c.caller()
			defer cancel()
			answered := make(chan error, 1)
			go func() {
				answered <- s.Update(ctx, func(tx store.Tx) error { return tx.SetPasswordHash(1, name) })
			}()
			waited(t, server)
			took := busytest.Took(func() {
				if name == "cancelled" {
					cancel()
				}
				checkUnknown(t, <-answered)
			})
			if took > c.within {
				t.Errorf("it took %v", took)
			}
			nobodyWaits(t, server)
		})
	}
}

func TestCloseDoesNotWaitForAStandby(t *testing.T) {
	t.Parallel()
	server, s := absent(t, "")
	answered := make(chan error, 1)
	go func() {
		answered <- s.Update(context.Background(), func(tx store.Tx) error { return tx.SetPasswordHash(1, "y") })
	}()
	waited(t, server)
	took := busytest.Took(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if took > commitGrace+2*time.Second {
		t.Errorf("Close took %v", took)
	}
	checkUnknown(t, <-answered)
}

// A URL cannot hide from us that a commit gave up.
func TestThatACommitGaveUpCannotBeHidden(t *testing.T) {
	t.Parallel()
	server, s := absent(t, "&client_min_messages=error")
	answered := make(chan error, 1)
	go func() {
		answered <- s.Update(context.Background(), func(tx store.Tx) error { return tx.SetPasswordHash(1, "y") })
	}()
	giveUp(t, server)
	checkUnknown(t, <-answered)
}
