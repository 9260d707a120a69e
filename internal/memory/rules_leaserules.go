//go:build leaserules

package memory

import "os"

// noFillToken is for tests that show what happens without a rule of the lease protocol; package lease names the others.
var noFillToken = os.Getenv("LEASERULES_WITHOUT") == "noFillToken"
