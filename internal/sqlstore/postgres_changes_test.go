package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/propusk/propusk/internal/busytest"
	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/store"
)

// observer is a node that only reads the log.
type observer struct {
	t   *testing.T
	log store.ChangeLog
	at  store.Position
}

func observe(t *testing.T, s *Store) *observer {
	t.Helper()
	o := &observer{t: t, log: s.ChangeLog()}
	if err := o.log.Join(t.Context(), "observer", "here:1"); err != nil {
		t.Fatal(err)
	}
	o.news()
	return o
}

// news is what was committed since it was last asked for.
func (o *observer) news() []store.Change {
	o.t.Helper()
	news, err := o.log.News(o.t.Context(), "observer", o.at)
	if err != nil || !news.Live {
		o.t.Fatalf("%+v (%v)", news, err)
	}
	o.at = news.At
	slices.SortFunc(news.Changes, func(a, b store.Change) int { return cmp.Or(cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B)) })
	return news.Changes
}

// connected is another program with the database open.
func connected(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func does(t testing.TB, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := conn.Exec(context.Background(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// scenery is two people with a session each, two communities, and a key of each kind.
const scenery = `
	INSERT INTO grants VALUES (sha256('x'), '{}');
	INSERT INTO community (id, slug, name, description, joining, created_by, available_roles, grants_hash, search, created_at, updated_at)
	VALUES (7, 'c', 'c', '', 'open', 1, 'reader', sha256('x'), '', 0, 0), (8, 'd', 'd', '', 'open', 1, 'reader', sha256('x'), '', 0, 0);
	INSERT INTO api_key (secret_hash, id, issuer_id, name, created_at) VALUES (sha256('x'), 'k', 2, 'k', 0);
	INSERT INTO signing_key (key_id, private_key, created_at) VALUES ('k', 'x', 0)`

func setScene(t *testing.T) (s *Store, url string, hand *pgx.Conn) {
	t.Helper()
	url = migrated(t)
	s = openURL(t, url)
	for n := range int64(2) {
		if err := s.Update(t.Context(), registering(n)); err != nil {
			t.Fatal(err)
		}
	}
	hand = connected(t, url)
	does(t, hand, scenery)
	return s, url, hand
}

func userChange(n int64) store.Change { return store.Change{Kind: store.ChangedUser, A: n} }

func memberChange(c, n int64) store.Change {
	return store.Change{Kind: store.ChangedMember, A: c, B: n}
}

var everything = store.Change{Kind: store.ChangedAll}

// What an operator, or another program, changes by hand is logged like everything else, whatever the transaction looks like.
func TestPostgresLogsEditsByHand(t *testing.T) {
	s, url, hand := setScene(t)
	o := observe(t, s)
	all, community := []store.Change{everything}, func(n int64) store.Change { return store.Change{Kind: store.ChangedCommunity, A: n} }
	for _, edit := range []struct {
		text string
		want []store.Change
	}{
		{`UPDATE author SET role = 'admin' WHERE id = 2`, []store.Change{userChange(2)}},
		{`UPDATE author SET email = 'x@example.org' WHERE id = 1`, []store.Change{userChange(1)}},
		{`UPDATE author SET last_seen = 1, password = 'x'`, nil},
		{`UPDATE session SET expires_at = 0 WHERE author_id = 1`, []store.Change{userChange(1)}},
		{`UPDATE session SET last_seen = 0, refresh_hash = '', superseded = ''`, nil},
		{`DELETE FROM session WHERE author_id = 2`, []store.Change{userChange(2)}},
		{`UPDATE api_key SET permissions = 'shout:read'`, []store.Change{userChange(2)}},
		{`UPDATE api_key SET last_used = 1`, nil},
		{`DELETE FROM api_key`, []store.Change{userChange(2)}},
		{`DELETE FROM api_key`, nil},
		{`INSERT INTO community_author (community_id, author_id, joined_at) VALUES (7, 2, 0)`, []store.Change{memberChange(7, 2)}},
		{`INSERT INTO community_author (community_id, author_id, joined_at) VALUES (7, 2, 0) ON CONFLICT DO NOTHING`, nil},
		{`UPDATE community_author SET roles = 'reader'`, []store.Change{memberChange(7, 2)}},
		{`UPDATE community_author SET community_id = 8`, []store.Change{memberChange(7, 2), memberChange(8, 2)}},
		{`DELETE FROM community_author`, []store.Change{memberChange(8, 2)}},
		{`UPDATE community SET name = 'e' WHERE id = 7`, []store.Change{community(7)}},
		{`UPDATE community_total SET members = members + 1`, nil},
		{`DELETE FROM community WHERE id = 8`, []store.Change{community(8)}},
		{`BEGIN; SAVEPOINT one; UPDATE author SET role = 'user' WHERE id = 2; ROLLBACK TO one; SAVEPOINT two;
			UPDATE author SET role = 'user' WHERE id = 1; RELEASE two; COMMIT`, []store.Change{userChange(1)}},
		{`BEGIN; UPDATE author SET role = 'user' WHERE id = 2; ROLLBACK`, nil},
		{`SET session_replication_role = replica; UPDATE author SET role = 'user' WHERE id = 2; RESET session_replication_role`,
			[]store.Change{userChange(2)}},
		{`SET session_replication_role = replica; INSERT INTO community_author (community_id, author_id, joined_at) VALUES (7, 1, 0)`,
			[]store.Change{memberChange(7, 1)}},
		{`UPDATE community_author SET author_id = 2`, []store.Change{memberChange(7, 1), memberChange(7, 2)}},
		{`DELETE FROM community_author; RESET session_replication_role`, []store.Change{memberChange(7, 2)}},
		// What a session says of itself, and what another transaction of it has said, is not believed.
		{`SET propusk.changed = '5 0 0;'; SET propusk.quiet = 'on'; UPDATE author SET role = 'user' WHERE id = 2`, []store.Change{userChange(2)}},
		{`SELECT set_config('propusk.quiet', pg_current_xact_id()::text, false), set_config('propusk.changed', pg_current_xact_id() || ':5 0 0;', false)`, nil},
		{`INSERT INTO community_author (community_id, author_id, joined_at) VALUES (7, 1, 0)`, []store.Change{memberChange(7, 1)}},
		{`DELETE FROM community_author; RESET propusk.changed; RESET propusk.quiet`, []store.Change{memberChange(7, 1)}},
		{`UPDATE signing_key SET retired_at = 1`, all},
		{`BEGIN; UPDATE author SET role = 'user' WHERE id = 2; DELETE FROM signing_key; UPDATE author SET role = 'user' WHERE id = 1; COMMIT`, all},
		{`TRUNCATE session`, all},
		{`TRUNCATE community_author`, all},
		{`TRUNCATE cache_change`, all},
		{`INSERT INTO author (user_id, name, last_name, slug, email, email_key, password, role, is_active, deleted_by_owner, created_at, updated_at, search)
			SELECT '00000000-0000-7000-8000-' || lpad(n::text, 12, '0'), '', '', n::text, n::text, n::text, '', 'user', true, false, 0, 0, ''
			FROM generate_series(1000, 1999) AS n`, nil},
		{`INSERT INTO community_author (community_id, author_id, joined_at) SELECT 7, id, 0 FROM author`, []store.Change{{Kind: store.ChangedMembers, A: 7}}},
		{`UPDATE community_author SET roles = 'reader'`, []store.Change{{Kind: store.ChangedMembers, A: 7}}},
		{`DELETE FROM community_author`, []store.Change{{Kind: store.ChangedMembers, A: 7}}},
		{`DELETE FROM author WHERE id = 2`, []store.Change{userChange(2)}},
	} {
		does(t, hand, edit.text)
		if logged := o.news(); !slices.Equal(logged, edit.want) {
			t.Errorf("%s: logged %v, want %v", edit.text, logged, edit.want)
		}
	}
	// A role that may write a table and nothing else, and looks for names somewhere else first.
	does(t, hand, `CREATE ROLE clerk; CREATE SCHEMA trap; CREATE TABLE trap.cache_change (kind int, a bigint, b bigint)`,
		`GRANT USAGE ON SCHEMA trap TO clerk; GRANT ALL ON trap.cache_change TO clerk; GRANT SELECT, UPDATE ON author TO clerk`)
	t.Cleanup(func() { does(t, connected(t, url), `DROP OWNED BY clerk; DROP ROLE clerk`) })
	does(t, hand, `SET ROLE clerk; SET search_path = trap, public`, `UPDATE author SET role = 'user' WHERE id = 1`)
	if logged := o.news(); !slices.Equal(logged, []store.Change{userChange(1)}) {
		t.Errorf("of what a clerk changed: %v", logged)
	}
}

// What a subscription brings from another server is logged too.
func TestWhatIsReplicatedRowByRowIsLogged(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	server.Exec(t, `ALTER SYSTEM SET wal_level = logical`)
	server.Stop(t)
	server.Restart(t)
	from, to := server.Database(t), server.Database(t)
	openURL(t, from)
	o := observe(t, openURL(t, to))
	tell(t, from, `CREATE PUBLICATION everything FOR TABLE author, community, community_author`)
	tell(t, from, `SELECT pg_create_logical_replication_slot('one', 'pgoutput')`)
	tell(t, to, `CREATE SUBSCRIPTION one CONNECTION '`+from+`' PUBLICATION everything WITH (create_slot = false, slot_name = 'one', copy_data = false)`)
	t.Cleanup(func() {
		tell(t, to, `ALTER SUBSCRIPTION one DISABLE`)
		tell(t, to, `ALTER SUBSCRIPTION one SET (slot_name = NONE)`)
		tell(t, to, `DROP SUBSCRIPTION one`)
		tell(t, from, `DO $$ BEGIN
			WHILE EXISTS (SELECT FROM pg_replication_slots WHERE active) LOOP PERFORM pg_sleep(0.01); END LOOP;
			PERFORM pg_drop_replication_slot('one');
		END $$`)
	})
	for _, edit := range []struct {
		text string
		want store.Change
	}{
		{`INSERT INTO community_author (community_id, author_id, joined_at) VALUES (7, 2, 0)`, memberChange(7, 2)},
		{`UPDATE community_author SET roles = 'reader'`, memberChange(7, 2)},
		{`DELETE FROM community_author`, memberChange(7, 2)},
	} {
		tell(t, from, `SET session_replication_role = replica; `+edit.text) // without foreign keys
		var logged []store.Change
		for deadline := time.Now().Add(time.Minute); len(logged) == 0 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			logged = o.news()
		}
		if !slices.Contains(logged, edit.want) {
			t.Errorf("%s: logged %v, want %v", edit.text, logged, edit.want)
		}
	}
}

// A transaction gets its number long before it is committed. Whoever has read what came later learns of it all the same, once.
func TestWhatIsCommittedLateIsTold(t *testing.T) {
	s, url, hand := setScene(t)
	slow := connected(t, url)
	does(t, slow, `BEGIN`, `UPDATE author SET role = 'user' WHERE id = 1`)
	o := observe(t, s)
	if err := o.log.Seen(t.Context(), "observer", o.at); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		does(t, hand, `UPDATE author SET role = 'user' WHERE id = 2`)
		if logged := o.news(); !slices.Equal(logged, []store.Change{userChange(2)}) {
			t.Errorf("while it runs: %v", logged)
		}
	}
	// Nothing is removed that would make everybody doubt until it is over.
	if err := o.log.Prune(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if news, err := o.log.News(t.Context(), "observer", o.at); err != nil || news.Gap {
		t.Errorf("a gap because somebody takes his time: %+v (%v)", news, err)
	}
	does(t, slow, `COMMIT`)
	if census, err := o.log.Nodes(t.Context(), nil); err != nil || census.Nodes[0].Seen {
		t.Errorf("who has not been told has seen it: %+v (%v)", census, err)
	}
	if logged := o.news(); !slices.Equal(logged, []store.Change{userChange(1)}) {
		t.Errorf("afterwards: %v", logged)
	}
	if logged := o.news(); len(logged) != 0 {
		t.Errorf("again: %v", logged)
	}
}

func TestMoments(t *testing.T) {
	m, err := parseMoment("10:20:10,15")
	if err != nil {
		t.Fatal(err)
	}
	for change, saw := range map[serverChange]bool{9: true, 10: false, 11: true, 15: false, 19: true, 20: false, 21: false} {
		if m.saw(change) != saw {
			t.Errorf("%d was seen: %v", change, !saw)
		}
	}
	for _, text := range []string{"", "1:2", "1:2:x", "x:2:", "1:2:3:4", "1:-2:"} {
		if _, err := parseMoment(text); err == nil {
			t.Errorf("%q is a moment", text)
		}
	}
}

// A server that has lost what it had not written down is another one, also where its first process is the same.
func TestEachLifeOfAServerHasItsName(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	url := server.Database(t)
	s := openURL(t, url)
	log, ctx := s.ChangeLog(), t.Context()
	join := func(id string) string {
		t.Helper()
		if err := log.Join(ctx, id, "here:1"); err != nil {
			t.Fatal(err)
		}
		news, err := log.News(ctx, id, nil)
		if err != nil || !news.Live {
			t.Fatalf("%+v (%v)", news, err)
		}
		if err := log.Settle(ctx, "another"); err != nil {
			t.Fatal(err)
		}
		// Where the tables have just been made nobody can hold a lease of another server.
		if census, err := log.Nodes(ctx, nil); err != nil || census.Settled != (id == "first") || census.Server != news.Server {
			t.Errorf("%s: %+v (%v)", id, census, err)
		}
		if err := log.Settle(ctx, news.Server); err != nil {
			t.Fatal(err)
		}
		if census, err := log.Nodes(ctx, nil); err != nil || !census.Settled {
			t.Errorf("%+v (%v)", census, err)
		}
		return news.Server
	}
	names := []string{join("first")}
	renewed := func() (news store.News) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			var err error
			if news, err = log.News(ctx, "first", nil); err == nil {
				return news
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
	t.Run("one of its processes is killed", func(t *testing.T) {
		victim := connected(t, url)
		if err := syscall.Kill(int(victim.PgConn().PID()), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for news := renewed(); news.Live; news = renewed() { // until it has noticed
			time.Sleep(20 * time.Millisecond)
		}
		names = append(names, join("second"))
	})
	for name, end := range map[string]func(testing.TB){"stopped": server.Stop, "aborted": server.Abort, "killed": server.Kill} {
		t.Run(name, func(t *testing.T) {
			end(t)
			if _, err := log.News(ctx, "first", nil); err == nil {
				t.Error("a server that is not there answers")
			}
			server.Restart(t)
			renewed()
			if name == "killed" { // nobody joins, and a command finds out for all
				census, err := log.Nodes(ctx, nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := log.Settle(ctx, census.Server); err != nil {
					t.Fatal(err)
				}
				if named, err := log.Nodes(ctx, nil); err != nil || !named.Settled || named.Server == census.Server {
					t.Errorf("%+v (%v)", named, err)
				}
				return
			}
			if census, err := log.Nodes(ctx, nil); err != nil || census.Settled {
				t.Errorf("settled: %+v (%v)", census, err)
			}
			names = append(names, join(name))
		})
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != 4 {
		t.Errorf("two lives have one name: %v", names)
	}
}

// A rush that takes all connections of the pool keeps nobody from renewing and acknowledging.
func TestTheLogNeedsNoConnectionOfThePool(t *testing.T) {
	s := openURL(t, migrated(t)+"&pool_max_conns=2")
	o := observe(t, s)
	e := s.engine.(*postgresEngine)
	for range 2 {
		l, err := e.lend(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer l.release()
	}
	at, err := o.log.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	o.news()
	if err := o.log.Seen(t.Context(), "observer", o.at); err != nil {
		t.Fatal(err)
	}
	if census, err := o.log.Nodes(t.Context(), at); err != nil || !census.Nodes[0].Seen {
		t.Errorf("%+v (%v)", census, err)
	}
}

// A server that does not answer is given up on within the time of a renewal, and asked again over a new connection.
func TestAFrozenServerHoldsUpNoRenewal(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	s := openURL(t, server.Database(t))
	o := observe(t, s)
	wires := []*wire{s.engine.(*postgresEngine).log.renewals, s.engine.(*postgresEngine).log.lookups, s.engine.(*postgresEngine).log.acknowledgements}
	give := func(patience time.Duration) {
		for _, w := range wires {
			<-w.turn
			w.patience = patience
			w.turn <- struct{}{}
		}
	}
	give(usualWirePatience)
	server.Freeze(t)
	var asking sync.WaitGroup
	for _, ask := range []func() error{
		func() error { _, err := o.log.News(context.Background(), "observer", nil); return err },
		func() error { _, err := o.log.Nodes(context.Background(), nil); return err },
		func() error { return o.log.Seen(context.Background(), "observer", o.at) },
	} {
		asking.Go(func() {
			var err error
			if took := busytest.Took(func() { err = ask() }); err == nil || took > usualWirePatience+300*time.Millisecond {
				t.Errorf("after %v: %v", took, err)
			}
		})
	}
	asking.Wait()
	give(wirePatience)
	server.Thaw(t)
	o.news()
}

// Pokes arrive, those of many at once together, and nobody is the worse for a connection that breaks.
func TestPokesArrive(t *testing.T) {
	url := migrated(t)
	s, other := openURL(t, url), openURL(t, url)
	heard := map[store.Poke]chan struct{}{store.PokeNews: make(chan struct{}, 100), store.PokeSeen: make(chan struct{}, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	var listening sync.WaitGroup
	listening.Go(func() {
		s.ChangeLog().Messenger().Listen(ctx, func(what store.Poke) { heard[what] <- struct{}{} })
	})
	defer listening.Wait()
	defer cancel()
	await := func(what store.Poke) {
		t.Helper()
		select {
		case <-heard[what]:
		case <-time.After(time.Minute):
			t.Fatalf("nobody was asked for %v", what)
		}
	}
	for round := range 2 {
		await(store.PokeNews) // it has begun to listen
		await(store.PokeSeen)
		other.ChangeLog().Messenger().Poke(store.PokeSeen)
		await(store.PokeSeen)
		for range 50 {
			s.ChangeLog().Messenger().Poke(store.PokeNews)
		}
		await(store.PokeNews)
		if n := len(heard[store.PokeNews]); n > 10 {
			t.Errorf("50 pokes at once are %d", n+1)
		}
		if round == 0 {
			time.Sleep(100 * time.Millisecond)
			for len(heard[store.PokeNews]) > 0 {
				<-heard[store.PokeNews]
			}
			does(t, connected(t, url), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`)
		}
	}
}

// The newest migration goes through beside servers of the version before it that write all the time, and is waited for by nobody for long.
func TestTheLogIsAddedBesideRunningServers(t *testing.T) {
	t.Parallel()
	url := migrated(t)
	s := openURL(t, url)
	for n := range int64(2) {
		if err := s.Update(t.Context(), registering(n)); err != nil {
			t.Fatal(err)
		}
	}
	does(t, connected(t, url), `
		DROP TABLE cache_change, cache_node, cache_state, cache_life;
		DO $$ DECLARE f record; BEGIN
			FOR f IN SELECT oid::regprocedure AS name FROM pg_proc WHERE starts_with(proname, 'cache_') LOOP
				EXECUTE 'DROP FUNCTION ' || f.name || ' CASCADE';
			END LOOP;
		END $$;
		DELETE FROM schema_version WHERE version_id = 5`)
	over := make(chan struct{})
	var writing sync.WaitGroup
	var longest time.Duration
	writing.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
			}
			took := busytest.Took(func() {
				err := s.Update(context.Background(), func(tx store.Tx) error {
					u, err := tx.UserByUserID(numbered(1).UserID)
					return errors.Join(err, tx.UpdateUser(u))
				})
				if err != nil {
					t.Error(err)
				}
			})
			longest = max(longest, took)
		}
	})
	// Somebody who takes no turn holds one table, and will want another.
	bulk := connected(t, url)
	does(t, bulk, `BEGIN; UPDATE community_author SET roles = roles`)
	writing.Go(func() {
		time.Sleep(time.Second)
		does(t, bulk, `UPDATE author SET last_seen = last_seen; COMMIT`)
	})
	applied, err := Migrate(t.Context(), url)
	close(over)
	writing.Wait()
	if err != nil || len(applied) != 1 {
		t.Fatalf("applied %v (%v)", applied, err)
	}
	t.Logf("nobody waited for longer than %v", longest)
	if longest > 3*time.Second {
		t.Error("that is long")
	}
	o := observe(t, openURL(t, url))
	if err := s.Update(t.Context(), func(tx store.Tx) error { // by a server that was there before
		u, err := tx.UserByUserID(numbered(1).UserID)
		return errors.Join(err, tx.UpdateUser(u))
	}); err != nil {
		t.Fatal(err)
	}
	if logged := o.news(); !slices.Equal(logged, []store.Change{userChange(2)}) {
		t.Errorf("logged %v", logged)
	}
}

// However long a transaction runs, a renewal looks at nothing but what is new.
func TestRenewalsDoNotReadTheLogAgain(t *testing.T) {
	s, url, hand := setScene(t)
	slow := connected(t, url)
	does(t, slow, `BEGIN`, `SELECT pg_current_xact_id()`)
	does(t, hand, `DO $$ BEGIN FOR n IN 1..1000 LOOP INSERT INTO cache_change (kind) VALUES (6); COMMIT; END LOOP; END $$`)
	o := observe(t, s)
	query := strings.NewReplacer("$1", "'observer'", "$2", "'"+o.at.(serverMoment).text+"'").Replace(newsText)
	does(t, hand, `SET enable_seqscan = off`)
	rows, err := hand.Query(t.Context(), `EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, COSTS OFF) `+query)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range plan {
		var read int
		if at := strings.Index(line, "(actual rows="); at > 0 {
			if _, err := fmt.Sscanf(line[at:], "(actual rows=%d", &read); err != nil || read > 100 {
				t.Errorf("it reads %d rows (%v):\n%s", read, err, strings.Join(plan, "\n"))
				break
			}
		}
	}
}
