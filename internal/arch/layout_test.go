package arch_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/arch"
)

const root = "../.."

func TestTheSourcesKeepToTheImportMap(t *testing.T) {
	problems, err := arch.Layout().Check(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Error(problem)
	}
}

// The map could permit what it is there to forbid. These are the rules between groups, tested on the map.
func TestTheImportMapKeepsItsOwnRules(t *testing.T) {
	layout := arch.Layout()
	group := map[string]arch.Group{}
	for _, place := range layout.Places {
		if _, twice := group[place.Dir]; twice {
			t.Errorf("%s has two places", place.Dir)
		}
		group[place.Dir] = place.Group
	}

	forbidden := map[arch.Group][]arch.Group{
		arch.Helper:  {arch.Public, arch.Service, arch.Adapter, arch.Door, arch.Wiring, arch.Program, arch.Beside},
		arch.Port:    {arch.Public, arch.Helper, arch.Service, arch.Adapter, arch.Door, arch.Wiring, arch.Program, arch.Beside},
		arch.Service: {arch.Adapter, arch.Door, arch.Wiring, arch.Program, arch.Beside},
		arch.Adapter: {arch.Public, arch.Service, arch.Adapter, arch.Door, arch.Wiring, arch.Program, arch.Beside},
		arch.Door:    {arch.Port, arch.Adapter, arch.Wiring, arch.Program, arch.Beside},
		arch.Public:  {arch.Helper, arch.Port, arch.Service, arch.Adapter, arch.Door, arch.Program, arch.Beside},
		arch.Program: {arch.Port, arch.Adapter, arch.Beside},
		arch.Beside:  {arch.Port, arch.Adapter},
	}
	for _, place := range layout.Places {
		for _, imported := range place.Imports {
			if imported == arch.Everything {
				if place.Dir != "internal/app" {
					t.Errorf("%s may import everything; only internal/app may", place.Dir)
				}
				continue
			}
			if _, known := group[imported]; !known {
				t.Errorf("%s may import %s, which has no place", place.Dir, imported)
			}
			if imported == place.Dir {
				t.Errorf("%s may import itself", place.Dir)
			}
			if slices.Contains(forbidden[place.Group], group[imported]) {
				t.Errorf("%s (%s) may import %s (%s)", place.Dir, place.Group, imported, group[imported])
			}
			if place.Group == arch.Pure && group[imported] != arch.Pure {
				t.Errorf("%s promises the standard library only and may import %s", place.Dir, imported)
			}
			if slices.Contains(place.Imports[slices.Index(place.Imports, imported)+1:], imported) {
				t.Errorf("%s names %s twice", place.Dir, imported)
			}
		}
		if place.Group == arch.Pure && len(place.Modules) > 0 {
			t.Errorf("%s promises the standard library only and may import %s", place.Dir, strings.Join(place.Modules, ", "))
		}
	}
	for _, imported := range layout.Tests.Imports {
		if _, known := group[imported]; !known {
			t.Errorf("tests may import %s, which has no place", imported)
		}
	}
}
