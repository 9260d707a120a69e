// Command checks holds the analyzers that neither go vet nor staticcheck has, as one program for go vet -vettool: the go command
// then reads each package once, tests included, and remembers what has not changed.
package main

import (
	"github.com/kisielk/errcheck/errcheck"
	"github.com/nishanths/exhaustive"
	sqlclosecheck "github.com/ryanrolds/sqlclosecheck/pkg/analyzer"
	"golang.org/x/tools/go/analysis/passes/nilness"
	"golang.org/x/tools/go/analysis/passes/reflectvaluecompare"
	"golang.org/x/tools/go/analysis/passes/sortslice"
	"golang.org/x/tools/go/analysis/passes/unusedwrite"
	"golang.org/x/tools/go/analysis/unitchecker"
)

func main() {
	unitchecker.Main(
		errcheck.Analyzer,            // an error nobody looked at
		exhaustive.Analyzer,          // a switch that forgot a kind, such as a new kind of error
		nilness.Analyzer,             // conditions and dereferences whose nil is already decided
		sqlclosecheck.NewAnalyzer(),  // rows and statements left open, which holds a connection for ever
		unusedwrite.Analyzer,         // fields set on a copy
		reflectvaluecompare.Analyzer, // reflect.Value compared with ==
		sortslice.Analyzer,           // sort.Slice of what is no slice
	)
}
