//go:build unix

package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// childEnv makes this test binary a program that starts a server, says where, and waits to be killed.
const childEnv = "REDISTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		s, err := start("secret")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(s.dir, s.pid)
		select {}
	}
	goleak.VerifyTestMain(m)
}

func TestAnswersOfEveryKind(t *testing.T) {
	s := Start(t)
	for _, c := range []struct {
		command, want string
	}{
		{"SET k two\r\nlines", `"OK"`},
		{"GET k", `"two\r\nlines"`},
		{"GET nothing", `<nil>`},
		{"STRLEN k", `10`},
		{"RPUSH l one two", `2`},
		{"LRANGE l 0 -1", `[]interface {}{"one", "two"}`},
		{"MGET k nothing", `[]interface {}{"two\r\nlines", interface {}(nil)}`},
	} {
		if got := fmt.Sprintf("%#v", s.Do(t, strings.Split(c.command, " ")...)); got != c.want {
			t.Errorf("%s: %s, want %s", c.command, got, c.want)
		}
	}
	if _, err := s.Try("GET", "l"); err == nil || !strings.HasPrefix(err.Error(), "WRONGTYPE") {
		t.Errorf("GET of a list: %v", err)
	}
}

func TestNobodyGetsInWithoutThePassword(t *testing.T) {
	s := Start(t)
	stranger := &Server{port: s.port, password: "x" + s.password}
	if _, err := stranger.Try("PING"); err == nil || !strings.HasPrefix(err.Error(), "WRONGPASS") {
		t.Errorf("with a wrong password: %v", err)
	}
}

func TestRestartForgets(t *testing.T) {
	s := Start(t)
	for name, end := range map[string]func(testing.TB){"stopped": s.Stop, "killed": s.Kill} {
		s.Do(t, "SET", "k", "here")
		end(t)
		if _, err := s.Try("PING"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s, it answers %v", name, err)
		}
		s.Restart(t)
		if left := s.Do(t, "GET", "k"); left != nil {
			t.Errorf("%s, it remembers %v", name, left)
		}
	}
}

func TestFreeze(t *testing.T) {
	s := Start(t)
	s.Freeze(t)
	conn, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if said, err := exchange(conn, bufio.NewReader(conn), "PING"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("frozen, it answers: %v %v", said, err)
	}
	s.Thaw(t)
	s.Do(t, "PING")
}

func TestNothingIsLeftWhenTheTestProcessIsKilled(t *testing.T) {
	Start(t) // skips where there is none
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
	for deadline := time.Now().Add(patience); ; time.Sleep(pace) {
		_, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) && syscall.Kill(pid, 0) != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v, process %d: %v", dir, err, pid, syscall.Kill(pid, 0))
		}
	}
}

func TestClusterReplicaAndSentinel(t *testing.T) {
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		nodes := StartCluster(t, 3)
		moved := 0
		for _, s := range nodes {
			if _, err := s.Try("SET", "k", "v"); err != nil && strings.HasPrefix(err.Error(), "MOVED") {
				moved++
			}
		}
		if moved != 2 {
			t.Errorf("%d of 3 nodes say that the key is elsewhere", moved)
		}
	})
	t.Run("sentinel", func(t *testing.T) {
		t.Parallel()
		master := Start(t)
		master.Do(t, "SET", "k", "v")
		if got := StartReplica(t, master).Do(t, "GET", "k"); got != "v" {
			t.Errorf("the replica has %v", got)
		}
		where := StartSentinel(t, "main", master).Do(t, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")
		if got := fmt.Sprint(where); got != fmt.Sprintf("[127.0.0.1 %d]", master.port) {
			t.Errorf("the master is %s", got)
		}
	})
}
