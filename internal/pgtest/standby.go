//go:build unix

package pgtest

import (
	"crypto/rand"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Standby runs a server that streams what this one writes, until the test ends. It is called name where the primary speaks of its standbys.
func (s *Server) Standby(tb testing.TB, name string) *Server {
	tb.Helper()
	standby, err := s.standby(name)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(standby.remove)
	return standby
}

func (s *Server) standby(name string) (*Server, error) {
	return begin(s.place, s.password, func(standby *Server, bin string, credential *syscall.Credential) error {
		slot := "s" + strings.ToLower(rand.Text())
		copying := exec.Command(filepath.Join(bin, "pg_basebackup"), "--pgdata", filepath.Join(standby.dir, "data"), "--checkpoint", "fast", "--no-sync",
			"--wal-method", "stream", "--write-recovery-conf", "--create-slot", "--slot", slot,
			"--dbname", s.URL("postgres")+"&application_name="+name)
		copying.Dir, copying.SysProcAttr = standby.dir, &syscall.SysProcAttr{Credential: credential}
		if said, err := copying.CombinedOutput(); err != nil {
			return fmt.Errorf("pg_basebackup: %w\n%s", err, said)
		}
		return nil
	})
}

// Promote makes a standby a primary, and returns when it takes writes.
func (s *Server) Promote(tb testing.TB) {
	tb.Helper()
	s.Exec(tb, "SELECT pg_promote()")
}

// Exec runs one statement as the superuser.
func (s *Server) Exec(tb testing.TB, statement string) {
	tb.Helper()
	if err := s.exec(statement); err != nil {
		tb.Fatal(err)
	}
}

// Synchronous makes commits wait for the standbys that synchronous_standby_names describes so; "" for none.
func (s *Server) Synchronous(tb testing.TB, names string) {
	tb.Helper()
	s.Exec(tb, "ALTER SYSTEM SET synchronous_standby_names = '"+names+"'")
	s.Exec(tb, "SELECT pg_reload_conf()")
}

// Follows waits until a standby has what this one answers.
func (s *Server) Follows(tb testing.TB) {
	tb.Helper()
	const synchronous = "SELECT 1 / count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
	for deadline := time.Now().Add(patience); s.exec(synchronous) != nil; <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatal("the standby does not follow")
		}
	}
}

// Either is the URL of the database of that name on whichever of the two servers takes writes.
func (s *Server) Either(other *Server, database string) string {
	return strings.Replace(s.URL(database), ":"+strconv.Itoa(s.port)+"/", ":"+strconv.Itoa(s.port)+",127.0.0.1:"+strconv.Itoa(other.port)+"/", 1)
}
