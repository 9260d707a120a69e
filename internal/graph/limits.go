package graph

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/propusk/propusk"
)

// What one request may ask.
const (
	maxBodyBytes = 1 << 20
	// maxTokens are of the whole document, maxDepth are fields within fields.
	maxTokens, maxDepth = 2000, 10
	// maxComplexity is in fields: those of a list count once for each of its items.
	maxComplexity = 1000
	maxAliases    = 30
	// maxAuthentications are logins and registrations: aliases must not make one request many guesses.
	maxAuthentications = 1
	maxTime            = 10 * time.Second
)

// tokenLimitMessage is how the parser says that there are more than maxTokens.
var tokenLimitMessage = fmt.Sprintf("exceeded token limit of %d", maxTokens)

const (
	// itemsUnsaid is how many items a list is taken to have whose field takes no limit.
	itemsUnsaid = 20
	// mutationCost is what a change costs beside its fields.
	mutationCost = 10
	// heaviest keeps sums of sums in range: of fragments within fragments there can be more than numbers count.
	heaviest = 1 << 20
)

const (
	// maxSelections is how many fields and fragments a document may write down, and maxNesting how deep, inline fragments counted: to find out
	// whether fields contradict one another takes time that grows with the square of the one and the cube of the other.
	maxSelections, maxNesting = 500, 2 * maxDepth
	// maxErrors is how many faults of one document are told.
	maxErrors = 20
)

// limits refuses operations before anything of them runs.
type limits struct {
	introspection bool
	// known are documents that were let through before.
	known *documents
}

// ExtensionName implements graphql.HandlerExtension.
func (limits) ExtensionName() string { return "limits" }

// Validate implements graphql.HandlerExtension.
func (limits) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters implements graphql.OperationParameterMutator. It looks at what is written, before gqlgen compares it with the
// schema; of what cannot be parsed gqlgen tells.
func (l limits) MutateOperationParameters(ctx context.Context, params *graphql.RawParams) *gqlerror.Error {
	if _, known := l.known.Get(ctx, params.Query); known {
		return nil
	}
	document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: params.Query}, maxTokens)
	if err != nil {
		return nil
	}
	var w written
	for _, operation := range document.Operations {
		w.count(operation.SelectionSet, 1)
	}
	for _, fragment := range document.Fragments {
		w.count(fragment.SelectionSet, 1)
	}
	switch {
	case w.nesting > maxNesting:
		return tooDeep()
	case w.aliases > maxAliases:
		return tooManyAliases()
	case w.selections > maxSelections:
		return tooMuch("query_too_complex", "a document may write down %d fields and fragments at most", maxSelections)
	}
	return nil
}

// written is how much stands in a document.
type written struct{ selections, nesting, aliases int }

func (w *written) count(selections ast.SelectionSet, depth int) {
	w.selections += len(selections)
	w.nesting = max(w.nesting, depth)
	for _, selection := range selections {
		switch selection := selection.(type) {
		case *ast.Field:
			if selection.Alias != selection.Name {
				w.aliases++
			}
			w.count(selection.SelectionSet, depth+1)
		case *ast.InlineFragment:
			w.count(selection.SelectionSet, depth+1)
		}
	}
}

// MutateOperationContext implements graphql.OperationContextMutator.
func (l limits) MutateOperationContext(_ context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	operation.DisableIntrospection = !l.introspection
	s := &scale{variables: operation.Variables, fragments: map[string]weight{}}
	w := s.weigh(operation.Operation.SelectionSet)
	switch {
	case s.overflow:
		return tooMuch("invalid_document", "an Int must be a whole number of 32 bits")
	case w.depth > maxDepth:
		return tooDeep()
	case w.aliases > maxAliases:
		return tooManyAliases()
	case w.authentications > maxAuthentications:
		return tooMuch("too_many_authentications", "a request may hold %d login or register at most", maxAuthentications)
	case w.fields+w.items*itemsUnsaid > maxComplexity:
		return tooMuch("query_too_complex",
			"a request may ask for %d fields at most, those of each item of a list included: ask for fewer fields, or with a smaller limit",
			maxComplexity)
	case !l.introspection && w.introspects:
		return tooMuch("introspection_off", "this server does not tell its schema: it is in api/schema.graphql")
	}
	return nil
}

