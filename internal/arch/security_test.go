package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

var (
	promised = regexp.MustCompile("`([a-z0-9/]+)`: ((?:`Test[A-Za-z0-9]+`(?:, )?)+)")
	named    = regexp.MustCompile("Test[A-Za-z0-9]+")
)

// Each promise of SECURITY.md names the test that shows it. A test that was renamed or removed takes the promise with it.
func TestEveryPromiseHasItsTest(t *testing.T) {
	t.Parallel()
	const root = "../.."
	page, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, match := range promised.FindAllStringSubmatch(string(page), -1) {
		tests := testsIn(t, filepath.Join(root, match[1]))
		for _, name := range named.FindAllString(match[2], -1) {
			checked++
			if !tests[name] {
				t.Errorf("SECURITY.md names %s in %s, which has no such test", name, match[1])
			}
		}
	}
	if all := len(named.FindAll(page, -1)); checked != all || all == 0 {
		t.Errorf("%d of the %d tests that SECURITY.md names were checked", checked, all)
	}
}

func testsIn(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	tests := make(map[string]bool)
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range parsed.Decls {
			if fn, ok := declaration.(*ast.FuncDecl); ok {
				tests[fn.Name.Name] = true
			}
		}
	}
	return tests
}
