//go:build unix

package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/busytest"
	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/store"
)

// Behind PgBouncer everything is well where each connection has a process of the server to itself. In its other modes a session's settings and
// locks would be those of whoever comes next, so the start is refused.
func TestPostgresBehindAPooler(t *testing.T) {
	t.Parallel()
	for mode, shared := range map[string]bool{"session": false, "transaction": true, "statement": true} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			through := pooler(t, mode, pgtest.Database(t))
			s, err := Open(t.Context(), through)
			if shared {
				if !errors.Is(err, errShared) {
					t.Fatalf("it is opened with %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			if err := s.Update(t.Context(), func(tx store.Tx) error { _, err := tx.InsertUser(numbered(1)); return err }); err != nil {
				t.Error(err)
			}
		})
	}
}

// pooler starts PgBouncer before a database, and returns the URL that leads through it.
func pooler(t *testing.T, mode, database string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		const what = "pgbouncer is not installed; on Debian: apt-get install --no-install-recommends pgbouncer"
		if os.Getenv("CI") != "" {
			t.Fatal(what)
		}
		t.Skip(what)
	}
	to, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := to.User.Password()
	port, giveBack, err := busytest.Port()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(giveBack)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	ini := filepath.Join(t.TempDir(), "pgbouncer.ini")
	if err := os.WriteFile(ini, fmt.Appendf(nil, `[databases]
* = host=127.0.0.1 port=%s user=%s password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = %s
default_pool_size = 60
`, to.Port(), to.User.Username(), password, port, mode), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--quiet", ini}
	if os.Geteuid() == 0 { // which it does not want to be
		args = append([]string{"--user", "nobody"}, args...)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("PgBouncer does not listen")
		}
	}
	to.Host = address
	return to.String()
}
