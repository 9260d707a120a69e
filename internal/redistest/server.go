//go:build unix

package redistest

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/busytest"
)

// Server is a running, stopped or killed Redis server. Its methods are for one goroutine at a time, except Try, Address and URL.
type Server struct {
	dir      string
	port     int
	freePort func() // gives the port back
	password string
	args     []string
	guardian *exec.Cmd
	commands *os.File // the guardian lives until this is closed
	answers  *bufio.Reader
	pid      int // 0 while it does not run
}

// guard is the program of the guardian, a shell that owns the server: it outlives the test process just long enough to end the
// server and remove its files. Its standard input ends when the test process does.
const guard = `
trap '' HUP INT TERM
dir=$1; shift
while read -r command; do
	case $command in
	start) "$@" </dev/null >>"$dir/log" 2>&1 & pid=$!; echo "$pid" ;;
	wait) wait "$pid"; echo over; pid= ;;
	esac
done
if [ "$pid" ]; then
	kill -KILL "$pid"
	wait "$pid"
fi 2>/dev/null
rm -rf "$dir"
`

// start makes a new server with these settings and waits until it answers.
func start(password string, settings ...string) (*Server, error) {
	return launch(password, func(s *Server) ([]string, error) {
		return append([]string{
			"--bind", "127.0.0.1", "--port", strconv.Itoa(s.port), "--dir", s.dir, "--requirepass", s.password,
			"--save", "", "--appendonly", "no", "--shutdown-timeout", "0", "--repl-diskless-sync-delay", "0",
		}, settings...), nil
	})
}

// startSentinel makes a Sentinel. It wants its settings in a file that it may rewrite.
func startSentinel(settings string) (*Server, error) {
	return launch(rand.Text(), func(s *Server) ([]string, error) {
		path := filepath.Join(s.dir, "sentinel.conf")
		own := fmt.Sprintf("bind 127.0.0.1\nport %d\ndir %s\nrequirepass %s\n", s.port, s.dir, s.password)
		return []string{path, "--sentinel"}, os.WriteFile(path, []byte(own+settings), 0o600)
	})
}

// launch starts a guardian for a server with the arguments that args makes, and the server.
func launch(password string, args func(*Server) ([]string, error)) (_ *Server, err error) {
	program, err := find()
	if err != nil {
		return nil, err
	}
	s := &Server{password: password}
	if s.port, s.freePort, err = busytest.Port(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "redistest"); err != nil {
		s.freePort()
		return nil, err
	}
	if s.args, err = args(s); err == nil {
		err = s.entrust(program)
	}
	if err != nil {
		s.freePort()
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := s.run(); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

// entrust starts the guardian.
func (s *Server) entrust(program string) error {
	guardian := exec.Command("/bin/sh", append([]string{"-c", guard, "redistest", s.dir, program}, s.args...)...)
	// A group of its own: the interrupt key of the terminal is for the test process alone.
	guardian.Dir, guardian.SysProcAttr = s.dir, &syscall.SysProcAttr{Setpgid: true}
	// Pipes of our own instead of guardian.StdinPipe: those would be closed, or copied, by goroutines.
	commandsOut, commands, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = commandsOut.Close() }()
	answers, answersIn, err := os.Pipe()
	if err != nil {
		return errors.Join(err, commands.Close())
	}
	defer func() { _ = answersIn.Close() }()
	guardian.Stdin, guardian.Stdout = commandsOut, answersIn
	if err := guardian.Start(); err != nil {
		return errors.Join(err, commands.Close(), answers.Close())
	}
	s.guardian, s.commands, s.answers = guardian, commands, bufio.NewReader(answers)
	return nil
}

// bus is the port on which the nodes of a cluster speak with each other.
func (s *Server) bus() int {
	port, err := strconv.Atoi(s.args[slices.Index(s.args, "--cluster-port")+1])
	if err != nil {
		panic(err)
	}
	return port
}

// command has the guardian do something and returns what it says.
func (s *Server) command(what string) (string, error) {
	if _, err := fmt.Fprintln(s.commands, what); err != nil {
		return "", err
	}
	said, err := s.answers.ReadString('\n')
	return strings.TrimSpace(said), err
}

// run starts the server and waits until it answers.
func (s *Server) run() error {
	said, err := s.command("start")
	if err != nil {
		return err
	}
	if s.pid, err = strconv.Atoi(said); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(pace) {
		_, err := s.Try("PING")
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("no answer: %w; Redis says:\n%s", err, log)
		}
	}
}

// Stop ends the server as an operator would.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	s.end(tb, syscall.SIGTERM)
}

// Kill ends the server at once, by kill -9.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	s.end(tb, syscall.SIGKILL)
}

func (s *Server) end(tb testing.TB, signal syscall.Signal) {
	tb.Helper()
	s.signal(tb, signal)
	if _, err := s.command("wait"); err != nil {
		tb.Fatal(err)
	}
	s.pid = 0
}

// Restart starts the server again, empty and on the same port, and waits until it answers.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	if err := s.run(); err != nil {
		tb.Fatal(err)
	}
}

// Freeze keeps the server from running until Thaw: connections stay, new ones are taken by the system, and nothing answers.
func (s *Server) Freeze(tb testing.TB) {
	tb.Helper()
	s.signal(tb, syscall.SIGSTOP)
}

// Thaw ends a Freeze.
func (s *Server) Thaw(tb testing.TB) {
	tb.Helper()
	s.signal(tb, syscall.SIGCONT)
}

func (s *Server) signal(tb testing.TB, signal syscall.Signal) {
	tb.Helper()
	if s.pid == 0 {
		tb.Fatal("the server does not run")
	}
	if err := syscall.Kill(s.pid, signal); err != nil {
		tb.Fatal(err)
	}
}

// remove ends the server and removes its files.
func (s *Server) remove() {
	s.pid = 0
	_ = s.commands.Close()
	_, _ = io.Copy(io.Discard, s.answers) // ends when the guardian does
	_ = s.guardian.Wait()
	s.freePort()
}
