// Package arch holds the import map of Propusk as data, and checks that the sources keep to it. Nothing imports this package;
// its tests are its only user.
//
// The sources are read and parsed here instead of asking the go command: the test cache notices when a file that a test
// opened has changed, and knows nothing of what a child process read, so a test that asks the go command goes on passing
// from the cache after the import that should fail it.
package arch

import (
	"fmt"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Map says which package may import what.
type Map struct {
	// Module is the module's path, as in go.mod.
	Module string
	// Places are the packages that exist or are foreseen.
	Places []Place
	// Tests is what test files of any package may import in addition to what their package may. Its Dir is empty.
	Tests Place
}

// Place is one package's row.
type Place struct {
	// Dir is the directory below the module's root: "." for the root itself; with "/..." at the end also everything below.
	Dir string
	// Group is what kind of package it is.
	Group Group
	// Imports are the directories of the module's own packages that it may import, or Everything.
	Imports []string
	// Modules are the paths of other modules that it may import, the standard library being open to all.
	Modules []string
}

// Everything in Imports stands for all packages of the module.
const Everything = "..."

// Group is a kind of package. The rules between groups are tested on the map itself.
type Group string

// The groups, in the order in which they may know each other.
const (
	Pure    Group = "public, standard library only"
	Public  Group = "public"
	Helper  Group = "helper"
	Port    Group = "port"
	Service Group = "service"
	Adapter Group = "adapter"
	Door    Group = "door"
	Wiring  Group = "settings and wiring"
	Program Group = "program"
	Beside  Group = "beside the product"
)

// Check parses every Go file of the module whose root tree is, also those that this machine's build would leave out, and returns
// what breaks the map, one line each, sorted. It skips testdata, directories whose names begin with a dot or an underscore,
// modules inside the module, and files that are no part of any package (//go:build ignore).
func (m Map) Check(tree fs.FS) ([]string, error) {
	var problems []string
	homeless := map[string]bool{}

	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return enter(tree, name)
		}
		base := path.Base(name)
		if path.Ext(base) != ".go" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
			return nil
		}
		imports, err := importsOf(tree, name)
		if err != nil {
			return err
		}
		if imports == nil {
			return nil
		}

		dir := path.Dir(name)
		place, ok := m.place(dir)
		if !ok {
			if !homeless[dir] {
				homeless[dir] = true
				problems = append(problems, fmt.Sprintf("%s: this package has no place in the import map: give it one in internal/arch/layout.go, "+
					"or put its code into a package that has one", dir))
			}
			return nil
		}
		for _, imported := range imports {
			if reason := m.refuse(place, dir, strings.HasSuffix(base, "_test.go"), imported.path); reason != "" {
				problems = append(problems, fmt.Sprintf("%s:%d: %s", name, imported.line, reason))
			}
		}
		return nil
	})
	slices.Sort(problems)
	return problems, err
}

// enter decides whether the walk goes into a directory.
func enter(tree fs.FS, name string) error {
	if name == "." {
		return nil
	}
	base := path.Base(name)
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := fs.Stat(tree, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

type importLine struct {
	path string
	line int
}

// importsOf returns the imports of a file: nil for one that no package contains, empty for one without imports.
func importsOf(tree fs.FS, name string) ([]importLine, error) {
	source, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, err
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return nil, err
	}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if comment.Pos() > file.Package || !constraint.IsGoBuild(comment.Text) {
				continue
			}
			if expression, err := constraint.Parse(comment.Text); err == nil && expression.String() == "ignore" {
				return nil, nil
			}
		}
	}
	imports := []importLine{}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		imports = append(imports, importLine{imported, files.Position(spec.Pos()).Line})
	}
	return imports, nil
}

func (m Map) place(dir string) (Place, bool) {
	for _, place := range m.Places {
		if root, below := strings.CutSuffix(place.Dir, "/..."); place.Dir == dir || below && (dir == root || strings.HasPrefix(dir, root+"/")) {
			return place, true
		}
	}
	return Place{}, false
}

// refuse says why a file of dir may not import a path, or nothing.
func (m Map) refuse(place Place, dir string, test bool, imported string) string {
	if imported == "C" {
		return fmt.Sprintf("%s uses cgo; Propusk builds without a C compiler", dir)
	}

	allowedImports, allowedModules := place.Imports, place.Modules
	if test {
		allowedImports = slices.Concat(allowedImports, m.Tests.Imports)
		allowedModules = slices.Concat(allowedModules, m.Tests.Modules)
	}

	own, isOwn := strings.CutPrefix(imported, m.Module+"/")
	if imported == m.Module {
		own, isOwn = ".", true
	}
	switch {
	case isOwn:
		if own == dir && test || slices.Contains(allowedImports, own) || slices.Contains(allowedImports, Everything) {
			return ""
		}
		return fmt.Sprintf("%s (%s) may not import %s%s; of Propusk it may import: %s", dir, place.Group, own, m.groupOf(own), names(allowedImports))
	case standard(imported):
		return ""
	default:
		if slices.ContainsFunc(allowedModules, func(module string) bool {
			return imported == module || strings.HasPrefix(imported, module+"/")
		}) {
			return ""
		}
		return fmt.Sprintf("%s (%s) may not import %s; of other modules it may import: %s", dir, place.Group, imported, names(allowedModules))
	}
}

func (m Map) groupOf(dir string) string {
	if place, ok := m.place(dir); ok {
		return fmt.Sprintf(" (%s)", place.Group)
	}
	return ""
}

// standard goes by the rule of the go command: the first element of a path outside the standard library has a dot.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

func names(allowed []string) string {
	if len(allowed) == 0 {
		return "nothing"
	}
	var once []string
	for _, name := range allowed {
		if !slices.Contains(once, name) {
			once = append(once, name)
		}
	}
	return strings.Join(once, ", ")
}
