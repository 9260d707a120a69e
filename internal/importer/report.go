package importer

import (
	"fmt"
	"strings"
)

// Count is what became of the rows of one kind. Every row that was read was added, was there already, or is quarantined.
type Count struct {
	Read, Added, There, Quarantined int
	// Parts are what was not understood of rows that are there, and Adjusted what was changed so that it fits.
	Parts, Adjusted int
}

// Report is what an import did, or would do.
type Report struct {
	DryRun                                    bool
	Accounts, Communities, Members, Followers Count
	// Linked are those of the accounts there already that were found by their address, in this run.
	Linked int
	// Notes are what somebody should look at, in plain sentences.
	Notes []string
}

// Quarantined is how many rows and parts of rows were not taken over.
func (r Report) Quarantined() int {
	total := 0
	for _, c := range []Count{r.Accounts, r.Communities, r.Members, r.Followers} {
		total += c.Quarantined + c.Parts
	}
	return total
}

// String is the report in plain sentences, one a line.
func (r Report) String() string {
	var text strings.Builder
	added := "added"
	if r.DryRun {
		added = "to add"
	}
	for _, line := range []struct {
		what string
		Count
	}{{"accounts", r.Accounts}, {"communities", r.Communities}, {"members", r.Members}, {"followers", r.Followers}} {
		fmt.Fprintf(&text, "%s: %d read, %d %s, %d there already, %d quarantined", line.what, line.Read, line.Added, added, line.There, line.Quarantined)
		if line.Parts > 0 {
			fmt.Fprintf(&text, "; quarantined parts of others: %d", line.Parts)
		}
		if line.Adjusted > 0 {
			fmt.Fprintf(&text, "; %d adjusted", line.Adjusted)
		}
		text.WriteString("\n")
	}
	for _, note := range r.Notes {
		text.WriteString(note + "\n")
	}
	if r.DryRun {
		text.WriteString("this was a dry run: nothing was changed\n")
	}
	return text.String()
}
