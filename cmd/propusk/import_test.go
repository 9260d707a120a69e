package main

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/importer"
	"github.com/propusk/propusk/internal/importer/source"
)

func put(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func contentOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Two flags mixed up cost nobody a table of users or a database: a report only takes the place of reports.
func TestAReportSparesOtherFiles(t *testing.T) {
	t.Parallel()
	c, dir := town(t), t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	users := put(t, in("users.csv"), "email\nvera@example.org\nno address\n")
	notes, database := put(t, in("notes.txt"), "notes"), strings.TrimPrefix(c.database, "sqlite:")
	if err := os.Symlink(users, in("link")); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink(in("nowhere"), in("dangling")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{users, notes, database, in("link"), in("dangling"), dir} {
		c.fails("import csv --users "+users+" --report "+path, "--report: ", path)
	}
	if contentOf(t, users) != "email\nvera@example.org\nno address\n" || contentOf(t, notes) != "notes" {
		t.Error("a file was written over")
	}
	// A source that looks like a report is a source.
	odd := put(t, in("odd.csv"), "")
	c.fails("import csv --users "+users+" --members "+odd+" --report "+odd, "is empty")
	odd = put(t, in("odd.csv"), reportStart)
	if err := replaceable(odd, []string{"sqlite:" + odd}); err == nil {
		t.Error("a report takes the place of what the run works with")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 5 {
		t.Errorf("there are %v, %v", files, err)
	}
	c.says("user list", "3 of 3") // nothing came over

	for _, earlier := range []string{"", `{"what":"quarantined"}`} {
		report := put(t, in("report.jsonl"), earlier)
		c.says("import csv --users "+users+" --report "+report, "quarantined: 1, all in ")
		if text := contentOf(t, report); strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, `{"what":"quarantined","kind":"account"`) {
			t.Errorf("the report holds\n%s", text)
		}
		if info, err := os.Stat(report); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the mode of the report: %v, %v", info.Mode(), err)
		}
	}
}

// broken is a system that fails when its members are asked for.
type broken struct {
	importer.System
	err error
}

func (b broken) Members(context.Context) iter.Seq2[source.Member, error] {
	return func(yield func(source.Member, error) bool) { yield(source.Member{}, b.err) }
}

// What a run has told before it failed is kept, and whoever could run it for ever is not told to.
func TestARunThatFails(t *testing.T) {
	t.Parallel()
	c, dir := town(t), t.TempDir()
	users := put(t, filepath.Join(dir, "users.csv"), "email\nno address\n")
	for _, one := range []struct {
		err     error
		goesOn  bool
		because string
	}{
		{errors.New("line 7 is torn"), false, "it is as torn the next time"},
		{&propusk.Error{Kind: propusk.Invalid, Code: "invalid_input", Message: "bad"}, false, "it is as bad the next time"},
		{&propusk.Error{Kind: propusk.Unavailable, Code: "busy", Message: "busy"}, true, "others will be done"},
		{context.Canceled, true, "somebody pressed Ctrl-C"},
	} {
		report := filepath.Join(dir, "report.jsonl")
		var flags importFlags
		cmd := &cobra.Command{Use: "import", SilenceUsage: true, SilenceErrors: true}
		flags.register(cmd, "csv")
		onDatabase(cmd, func(ctx context.Context, cmd *cobra.Command, a *app.App, _ []string) error {
			system, err := app.OpenCSV(app.CSV{Users: users})
			if err != nil {
				return err
			}
			return runImport(ctx, cmd, a, broken{system, one.err}, flags)
		})
		cmd.SetArgs([]string{"--database", c.database, "--report", report})
		err := cmd.ExecuteContext(t.Context())
		if !errors.Is(err, one.err) || strings.Contains(err.Error(), "goes on when it is run again") != one.goesOn {
			t.Errorf("%s, but the command says: %v", one.because, err)
		}
		if text := contentOf(t, report); strings.Count(text, "users.csv, line 2") != 1 {
			t.Errorf("the report holds\n%s", text)
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
			t.Errorf("there are %v, %v", files, err)
		}
	}
}

// Boris' address is in the file, but who has it here may be anybody: addresses are not verified. What a file of members says alone is said of
// people who are here.
func TestAnAddressThatSomebodyHasIsNotHisOfTheFile(t *testing.T) {
	t.Parallel()
	c, dir := town(t), t.TempDir()
	users := put(t, filepath.Join(dir, "users.csv"), "email,password,role\nboris@example.org,the real one's,admin\nvera@example.org,,\n")
	members := put(t, filepath.Join(dir, "members.csv"), "email,roles\nboris@example.org,editor\n")
	c.says("import csv --users "+users, "accounts: 2 read, 1 added, 0 there already, 1 quarantined", "--link-by-address says that it is")
	c.says("import csv --as again --users "+users+" --link-by-address", "accounts: 2 read, 0 added, 2 there already, 0 quarantined")
	c.denies("check boris@example.org draft:read --community night-owls")
	c.says("import csv --community night-owls --members "+members, "members: 1 read, 1 added")
	c.says("community members night-owls", "boris@example.org")
}

// A file keeps the address with its password from those who can see what runs.
func TestTheAddressOfDiscoursInAFile(t *testing.T) {
	t.Parallel()
	c, dir := town(t), t.TempDir()
	from := put(t, filepath.Join(dir, "from"), "sqlite:"+filepath.Join(dir, "nowhere.db")+"\n")
	c.fails("import discours --from-file "+from, "nowhere.db")
	c.fails("import discours --from sqlite:x --from-file "+from, "--from and --from-file are both set")
	c.fails("import discours --from-file "+filepath.Join(dir, "nothing"), "--from-file: ")
	c.fails("import discours --from sqlite:x --permissions-file "+filepath.Join(dir, "nothing"), "--permissions-file: ")
}
