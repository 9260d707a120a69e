//go:build hold

package lease

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// search is a search of docs/lease.pml.
type search struct {
	// defines say what of the protocol is modelled, and which rule is taken away.
	defines string
	// finds is whether there is a stale answer to be found.
	finds bool
	// deep searches along one course after the other, where going step by step in all of them would take longer.
	deep bool
	// backwards tries the last process first, where that finds it sooner.
	backwards bool
}

var everySearch = []search{
	{defines: "-DN=1 -DW=1 -DR=1", deep: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DINSIDE", deep: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DFAILOVER", deep: true},
	{defines: "-DN=1 -DW=2 -DR=1 -DHOLD=1 -DNO_SWEEPER", deep: true},
	{defines: "-DN=1 -DW=1 -DR=2 -DHOLD=1 -DNO_SWEEPER", deep: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DHOLD=1 -DNO_SWEEPER -DINSIDE -DAGAIN", deep: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DHOLD=1 -DNO_SWEEPER -DAGAIN", deep: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DHOLD=1 -DNO_SWEEPER -DMIXED", deep: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DHOLD=1 -DNO_SWEEPER -DINSIDE -DAGAIN -DFILE", deep: true},

	{defines: "-DN=1 -DW=1 -DR=1 -DNO_FILL_TOKEN", finds: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DNO_MARK_CHECK", finds: true, deep: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DNO_EPOCH", finds: true, deep: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DNO_LEASE_CHECK", finds: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DNO_WAIT", finds: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DHOLD=1 -DNO_SWEEPER -DNO_PENDING", finds: true, deep: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DNO_OWN_NEWS", finds: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DHOLD=1 -DNO_SWEEPER -DBAD_OWN_LEASE_SHORTCUT", finds: true, deep: true, backwards: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DFAILOVER -DNO_FRESH_SERVER_RULE", finds: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DFAILOVER -DNO_JOIN_CHECK", finds: true, deep: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DBAD_SERVE_BEFORE_ROW", finds: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DBAD_LEASE_FROM_RECEIPT", finds: true, deep: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DBAD_LEAVE_ORDER", finds: true, deep: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DBAD_ACK_FIRST", finds: true, deep: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DBAD_CHECK_AT_START", finds: true, deep: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DBAD_REGISTRY_FIRST", finds: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DBAD_NOOP_AT_ONCE", finds: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DBAD_PUBLISH_FIRST", finds: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DBAD_REPLICA", finds: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DBAD_JOIN_ANYWAY", finds: true},
	{defines: "-DN=1 -DW=1 -DR=1 -DBAD_SKIP_SELF", finds: true},
	{defines: "-DN=1 -DW=2 -DR=1 -DHOLD=1 -DNO_SWEEPER -DNO_JOINS -DBAD_LOG_BY_ID", finds: true, deep: true, backwards: true},
	{defines: "-DN=1 -DW=2 -DR=1 -DHOLD=1 -DNO_SWEEPER -DNO_JOINS -DBAD_DELETE_AT_ONCE", finds: true, deep: true, backwards: true},
}

// The protocol gives no stale answer, and without any one of its rules it does: as the model in this directory has it.
func TestModel(t *testing.T) {
	for _, program := range []string{"spin", "gcc"} {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		const what = " is not installed; on Debian: apt-get install --no-install-recommends spin gcc libc6-dev"
		if os.Getenv("CI") != "" {
			t.Fatal(program + what)
		}
		t.Skip("the model is not searched: " + program + what)
	}
	model, err := filepath.Abs("../../docs/lease.pml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	// Each rule that can be taken away is.
	for _, name := range regexp.MustCompile(`(?m)^#if(?:n?def| ).*\b((?:NO|BAD)_[A-Z_]+)\b`).FindAllSubmatch(text, -1) {
		if !tried(string(name[1])) && noRules[string(name[1])] == "" {
			t.Errorf("nobody searches with -D%s", name[1])
		}
	}
	for _, s := range everySearch {
		t.Run(strings.ReplaceAll(s.defines, " ", ""), func(t *testing.T) { s.run(t, model) })
	}
}

func tried(name string) bool {
	for _, s := range everySearch {
		if strings.Contains(s.defines+" ", "-D"+name+" ") {
			return true
		}
	}
	return false
}

var counted = regexp.MustCompile(`errors: (\d+)|(\d+) states, stored|max search depth too small|out of memory`)

func (s search) run(t *testing.T, model string) {
	dir := t.TempDir()
	program := func(name string, args ...string) string {
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%.4000s", name, args, err, out)
		}
		return string(bytes.ToValidUTF8(out, nil))
	}
	program("spin", append(append([]string{"-a"}, strings.Fields(s.defines)...), model)...)
	how, depth := []string{"-DBFS"}, "-m100000"
	if s.deep {
		how, depth = nil, "-m1000000"
	}
	if s.backwards {
		how = append(how, "-DREVERSE")
	}
	program("gcc", append(how, "-O2", "-w", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c")...)
	said := program("./pan", depth)
	found := counted.FindAllStringSubmatch(said, -1)
	if len(found) != 2 { // the two numbers, and no word that the search was not complete
		t.Fatalf("the search did not end well:\n%.4000s", said)
	}
	for _, f := range found {
		if f[1] != "" && (f[1] != "0") != s.finds {
			t.Errorf("%s errors, want some: %t\n%.4000s", f[1], s.finds, said)
		}
	}
	t.Logf("%s, %s", found[0][0], found[1][0])
}
