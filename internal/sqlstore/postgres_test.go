package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/store"
)

// tell runs statements on the database at url as another program would.
func tell(tb testing.TB, url, statements string) {
	tb.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), statements); err != nil {
		tb.Fatal(err)
	}
}

// ask gets one value from a connection of the store.
func ask[T any](tb testing.TB, q querier, question string, args ...any) (answer T) {
	tb.Helper()
	err := q.query(context.Background(), func(row *sql.Rows) error { return row.Scan(&answer) }, question, args...)
	if err != nil {
		tb.Fatal(err)
	}
	return answer
}

func TestPostgresOpenRefuses(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	database := url[strings.LastIndex(url, "/"):]
	host := url[strings.LastIndex(url, "@"):]
	tell(t, url, `CREATE DATABASE latin ENCODING 'SQL_ASCII' TEMPLATE template0; `)
	t.Cleanup(func() { tell(t, url, `DROP DATABASE latin`) })
	tell(t, url, `CREATE ROLE guest LOGIN PASSWORD 'secret'`)
	t.Cleanup(func() { tell(t, url, `DROP ROLE guest`) })

	for url, tells := range map[string]string{
		"postgres://postgres:secret" + host:                                  "password authentication failed",
		strings.Replace(url, database, "/nowhere?secret=secret", 1):          "secret", // replaced below
		strings.Replace(url, database, "/latin?sslmode=disable", 1):          "needs UTF8",
		"postgres://guest:secret" + host:                                     "must own the database",
		"postgres://u:secret@127.0.0.1:1/db":                                 "connection refused",
		"postgres://u:sec@secret@127.0.0.1:1/db":                             "must look like",
		"postgres://u:secret/secret@127.0.0.1:1/db":                          "must look like",
		"postgres://u:secret?secret@127.0.0.1:1/db":                          "must look like",
		"postgres://u:secret@[::1/db":                                        "must look like",
		"postgres://u:secret":                                                "must look like",
		"postgres://u:secret@h/db?sslmode=secret":                            "must look like",
		"postgresql://u:secret@127.0.0.1:1/db?sslrootcert=/no/such/cert":     "/no/such/cert",
		"postgresql://u:secret@127.0.0.1:1/db?pool_max_conns=1":              "from 2",
		"postgresql://u:secret@127.0.0.1:1/db?pool_max_conns=secret":         "from 2",
		"postgresql://u@127.0.0.1:1/db?password=secret&sslpassword=secret":   "connection refused",
		"postgresql://127.0.0.1:1,127.0.0.1:2/db?user=u&password=secret":     "connection refused",
		"postgres:u:secret@127.0.0.1/db":                                     "postgres://USER",
		"POSTGRES://u:secret@127.0.0.1/db":                                   "postgres://USER",
		"postgresql://u:%zzsecret@127.0.0.1:1/db":                            "must look like",
		"postgresql://u:secret@127.0.0.1:1/db?target_session_attrs=whatever": "must look like",
		"postgresql://u:secret@127.0.0.1:secret/db":                          "must look like",
		"postgresql://u:secret@127.0.0.1:1/db?connect_timeout=secret":        "must look like",
		"postgresql://u:secret@127.0.0.1:1/db?options=-csecret%3Dsecret&x=@": "",
		"postgresql://u:secret:secret@127.0.0.1:1/db":                        "",
		"postgresql://u:secret@127.0.0.1:1/secret@secret":                    "",
	} {
		if strings.Contains(url, "nowhere") {
			url, tells = strings.Replace(url, "?secret=secret", "?sslmode=disable", 1), `"nowhere" does not exist`
		}
		s, err := Open(t.Context(), url)
		if err == nil {
			s.Close()
			t.Errorf("%q was opened", url)
			continue
		}
		if !strings.Contains(err.Error(), tells) {
			t.Errorf("%q: %v does not say %q", url, err, tells)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v tells the password", url, err)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v is more than a line", url, err)
		}
	}
}

func TestRedact(t *testing.T) {
	for url, want := range map[string]string{
		"sqlite:a@b":             "sqlite:a@b",
		"postgres://anna:s@h/db": "postgres://anna@h/db",
		"postgres://anna:s:s%40@h:5432/db?password=s&x=y": "postgres://anna@h:5432/db",
		"postgresql://h/db":                        "postgresql://h/db",
		"postgresql://anna@h":                      "postgresql://anna@h",
		"postgresql:///db?host=/run":               "postgresql:///db",
		"postgresql://anna:s@h1:1,h2:2,[::1]:3/db": "postgresql://anna@h1:1,h2:2,[::1]:3/db",
		"postgresql://anna:s/s@h/db":               "postgresql://…",
		"postgresql://anna:s@s@h/db":               "postgresql://…",
		"postgresql://anna:s?s@h/db":               "postgresql://…",
		"postgresql://anna:s#s@h/db":               "postgresql://…",
		"postgresql://anna:s":                      "postgresql://…",
		"mysql://anna:s@h":                         `"mysql"…`,
		"secret":                                   `…`,
		"":                                         `…`,
	} {
		if got := Redact(url); got != want {
			t.Errorf("%q is shown as %q, want %q", url, got, want)
		}
	}
}

