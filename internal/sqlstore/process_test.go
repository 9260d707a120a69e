package sqlstore

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/propusk/propusk/internal/store"
)

// childEnv makes this test binary a program that registers users in the file it names; see writeAsChild.
const childEnv = "SQLSTORE_TEST_CHILD"

func TestMain(m *testing.M) {
	// Others use the disk and the processors too.
	wirePatience, silence, probePatience = 20*usualWirePatience, 20*usualSilence, 20*usualProbePatience
	writerPatience = 20 * usualWriterPatience
	if path := os.Getenv(childEnv); path != "" {
		if err := writeAsChild(path, os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// writeAsChild registers users first … first+count-1, each with a session, and prints the number of each that was answered.
func writeAsChild(path, first, count string) error {
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		return err
	}
	s, err := Open(context.Background(), "sqlite:"+path)
	if err != nil {
		return err
	}
	defer s.Close()
	return registerMany(s, from, n)
}

func registerMany(s *Store, first, count int64) error {
	var next atomic.Int64
	failed := make(chan error, 8)
	var wg sync.WaitGroup
	for range cap(failed) {
		wg.Go(func() {
			for n := next.Add(1) - 1; n < count; n = next.Add(1) - 1 {
				if err := s.Update(context.Background(), registering(first+n)); err != nil {
					failed <- fmt.Errorf("user %d: %w", first+n, err)
					return
				}
				os.Stdout.WriteString(strconv.FormatInt(first+n, 10) + "\n")
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed
}

func registering(n int64) func(store.Tx) error {
	return func(tx store.Tx) error {
		u, err := tx.InsertUser(numbered(n))
		if err != nil {
			return err
		}
		return tx.InsertSession(sessionOf(u, n))
	}
}

// child starts another process that registers users.
func child(t *testing.T, path string, first, count int64) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0], fmt.Sprint(first), fmt.Sprint(count))
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

func TestProcessesWriteSideBySide(t *testing.T) {
	path := filepath.Join(t.TempDir(), "propusk.db")
	const each = 50
	var children []*exec.Cmd
	for n := range int64(3) {
		cmd, out := child(t, path, (n+1)*1000, each)
		go io.Copy(io.Discard, out)
		children = append(children, cmd)
	}
	s := openFile(t, path)
	for n := range int64(each) {
		if err := s.Update(t.Context(), registering(n)); err != nil {
			t.Error(err)
		}
	}
	for _, cmd := range children {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	checkMigratedOnce(t, path)
	if _, total, err := s.Now(t.Context()).Users(store.UserFilter{Limit: 1}); err != nil || total != 4*each {
		t.Errorf("%d users are there (%v), want %d", total, err, 4*each)
	}
}

func TestWhatWasAnsweredSurvivesKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "propusk.db")
	answered := map[int64]bool{}
	for round := range int64(3) {
		cmd, out := child(t, path, round*1_000_000, 1_000_000)
		lines := bufio.NewScanner(out)
		for seen := 0; lines.Scan(); seen++ {
			n, err := strconv.ParseInt(lines.Text(), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			answered[n] = true
			if seen == 100 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // killed
	}
	if len(answered) < 300 {
		t.Fatalf("only %d were answered", len(answered))
	}
	s := openFile(t, path)
	checkThere(t, s, answered)
	var halves int
	err := raw(t, path).QueryRow(`SELECT (SELECT count(*) FROM author) - (SELECT count(*) FROM session)`).Scan(&halves)
	if err != nil || halves != 0 {
		t.Errorf("%d users are there without their session (%v)", halves, err)
	}
}
