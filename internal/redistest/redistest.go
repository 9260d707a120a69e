// Package redistest runs throw-away Redis servers for tests, from the program that is installed on the machine.
//
// A server listens on a port of the loopback interface only, lets nobody in without its random password and keeps nothing: what it held
// is lost when it ends. It ends, and its files vanish, with the test process, however that ends: by returning, by a panic or by kill -9.
//
// Where no Redis is installed a test skips and says so; with CI set in the environment it fails.
package redistest

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/busytest"
)

const (
	// patience is how long a server may take for anything that is asked of it.
	patience = time.Minute
	// pace is between two looks at something that is awaited.
	pace = 5 * time.Millisecond
)

// errMissing says that Redis is not installed.
var errMissing = errors.New("no redis-server is installed here; on Debian: apt-get install --no-install-recommends redis-server")

func find() (string, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", errMissing
	}
	return path, nil
}

func mustRun(tb testing.TB, err error) {
	tb.Helper()
	switch {
	case err == nil:
	case errors.Is(err, errMissing) && os.Getenv("CI") == "":
		tb.Skipf("this test needs Redis: %v", err)
	default:
		tb.Fatal(err)
	}
}

// Start runs a server of the test's own until the test ends. Settings are arguments of redis-server, such as "--maxmemory", "1mb".
func Start(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	s, err := start(rand.Text(), settings...)
	mustRun(tb, err)
	tb.Cleanup(s.remove)
	return s
}

// Address is its host and port.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Password is what it wants to hear from the default user.
func (s *Server) Password() string { return s.password }

// URL is where it is, for a user who may do everything.
func (s *Server) URL() string { return fmt.Sprintf("redis://:%s@%s/0", s.password, s.Address()) }

// Do runs one command on a connection of its own and returns the answer: a string, an int64, a []any or nil.
func (s *Server) Do(tb testing.TB, command ...string) any {
	tb.Helper()
	answer, err := s.Try(command...)
	if err != nil {
		tb.Fatalf("%.200q: %v", command, err)
	}
	return answer
}

// Try is Do for a server that may be away, and for goroutines, which must not end a test.
func (s *Server) Try(command ...string) (any, error) {
	conn, err := net.DialTimeout("tcp", s.Address(), patience)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	answers := bufio.NewReader(conn)
	if _, err := exchange(conn, answers, "AUTH", s.password); err != nil {
		return nil, err
	}
	return exchange(conn, answers, command...)
}

// exchange sends a command in Redis' protocol and reads the answer.
func exchange(to io.Writer, from *bufio.Reader, command ...string) (any, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "*%d\r\n", len(command))
	for _, word := range command {
		fmt.Fprintf(&text, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(to, text.String()); err != nil {
		return nil, err
	}
	return answer(from)
}

func answer(from *bufio.Reader) (any, error) {
	line, err := from.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimSuffix(line, "\r\n")
	kind, rest := line[:1], line[1:]
	switch kind {
	case "+":
		return rest, nil
	case "-":
		return nil, errors.New(rest)
	}
	n, err := strconv.ParseInt(rest, 10, 64)
	switch {
	case err != nil:
		return nil, fmt.Errorf("not an answer of Redis: %.100q", line)
	case kind == ":":
		return n, nil
	case n < 0:
		return nil, nil
	case kind == "$":
		text := make([]byte, n+2)
		_, err := io.ReadFull(from, text)
		return string(text[:n]), err
	}
	list := make([]any, n)
	for i := range list {
		if list[i], err = answer(from); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// StartCluster runs that many servers as one Redis Cluster, without replicas, until the test ends.
func StartCluster(tb testing.TB, nodes int) []*Server {
	tb.Helper()
	const slots = 16384
	all := make([]*Server, nodes)
	for i := range all {
		bus, giveBack, err := busytest.Port()
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(giveBack)
		all[i] = Start(tb, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "2000")
		first, last := slots*i/nodes, slots*(i+1)/nodes-1
		all[i].Do(tb, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last))
		all[i].Do(tb, "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(all[0].port), strconv.Itoa(all[0].bus()))
	}
	for _, s := range all {
		s.await(tb, "the cluster is whole", func() bool {
			info, err := s.Try("CLUSTER", "INFO")
			text, _ := info.(string)
			return err == nil && strings.Contains(text, "cluster_state:ok") && strings.Contains(text, fmt.Sprintf("cluster_known_nodes:%d\r", nodes))
		})
	}
	for _, s := range all { // no node takes another for dead that only waits for a processor
		s.Do(tb, "CONFIG", "SET", "cluster-node-timeout", "120000")
	}
	return all
}

// StartReplica runs a server that copies master until the test ends.
func StartReplica(tb testing.TB, master *Server) *Server {
	tb.Helper()
	// The same password, because after a failover it is the one that others copy from.
	s, err := start(master.password, "--replicaof", "127.0.0.1 "+strconv.Itoa(master.port), "--masterauth", master.password)
	mustRun(tb, err)
	tb.Cleanup(s.remove)
	s.await(tb, "the replica copies", func() bool {
		info, err := s.Try("INFO", "replication")
		text, _ := info.(string)
		return err == nil && strings.Contains(text, "master_link_status:up")
	})
	return s
}

// StartSentinel runs a Sentinel that watches master under that name until the test ends.
func StartSentinel(tb testing.TB, name string, master *Server) *Server {
	tb.Helper()
	s, err := startSentinel(fmt.Sprintf(`sentinel monitor %[1]s 127.0.0.1 %[2]d 1
sentinel auth-pass %[1]s %[3]s
sentinel down-after-milliseconds %[1]s 500
sentinel failover-timeout %[1]s 2000
`, name, master.port, master.password))
	mustRun(tb, err)
	tb.Cleanup(s.remove)
	return s
}

func (s *Server) await(tb testing.TB, what string, so func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(pace) {
		if time.Now().After(deadline) {
			tb.Fatalf("in vain awaited: %s", what)
		}
	}
}
