// Command checks holds the analyzers that neither go vet nor staticcheck has, as one program for go vet -vettool: the go command
// then reads each package once, tests included, and remembers what has not changed.
package main

import (
	"go/ast"
	"slices"
	"strings"

	"github.com/kisielk/errcheck/errcheck"
	"github.com/nishanths/exhaustive"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/nilness"
	"golang.org/x/tools/go/analysis/passes/reflectvaluecompare"
	"golang.org/x/tools/go/analysis/passes/sortslice"
	"golang.org/x/tools/go/analysis/passes/unusedwrite"
	"golang.org/x/tools/go/analysis/unitchecker"
)

func main() {
	unitchecker.Main(
		outsideTests(errcheck.Analyzer), // an error nobody looked at; in tests that is mostly tidying up
		exhaustive.Analyzer,             // a switch that forgot a kind, such as a new kind of error
		nilness.Analyzer,                // conditions and dereferences whose nil is already decided
		unusedwrite.Analyzer,            // fields set on a copy
		reflectvaluecompare.Analyzer,    // reflect.Value compared with ==
		sortslice.Analyzer,              // sort.Slice of what is no slice
	)
}

// outsideTests keeps an analyzer from looking at test files.
func outsideTests(analyzer *analysis.Analyzer) *analysis.Analyzer {
	quiet := *analyzer
	quiet.Run = func(pass *analysis.Pass) (any, error) {
		product := *pass
		product.Files = slices.DeleteFunc(slices.Clone(pass.Files), func(file *ast.File) bool {
			return strings.HasSuffix(pass.Fset.File(file.Package).Name(), "_test.go")
		})
		return analyzer.Run(&product)
	}
	return &quiet
}
