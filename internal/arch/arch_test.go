package arch_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/arch"
)

func small() arch.Map {
	return arch.Map{
		Module: "example.org/forum",
		Places: []arch.Place{
			{Dir: "rbac", Group: arch.Pure},
			{Dir: ".", Group: arch.Pure, Imports: []string{"rbac"}},
			{Dir: "internal/store", Group: arch.Port, Imports: []string{"."}},
			{Dir: "internal/sqlstore", Group: arch.Adapter, Imports: []string{"internal/store"}, Modules: []string{"example.net/driver"}},
			{Dir: "internal/rest", Group: arch.Door, Imports: []string{"."}},
			{Dir: "internal/app", Group: arch.Wiring, Imports: []string{arch.Everything}},
			{Dir: "examples/...", Group: arch.Beside, Imports: []string{"."}},
		},
		Tests: arch.Place{Imports: []string{"internal/sqlstore"}, Modules: []string{"example.net/compare"}},
	}
}

// Each directory in testdata is the source tree of a small module, with the complaints it must bring in its file want.
func TestSmallTrees(t *testing.T) {
	trees, err := filepath.Glob("testdata/*/want")
	if err != nil || len(trees) < 4 {
		t.Fatalf("%d trees found in testdata, %v", len(trees), err)
	}
	for _, want := range trees {
		tree := filepath.Dir(want)
		t.Run(filepath.Base(tree), func(t *testing.T) {
			expected, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			problems, err := small().Check(os.DirFS(tree))
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, problem := range problems {
				got.WriteString(problem + "\n")
			}
			if diff := cmp.Diff(string(expected), got.String()); diff != "" {
				t.Errorf("complaints (-want +got):\n%s", diff)
			}
		})
	}
}

const forbidden = "package x\n\nimport _ \"example.net/forbidden\"\n"

func TestWhatIsNotLookedAt(t *testing.T) {
	file := func(source string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(source)} }
	for name, tree := range map[string]fstest.MapFS{
		"a module inside the module": {"bench/go.mod": file("module x\n"), "bench/x.go": file(forbidden), "bench/deep/x.go": file(forbidden)},
		"testdata":                   {"rbac/testdata/x.go": file(forbidden)},
		"hidden directories":         {".cache/x.go": file(forbidden), "_old/x.go": file(forbidden)},
		"hidden files":               {"rbac/.#x.go": file(forbidden), "rbac/_x.go": file(forbidden)},
		"other files":                {"rbac/x.go.orig": file(forbidden), "LICENSE": file("free\n")},
		"programs for go generate":   {"rbac/gen.go": file("//go:build ignore\n\n" + forbidden)},
	} {
		problems, err := small().Check(tree)
		if err != nil || len(problems) != 0 {
			t.Errorf("%s: %v, %q", name, err, problems)
		}
	}
}

func TestAllBuildsAreLookedAt(t *testing.T) {
	for name, header := range map[string]string{
		"x_plan9.go":     "",
		"x.go":           "//go:build hold\n\n",
		"y.go":           "//go:build !ignore\n\n",
		"z.go":           "// Copyright nobody\n\n//go:build linux && arm64\n\n",
		"comment.go":     "// The build line for programs is\n// //go:build ignore\n\n",
		"x_test.go":      "",
		"x_test_test.go": "//go:build hold\n\n",
	} {
		problems, err := small().Check(fstest.MapFS{"rbac/" + name: {Data: []byte(header + forbidden)}})
		if err != nil || len(problems) != 1 || !strings.Contains(problems[0], "example.net/forbidden") {
			t.Errorf("%s: %v, %q, want one complaint", name, err, problems)
		}
	}
}

func TestAFileThatDoesNotParseIsAnError(t *testing.T) {
	if _, err := small().Check(fstest.MapFS{"rbac/x.go": {Data: []byte("package\n")}}); err == nil {
		t.Error("no error")
	}
}
