// Package pgtest runs throw-away PostgreSQL servers for tests, from the programs that are installed on the machine.
//
// A server listens on a port of the loopback interface only and lets nobody in without its random password. It ends, and its files
// vanish, with the test process, however that ends: by returning, by a panic or by kill -9.
//
// Where no PostgreSQL is installed a test skips and says so; with CI set in the environment it fails.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// patience is how long a server may take for anything that is asked of it. On a machine that is busy with others that is long.
const patience = time.Minute

// place is where servers have their files, and with what settings.
type place struct {
	parent   string // a directory; "" is the usual one
	settings []string
	// copying is how databases are made: as files where nothing waits for a disk, which is quicker than through the log.
	copying string
}

// swift is for servers that lose everything in a crash of the machine, which no test brings about, and in nothing else. They are in memory where
// there is plenty: a database is three hundred small files, for which the file system of a disk takes many times as long.
var swift = sync.OnceValue(func() place {
	in := place{memory(), []string{"fsync=off"}, " STRATEGY file_copy"}
	if in.parent != "" {
		in.settings = append(in.settings, "min_wal_size=32MB", "max_wal_size=64MB")
	}
	return in
})

// shared is the server whose databases Database hands out. It is never killed and needs no whole pages in its log.
var shared = sync.OnceValues(func() (*Server, error) {
	in := swift()
	in.settings = slices.Concat(in.settings, []string{"full_page_writes=off", "autovacuum=off"})
	return start(in)
})

var databases atomic.Int64

// Database makes an empty database, which is dropped when the test ends, and returns its URL. All databases of a test binary are on
// one server.
func Database(tb testing.TB) string {
	tb.Helper()
	s, err := shared()
	mustRun(tb, err)
	return s.Database(tb)
}

// Patient is Database for tests that are not about how soon a server lets a connection in: on a busy machine it may take a second and more, and its
// URL allows a minute.
func Patient(tb testing.TB) string {
	tb.Helper()
	return Database(tb) + "&connect_timeout=60"
}

// Template gives databases like Database, which hold what fill has put into the first of them: it runs once, and the others are copies.
func Template(fill func(url string) error) func(testing.TB) string {
	filled := sync.OnceValues(func() (string, error) {
		s, err := shared()
		if err != nil {
			return "", err
		}
		name := s.unique("filled")
		if err := s.create(name, "template1"); err != nil {
			return "", err
		}
		return name, fill(s.URL(name))
	})
	return func(tb testing.TB) string {
		tb.Helper()
		template, err := filled()
		mustRun(tb, err)
		s, err := shared()
		mustRun(tb, err)
		return s.copy(tb, template)
	}
}

// Start runs a server of the test's own until the test ends. What it has answered outlives its processes, however they end, as in production. It
// would not outlive a crash of the machine.
func Start(tb testing.TB) *Server {
	tb.Helper()
	return own(tb, swift())
}

// StartDurable is Start for those who measure how long something takes: it writes to the disk as in production.
func StartDurable(tb testing.TB) *Server {
	tb.Helper()
	return own(tb, place{})
}

func own(tb testing.TB, in place) *Server {
	tb.Helper()
	s, err := start(in)
	mustRun(tb, err)
	tb.Cleanup(s.remove)
	return s
}

func mustRun(tb testing.TB, err error) {
	tb.Helper()
	switch {
	case err == nil:
	case isMissing(err) && os.Getenv("CI") == "":
		tb.Skipf("this test needs PostgreSQL: %v", err)
	default:
		tb.Fatal(err)
	}
}

// Database makes an empty database on this server, which is dropped when the test ends if the server runs then, and returns its URL.
func (s *Server) Database(tb testing.TB) string {
	tb.Helper()
	return s.copy(tb, "template1")
}

func (*Server) unique(prefix string) string { return fmt.Sprintf("%s%d", prefix, databases.Add(1)) }

func (s *Server) create(name, template string) error {
	return s.exec("CREATE DATABASE " + name + " TEMPLATE " + template + s.copying)
}

func (s *Server) copy(tb testing.TB, template string) string {
	tb.Helper()
	name := s.unique("test")
	if err := s.create(name, template); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if !s.running() {
			return
		}
		if err := s.exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			tb.Error(err)
		}
	})
	return s.URL(name)
}

// Create makes an empty database of that name, which goes with the server.
func (s *Server) Create(tb testing.TB, name string) {
	tb.Helper()
	if err := s.create(name, "template1"); err != nil {
		tb.Fatal(err)
	}
}

// URL is where the database of that name is, for a user who may do everything.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", superuser, s.password, s.port, database)
}

// exec runs one statement as the superuser, on a connection of its own.
func (s *Server) exec(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}