func TestPostgresVersions(t *testing.T) {
	for version, ok := range map[string]bool{
		"15.18 (Debian 15.18-0+deb12u1)": true, "15": true, "19beta1": true, "14.9": false, "9.6.24": false, "": false, "devel": false,
	} {
		if got := newEnough(version); got != ok {
			t.Errorf("version %q is new enough: %v", version, got)
		}
	}
}

// TestPostgresAsksForAPasswordAsUsual: the servers of tests ask in an older way, which costs less.
func TestPostgresAsksForAPasswordAsUsual(t *testing.T) {
	own := pgtest.Database(t)
	tell(t, own, `SET password_encryption = 'scram-sha-256'; CREATE ROLE usual SUPERUSER LOGIN PASSWORD 'a:sentence'`)
	as, err := url.Parse(own)
	if err != nil {
		t.Fatal(err)
	}
	as.User = url.UserPassword("usual", "a:sentence")
	s := openURL(t, as.String())
	if got := ask[string](t, s.engine, `SELECT current_user || ' ' || left(rolpassword, 14) FROM pg_authid WHERE rolname = current_user`); got != "usual SCRAM-SHA-256$" {
		t.Errorf("it is %s", got)
	}
}

func TestPostgresManyOpenAtOnce(t *testing.T) {
	url := pgtest.Database(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := Open(context.Background(), url)
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(s.Ready(t.Context()), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	q := openURL(t, url).engine
	if all, distinct := ask[int](t, q, `SELECT count(*) FROM schema_version`),
		ask[int](t, q, `SELECT count(DISTINCT version_id) FROM schema_version`); all != distinct || all < 2 {
		t.Errorf("schema_version holds %d rows of %d versions", all, distinct)
	}
}

func TestPostgresNewerSchemaIsRefused(t *testing.T) {
	url := pgtest.Database(t)
	if _, err := Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	tell(t, url, `INSERT INTO schema_version (version_id, is_applied) VALUES (9999, true)`)
	s, err := Open(t.Context(), url)
	if err == nil {
		s.Close()
		t.Fatal("a schema of version 9999 was opened")
	}
	if !strings.Contains(err.Error(), "9999") || !strings.Contains(err.Error(), "newer Propusk") {
		t.Errorf("%v does not tell what to do", err)
	}
}

func TestPostgresSettings(t *testing.T) {
	url := migrated(t)
	name := url[strings.LastIndex(url, "/")+1 : strings.LastIndex(url, "?")]
	tell(t, url, `ALTER DATABASE `+name+` SET synchronous_commit = off; ALTER DATABASE `+name+` SET timezone = 'Asia/Tokyo'`)
	s := openURL(t, url+"&pool_max_conns=3&application_name=here")
	for setting, want := range map[string]string{
		"synchronous_commit": "on", "timezone": "UTC", "application_name": "here", "client_encoding": "UTF8", "jit": "off",
		"statement_timeout": "30s", "idle_in_transaction_session_timeout": "4s",
	} {
		if got := ask[string](t, s.engine, "SHOW "+setting); got != want {
			t.Errorf("%s is %s, want %s", setting, got, want)
		}
	}
	// A pooler may refuse what a connection is begun with, or drop it.
	l := s.engine.(*postgresEngine).log
	for _, config := range []*pgx.ConnConfig{
		s.engine.(*postgresEngine).conns.config, l.renewals.config, l.acknowledgements.config, l.lookups.config, l.upkeep.config, l.messenger.config,
	} {
		for name := range config.RuntimeParams {
			if !slices.Contains([]string{"application_name", "client_encoding", "timezone"}, name) {
				t.Errorf("a connection begins with %s", name)
			}
		}
	}
	err := l.acknowledgements.use(t.Context(), func(ctx context.Context, conn *pgx.Conn) error {
		var commits, patience string
		err := conn.QueryRow(ctx, `SELECT current_setting('synchronous_commit'), current_setting('statement_timeout')`).Scan(&commits, &patience)
		if commits != "off" || patience != "1s" {
			t.Errorf("acknowledgements wait %s for their commits and %s for their statements", commits, patience)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if got := s.Stats().Pool.MaxOpenConnections; got != 3 {
		t.Errorf("the pool has %d connections", got)
	}
	err = s.Update(t.Context(), func(tx_ store.Tx) error {
		if got := ask[string](t, tx_.(tx).db, "SHOW transaction_isolation"); got != "serializable" {
			t.Errorf("an Update is %s", got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	err = s.View(t.Context(), func(r store.Reader) error {
		if got := ask[string](t, r.(reader).db, "SHOW transaction_isolation"); got != "repeatable read" {
			t.Errorf("a View is %s", got)
		}
		_, err := r.(reader).db.exec(t.Context(), "DELETE FROM author")
		return err
	})
	if err == nil {
		t.Error("a View wrote")
	}
}

func TestPostgresIDsEndWhereGraphQLInt(t *testing.T) {
	url := migrated(t)
	s := openURL(t, url)
	if err := s.Update(t.Context(), inserting(1)); err != nil {
		t.Fatal(err)
	}
	tell(t, url, `ALTER TABLE author ALTER COLUMN id RESTART WITH 2147483647`)
	if err := s.Update(t.Context(), inserting(2)); err != nil {
		t.Errorf("the last id: %v", err)
	}
	if s.Update(t.Context(), inserting(3)) == nil {
		t.Error("an id of 2³¹ was given")
	}
	tell(t, url, `DELETE FROM author; ALTER TABLE author ALTER COLUMN id RESTART WITH 41`)
	if err := errors.Join(s.Update(t.Context(), inserting(4)), s.Update(t.Context(), func(tx store.Tx) error {
		if err := inserting(5)(tx); err != nil {
			return err
		}
		return errRefused
	})); !errors.Is(err, errRefused) {
		t.Fatal(err)
	}
	tell(t, url, `DELETE FROM author`)
	if err := s.Update(t.Context(), inserting(6)); err != nil {
		t.Fatal(err)
	}
	if u, err := s.Now(t.Context()).UserByUserID(numbered(6).UserID); err != nil || u.ID < 42 {
		t.Errorf("after all rows were removed by hand the next id is %d (%v)", u.ID, err)
	}
}

// Another may take a name between the look and the leap, also without having looked. Then the look is taken again.
func TestNameTakenUnseen(t *testing.T) {
	s := openURL(t, migrated(t))
	var looks []bool
	err := s.Update(t.Context(), func(tx store.Tx) error {
		row := numbered(1)
		exists, err := tx.SlugExists(row.Slug)
		if err != nil {
			return err
		}
		if looks = append(looks, exists); exists {
			row.Slug += "-2"
		} else if len(looks) == 1 {
			other := numbered(2)
			other.Slug = row.Slug
			if err := s.Update(t.Context(), func(tx store.Tx) error {
				_, err := tx.InsertUser(other)
				return err
			}); err != nil {
				return err
			}
		}
		_, err = tx.InsertUser(row)
		return err
	})
	if err != nil || fmt.Sprint(looks) != "[false true]" {
		t.Errorf("looked %v and got %v", looks, err)
	}
	if stats := s.Stats(); stats.Conflicts != 1 || stats.Updates != 2 || stats.Commits != 2 {
		t.Errorf("counted %+v", stats)
	}
}

// Nodes take turns too: none starves, and none gives up.
func TestNodesThatFightOverOneRow(t *testing.T) {
	url := migrated(t)
	nodes := []*Store{openURL(t, url), openURL(t, url), openURL(t, url)}
	const clients, each = 16, 5
	var wg sync.WaitGroup
	for _, s := range nodes {
		for range clients {
			wg.Go(func() {
				for range each {
					if err := s.Update(context.Background(), counting(store.CounterKey{})); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	c, err := nodes[0].Now(t.Context()).Counter(store.CounterKey{})
	if err != nil || c.Count != len(nodes)*clients*each {
		t.Errorf("counted %d (%v)", c.Count, err)
	}
}

// What one reads the others write, in a circle, and that on several nodes: whoever lost then runs alone, and that run decides. The server keeps
// what a transaction has read for a moment longer than its lock, and once took those for being in the way of the one that is alone.
func TestWhoRunsAloneIsObstructedByNobody(t *testing.T) {
	url := migrated(t)
	nodes := []*Store{openURL(t, url), openURL(t, url), openURL(t, url)}
	const clients, each, keys = 8, 60, 3
	var most atomic.Int64
	var wg sync.WaitGroup
	for _, s := range nodes {
		for client := range clients {
			wg.Go(func() {
				for i := range each {
					runs := int64(0)
					err := s.Update(context.Background(), func(tx store.Tx) error {
						runs++
						for key := range keys {
							if _, err := tx.Counter(store.CounterKey{byte(key)}); err != nil && !errors.Is(err, store.ErrNotFound) {
								return err
							}
						}
						return counting(store.CounterKey{byte((client + i) % keys)})(tx)
					})
					if err != nil {
						t.Error(err)
					}
					for m := most.Load(); runs > m && !most.CompareAndSwap(m, runs); m = most.Load() {
					}
				}
			})
		}
	}
	wg.Wait()
	if most.Load() > 2 {
		t.Errorf("an Update ran %d times", most.Load())
	}
}

// PostgreSQL answers the commit of a transaction in which a statement failed with a rollback, and calls it no error.
func TestCommitThatRollsBackIsNoCommit(t *testing.T) {
	s := openURL(t, migrated(t))
	err := s.Update(t.Context(), func(tx_ store.Tx) error {
		if err := inserting(1)(tx_); err != nil {
			return err
		}
		_, err := tx_.(tx).db.exec(context.Background(), `SELECT 1/0`) // past what would remember it
		if err == nil {
			t.Error("no failure")
		}
		return nil
	})
	if !errors.Is(err, errRolledBack) || propusk.KindOf(err) != propusk.Internal {
		t.Errorf("answered %v", err)
	}
	checkThere(t, s, map[int64]bool{1: false})
}

// Two that want what the other has are told apart by the database; both get their way.
func TestDeadlock(t *testing.T) {
	t.Parallel()
	s := openURL(t, migrated(t))
	err := s.Update(t.Context(), func(tx store.Tx) error { return errors.Join(inserting(1)(tx), inserting(2)(tx)) })
	if err != nil {
		t.Fatal(err)
	}
	var both, wg sync.WaitGroup
	both.Add(2)
	for _, order := range [][2]int64{{1, 2}, {2, 1}} {
		wg.Go(func() {
			runs := 0
			err := s.Update(context.Background(), func(tx store.Tx) error {
				runs++
				for i, id := range order {
					if err := tx.SetPasswordHash(id, fmt.Sprint("by ", order)); err != nil {
						return err
					}
					if i == 0 && runs == 1 {
						both.Done()
						both.Wait()
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestPostgresCloseWaits(t *testing.T) {
	s := openURL(t, migrated(t))
	inside, goOn, closed := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	answered := make(chan error, 1)
	go func() {
		answered <- s.Update(context.Background(), func(tx store.Tx) error {
			close(inside)
			<-goOn
			return inserting(1)(tx)
		})
	}()
	<-inside
	go func() { closed <- s.Close() }()
	for propusk.KindOf(s.Ready(t.Context())) != propusk.Unavailable { // until Close has begun
	}
	select {
	case err := <-closed:
		t.Errorf("Close did not wait: %v", err)
	default:
	}
	close(goOn)
	if err := errors.Join(<-answered, <-closed); err != nil {
		t.Error(err)
	}
}

func TestReaderOfPostgresIsInterrupted(t *testing.T) {
	s := openURL(t, migrated(t))
	for range s.Stats().Pool.MaxOpenConnections + 1 {
		ctx, cancel := context.WithCancel(t.Context())
		stop := time.AfterFunc(10*time.Millisecond, cancel)
		_, err := many(s.reader(ctx, s.engine), value[string], `SELECT pg_sleep(3600)::text`)
		stop.Stop()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("an endless query whose caller went answered %v", err)
		}
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestErrorsOfPostgres(t *testing.T) {
	s := openURL(t, migrated(t))
	for code, want := range map[string]propusk.Kind{
		"53100": propusk.Unavailable, // disk_full
		"53300": propusk.Unavailable, // too_many_connections
		"25006": propusk.Unavailable, // read_only_sql_transaction
		"57014": propusk.Unavailable, // query_canceled
		"58030": propusk.Unavailable, // io_error
		"28P01": propusk.Unavailable, // invalid_password
		"55P03": propusk.Unavailable, // lock_not_available
		"42P01": propusk.Internal,    // undefined_table
		"23514": propusk.Internal,    // check_violation
		"XX001": propusk.Internal,    // data_corrupted
	} {
		_, err := s.exec(t.Context(), `DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '`+code+`'; END $$`)
		if got := propusk.KindOf(err); got != want {
			t.Errorf("%s is of kind %v (%v), want %v", code, got, err, want)
		}
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}
