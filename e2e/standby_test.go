package e2e

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/pgtest"
)

// replication is what /readyz says of standbys.
func (s *server) replication(t *testing.T) string {
	t.Helper()
	return s.call(t, http.StatusOK, "GET", "/readyz", "", nil).text("replication")
}

// awaitReplication waits until /readyz says so. The server looks every five seconds.
func (s *server) awaitReplication(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		got := s.replication(t)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("/readyz says replication is %q, want %q", got, want)
		}
	}
}

// With a standby that commits wait for, what was answered survives the loss of the primary. --ha tells whether there is one, and the server is
// ready all the while.
func TestAnAcknowledgedRevocationSurvivesFailover(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	primary.Create(t, "propusk")
	standby := primary.Standby(t, "second")
	// Without synchronous_standby_names nobody waits for the standby, connected or not.
	s := serve(t, setup{env: slices.Concat(cheap, withAdmin), args: append([]string{"--ha", "--database", primary.Either(standby, "propusk")}, quiet...)})
	if got := s.replication(t); got != "asynchronous" {
		t.Errorf("without synchronous_standby_names replication is %q", got)
	}
	if s.err.await(regexp.MustCompile(`WARN.*synchronous_standby_names`), s.exited) == nil {
		t.Errorf("it does not warn: %s", s.err)
	}
	if metrics := s.call(t, http.StatusOK, "GET", "/metrics", "", nil).raw; !strings.Contains(metrics, "propusk_replication_synchronous 0\n") {
		t.Error("no metric tells it")
	}
	primary.Synchronous(t, "FIRST 1 (second)")
	s.awaitReplication(t, "synchronous")

	admin := s.login(t, adminEmail, adminPassword)
	anna, boris := s.register(t, "Anna"), s.register(t, "Boris")
	tokens := []string{s.login(t, address("Anna"), ordinaryPassword), s.login(t, address("Boris"), ordinaryPassword)}
	s.call(t, http.StatusOK, "PUT", "/api/admin/block/"+anna, admin, nil)
	primary.Kill(t)
	standby.Promote(t)
	s.awaitStatus(t, http.StatusOK, patience)
	s.call(t, http.StatusUnauthorized, "GET", "/api/users/me", tokens[0], nil)
	s.call(t, http.StatusOK, "GET", "/api/users/me", tokens[1], nil)
	s.call(t, http.StatusOK, "PUT", "/api/admin/block/"+boris, admin, nil)
	s.awaitReplication(t, "asynchronous") // until somebody gives the new primary a standby
}

// While the standby is away changes wait and checks go on, and an operator who lets them go on without it gets no false word.
func TestAChangeThatNoStandbyHasIsNotAnswered(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	primary.Create(t, "propusk")
	standby := primary.Standby(t, "second")
	primary.Synchronous(t, "second")
	s := serve(t, setup{env: slices.Concat(cheap, withAdmin), args: append([]string{"--ha", "--database", primary.URL("propusk")}, quiet...)})
	s.awaitReplication(t, "synchronous")
	admin := s.login(t, adminEmail, adminPassword)
	standby.Stop(t)
	s.awaitReplication(t, "waiting")

	registered := make(chan answer, 1)
	go func() {
		got, err := s.try("POST", "/api/users/register", "", registration("Anna"))
		if err != nil {
			got.raw = err.Error()
		}
		registered <- got
	}()
	select {
	case got := <-registered:
		t.Fatalf("answered without the standby: %v", got)
	case <-time.After(time.Second):
	}
	s.call(t, http.StatusOK, "GET", "/api/users/me", admin, nil)
	for len(registered) == 0 { // something else may wait beside it, and before it
		primary.Exec(t, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type = 'client backend'")
		time.Sleep(10 * time.Millisecond)
	}
	got := <-registered
	var problem struct{ Code string }
	if err := json.Unmarshal([]byte(got.raw), &problem); err != nil || got.status != http.StatusServiceUnavailable || problem.Code != "outcome_unknown" {
		t.Errorf("a commit that gave up waiting is answered %v", got)
	}
	standby.Restart(t)
	s.awaitReplication(t, "synchronous")
}

// A user without the right to see it is told what right that is.
func TestTheStateOfStandbysMayBeHidden(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	primary.Exec(t, "CREATE ROLE plain LOGIN PASSWORD 'plain'")
	primary.Exec(t, "CREATE DATABASE propusk OWNER plain")
	primary.Standby(t, "second")
	primary.Synchronous(t, "second")
	url := regexp.MustCompile(`//[^@]*@`).ReplaceAllString(primary.URL("propusk"), "//plain:plain@")
	s := serve(t, setup{env: cheap, args: append([]string{"--ha", "--database", url}, quiet...)})
	if s.err.await(regexp.MustCompile(`GRANT pg_monitor`), s.exited) == nil || s.replication(t) != "unknown" {
		t.Errorf("replication is %q: %s", s.replication(t), s.err)
	}
	primary.Exec(t, "GRANT pg_monitor TO plain")
	s.awaitReplication(t, "synchronous")
}

// What cannot be is refused at the start.
func TestHighAvailabilityThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		database string
		says     []string
	}{
		"SQLite":          {"sqlite:propusk.db", []string{"--ha", "PROPUSK_HA", "needs PostgreSQL"}},
		"a weaker commit": {pgtest.Database(t) + "&synchronous_commit=remote_write", []string{"--ha", "synchronous_commit=remote_write", "--database"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, said := run(t, setup{args: []string{"serve", "--listen", "127.0.0.1:0", "--ha", "--database", c.database}, env: cheap})
			refused(t, code, out, said, c.says, "\x00")
		})
	}
	s := serve(t, setup{env: cheap})
	if got := s.call(t, http.StatusOK, "GET", "/readyz", "", nil).raw; strings.Contains(got, "replication") {
		t.Errorf("without --ha /readyz says %s", got)
	}
}
