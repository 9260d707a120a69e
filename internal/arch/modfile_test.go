package arch_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/arch"
)

// A requirement as a go.mod file writes it, alone or in a block: path, version, and what the comment says.
var requirement = regexp.MustCompile(`^(?:require\s+)?([^\s/]+\.[^\s]+)\s+(v[^\s]+)(\s*// indirect)?$`)

// requirements reads the direct and the indirect requirements of a go.mod file: module path → version.
func requirements(t *testing.T, file string) (direct, indirect map[string]string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	direct, indirect = map[string]string{}, map[string]string{}
	for line := range strings.Lines(string(content)) {
		if match := requirement.FindStringSubmatch(strings.TrimSpace(line)); match != nil {
			if match[3] == "" {
				direct[match[1]] = match[2]
			} else {
				indirect[match[1]] = match[2]
			}
		}
	}
	if len(direct)+len(indirect) == 0 {
		t.Fatalf("%s: no requirement found; has the form of the file changed?", file)
	}
	return direct, indirect
}

func TestEveryDependencyHasItsReason(t *testing.T) {
	direct, _ := requirements(t, filepath.Join(root, "go.mod"))
	peers, _ := requirements(t, filepath.Join(root, "bench", "go.mod"))
	maps.Copy(direct, peers)
	delete(direct, arch.Layout().Module)
	page, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}

	lines := map[string]int{}
	for _, match := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| *[^| ].*\\|$").FindAllStringSubmatch(string(page), -1) {
		lines[match[1]]++
	}
	for _, module := range slices.Sorted(maps.Keys(direct)) {
		if lines[module] != 1 {
			t.Errorf("docs/dependencies.md has %d lines for %s, which a go.mod requires directly; write one that says why it is there", lines[module], module)
		}
	}
	for _, module := range slices.Sorted(maps.Keys(lines)) {
		if direct[module] == "" {
			t.Errorf("docs/dependencies.md gives a reason for %s, which no go.mod requires directly; remove the line", module)
		}
	}
}

func TestEveryDependencyIsPermittedSomewhere(t *testing.T) {
	direct, _ := requirements(t, filepath.Join(root, "go.mod"))
	layout := arch.Layout()
	permitted := slices.Clone(layout.Tests.Modules)
	for _, place := range layout.Places {
		permitted = append(permitted, place.Modules...)
	}
	for _, module := range slices.Sorted(maps.Keys(direct)) {
		if !slices.Contains(permitted, module) {
			t.Errorf("go.mod requires %s directly and the import map lets nobody import it", module)
		}
	}
}

// modernc.org/libc is the C library that modernc.org/sqlite was translated against, and only that version fits. A dependency
// that wants a newer one raises it silently: everything compiles, and SQLite misbehaves.
func TestLibcIsTheOneThatSQLiteWasMadeFor(t *testing.T) {
	const sqlite, libc = "modernc.org/sqlite", "modernc.org/libc"
	direct, indirect := requirements(t, filepath.Join(root, "go.mod"))
	version := direct[sqlite]
	if version == "" {
		t.Fatalf("go.mod does not require %s directly", sqlite)
	}

	output, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Skipf("whether %s fits was not tested: the go command does not say where modules are kept: %v", libc, err)
	}
	file := filepath.Join(strings.TrimSpace(string(output)), "cache", "download", "modernc.org", "sqlite", "@v", version+".mod")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("whether %s fits was not tested: modules were not downloaded to %s", libc, file)
	}
	wanted, _ := requirements(t, file)
	if wanted[libc] == "" {
		t.Fatalf("%s does not require %s any more; this test and the pin can go", sqlite, libc)
	}
	if got := indirect[libc] + direct[libc]; got != wanted[libc] {
		t.Errorf("go.mod has %s %s, and %s %s was made for %s: find the dependency that raised it (go mod graph | grep %s) and take an older one",
			libc, got, sqlite, version, wanted[libc], libc)
	}
}
