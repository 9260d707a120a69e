package e2e

import (
	"bytes"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/pgtest"
)

var oneTimePassword = regexp.MustCompile(`(?m)^  first administrator   (\S+)\n  password +(\S+)$`)

// The first command of the README, on a machine that knows nothing of Propusk.
func TestTheFirstStartNeedsNoSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := serve(t, setup{dir: dir})
	found := s.out.await(oneTimePassword, s.exited)
	if found == nil {
		t.Fatalf("it does not tell the first administrator's password:\n%s", s.out)
	}
	if !strings.Contains(s.out.String(), s.url+"/docs\n") {
		t.Errorf("it does not say where the docs are:\n%s", s.out)
	}
	s.call(t, 200, "GET", "/docs", "", nil)
	email, password := found[1], found[2]
	if len(password) < 20 {
		t.Errorf("the one-time password has only %d characters", len(password))
	}
	s.call(t, 200, "GET", "/api/admin/users", s.login(t, email, password), nil)
	s.stop(t)
	if strings.Contains(s.err.String(), password) {
		t.Errorf("the log holds the password:\n%s", s.err)
	}
	isPrivate(t, dir, password)

	again := serve(t, setup{dir: dir})
	again.login(t, email, password)
	again.stop(t)
	if strings.Contains(again.out.String(), "password") {
		t.Errorf("the second start speaks of a password:\n%s", again.out)
	}
}

// isPrivate looks at what was left in the directory: one file, for nobody else's eyes, without the password.
func isPrivate(t *testing.T, dir, password string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if file.Name() != "propusk.db" {
			t.Errorf("%s was left behind", file.Name())
		}
		info, err := file.Info()
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v, want 0600", file.Name(), info.Mode().Perm())
		}
		content, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte(password)) {
			t.Errorf("%s holds the password as it is", file.Name())
		}
	}
}

// Two servers meet on a file that neither has seen. One migrates, one makes the administrator, both make and believe the same tokens.
func TestTwoServersStartAtOnceOnANewFile(t *testing.T) {
	t.Parallel()
	for round := range doubleStarts {
		dir, env := t.TempDir(), cheap
		told := round%2 == 1
		if told {
			env = append(append([]string{}, cheap...), withAdmin...)
		}
		both := []*server{launch(t, setup{dir: dir, env: env}), launch(t, setup{dir: dir, env: env})}
		for _, s := range both {
			s.await(t)
		}
		email, password := adminEmail, adminPassword
		if !told {
			email, password = printedByOneOf(t, both)
		}
		for i, s := range both {
			other := both[1-i]
			name := fmt.Sprintf("Anna%d", i)
			s.register(t, name)
			other.call(t, 200, "GET", "/api/users/me", s.login(t, address(name), ordinaryPassword), nil)
			admins := other.call(t, 200, "GET", "/api/admin/users?role=admin", s.login(t, email, password), nil)
			if n := strings.Count(admins.raw, `"role":"admin"`); n != 1 {
				t.Errorf("there are %d administrators, want 1: %v", n, admins)
			}
		}
		printed := 0
		for _, s := range both {
			s.stop(t)
			printed += len(oneTimePassword.FindAllString(s.out.String(), -1))
		}
		if want := map[bool]int{true: 0, false: 1}[told]; printed != want {
			t.Errorf("a one-time password was printed %d times, want %d", printed, want)
		}
		migratedOnce(t, both[0].database)
		isSound(t, both[0].database)
	}
}

// printedByOneOf waits until one of the servers prints a one-time password.
func printedByOneOf(t *testing.T, servers []*server) (email, password string) {
	t.Helper()
	printed := make(chan []string, len(servers))
	for _, s := range servers {
		go func() { printed <- s.out.await(oneTimePassword, s.exited) }()
	}
	found := <-printed
	if found == nil {
		t.Fatal("nobody printed a one-time password")
	}
	return found[1], found[2]
}

