//go:build unix

package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Standby starts a server that copies this one, and has this one answer no commit that the other has not on its disk. It ends with the test.
func (s *Server) Standby(tb testing.TB) *Server {
	tb.Helper()
	standby, err := s.standby()
	mustRun(tb, err)
	tb.Cleanup(standby.remove)
	// After the copy was made: the copy is to wait for nobody when it takes over.
	for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
		if err := s.exec(statement); err != nil {
			tb.Fatal(err)
		}
	}
	const synchronous = "SELECT 1 / count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
	for deadline := time.Now().Add(patience); s.exec(synchronous) != nil; <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatal("the standby does not follow")
		}
	}
	return standby
}

// standby makes the copy and starts it.
func (s *Server) standby() (_ *Server, err error) {
	bin, err := find()
	if err != nil {
		return nil, err
	}
	credential, err := unprivileged()
	if err != nil {
		return nil, err
	}
	other := &Server{password: s.password}
	if other.port, err = freePort(); err != nil {
		return nil, err
	}
	if other.dir, err = os.MkdirTemp("", "pgtest"); err != nil {
		return nil, err
	}
	if err := other.launch(bin, credential, nil); err != nil {
		return nil, errors.Join(err, os.RemoveAll(other.dir))
	}
	copying := exec.Command(filepath.Join(bin, "pg_basebackup"), "--pgdata", filepath.Join(other.dir, "data"), "--write-recovery-conf",
		"--checkpoint", "fast", "--no-sync", "--dbname", fmt.Sprintf("host=127.0.0.1 port=%d user=%s password=%s", s.port, superuser, s.password))
	copying.Dir, copying.SysProcAttr = other.dir, &syscall.SysProcAttr{Credential: credential}
	if said, err := copying.CombinedOutput(); err != nil {
		other.remove()
		return nil, fmt.Errorf("pg_basebackup: %w\n%s", err, said)
	}
	if err := other.run(); err != nil {
		other.remove()
		return nil, err
	}
	return other, nil
}

// Promote makes a standby take over and returns when it takes writes.
func (s *Server) Promote(tb testing.TB) {
	tb.Helper()
	if err := s.exec("SELECT 1 / pg_promote(true)::int"); err != nil {
		tb.Fatal(err)
	}
}

// EitherURL is where the database of that name is while one of them takes writes, this one or its standby.
func (s *Server) EitherURL(standby *Server, database string) string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d,127.0.0.1:%d/%s?sslmode=disable&target_session_attrs=read-write",
		superuser, s.password, s.port, standby.port, database)
}
