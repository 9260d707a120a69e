package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// consumer is a module of somebody else's that uses this one as it is here.
func consumer(t *testing.T, program string) (dir string) {
	t.Helper()
	here, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	// Everything that Propusk itself needs is in the module cache, so nothing is fetched.
	module := "module example.org/consumer\n\ngo 1.26\n\nrequire github.com/propusk/propusk v0.0.0\n\nreplace github.com/propusk/propusk => " + here + "\n"
	dir = t.TempDir()
	for name, text := range map[string]string{"go.mod": module, "main.go": program} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inModule(t, dir, "mod", "tidy")
	return dir
}

func inModule(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestTheGuardAloneBringsNothing: who imports the guard, the words and the engine has no other module in go.sum, not even for their tests.
func TestTheGuardAloneBringsNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"guard", "rbac"} {
		dir := consumer(t, "package main\n\nimport _ \"github.com/propusk/propusk/"+name+"\"\n\nfunc main() {}\n")
		sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
		if err == nil && len(sums) > 0 {
			t.Errorf("%s brings along:\n%s", name, sums)
		}
	}
}

// programs are the blocks of Go on a page that are whole programs.
var programs = regexp.MustCompile("(?ms)^```go\n(package main\n.*?)^```$")

// TestProgramsOnThePagesAreBuilt, and the one for newcomers is as short as the page says.
func TestProgramsOnThePagesAreBuilt(t *testing.T) {
	t.Parallel()
	built := map[string]bool{}
	for _, page := range []string{"../README.md", "../README.ru.md", "../docs/library.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		found := programs.FindAllStringSubmatch(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s has no program", page)
		}
		for _, program := range found {
			if lines := strings.Count(program[1], "\n"); lines > 40 {
				t.Errorf("%s: the program has %d lines", page, lines)
			}
			if built[program[1]] {
				continue
			}
			built[program[1]] = true
			inModule(t, consumer(t, program[1]), "build", "-trimpath", "-ldflags", "-s -w", "-o", "program.exe", ".")
		}
	}
}
