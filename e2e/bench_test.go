package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// crowdedServer serves a hundred generated people, and one who administers them.
func crowdedServer(t *testing.T) *server {
	t.Helper()
	url, _ := generated(t, "1", "--users", "100", "--communities", "5", "--memberships", "300")
	return serve(t, setup{args: []string{"--access-log", "off", "--database", url}, env: append(cheap, withAdmin...)})
}

// nothingIsLeft expects that whatever a load test made is deleted.
func (s *server) nothingIsLeft(t *testing.T) {
	t.Helper()
	root := s.login(t, adminEmail, adminPassword)
	communities := s.call(t, 200, "GET", "/api/communities?search=bench", root, nil)
	accounts := s.call(t, 200, "GET", "/api/admin/users?search=bench-&active=true", root, nil)
	for _, a := range []answer{communities, accounts} {
		if !strings.Contains(a.raw, `"total":0`) {
			t.Errorf("it leaves %v", a)
		}
	}
}

func bench(s *server, args ...string) setup {
	return setup{args: append([]string{"bench", "--url", s.url, "--email", adminEmail, "--connections", "4"}, args...), stdin: adminPassword + "\n"}
}

func TestBench(t *testing.T) {
	t.Parallel()
	s := crowdedServer(t)
	code, out, said := run(t, bench(s, "--duration", "2s", "--mix", "check=1,login=1,roles=1"))
	table := regexp.MustCompile(`(?m)^(check|login|roles|total) +\d+ +\d+\.\d( +\S+s){5} +0$`)
	if code != 0 || len(table.FindAllString(out, -1)) != 4 || strings.Contains(out, "WRONG") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if verified := regexp.MustCompile(`(?m)^[1-9]\d* answers .* were verified, 0 of them were wrong$`); !verified.MatchString(out) {
		t.Errorf("nothing was verified, or something was wrong:\n%s", out)
	}
	if !strings.Contains(said, "changes roles there only, and deletes both at the end") || strings.Contains(out+said, adminPassword) {
		t.Errorf("it does not say what it does, or says too much:\n%s", said)
	}
	s.nothingIsLeft(t)
	s.stop(t)
}

func TestBenchForMachines(t *testing.T) {
	t.Parallel()
	s := crowdedServer(t)
	key := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(key, []byte(s.login(t, adminEmail, adminPassword)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := must(t, setup{args: []string{"bench", "--url", s.url, "--token-file", key, "--duration", "1s", "--rate", "50", "--mix", "check=1", "--json"}})
	var result struct {
		Late  int
		Total struct {
			Count int
			P50   float64 `json:"p50_ms"`
		}
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || result.Total.Count+result.Late != 50 || result.Total.P50 <= 0 {
		t.Errorf("%v, %+v\n%s", err, result, out)
	}
	s.stop(t)
}

// Ctrl-C ends it with the table, and with nothing left behind.
func TestBenchIsInterrupted(t *testing.T) {
	t.Parallel()
	s := crowdedServer(t)
	p := start(t, bench(s, "--duration", "5m"))
	if p.err.await(regexp.MustCompile(` requests/s `), p.exited) == nil {
		t.Fatal("it does not say how it goes")
	}
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := p.wait(t); code != 0 || !strings.Contains(p.out.String(), "total") {
		t.Errorf("exit code %d\n%s", code, p.out)
	}
	s.nothingIsLeft(t)
	s.stop(t)
}

func TestBenchRefuses(t *testing.T) {
	t.Parallel()
	token := []string{"--token", "x"}
	for want, args := range map[string][]string{
		"--yes-this-is-mine": append(token, "--url", "https://example.org"),
		"--duration":         append(token, "--duration", "0s"),
		"--connections":      append(token, "--connections", "0"),
		"--rate":             append(token, "--rate", "-1"),
		"--mix":              append(token, "--mix", "everything"),
		"say who asks":       nil,
		"keep one":           append(token, "--email", "a@example.org"),
		"--password-file":    {"--email", "a@example.org", "--password-file", "/nonexistent"},
		"no password":        {"--email", "a@example.org"},
		"connect":            append(token, "--url", "http://127.0.0.1:1"),
	} {
		code, out, said := run(t, setup{args: append([]string{"bench"}, args...)})
		if code != 1 || !strings.Contains(said, want) {
			t.Errorf("%v: exit code %d, %s%s; want one that says %q", args, code, out, said, want)
		}
	}
}
