package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/propusk/propusk/internal/config"
)

// run executes a command line and returns what it printed.
func run(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	root := newRoot()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetIn(strings.NewReader(stdin))
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func everyCommand(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, sub := range cmd.Commands() {
		everyCommand(sub, visit)
	}
}

func TestEveryCommandTeaches(t *testing.T) {
	t.Parallel()
	everyCommand(newRoot(), func(cmd *cobra.Command) {
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		help, err := run(t, "", args...)
		if err != nil || cmd.Short == "" || !strings.Contains(help, "Usage:") {
			t.Errorf("%s: %v\n%s", cmd.CommandPath(), err, help)
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && !strings.Contains(help, "[$"+config.Env(f.Name)+"]") {
				t.Errorf("%s --help does not name the twin of --%s", cmd.CommandPath(), f.Name)
			}
		})
	})
}

// Whoever names too much, or too little, is told what to write.
func TestEveryCommandSaysWhatItTakes(t *testing.T) {
	t.Parallel()
	everyCommand(newRoot(), func(cmd *cobra.Command) {
		if cmd.HasSubCommands() {
			return
		}
		args := append(strings.Fields(cmd.CommandPath())[1:], strings.Fields("one two three four five")...)
		if _, err := run(t, "", args...); err == nil || !strings.HasPrefix(err.Error(), "write "+cmd.CommandPath()) {
			t.Errorf("%v: %v", args, err)
		}
	})
	const want = "write propusk community grant COMMUNITY USER ROLE, not propusk community grant owls anna@example.org; propusk community grant --help says more"
	if _, err := run(t, "", "community", "grant", "owls", "anna@example.org"); err == nil || err.Error() != want {
		t.Errorf("too few: %v", err)
	}
	if _, err := run(t, "", "import", "discours", "postgres://anna:secret@db/discours"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a URL: %v", err)
	}
}

func TestGroupsRefuseWhatTheyDoNotKnow(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"srve"}, {"user", "lst"}, {"policy", "chek"}, {"user", "block"}, {"version", "now"}} {
		if out, err := run(t, "", args...); err == nil {
			t.Errorf("%v is taken: %s", args, out)
		}
	}
}

func TestLifeOfAnAccountOnTheCommandLine(t *testing.T) {
	t.Parallel()
	db := "--database=sqlite:" + filepath.Join(t.TempDir(), "propusk.db")
	for _, step := range []struct {
		stdin, args, want, wantErr string
	}{
		{"", "user list", "", "there is no database"},
		{"a perfectly ordinary sentence\n", "admin create anna@example.org --name Anna", "created: anna@example.org", ""},
		{"a perfectly ordinary sentence\n", "admin create Anna@example.org", "", "an account with this e-mail address exists"},
		{"", "admin create b@example.org", "", "no password"},
		{"short\n", "admin create b@example.org", "", "password: must have at least 8 characters"},
		{"", "user list", "1 of 1", ""},
		{"", "migrate status", "0001", ""},
		{"", "migrate up", "the schema is up to date", ""},
		{"", "keys list", "STATE", ""},
		{"", "keys rotate --now", "", "this database keeps no keys"},
		{"", "user list --search ANNA --role admin --active true", "anna@example.org", ""},
		{"", "user list --active maybe", "", "--active must be true or false"},
		{"", "user list --role king", "", "must be one of admin, moderator, user"},
		{"", "user block anna@example.org", "", "last active administrator"},
		{"a perfectly ordinary sentence\n", "admin create ada@example.org", "created", ""},
		{"", "user block anna@example.org", "blocked: anna@example.org", ""},
		{"", "user unblock anna@example.org", "unblocked: anna@example.org", ""},
		{"", "user change-role anna@example.org moderator", "moderator, active", ""},
		{"", "user change-role anna@example.org king", "", "role: must be one of"},
		{"another ordinary sentence\n", "user set-password anna@example.org", "changed: anna@example.org", ""},
		{"", "user block nobody@example.org", "", "nobody@example.org: there is no such user"},
		{"", "user block 7", "", "7: there is no such user"},
	} {
		out, err := run(t, step.stdin, append(strings.Fields(step.args), settings(step.args, db)...)...)
		if (err == nil) != (step.wantErr == "") || !strings.Contains(out, step.want) ||
			(err != nil && !strings.Contains(err.Error(), step.wantErr)) {
			t.Errorf("%s: %v\n%s", step.args, err, out)
		}
	}
}

// settings name the database, and make hashing cheap for commands that hash.
func settings(args, database string) []string {
	if strings.HasPrefix(args, "migrate") {
		return []string{database}
	}
	return []string{database, "--password-memory=64", "--password-iterations=1"}
}

func TestPolicyCommands(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(broken, []byte("version: 1\nscope: kingdom\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := run(t, "", "policy", "show", "community", "--source")
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(t.TempDir(), "own.yaml")
	if err := os.WriteFile(own, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ args, want, wantErr string }{
		{"policy show community", "expert  Expert         artist", ""},
		{"policy show " + own, "given on joining: reader", ""},
		{"policy check " + own, "good, 6 roles", ""},
		{"policy check " + broken, "", "broken.yaml:2:"},
		{"policy check /nonexistent.yaml", "", "no such file"},
		{"policy expand platform", `"user:block"`, ""},
	} {
		out, err := run(t, "", strings.Fields(step.args)...)
		if (err == nil) != (step.wantErr == "") || !strings.Contains(out, step.want) ||
			(err != nil && !strings.Contains(err.Error(), step.wantErr)) {
			t.Errorf("%s: %v\n%s", step.args, err, out)
		}
	}
}
