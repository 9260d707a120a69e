//go:build unix

package pgtest

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/propusk/propusk/internal/busytest"
)

const superuser = "postgres"

// Server is a running, stopped or killed PostgreSQL server. Its methods are for one goroutine at a time.
type Server struct {
	place
	dir      string
	port     int
	freePort func() // gives the port back
	password string
	guardian *exec.Cmd
	commands *os.File // the guardian lives until this is closed
	answers  *bufio.Reader
	pid      int // of the postmaster; 0 while it does not run
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
	kill -QUIT "$pid"; kill -CONT "$pid"
	wait "$pid"
fi 2>/dev/null
rm -rf "$dir"
`

// start makes a new server in that place and waits until it answers.
func start(in place) (*Server, error) { return begin(in, rand.Text(), (*Server).initialize) }

// begin makes a new server whose files fill makes, and waits until it answers.
func begin(in place, password string, fill func(s *Server, bin string, credential *syscall.Credential) error) (_ *Server, err error) {
	bin, err := find()
	if err != nil {
		return nil, err
	}
	credential, err := unprivileged()
	if err != nil {
		return nil, err
	}
	s := &Server{place: in, password: password}
	if s.port, s.freePort, err = busytest.Port(); err != nil {
		return nil, err
	}
	// Not a directory of testing.T: those are below one that only this user may enter.
	if s.dir, err = os.MkdirTemp(in.parent, "pgtest"); err != nil {
		s.freePort()
		return nil, err
	}
	if err := s.launch(bin, credential); err != nil {
		s.freePort()
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := fill(s, bin, credential); err != nil {
		s.remove()
		return nil, err
	}
	if err := s.run(); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

// launch starts the guardian.
func (s *Server) launch(bin string, credential *syscall.Credential) error {
	if credential != nil {
		if err := os.Chown(s.dir, int(credential.Uid), int(credential.Gid)); err != nil {
			return err
		}
	}
	script := []string{"-c", guard, "pgtest", s.dir, filepath.Join(bin, "postgres"), "-D", filepath.Join(s.dir, "data")}
	for _, setting := range append([]string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(s.port), "unix_socket_directories=", "max_connections=250",
		"shared_buffers=32MB", "jit=off", "log_checkpoints=off",
		"dynamic_shared_memory_type=mmap", // in the directory, where it vanishes with the rest
	}, s.settings...) {
		script = append(script, "-c", setting)
	}
	guardian := exec.Command("/bin/sh", script...)
	// A group of its own: the interrupt key of the terminal is for the test process alone.
	guardian.Dir, guardian.SysProcAttr = s.dir, &syscall.SysProcAttr{Setpgid: true, Credential: credential}
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

// initialize makes the files of an empty server.
func (s *Server) initialize(bin string, credential *syscall.Credential) error {
	secret := filepath.Join(s.dir, "password")
	if err := os.WriteFile(secret, []byte(s.password), 0o600); err != nil {
		return err
	}
	if credential != nil {
		if err := os.Chown(secret, int(credential.Uid), int(credential.Gid)); err != nil {
			return err
		}
	}
	// Not scram-sha-256: it takes 8 ms of a processor for each connection under the race detector, of which a busy machine makes so many that
	// servers take PostgreSQL for silent.
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--pgdata", filepath.Join(s.dir, "data"), "--username", superuser,
		"--pwfile", secret, "--auth", "md5", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
	initdb.Dir, initdb.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: credential}
	if said, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, said)
	}
	return nil
}

// unprivileged is whom a server runs as if we are root, whom PostgreSQL refuses.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		who, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(who.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(who.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

// command has the guardian do something and returns what it says.
func (s *Server) command(what string) (string, error) {
	if _, err := fmt.Fprintln(s.commands, what); err != nil {
		return "", err
	}
	said, err := s.answers.ReadString('\n')
	return strings.TrimSpace(said), err
}

// run starts the server on its files and waits until it answers.
func (s *Server) run() error {
	said, err := s.command("start")
	if err != nil {
		return err
	}
	if s.pid, err = strconv.Atoi(said); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("PostgreSQL does not answer: %w; it says:\n%s", err, log)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *Server) running() bool { return s.pid != 0 }

// Stop ends the server as an operator would: transactions that are under way are rolled back.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	s.end(tb, syscall.SIGINT)
}

// Abort ends the server without writing anything that is not written yet, as a crash would.
func (s *Server) Abort(tb testing.TB) {
	tb.Helper()
	s.end(tb, syscall.SIGQUIT)
}

func (s *Server) end(tb testing.TB, signal syscall.Signal) {
	tb.Helper()
	if err := syscall.Kill(s.pid, signal); err != nil {
		tb.Fatal(err)
	}
	s.await(tb)
}

func (s *Server) await(tb testing.TB) {
	tb.Helper()
	if _, err := s.command("wait"); err != nil {
		tb.Fatal(err)
	}
	s.pid = 0
}

// Kill ends all processes of the server at once, by kill -9.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	// Stopped, it can start no more children while they are counted.
	all := s.signal(tb, syscall.SIGSTOP)
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGKILL) // a child may be gone already
	}
	s.await(tb)
	// A process that has not quite gone keeps the files from being used again.
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		all = slices.DeleteFunc(all, gone)
		if len(all) == 0 {
			return
		}
	}
	tb.Fatalf("processes %v do not end", all)
}

// gone reports whether a process has ended. One that nobody waits for stays in the list of processes, and holds nothing.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		said, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
		return err != nil || strings.HasPrefix(string(said), "Z")
	}
	// The name before the state may hold anything, a bracket too.
	_, state, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	return strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X")
}

// Restart starts the server again, on the same files and port, and waits until it answers.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	if err := s.run(); err != nil {
		tb.Fatal(err)
	}
}

// Freeze keeps the server's processes from running until Thaw: connections stay and nothing answers.
func (s *Server) Freeze(tb testing.TB) {
	tb.Helper()
	s.signal(tb, syscall.SIGSTOP)
}

// Thaw ends a Freeze.
func (s *Server) Thaw(tb testing.TB) {
	tb.Helper()
	s.signal(tb, syscall.SIGCONT)
}

// signal is sent to the postmaster and then to its children, whose process ids it returns.
func (s *Server) signal(tb testing.TB, signal syscall.Signal) []int {
	tb.Helper()
	if err := syscall.Kill(s.pid, signal); err != nil {
		tb.Fatal(err)
	}
	all, err := family(s.pid)
	if err != nil {
		tb.Fatal(err)
	}
	for _, pid := range all[1:] {
		_ = syscall.Kill(pid, signal) // may be gone already
	}
	return all
}

// family is a process and its children.
func family(parent int) ([]int, error) {
	all := []int{parent}
	// Linux says it in a file; ps need not be installed.
	listed, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", parent))
	if errors.Is(err, fs.ErrNotExist) {
		listed, err = exec.Command("pgrep", "-P", strconv.Itoa(parent)).Output()
	}
	if err != nil {
		return nil, err
	}
	for child := range strings.FieldsSeq(string(listed)) {
		pid, err := strconv.Atoi(child)
		if err != nil {
			return nil, err
		}
		all = append(all, pid)
	}
	return all, nil
}

// remove ends the server and removes its files.
func (s *Server) remove() {
	s.pid = 0
	_ = s.commands.Close()
	_, _ = io.Copy(io.Discard, s.answers) // ends when the guardian does
	_ = s.guardian.Wait()
	s.freePort()
}
