package e2e

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	// The program is built by a child process, of which the test cache knows nothing. With this import and sources below it knows
	// nearly all that goes into the program, and runs these tests again when that changes.
	_ "github.com/propusk/propusk/internal/app"
)

// patience bounds every wait for a process. It is for a slow machine; nothing here takes a tenth of it.
const patience = 60 * time.Second

// workshop is where the program is built, made by TestMain.
var workshop string

func TestMain(m *testing.M) {
	flag.Parse()
	if !hold && !slices.ContainsFunc(os.Args[1:], func(arg string) bool { return strings.HasPrefix(arg, "-test.parallel=") }) {
		// Most stories wait more than they work: for a lease to run out, a server to come back, a disk.
		if err := flag.Set("test.parallel", fmt.Sprint(3*runtime.GOMAXPROCS(0))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	var err error
	if workshop, err = os.MkdirTemp("", "propusk-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(workshop); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// building is what the go command is told, without cgo. deploy/Dockerfile tells it the same.
var building = []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w"}

// build makes the program that users get, once per run. Only a race detector or coverage that somebody asked of the tests is left out.
var build = sync.OnceValues(func() (string, error) {
	sources, err := filepath.Glob("../cmd/propusk/*.go")
	if err != nil {
		return "", err
	}
	for _, source := range sources {
		if _, err := os.ReadFile(source); err != nil { // for the test cache, as the import of app is
			return "", err
		}
	}
	program := filepath.Join(workshop, "propusk.exe") // Windows wants the ending, others do not mind
	cmd := exec.Command("go", append(slices.Clone(building), "-o", program, "./cmd/propusk")...)
	cmd.Dir, cmd.Env = "..", append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
})

func program(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// setup is how a process is started. The zero value is the program in an empty directory, told nothing.
type setup struct {
	// dir is the working directory; "" makes one.
	dir string
	// args are the command and its flags.
	args []string
	// env is NAME=value, beside what this test's own environment holds without PROPUSK_….
	env []string
	// stdin is what the program reads.
	stdin string
	// under is a program, with its arguments, that runs the program.
	under []string
	// program is another build than the usual one.
	program string
}

// cheap makes hashing cost next to nothing, and queues long enough for whatever is asked here.
var cheap = []string{"PROPUSK_PASSWORD_MEMORY=64", "PROPUSK_PASSWORD_ITERATIONS=1", "PROPUSK_PASSWORD_SLOTS=4", "PROPUSK_PASSWORD_QUEUE=100"}

// unlimited lets one client fail to log in as often as it likes.
const unlimited = "PROPUSK_LOGIN_LIMIT=off"

// The administrator of servers that are told one.
const (
	adminEmail    = "root@example.org"
	adminPassword = "correct horse battery staple"
)

var withAdmin = []string{"PROPUSK_ADMIN_EMAIL=" + adminEmail, "PROPUSK_ADMIN_PASSWORD=" + adminPassword}

// process is a program that was started and is sure to be ended.
type process struct {
	cmd      *exec.Cmd
	out, err *transcript
	// exited is closed when the process has ended.
	exited chan struct{}
}

func start(t *testing.T, s setup) *process {
	t.Helper()
	path := s.program
	if path == "" {
		path = program(t)
	}
	if s.dir == "" {
		s.dir = t.TempDir()
	}
	line := append(append([]string{}, s.under...), path)
	line = append(line, s.args...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdin = s.dir, append(environment(), s.env...), strings.NewReader(s.stdin)
	return begin(t, cmd, "propusk "+strings.Join(s.args, " "))
}

// begin starts a program, which is sure to be ended, and tells what it said if the test fails.
func begin(t *testing.T, cmd *exec.Cmd, name string) *process {
	t.Helper()
	p := &process{cmd: cmd, out: newTranscript(), err: newTranscript(), exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr, cmd.WaitDelay = p.out, p.err, onItsOwn(), patience/10
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // ProcessState has the exit code
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s said:\n%s\nand on stderr:\n%s", name, last(p.out.String(), 60), last(p.err.String(), 60))
		}
	})
	return p
}

// environment is this test's own, without settings of a Propusk that the developer runs beside it.
func environment() []string {
	var kept []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "PROPUSK_") {
			kept = append(kept, variable)
		}
	}
	return kept
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// wait gives the exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("%v has not ended after %v", p.cmd.Args[1:], patience)
		return -1
	}
}

// terminate sends SIGTERM.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// stop sends SIGTERM and expects a clean end.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.terminate(t)
	if code := p.wait(t); code != 0 {
		t.Errorf("after SIGTERM the exit code was %d, want 0", code)
	}
}