func tooMuch(code, format string, args ...any) *gqlerror.Error {
	e := &propusk.Error{Kind: propusk.Invalid, Code: code, Message: fmt.Sprintf(format, args...)}
	return &gqlerror.Error{Err: e, Message: e.Message}
}

func tooDeep() *gqlerror.Error {
	return tooMuch("query_too_deep", "fields may be nested %d deep at most, fragments in place %d", maxDepth, maxNesting)
}

func tooManyAliases() *gqlerror.Error {
	return tooMuch("too_many_aliases", "a request may have %d aliases at most", maxAliases)
}

// weight is what a selection asks for.
type weight struct {
	depth, aliases, authentications int
	// fields are told once, items once for each item of the nearest field that says how many.
	fields, items int
	introspects   bool
}

func (w *weight) add(more weight) {
	w.depth = max(w.depth, more.depth)
	w.aliases = min(w.aliases+more.aliases, heaviest)
	w.authentications = min(w.authentications+more.authentications, heaviest)
	w.fields = min(w.fields+more.fields, heaviest)
	w.items = min(w.items+more.items, heaviest)
	w.introspects = w.introspects || more.introspects
}

// scale weighs each fragment once, however often it is used.
type scale struct {
	variables map[string]any
	fragments map[string]weight
	// overflow tells of a number that no Int holds. gqlgen would panic at some.
	overflow bool
}

func (s *scale) weigh(selections ast.SelectionSet) (sum weight) {
	for _, selection := range selections {
		switch selection := selection.(type) {
		case *ast.Field:
			sum.add(s.field(selection))
		case *ast.InlineFragment:
			sum.add(s.weigh(selection.SelectionSet))
		case *ast.FragmentSpread:
			w, known := s.fragments[selection.Name]
			if !known {
				w = s.weigh(selection.Definition.SelectionSet)
				s.fragments[selection.Name] = w
			}
			sum.add(w)
		}
	}
	return sum
}

// field is a field and all below it. What introspection may ask is for the rule MaxIntrospectionDepth to say.
func (s *scale) field(f *ast.Field) weight {
	if strings.HasPrefix(f.Name, "__") {
		return weight{depth: 1, fields: 1, introspects: f.Name != "__typename"}
	}
	for _, argument := range f.Arguments {
		s.overflow = s.overflow || overflows(argument.Value)
	}
	if s.overflow {
		return weight{}
	}
	w := s.weigh(f.SelectionSet)
	own := 1 + w.fields + s.count(f)*w.items
	w.depth, w.fields, w.items = w.depth+1, min(own, heaviest), 0
	if f.Definition.Type.Elem != nil && len(f.SelectionSet) > 0 {
		w.fields, w.items = 0, min(own, heaviest)
	}
	if f.Alias != f.Name {
		w.aliases++
	}
	if f.ObjectDefinition.Name == "Mutation" {
		w.fields += mutationCost
		if f.Name == "login" || f.Name == "register" {
			w.authentications++
		}
	}
	return w
}

// count is how many items a field says it wants in its list.
func (s *scale) count(f *ast.Field) int {
	if f.Definition.Arguments.ForName("limit") == nil {
		return itemsUnsaid
	}
	n := int64(itemsUnsaid)
	switch limit := f.ArgumentMap(s.variables)["limit"].(type) {
	case int64:
		n = limit
	case int:
		n = int64(limit)
	case json.Number:
		n, _ = limit.Int64()
	case nil:
		n = defaultLimit
	}
	return int(min(max(n, 1), heaviest))
}

func overflows(v *ast.Value) bool {
	if v.Kind == ast.IntValue {
		_, err := strconv.ParseInt(v.Raw, 10, 32)
		return err != nil
	}
	for _, child := range v.Children {
		if overflows(child.Value) {
			return true
		}
	}
	return false
}
