package e2e

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Secrets of the databases and files that are imported. None may be seen again anywhere but in the old files.
const (
	canaryPlain  = "canary-plain sings in the mine"
	canaryHash   = "pbkdf2_sha256$600000$canarysalt$canaryhash="
	canaryNull   = "canary-deleted is silent"
	bcryptSecret = "a password with a bcrypt hash"
	bcryptHash   = "$2a$04$IJa6SUabM6QkA8HPH2GWluNUals7kwDtu7krCscoz/QyDD8GBdWly"
)

// oldProgram makes a database such as FastAPI programs with Tortoise ORM leave.
func oldProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db.sqlite3")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		`CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, surname TEXT, email TEXT UNIQUE, password TEXT, role TEXT, is_active INT, created_at TIMESTAMP)`,
		`CREATE TABLE sessions (id TEXT PRIMARY KEY, user_id INT, token TEXT)`,
		`INSERT INTO sessions VALUES ('canary-session', 1, 'canary-token')`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for id, row := range [][]any{
		{"Anna", "anna@example.org", canaryPlain, "admin", 1},
		{"Boris", "boris@example.org", bcryptHash, "user", 1},
		{"Vera", "vera@example.org", canaryHash, "owner", 1},
		{"Gleb", "gleb@example.org", canaryNull, "user", 0},
		{"Dora", "not an address", canaryPlain, "user", 1},
		{"Egor", "egor@example.org", canaryPlain, "user", "perhaps"},
	} {
		if _, err := db.ExecContext(t.Context(), `INSERT INTO users VALUES (?, ?, 'Old', ?, ?, ?, ?, '2024-02-29 12:00:00')`,
			append([]any{id + 1}, row...)...); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// importing is a fresh database, and what runs commands on it and keeps all that they say.
type importing struct {
	t      *testing.T
	server *server
	said   bytes.Buffer
}

func newImporting(t *testing.T, serveWith ...string) *importing {
	t.Helper()
	return &importing{t: t, server: serve(t, setup{dir: t.TempDir(), args: serveWith, env: append(append(cheap, withAdmin...), unlimited)})}
}

// run runs a command beside the server and gives what it printed.
func (i *importing) run(want int, args ...string) string {
	i.t.Helper()
	code, out, errors := run(i.t, setup{args: append(args, "--database", "sqlite:"+i.server.database), env: cheap})
	i.said.WriteString(out + errors)
	if code != want {
		i.t.Fatalf("propusk %s: exit code %d, want %d:\n%s%s", strings.Join(args, " "), code, want, out, errors)
	}
	return out + errors
}

var nothingAdded = regexp.MustCompile(`(?s)accounts: \d+ read, 0 added.*communities: \d+ read, 0 added.*members: \d+ read, 0 added`)

// twice imports, with a dry run before and a second run after, which both change nothing.
func (i *importing) twice(args ...string) string {
	i.t.Helper()
	before := i.run(0, "user", "list")
	if dry := i.run(0, append(args, "--dry-run")...); !strings.Contains(dry, "nothing was changed") {
		i.t.Errorf("the dry run does not say that it is one:\n%s", dry)
	}
	if after := i.run(0, "user", "list"); after != before {
		i.t.Errorf("the dry run changed the accounts:\n%s\nto\n%s", before, after)
	}
	first := i.run(0, args...)
	made := i.run(0, "user", "list")
	if second := i.run(0, args...); !nothingAdded.MatchString(second) {
		i.t.Errorf("the second run added something:\n%s", second)
	}
	if after := i.run(0, "user", "list"); after != made {
		i.t.Errorf("the second run changed the accounts:\n%s\nto\n%s", made, after)
	}
	return first
}

// hides looks for secrets in all that was said, and in every file of the server's folder and those that are named.
func (i *importing) hides(files []string, secrets ...string) {
	i.t.Helper()
	texts := map[string][]byte{"what commands said": i.said.Bytes(), "the server's output": []byte(i.server.out.String()), "the server's log": []byte(i.server.err.String())}
	there, err := filepath.Glob(filepath.Join(filepath.Dir(i.server.database), "*"))
	if err != nil || len(there) == 0 {
		i.t.Fatalf("%d files, %v", len(there), err)
	}
	for _, file := range append(there, files...) {
		if texts[file], err = os.ReadFile(file); err != nil {
			i.t.Fatal(err)
		}
	}
	for where, text := range texts {
		for _, secret := range secrets {
			if bytes.Contains(text, []byte(secret)) {
				i.t.Errorf("%q is in %s", secret, where)
			}
		}
	}
}

func TestImportBackspeen(t *testing.T) {
	t.Parallel()
	i := newImporting(t)
	report := filepath.Join(t.TempDir(), "report.jsonl")
	from := "sqlite:" + oldProgram(t)
	told := i.twice("import", "backspeen", "--from", from, "--report", report)
	for _, want := range []string{"accounts: 6 read, 4 added, 0 there already, 2 quarantined", "sessions were not carried over"} {
		if !strings.Contains(told, want) {
			t.Errorf("want …%s…, got\n%s", want, told)
		}
	}
	i.run(0, "import", "backspeen", "--from", from)                                      // faults on standard output this time
	i.run(1, "import", "backspeen", "--from", from, "--columns", "name=password")        // would show passwords
	i.run(1, "import", "backspeen", "--from", from, "--columns", "is_active=deleted_at") // is not there
	faults, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`users 3`, `role \"owner\"`, `"part":"password"`, `users 5`, `users 6`} {
		if !strings.Contains(string(faults), want) {
			t.Errorf("the report has no %s:\n%s", want, faults)
		}
	}

	i.server.login(t, "anna@example.org", canaryPlain)
	i.server.login(t, "boris@example.org", bcryptSecret)
	for email, password := range map[string]string{
		"anna@example.org": "another sentence", "vera@example.org": canaryHash, "gleb@example.org": canaryNull, "egor@example.org": canaryPlain,
	} {
		i.server.call(t, 401, "POST", "/api/users/login", "", form{"email": email, "password": password})
	}
	token := i.server.login(t, adminEmail, adminPassword)
	i.server.call(t, 200, "GET", "/api/admin/users?role=admin&search=anna", token, nil)
	i.server.stop(t)
	i.hides([]string{report}, "canary", bcryptSecret)
	isSound(t, i.server.database)
}

func textFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestImportCSV(t *testing.T) {
	t.Parallel()
	i := newImporting(t)
	i.run(0, "community", "create", "Night owls", "--slug", "night-owls", "--admin", adminEmail)
	users := textFile(t, "users.csv", fmt.Sprintf("email,name,password,password_hash,role,active\n"+
		"anna@example.org,Anna,%s,,moderator,\nboris@example.org,\"Boris, the second\",,%s,,\nvera@example.org,Vera,,,,no\n"+
		"ROOT@example.org,Mallory,%s,,,\nanna@Example.org,Again,,,,\nnobody,N,%s,,,\n", canaryPlain, bcryptHash, canaryNull, canaryNull))
	members := textFile(t, "members.csv", "email,community,roles\nanna@example.org,night-owls,\"editor;author\"\n"+
		"Boris@example.org,night-owls,\nvera@example.org,nowhere,reader\nanna@example.org,night-owls,admin\nroot@example.org,night-owls,reader\n")
	told := i.twice("import", "csv", "--users", users, "--members", members)
	for _, want := range []string{
		// root@example.org is the administrator's address, and who is in the file under it may be somebody else.
		"accounts: 6 read, 3 added, 0 there already, 3 quarantined", "members: 5 read, 2 added, 0 there already, 3 quarantined",
		"users.csv, line 5: an account of Propusk has the address ROOT@example.org already",
		"users.csv, line 6: an earlier line has this address", "users.csv, line 7: its email must be", "members.csv, line 5: an earlier line has",
		"members.csv, line 4: its community nowhere did not come over",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("want …%s…, got\n%s", want, told)
		}
	}
	if refused := i.run(1, "import", "csv", "--users", members); !strings.Contains(refused, `there is no column "community"`) {
		t.Errorf("the wrong file says\n%s", refused)
	}

	i.server.login(t, "anna@example.org", canaryPlain)
	i.server.login(t, "boris@example.org", bcryptSecret)
	i.server.login(t, adminEmail, adminPassword) // nobody else's now
	i.server.call(t, 401, "POST", "/api/users/login", "", form{"email": "vera@example.org", "password": ""})
	i.run(0, "check", "anna@example.org", "shout:delete_any", "--community", "night-owls")
	i.run(1, "check", "boris@example.org", "shout:delete_any", "--community", "night-owls")
	i.run(0, "check", "boris@example.org", "shout:read", "--community", "night-owls")
	i.server.stop(t)
	i.hides(nil, "canary", bcryptSecret)
}

const (
	casbinModel = `[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, dom, obj, act
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act
`
	casbinPolicy = `p, reader, night-owls, article, read
p, admin, night-owls, article, publish
p, boris@example.org, night-owls, article, delete
g, admin, reader, night-owls
g, anna@example.org, admin, night-owls
g, boris@example.org, reader, night-owls
g, vera, reader, night-owls
`
)

// The catalogue has to be there before roles can name it: a policy file is written, and the server and the import are given it.
func TestImportCasbin(t *testing.T) {
	t.Parallel()
	model, policy := textFile(t, "model.conf", casbinModel), textFile(t, "policy.csv", casbinPolicy)
	subjects, file := textFile(t, "subjects.csv", "subject,email\nvera,vera@example.org\n"), filepath.Join(t.TempDir(), "policy.yaml")
	writing := setup{args: []string{"import", "casbin", model, policy, "--write-policy", file}}
	must(t, writing) // without any database
	if code, _, errors := run(t, writing); code != 1 || !strings.Contains(errors, "file exists") {
		t.Errorf("the file is written over: exit code %d, %s", code, errors)
	}
	must(t, setup{args: []string{"policy", "check", file}})

	i := newImporting(t, "--policy", file)
	told := i.twice("import", "casbin", model, policy, "--policy", file, "--owner", adminEmail, "--subjects", subjects, "--rename", "admin=chief")
	for _, want := range []string{
		"accounts: 3 read, 3 added", "communities: 1 read, 1 added", "members: 3 read, 3 added, 0 there already, 0 quarantined",
		`line 3, p of "boris@example.org" to "delete" on "article": the subject is no role`,
	} {
		if !strings.Contains(told, want) {
			t.Errorf("want …%s…, got\n%s", want, told)
		}
	}
	for _, c := range []struct {
		code           int
		who, what, why string
	}{
		{0, "anna@example.org", "article:read", "inherited"}, {0, "anna@example.org", "article:publish", "its own"},
		{1, "anna@example.org", "article:delete", "nobody has it"}, {1, "anna@example.org", "role:manage", "chief is not admin"},
		{0, "boris@example.org", "article:read", "a reader"}, {1, "boris@example.org", "article:delete", "quarantined"},
		{0, "vera@example.org", "article:read", "a reader"},
	} {
		t.Logf("%s, %s: %s", c.who, c.what, c.why)
		i.run(c.code, "check", c.who, c.what, "--community", "night-owls", "--policy", file)
	}
	i.server.stop(t)
}