// run runs a command to its end.
func run(t *testing.T, s setup) (code int, out, errors string) {
	t.Helper()
	p := start(t, s)
	code = p.wait(t)
	return code, p.out.String(), p.err.String()
}

// must runs a command that has to succeed and gives what it printed.
func must(t *testing.T, s setup) string {
	t.Helper()
	for begun := time.Now(); ; {
		code, out, errors := run(t, s)
		if code == 0 {
			return out
		}
		if !isPutOff(errors, begun) {
			t.Fatalf("propusk %s: exit code %d, %s", strings.Join(s.args, " "), code, errors)
		}
	}
}

// isPutOff reports whether a program has ended with the word that its database is too busy, nothing was done, and it is to be started again: that is
// how it is on a machine that tells many stories at once.
func isPutOff(said string, begun time.Time) bool {
	return strings.HasSuffix(said, "propusk: the database cannot be used at the moment; try again\n") && time.Since(begun) < patience
}

// server is a process that serves, and a client of it.
type server struct {
	*process
	*client
	// database is the file.
	database string
}

var listening = regexp.MustCompile(`is listening on (http://\S+)\n`)

// serve runs "propusk serve" on a free port and waits until it says where it listens. The database is propusk.db in s.dir.
func serve(t *testing.T, s setup) *server {
	t.Helper()
	if s.dir == "" {
		s.dir = t.TempDir()
	}
	for begun := time.Now(); ; {
		server := launch(t, s)
		if server.out.await(listening, server.exited) != nil || server.running() || !isPutOff(server.err.String(), begun) {
			server.await(t)
			return server
		}
	}
}

// launch is serve without the waiting.
func launch(t *testing.T, s setup) *server {
	t.Helper()
	if s.dir == "" {
		s.dir = t.TempDir()
	}
	s.args = append([]string{"serve", "--listen", "127.0.0.1:0"}, s.args...)
	return &server{process: start(t, s), database: filepath.Join(s.dir, "propusk.db")}
}

// await waits until the server says where it listens.
func (s *server) await(t *testing.T) {
	t.Helper()
	found := s.out.await(listening, s.exited)
	if found == nil {
		t.Fatalf("the server does not say where it listens; it said %q, and on stderr %q", s.out, s.err)
	}
	s.client = newClient(t, found[1])
}

// command runs a command on the server's database while the server runs.
func (s *server) command(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	return must(t, setup{args: append(args, "--database", "sqlite:"+s.database), env: cheap, stdin: stdin})
}

// transcript keeps what a process writes and lets a test wait for it.
type transcript struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func newTranscript() *transcript { return &transcript{changed: make(chan struct{})} }

// Write implements io.Writer.
func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.changed)
	t.changed = make(chan struct{})
	return t.text.Write(b)
}

// String is all that was written so far.
func (t *transcript) String() string {
	text, _ := t.state()
	return text
}

func (t *transcript) state() (text string, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String(), t.changed
}

// await waits until what was written matches, and gives the groups: nil if that never comes.
func (t *transcript) await(form *regexp.Regexp, exited <-chan struct{}) []string {
	late := time.After(patience)
	for {
		text, changed := t.state()
		if found := form.FindStringSubmatch(text); found != nil {
			return found
		}
		select {
		case <-changed:
		case <-exited:
			return form.FindStringSubmatch(t.String())
		case <-late:
			return nil
		}
	}
}

// last is the end of a text.
func last(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// fixedPort is one that is free, below those that systems give to outgoing connections: a node is found at its port again after a restart.
func fixedPort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port := 15_000 + rand.IntN(15_000)
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err == nil {
			err = listener.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no port is free")
	return 0
}

// tool finds a program that a story needs beside Propusk: without it CI fails and other machines skip.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		lacking(t, fmt.Sprintf("%s is not installed", name))
	}
	return path
}

// lacking ends a test that this machine cannot run.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s; in CI that is a failure, see .ci/run", what)
	}
	t.Skip(what)
}