// A proxy takes a connection for a sign of life. While the database keeps a start waiting nobody is let in.
func TestNobodyIsLetInBeforeTheDatabaseIsThere(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), `SELECT pg_advisory_lock(x'70726f7075736b'::bigint)`); err != nil { // as if another migrated
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", fixedPort(t)) // which nobody else is given meanwhile
	s := launch(t, setup{env: cheap, args: []string{"--listen", address, "--database", url}})
	for waits, deadline := false, time.Now().Add(patience); !waits; time.Sleep(10 * time.Millisecond) {
		const starting = `SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%pg_try_advisory_lock%' AND pid <> pg_backend_pid()`
		if err := conn.QueryRowContext(t.Context(), starting).Scan(&waits); err != nil || time.Now().After(deadline) {
			t.Fatalf("it does not wait for the database: %v", err)
		}
	}
	if let, err := net.Dial("tcp", address); err == nil {
		let.Close()
		t.Error("somebody is let in")
	}
	if _, err := conn.ExecContext(t.Context(), `SELECT pg_advisory_unlock_all()`); err != nil {
		t.Fatal(err)
	}
	s.await(t)
	s.call(t, 200, "GET", "/readyz", "", nil)
}

func migratedOnce(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var rows, versions, keys int
	err = db.QueryRow(`SELECT count(*), count(DISTINCT version_id), (SELECT count(*) FROM signing_key) FROM schema_version`).Scan(&rows, &versions, &keys)
	if err != nil {
		t.Fatal(err)
	}
	if rows != versions {
		t.Errorf("of %d migrations some were applied twice: %d rows", versions, rows)
	}
	if keys != 1 {
		t.Errorf("there are %d signing keys, want 1", keys)
	}
}

// A start that cannot be what was meant stops with one line that names the setting, and no secret.
func TestAWrongStartIsRefusedInOneLine(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() }) // after the parallel tests below
	const secret = "short-secret-key"
	for _, c := range []struct {
		name string
		args []string
		env  []string
		// says are parts of the line.
		says []string
	}{
		{"short key", nil, []string{"PROPUSK_SECRET_KEY=" + secret}, []string{"--secret-key", "PROPUSK_SECRET_KEY", "32 bytes"}},
		{"short key, as a flag", []string{"--secret-key", secret}, nil, []string{"--secret-key", "32 bytes"}},
		{"misspelt variable", nil, []string{"PROPUSK_SECRET_KEYS=" + secret}, []string{"PROPUSK_SECRET_KEYS", "did you mean PROPUSK_SECRET_KEY?"}},
		{"unknown variable", nil, []string{"PROPUSK_COLOUR=" + secret}, []string{"PROPUSK_COLOUR", "serve --help"}},
		{"unknown flag", []string{"--colour", secret}, nil, []string{"--colour"}},
		{"admin without password", []string{"--admin-email", adminEmail}, nil, []string{"--admin-email", "admin-password"}},
		{"admin without address", nil, []string{"PROPUSK_ADMIN_PASSWORD=" + secret}, []string{"admin-email", "admin-password"}},
		{"weak admin password", []string{"--admin-email", adminEmail}, []string{"PROPUSK_ADMIN_PASSWORD=12345678"}, []string{"password"}},
		{"secret twice", []string{"--secret-key-file", "x"}, []string{"PROPUSK_SECRET_KEY=" + secret}, []string{"--secret-key", "--secret-key-file"}},
		{"no such secret file", []string{"--secret-key-file", "absent"}, nil, []string{"--secret-key-file", "absent"}},
		{"unknown engine", []string{"--database", "mysql://u:" + secret + "@h/db"}, nil, []string{"--database", "PROPUSK_DATABASE", "sqlite:PATH"}},
		{"database without a directory", []string{"--database", "sqlite:absent/propusk.db"}, nil, []string{"absent", "does not exist"}},
		{"database in memory", []string{"--database", "sqlite::memory:"}, nil, []string{"memory"}},
		{"address taken", []string{"--listen", taken.Addr().String()}, nil, []string{"listen", taken.Addr().String()}},
		{"no address", []string{"--listen", "8000"}, nil, []string{"--listen", "HOST:PORT"}},
		{"origin with a path", []string{"--cors-origins", "https://a.example/x"}, nil, []string{"--cors-origins"}},
		{"a word too many", []string{"now"}, nil, []string{"now"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			code, out, said := run(t, setup{args: append([]string{"serve", "--listen", "127.0.0.1:0"}, c.args...), env: append(c.env, cheap...)})
			refused(t, code, out, said, c.says, secret)
		})
	}
	t.Run("admin address of an ordinary account", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		s := serve(t, setup{dir: dir, env: append(cheap, withAdmin...)})
		s.register(t, "Anna")
		// The administrator goes, as only a hand in the database can do it.
		s.stop(t)
		without(t, s.database, adminEmail)
		code, out, said := run(t, setup{
			dir: dir, args: []string{"serve", "--listen", "127.0.0.1:0", "--admin-email", address("Anna")},
			env: append(cheap, "PROPUSK_ADMIN_PASSWORD="+adminPassword),
		})
		refused(t, code, out, said, []string{"ordinary account", "propusk user change-role " + address("Anna") + " admin"}, adminPassword)
	})
}

