package e2e

import (
	"database/sql"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/pgtest"
)

// checksCounted is how many checks are made while PostgreSQL counts statements.
const checksCounted = 200

// A node that holds a lease asks the database nothing to decide a check; one that remembers nothing asks at most twice, and is as right.
func TestNodesAskTheDatabaseOnlyWithoutALease(t *testing.T) {
	besideOthers(t)
	postgres := pgtest.Start(t)
	url := counting(t, postgres)
	cutOff := newCluster(t, 1, func() (string, *proxy) {
		by, url := through(t, url)
		return url, by
	})
	// The others hold theirs for so long that no machine is too slow to renew them, and every statement is one that their rules ask for.
	execute(t, url, "UPDATE cache_state SET hold_ms = 60000, wait_ms = 80000")
	remembering := newCluster(t, 2, directly(url))
	forgetful := newCluster(t, 1, directly(url), "--memory", "0")
	s := remembering.cast(t, everyRevocation[:1], 1)[0]
	all := &cluster{nodes: slices.Concat(remembering.nodes, forgetful.nodes, cutOff.nodes), began: remembering.began}
	if err := all.warm(s); err != nil {
		t.Fatal(err)
	}
	lost := cutOff.nodes[0]
	lost.proxy.freeze(func(c *proxied) bool { return c.renews.Load() })
	for lost.remembers(t) {
		<-time.After(10 * time.Millisecond)
	}
	for _, one := range []struct {
		name string
		*node
		atMost int
	}{
		{"with a lease", remembering.nodes[1], 0},
		{"without memory", forgetful.nodes[0], 2},
		{"without renewals", lost, 2},
	} {
		if one.atMost == 0 && !remembering.remembers {
			t.Log("these nodes hold no leases")
			one.atMost = 2
		}
		for _, q := range questions {
			statements := lookUps(t, url, func() {
				for range checksCounted {
					if v := q.ask(one.server().client, s); v != allowed {
						t.Fatalf("%s %s: verdict %d", q.name, one.name, v)
					}
				}
			})
			t.Logf("%s %s: %d look-ups for %d checks", q.name, one.name, sum(statements), checksCounted)
			if sum(statements) > one.atMost*checksCounted {
				t.Errorf("%s %s: at most %d look-ups for each are promised, and these were made: %v", q.name, one.name, one.atMost, statements)
			}
		}
	}
	lost.proxy.well()
	if err := remembering.insist(s); err != nil {
		t.Fatal(err)
	}
	all.sweep(t, []*subject{s})
}

// counting makes a database whose server counts statements.
func counting(t *testing.T, postgres *pgtest.Server) (url string) {
	t.Helper()
	execute(t, postgres.URL("postgres"), "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
	postgres.Stop(t)
	postgres.Restart(t)
	url = postgres.Database(t)
	execute(t, url, "CREATE EXTENSION pg_stat_statements")
	return url
}

func execute(t *testing.T, url, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// notLookUps are statements that no check waits for: what leases are renewed and news spread by, transactions, how
// connections begin, and this count itself.
var notLookUps = regexp.MustCompile(`(?i)cache_|pg_stat_statements|pg_notify|set_config|^(BEGIN|COMMIT|ROLLBACK|SET|LISTEN|SHOW|DEALLOCATE|INSERT|UPDATE|DELETE|-- ping)\b|^;`)

// lookUps are the statements that PostgreSQL saw meanwhile and that read what checks are decided by.
func lookUps(t *testing.T, url string, do func()) map[string]int {
	t.Helper()
	execute(t, url, "SELECT pg_stat_statements_reset()")
	do()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `
		SELECT query, calls FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := map[string]int{}
	for rows.Next() {
		var query string
		var calls int
		if err := rows.Scan(&query, &calls); err != nil {
			t.Fatal(err)
		}
		if query = strings.TrimSpace(query); !notLookUps.MatchString(query) {
			found[query] = calls
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

func sum(counts map[string]int) (all int) {
	for _, n := range counts {
		all += n
	}
	return all
}
