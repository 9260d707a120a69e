package app

import (
	"testing"

	"github.com/propusk/propusk/internal/sqlstore"
)

// A commit may wait for more than one standby, and then hangs with one.
func TestAllStandbysThatACommitWaitsForMustBeThere(t *testing.T) {
	for names, needed := range map[string]int{
		"*": 1, "a": 1, "a, b": 1, "2, b": 1, `"2 (x)"`: 1, "FIRST 1 (a, b)": 1, "ANY 2 (a, b)": 2, "any 3(a,b,c,d)": 3, "First 2 ( a , b )": 2, " 2 (a, b)": 2,
	} {
		for there, want := range map[int]string{needed - 1: replicatesToNobody, needed: replicatesInStep, needed + 1: replicatesInStep} {
			if got, _ := judge(sqlstore.Replication{Names: names, Commit: "on", Standbys: there, Synchronous: there}, nil); got != want {
				t.Errorf("%s with %d standbys is %s, want %s", names, there, got, want)
			}
		}
	}
}
