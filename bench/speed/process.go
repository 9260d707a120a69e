package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a server in a process of its own.
type process struct {
	url  string
	stop func() error
}

// stopping is how long a process may take to end.
const stopping = time.Minute

// start runs a program and waits until it prints a line with its address, which the expression finds. What it writes to the standard error
// goes to the file, as the log of a server would.
func start(ctx context.Context, cmd *exec.Cmd, address *regexp.Regexp, log string) (*process, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	cmd.Stderr = file
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopping
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{stop: sync.OnceValue(func() error {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		return cmd.Wait()
	})}
	p.url, err = firstMatch(out, address)
	if err != nil {
		told, _ := os.ReadFile(log)
		return nil, errors.Join(fmt.Errorf("%s did not start: %w\n%s", filepath.Base(cmd.Path), err, told), p.stop())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // so that the process never waits for us to read
	return p, ctx.Err()
}

func firstMatch(out io.Reader, address *regexp.Regexp) (string, error) {
	var told []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if found := address.FindString(lines.Text()); found != "" {
			return found, nil
		}
		told = append(told, lines.Text())
	}
	return "", errors.Join(fmt.Errorf("it named no address, but said %q", strings.Join(told, "\n")), lines.Err())
}

// build makes the program from the sources of this repository, as a release is made.
func build(ctx context.Context, root, dir string) (program string, err error) {
	program = filepath.Join(dir, "propusk")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./cmd/propusk")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
}

// The administrator of the servers that are timed.
const (
	adminEmail    = "root@example.org"
	adminPassword = "correct horse battery staple"
)

var anyAddress = regexp.MustCompile(`http://[0-9.]+:[0-9]+`)

// serve starts propusk serve in a directory of its own, with what is said beside that.
func serve(ctx context.Context, program, dir string, settings ...string) (*process, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, append([]string{
		"serve", "--listen", "127.0.0.1:0", "--database", "sqlite:" + filepath.Join(dir, "propusk.db"), "--log-format", "json",
	}, settings...)...)
	cmd.Dir = dir
	cmd.Env = append(withoutSettings(os.Environ()), "PROPUSK_ADMIN_EMAIL="+adminEmail, "PROPUSK_ADMIN_PASSWORD="+adminPassword)
	return start(ctx, cmd, anyAddress, filepath.Join(dir, "log"))
}

// withoutSettings is an environment in which nobody has configured a Propusk of their own.
func withoutSettings(environ []string) (rest []string) {
	for _, variable := range environ {
		if !strings.HasPrefix(variable, "PROPUSK_") {
			rest = append(rest, variable)
		}
	}
	return rest
}
