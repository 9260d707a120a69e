package e2e

import (
	"database/sql"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/pgtest"
)

// A server is backed up in the middle of a rush, something is then lost, and the backup is put back.
func TestABackupBringsEverythingBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	settings := setup{dir: dir, env: slices.Concat(cheap, withAdmin, []string{unlimited}), args: quiet}
	s := serve(t, settings)
	root := s.login(t, adminEmail, adminPassword)
	stopWriting := s.keepBusy(t, 4)
	email := s.newcomer(t)
	in := s.tokens(t, email)
	key := s.call(t, http.StatusCreated, "POST", "/api/admin/api-keys", root, map[string]any{"name": "site", "permissions": []string{"*"}}).text("key")
	file := filepath.Join(t.TempDir(), "backup.db")
	s.command(t, "", "backup", file)
	s.register(t, "After")
	s.call(t, http.StatusOK, "POST", "/api/users/logout", in.text("access_token"), nil)
	if n := stopWriting(); n == 0 {
		t.Error("nobody wrote meanwhile: this says nothing")
	}
	isSound(t, file)

	restore := setup{dir: dir, args: []string{"restore", file}}
	if code, _, says := run(t, restore); code == 0 || !strings.Contains(says, "--replace") {
		t.Errorf("without --replace: %d, %s", code, says)
	}
	restore.args = append(restore.args, "--replace")
	if code, _, says := run(t, restore); code == 0 || !strings.Contains(says, "in use") {
		t.Errorf("while the server runs: %d, %s", code, says)
	}
	s.call(t, http.StatusOK, "GET", "/api/users/me", root, nil)
	s.stop(t)
	told := must(t, restore)
	if !strings.Contains(told, "API keys   1, ") || !regexp.MustCompile(`sessions   [1-9]`).MatchString(told) {
		t.Error(told)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "propusk.db.before-restore-*"))
	if err != nil || len(kept) != 1 {
		t.Fatal(kept, err)
	}
	isSound(t, kept[0])
	isSound(t, s.database)

	again := serve(t, settings)
	for _, token := range []string{root, in.text("access_token")} {
		again.call(t, http.StatusUnauthorized, "GET", "/api/users/me", token, nil)
	}
	again.call(t, http.StatusUnauthorized, "POST", "/api/users/refresh", "", form{"refresh_token": in.text("refresh_token")})
	again.tokens(t, email)
	again.call(t, http.StatusUnauthorized, "POST", "/api/users/login", "", form{"email": address("After"), "password": ordinaryPassword})
	again.call(t, http.StatusOK, "GET", "/api/admin/users", key, nil)
	events := again.call(t, http.StatusOK, "GET", "/api/admin/audit?action=database.restore", again.login(t, adminEmail, adminPassword), nil)
	if !strings.Contains(events.raw, "backup.db") {
		t.Errorf("the audit does not tell of it: %v", events)
	}
	again.stop(t)
}

// A restore is killed at any moment: the database is the old or the new one, as a whole, and the next restore goes through.
func TestAKilledRestoreLeavesOneOfBoth(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := serve(t, setup{dir: dir, env: slices.Concat(cheap, withAdmin)})
	s.register(t, "Early")
	file := filepath.Join(t.TempDir(), "backup.db")
	s.command(t, "", "backup", file)
	s.register(t, "Late")
	old := filepath.Join(t.TempDir(), "old.db") // with a log, as a crash leaves it
	for _, name := range []string{"", "-wal"} {
		copyFile(t, s.database+name, old+name)
	}
	s.stop(t)

	restore := setup{dir: dir, args: []string{"restore", file, "--replace"}}
	began := time.Now()
	must(t, restore)
	whole := time.Since(began)
	outcomes := map[int]int{}
	for range either(8, 300) {
		copyFile(t, old, s.database)
		copyFile(t, old+"-wal", s.database+"-wal")
		p := start(t, restore)
		select {
		case <-time.After(rand.N(whole)): // the moment is to be any
		case <-p.exited:
		}
		p.kill()
		isSound(t, s.database)
		found := accountsIn(t, s.database)
		if found != 2 && found != 3 { // the administrator, Early, and Late in the old one
			t.Fatalf("the database has %d accounts", found)
		}
		outcomes[found]++
	}
	must(t, restore)
	if n := accountsIn(t, s.database); n != 2 {
		t.Errorf("in the end the database has %d accounts", n)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.restoring-*")); err != nil || len(left) != 0 {
		t.Errorf("%q is left, %v", left, err)
	}
	t.Logf("after a kill in the middle of about %v: %d times the old database, %d times the new one", whole, outcomes[3], outcomes[2])
}

func accountsIn(t *testing.T, path string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(`SELECT count(*) FROM author`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// onPostgres are the blocks of a page that need a PostgreSQL of the reader's own.
var onPostgres = regexp.MustCompile("(?ms)^```bash\n(.*?)^```$")

// What the page tells to do on PostgreSQL, done: a dump, a loss, a restore without sessions.
func TestTheBackupOfPostgresCanBePasted(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"pg_dump", "pg_restore", "psql"} {
		tool(t, name)
	}
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := onPostgres.FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 2 {
		t.Fatalf("the page has %d blocks for PostgreSQL", len(blocks))
	}
	url, fresh := pgtest.Database(t), pgtest.Database(t)
	s := serveOn(t, url)
	email := s.newcomer(t)
	in := s.tokens(t, email)
	const inAClone = `
set -euo pipefail
go() { shift 2; "$PROGRAM" "$@"; }
`
	for _, block := range blocks {
		shell := exec.Command("bash", "-c", inAClone+block[1])
		shell.Dir = filepath.Dir(s.database)
		shell.Env = append(environment(), "PROGRAM="+program(t), "DATABASE="+url, "NEW_DATABASE="+fresh)
		if out, err := shell.CombinedOutput(); err != nil {
			t.Fatalf("%s\n%v\n%s", block[1], err, out)
		}
	}
	s.stop(t)
	restored := serveOn(t, fresh)
	restored.call(t, http.StatusUnauthorized, "GET", "/api/users/me", in.text("access_token"), nil)
	restored.call(t, http.StatusUnauthorized, "POST", "/api/users/refresh", "", form{"refresh_token": in.text("refresh_token")})
	restored.tokens(t, email)
	restored.register(t, "Newcomer")
	restored.stop(t)
	if sqlite := filepath.Join(filepath.Dir(s.database), "moved.db"); accountsIn(t, sqlite) != 2 {
		t.Errorf("the page moved %d accounts to SQLite, want 2", accountsIn(t, sqlite))
	}
}