func refused(t *testing.T, code int, out, said string, says []string, secret string) {
	t.Helper()
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	lines := logless(said)
	if len(lines) != 1 || out != "" {
		t.Fatalf("want one line on stderr, got %q, and on stdout %q", lines, out)
	}
	for _, part := range says {
		if !strings.Contains(lines[0], part) {
			t.Errorf("%q does not say %q", lines[0], part)
		}
	}
	if strings.Contains(said, secret) {
		t.Errorf("it repeats the secret: %q", said)
	}
}

// logless leaves out lines of the log, such as warnings of a cheap hash.
func logless(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, `{"time":`) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

func without(t *testing.T, path, email string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`DELETE FROM author WHERE email_key = $1`, email); err != nil {
		t.Fatal(err)
	}
}

// The help of serve is where people look settings up: each with what it is by default and its name in the environment.
func TestHelpTellsEverySetting(t *testing.T) {
	t.Parallel()
	out := must(t, setup{args: []string{"serve", "--help"}})
	flag := regexp.MustCompile(`^ +(?:-\w, )?--([a-z-]+)`)
	defaults := map[string]string{
		"listen": "127.0.0.1:8000", "database": "sqlite:propusk.db", "issuer": "propusk", "registration": "open",
		"token-lifetime": "1h0m0s", "session-idle": "168h0m0s", "session-absolute": "720h0m0s", "password-min-length": "8",
		"password-blocklist": "on", "password-memory": "19456", "password-iterations": "2", "password-parallelism": "1",
		"access-log": "on", "log-format": "auto", "log-level": "info", "shutdown-timeout": "10s",
	}
	for _, name := range []string{
		"admin-email", "admin-password", "admin-password-file", "secret-key", "secret-key-file", "cors-origins", "password-slots", "password-queue",
	} {
		defaults[name] = "" // none, or it depends on the machine
	}
	found := map[string]bool{}
	for line := range strings.Lines(out) {
		m := flag.FindStringSubmatch(line)
		if m == nil || m[1] == "help" {
			continue
		}
		name := m[1]
		found[name] = true
		if twin := "[$PROPUSK_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "]"; !strings.Contains(line, twin) {
			t.Errorf("--%s does not tell %s: %s", name, twin, line)
		}
		if value := defaults[name]; value != "" && !strings.Contains(line, "(default "+value+")") && !strings.Contains(line, `(default "`+value+`")`) {
			t.Errorf("--%s does not tell its default, %s: %s", name, value, line)
		}
	}
	for name := range defaults {
		if !found[name] {
			t.Errorf("there is no --%s", name)
		}
	}
}

// The documentation is served by the program itself and sends the browser to nobody else.
func TestTheDocumentationNeedsNoOtherHost(t *testing.T) {
	t.Parallel()
	s := serve(t, setup{env: cheap})
	page := s.call(t, 200, "GET", "/docs", "", nil)
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'self'") || strings.Contains(policy, "//") {
		t.Errorf("the policy does not keep the browser here: %q", policy)
	}
	references := regexp.MustCompile(`(?:src|href|action|data-spec)="([^"#]*)"`).FindAllStringSubmatch(page.raw, -1)
	if len(references) < 3 {
		t.Errorf("the page refers to nothing but %v", references)
	}
	for _, reference := range references {
		if strings.Contains(reference[1], "//") {
			t.Errorf("the page refers to %s", reference[1])
			continue
		}
		file := s.call(t, http.StatusOK, "GET", "/"+reference[1], "", nil)
		if strings.HasSuffix(reference[1], ".css") && regexp.MustCompile(`(?:url\(|@import)\s*["']?(?:https?:)?//`).MatchString(file.raw) {
			t.Errorf("%s refers to another host", reference[1])
		}
	}
	spec := s.call(t, 200, "GET", "/openapi.json", "", nil)
	if !strings.HasPrefix(spec.text("openapi"), "3.1") {
		t.Errorf("openapi.json is of version %q, want 3.1", spec.text("openapi"))
	}
	for _, path := range []string{"/api/users/register", "/api/users/login", "/api/admin/users", "/healthz", "/readyz"} {
		if !strings.Contains(spec.raw, `"`+path+`"`) {
			t.Errorf("openapi.json does not describe %s", path)
		}
	}
	s.stop(t)
}
