//go:build unix

package pgtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

// childEnv makes this test binary a program that starts a server, says where, and waits to be killed.
const childEnv = "PGTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		s, err := start(swift())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(s.dir, s.pid)
		select {}
	}
	goleak.VerifyTestMain(m)
}

func ask[T any](t *testing.T, url, question string) (answer T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), question).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func tell(t *testing.T, url, statement string) {
	t.Helper()
	ask[bool](t, url, "WITH done AS ("+statement+" RETURNING 1) SELECT count(*) > 0 FROM done")
}

func TestDatabasesAreEmptyAndDropped(t *testing.T) {
	const count = `SELECT count(*) FROM pg_database WHERE datname LIKE 'test%'`
	first := Database(t)
	before := ask[int](t, first, count)
	t.Run("inside", func(t *testing.T) {
		if url := Database(t); url == first || ask[int](t, url, count) != before+1 {
			t.Errorf("%s is not another database", url)
		}
		if tables := ask[int](t, Database(t), `SELECT count(*) FROM pg_tables WHERE schemaname = 'public'`); tables != 0 {
			t.Errorf("a new database has %d tables", tables)
		}
	})
	if after := ask[int](t, first, count); after != before {
		t.Errorf("%d databases are left, want %d", after, before)
	}
}

func TestTemplate(t *testing.T) {
	filled := 0
	like := Template(func(url string) error {
		filled++
		tell(t, url, "INSERT INTO pg_description VALUES (2, 2, 2, 'filled')")
		return nil
	})
	urls := []string{like(t), like(t)}
	for _, url := range urls {
		if n := ask[int](t, url, "SELECT count(*) FROM pg_description WHERE description = 'filled'"); n != 1 {
			t.Errorf("%s holds %d rows", url, n)
		}
		tell(t, url, "DELETE FROM pg_description WHERE description = 'filled'")
	}
	if urls[0] == urls[1] || filled != 1 {
		t.Errorf("%q, filled %d times", urls, filled)
	}
}

func TestNobodyGetsInWithoutThePassword(t *testing.T) {
	url := Database(t)
	conn, err := pgx.Connect(t.Context(), strings.Replace(url, ":", ":x", 2))
	if err == nil {
		conn.Close(t.Context())
		t.Error("a wrong password was accepted")
	}
}

func TestRestart(t *testing.T) {
	s := Start(t)
	url := s.Database(t)
	tell(t, s.URL("postgres"), "INSERT INTO pg_description SELECT 0, 0, 0, 'here' ") // any table will do
	for name, end := range map[string]func(testing.TB){"stopped": s.Stop, "aborted": s.Abort, "killed": s.Kill} {
		end(t)
		if _, err := pgx.Connect(t.Context(), url); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s, it answers %v", name, err)
		}
		s.Restart(t)
		if left := ask[int](t, s.URL("postgres"), "SELECT count(*) FROM pg_description WHERE description = 'here'"); left != 1 {
			t.Errorf("%s, it has forgotten", name)
		}
	}
	if whole := ask[string](t, url, "SHOW full_page_writes"); whole != "on" { // half a page may be what kill -9 leaves
		t.Errorf("full_page_writes is %s", whole)
	}
}

func TestDurable(t *testing.T) {
	s := StartDurable(t)
	for setting, want := range map[string]string{"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "max_wal_size": "1GB"} {
		if got := ask[string](t, s.URL("postgres"), "SHOW "+setting); got != want {
			t.Errorf("%s is %s", setting, got)
		}
	}
}

func TestFreeze(t *testing.T) {
	s := Start(t)
	url := s.Database(t)
	s.Freeze(t)
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if conn, err := pgx.Connect(short, url); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("frozen, it answers: %v %v", conn, err)
	}
	s.Thaw(t)
	ask[int](t, url, "SELECT 1")
}

func TestNothingIsLeftWhenTheTestProcessIsKilled(t *testing.T) {
	Database(t) // skips where there is none
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childEnv+"=1")
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var dir string
	var pid int
	if _, err := fmt.Sscan(line, &dir, &pid); err != nil {
		t.Fatal(err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		_, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) && syscall.Kill(pid, 0) != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v, process %d: %v", dir, err, pid, syscall.Kill(pid, 0))
		}
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s, err := start(swift())
		mustRun(b, err)
		s.remove()
	}
}

// BenchmarkDatabase is what a test pays for a database of its own.
func BenchmarkDatabase(b *testing.B) {
	s, err := shared()
	mustRun(b, err)
	for b.Loop() {
		for _, statement := range []string{"CREATE DATABASE again", "DROP DATABASE again WITH (FORCE)"} {
			if err := s.exec(statement); err != nil {
				b.Fatal(err)
			}
		}
	}
}
