package graph_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/guard/gqlgenguard"
	"github.com/propusk/propusk/internal/graph"
)

// Whoever forgets a directive on a new field hears of it here.
func TestEveryFieldSaysWhoMayAskForIt(t *testing.T) {
	t.Parallel()
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	if err := gqlgenguard.New().Validate(schema); err != nil {
		t.Error(err)
	}
	if open := gqlgenguard.Uncovered(schema, "public"); len(open) > 0 {
		t.Errorf("no directive says who may ask for %v", open)
	}
	want := []string{"Mutation.login", "Mutation.logout", "Mutation.register"}
	if diff := cmp.Diff(want, gqlgenguard.Uncovered(schema)); diff != "" {
		t.Errorf("open to everybody (-want +got):\n%s", diff)
	}
}
