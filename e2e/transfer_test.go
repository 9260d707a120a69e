package e2e

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/transfer"
)

// either is the long one where the claims are held.
func either[T any](short, long T) T {
	if hold {
		return long
	}
	return short
}

// onEngines are URLs of new databases by engine.
func onEngines(t *testing.T) map[string]func() string {
	return map[string]func() string{
		"SQLite":     func() string { return "sqlite:" + filepath.Join(t.TempDir(), "propusk.db") },
		"PostgreSQL": func() string { return pgtest.Database(t) },
	}
}

func serveOn(t *testing.T, url string) *server {
	t.Helper()
	return serve(t, setup{env: slices.Concat(cheap, withAdmin, []string{unlimited}), args: append([]string{"--database", url}, quiet...)})
}

// exportOf is the file that an export of a database makes.
func exportOf(t *testing.T, url string) string {
	t.Helper()
	return must(t, setup{args: []string{"export", "--database", url}})
}

// A community moves from one engine to the other: nobody is logged out, nothing is lost, and the way back gives the same file.
func TestEverythingMovesToTheOtherEngine(t *testing.T) {
	t.Parallel()
	for from, to := range map[string]string{"SQLite": "PostgreSQL", "PostgreSQL": "SQLite"} {
		t.Run("from "+from+" to "+to, func(t *testing.T) {
			t.Parallel()
			engines := onEngines(t)
			source, target := engines[from](), engines[to]()
			old := serveOn(t, source)
			root := old.login(t, adminEmail, adminPassword)
			email := old.newcomer(t)
			anna := old.tokens(t, email)
			gone := old.tokens(t, email)
			old.call(t, http.StatusOK, "POST", "/api/users/logout", gone.text("access_token"), nil)
			key := old.call(t, http.StatusCreated, "POST", "/api/admin/api-keys", root, map[string]any{"name": "site", "permissions": []string{"*"}}).text("key")
			owls := old.call(t, http.StatusCreated, "POST", "/api/communities", root, form{"name": "Ночные совы"})
			const members = "/api/communities/1/members"
			old.call(t, http.StatusOK, "POST", "/api/communities/1/join", anna.text("access_token"), nil)
			shown := old.call(t, http.StatusOK, "GET", members, root, nil)
			if !strings.Contains(owls.raw, `"id":1`) {
				t.Fatal(owls)
			}

			running := exportOf(t, source) // which leaves out nothing but what happens later
			if !strings.HasPrefix(running, `{"propusk_export":`) {
				t.Fatal(running)
			}
			old.stop(t)
			file := filepath.Join(t.TempDir(), "everything.jsonl")
			must(t, setup{args: []string{"export", "--database", source, "--output", file}})
			told := must(t, setup{args: []string{"import", "propusk", file, "--database", target, "--dry-run"}})
			if !strings.Contains(told, "would add") || !strings.Contains(told, "account") {
				t.Error(told)
			}
			must(t, setup{args: []string{"import", "propusk", file, "--database", target}})
			first, err := os.ReadFile(file)
			if err != nil || exportOf(t, target) != string(first) {
				t.Errorf("the export after the import differs (%v)", err)
			}
			if again := must(t, setup{args: []string{"import", "propusk", "-", "--database", target}, stdin: string(first)}); !strings.Contains(again, "nothing was changed") {
				t.Errorf("a second import says %q", again)
			}

			moved := serveOn(t, target)
			moved.call(t, http.StatusOK, "GET", "/api/users/me", anna.text("access_token"), nil)
			moved.call(t, http.StatusUnauthorized, "GET", "/api/users/me", gone.text("access_token"), nil)
			renewed := moved.call(t, http.StatusOK, "POST", "/api/users/refresh", "", form{"refresh_token": anna.text("refresh_token")})
			moved.call(t, http.StatusOK, "GET", "/api/users/me", renewed.text("access_token"), nil)
			moved.call(t, http.StatusOK, "GET", "/api/admin/users", key, nil)
			moved.tokens(t, email)
			if again := moved.call(t, http.StatusOK, "GET", members, root, nil); again.raw != shown.raw {
				t.Errorf("the members were %s, and are %s", shown, again)
			}
			moved.register(t, "Newcomer")
			code, _, says := run(t, setup{args: []string{"import", "propusk", file, "--database", target}})
			if code == 0 || !strings.Contains(says, "not empty") {
				t.Errorf("an import over a database in use: %d, %s", code, says)
			}
			moved.stop(t)
		})
	}
}

