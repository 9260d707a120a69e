package main

import (
	"strings"
	"testing"
)

// leastRows is how many rows of the table Casbin can be told at least: most of it.
const leastRows = 900

func TestCasbinAgreesWithTheTable(t *testing.T) {
	t.Parallel()
	found, err := agree(layouts())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d rows, %d enforcers; stale after a revocation: %q", found.rows, found.of, found.enforcers, found.stale)
	if found.rows < leastRows || found.enforcers != 2*4*len(layouts()) {
		t.Errorf("%+v", found)
	}
}

// A layout that gives one permission too many, or one too few, is found out.
func TestADifferenceIsFound(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func([]string) []string{
		"more": func(leaves []string) []string { return append(leaves, "shout:delete_any") },
		"less": func(leaves []string) []string { return leaves[1:] },
	} {
		wrong := layouts()[1]
		right := wrong.lines
		wrong.lines = func(from policy) (p, g, g2 [][]string) {
			from.domains["owls"]["reader"] = spoil(from.domains["owls"]["reader"])
			return right(from)
		}
		if _, err := agree([]layout{wrong}); err == nil || !strings.Contains(err.Error(), "differs from the table") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