// The file is for its owner's eyes, in the place of nothing, and whole or not there.
func TestAnExportIsKeptPrivate(t *testing.T) {
	t.Parallel()
	s := serve(t, setup{env: slices.Concat(cheap, withAdmin)})
	dir := t.TempDir()
	export := func(flags ...string) (int, string) {
		code, _, says := run(t, setup{dir: dir, args: append([]string{"export", "--database", "sqlite:" + s.database}, flags...)})
		return code, says
	}
	if code, says := export("--output", "all.jsonl"); code != 0 || !strings.Contains(says, "private signing keys") {
		t.Fatalf("%d: %s", code, says)
	}
	info, err := os.Stat(filepath.Join(dir, "all.jsonl"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
	if code, says := export("--output", "all.jsonl"); code == 0 || !strings.Contains(says, "--force") {
		t.Errorf("a second time: %d, %s", code, says)
	}
	if code, says := export("--output", "all.jsonl", "--force"); code != 0 {
		t.Errorf("a second time, by force: %d, %s", code, says)
	}
	if code, _ := export("--output", "nowhere/all.jsonl"); code == 0 {
		t.Error("it is written into a directory that is not there")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("there are %v, %v", files, err)
	}
	code, out, says := run(t, setup{dir: dir, args: []string{"export", "--database", "sqlite:nowhere.db"}})
	if code == 0 || out != "" || !strings.Contains(says, "there is no database") {
		t.Errorf("an export of nothing: %d, %s, %s", code, out, says)
	}
	for _, bad := range []string{"", "{}\n", "{\"propusk_export\":{\"format\":1,\"rows\":0}}\n"} {
		code, _, says := run(t, setup{dir: dir, stdin: bad, args: []string{"import", "propusk", "-", "--database", "sqlite:new.db"}})
		if code == 0 || !strings.Contains(says, "line 1: ") {
			t.Errorf("an import of %q: %d, %s", bad, code, says)
		}
	}
}

// crowd is a database as a Dump tells it: so many accounts, and members of ten communities.
type crowd struct{ accounts, members int }

var _ store.Dumper = crowd{}

func (c crowd) Empty(context.Context) (bool, error) { return false, nil }

func (c crowd) Load(context.Context, func(func(store.DumpRow) error) error) error {
	return store.ErrNotEmpty
}

func (c crowd) Dump(_ context.Context, begin func(int) error, each func(store.DumpRow) error) error {
	const communities = 10
	sum := sha256.Sum256([]byte("{}"))
	hash := sum[:]
	numbers := map[string]int{"account": c.accounts, "community": communities, "member": c.members}
	if err := begin(c.accounts + 1 + communities + c.members + 6); err != nil {
		return err
	}
	for t, table := range store.DumpTables() {
		rows, row := 0, func(int) []any { return nil }
		switch table.Name {
		case "account":
			rows, row = c.accounts, crowded
		case "permission_lists":
			rows, row = 1, func(int) []any { return []any{hash, "{}"} }
		case "community":
			rows, row = communities, func(n int) []any {
				slug := fmt.Sprint("c", n)
				return []any{int64(n), slug, slug, "", "open", int64(1), "reader,author,admin", "reader", hash, int64(0), int64(0), nil}
			}
		case "member":
			rows, row = c.members, func(n int) []any {
				roles := []any{"reader", "reader,author", nil}[n%3]
				return []any{int64(n), int64((n-1)/c.accounts + 1), int64((n-1)%c.accounts + 1), roles, int64(n)}
			}
		case store.DumpNumbers:
			of := []string{"account", "signing_key", "community", "member", "bulk", "audit_event"}
			rows, row = len(of), func(n int) []any { return []any{of[n-1], int64(numbers[of[n-1]])} }
		}
		for n := range rows {
			if err := each(store.DumpRow{Table: t, Values: row(n + 1)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// crowded is the n-th account, with a hash as bcrypt makes it.
func crowded(n int) []any {
	id := sha256.Sum256(fmt.Append(nil, n))
	name := fmt.Sprintf("Person %d", n)
	email := fmt.Sprintf("person-%d@example.org", n)
	return []any{
		int64(n), fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:16]), name, "Смирнова", fmt.Sprintf("person-%d", n), email, email,
		fmt.Sprintf("$2b$10$%.53x", id), "user", true, false, int64(1), int64(1), nil,
	}
}

// write makes a file of it.
func (c crowd) write(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "crowd.jsonl")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := transfer.Export(t.Context(), c, file, transfer.Unwatched); err != nil {
		t.Fatal(err)
	}
	return path
}

// An import is killed at any moment, again and again: nothing of it is left, and in the end it is as if it had never been killed.
func TestAKilledImportLeavesNothing(t *testing.T) {
	t.Parallel()
	accounts, members := either(1_000, 5_000), either(4_000, 20_000)
	file := crowd{accounts: accounts, members: members}.write(t)
	for name, fresh := range onEngines(t) {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			must(t, setup{args: []string{"import", "propusk", file, "--database", fresh()}})
			whole := time.Since(began)
			url, killed := fresh(), 0
			for range either(4, 40) {
				p := start(t, setup{args: []string{"import", "propusk", file, "--database", url}})
				select {
				case <-time.After(rand.N(whole)): // the moment is to be any
				case <-p.exited:
				}
				p.kill()
				switch code := p.cmd.ProcessState.ExitCode(); code {
				case 0:
					url = fresh()
				case 1:
					t.Fatalf("after %d kills: %s", killed, p.err)
				default:
					killed++
				}
			}
			out := must(t, setup{args: []string{"import", "propusk", file, "--database", url}})
			if !strings.HasPrefix(out, fmt.Sprintf("added %d rows\n", accounts+members+17)) && !strings.Contains(out, "nothing was changed") {
				t.Errorf("after %d kills it says %s", killed, out)
			}
			want, err := os.ReadFile(file)
			if err != nil || exportOf(t, url) != string(want) {
				t.Errorf("after %d kills there is something else than in the file (%v)", killed, err)
			}
			t.Logf("%d of the imports were killed in the middle of about %v", killed, whole)
		})
	}
}

// peak waits for the end of a process, and gives the most memory that it held at a time, in MiB, where the system tells. What the system tells
// after the end counts the memory of whoever started it.
func (p *process) peak() (mib float64) {
	for p.running() {
		content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
		if _, rest, found := strings.Cut(string(content), "VmHWM:"); found {
			var kib float64
			if _, err := fmt.Sscan(rest, &kib); err == nil {
				mib = kib / 1024
			}
		}
		select {
		case <-p.exited:
		case <-time.After(10 * time.Millisecond):
		}
	}
	return mib
}

// The size that was promised, and how long it takes.
func TestAMillionMembersMove(t *testing.T) {
	if !hold {
		t.Skip("a long measurement: see make hold")
	}
	file := crowd{accounts: 100_000, members: 1_000_000}.write(t)
	for name, fresh := range onEngines(t) {
		t.Run(name, func(t *testing.T) {
			url, out := fresh(), filepath.Join(t.TempDir(), "out.jsonl")
			for _, step := range [][]string{{"import", "propusk", file}, {"export", "--output", out}, {"import", "propusk", file}} {
				began := time.Now()
				p := start(t, setup{args: append(step, "--database", url)})
				memory := p.peak()
				took := time.Since(began)
				t.Logf("%s: %s: %.1f s, %.0f rows/s, %.0f MiB", name, step[0], took.Seconds(), 1_100_017/took.Seconds(), memory)
				if code := p.cmd.ProcessState.ExitCode(); code != 0 || took > 2*time.Minute || memory > 256 {
					t.Errorf("%v: exit code %d", step, code)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(out); err != nil || string(got) != string(want) {
				t.Errorf("the export differs from what was imported (%v)", err)
			}
		})
	}
}
