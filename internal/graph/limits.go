package graph

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
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
	maxBodyBytes = 128 << 10
	// maxTokens are of the whole document, maxDepth are fields within fields.
	maxTokens, maxDepth = 2000, 10
	// maxComplexity is in fields: those of a list count once for each of its items.
	maxComplexity = 1000
	maxAliases    = 30
	// maxAuthentications are logins and registrations: aliases must not make one request many guesses. maxBulks are of many memberships.
	maxAuthentications, maxBulks = 1, 1
	maxTime                      = 10 * time.Second
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
	// maxQueryBytes is of the document alone: gqlgen's messages repeat its names, at times once for each fault.
	maxQueryBytes = 32 << 10
	// maxSelections is how many fields and fragments a document may write down, and maxNesting how deep, inline fragments counted.
	maxSelections, maxNesting = 300, 2 * maxDepth
	// maxPairs is how many pairs of fields may have to be compared to find out whether they contradict one another, with every fragment in
	// its place, at each level and for each operation anew: what gqlgen's validator does takes that long, and with fragments of fragments it
	// would take for ever.
	maxPairs = 150_000
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
	if len(params.Query) > maxQueryBytes {
		return tooMuch("document_too_long", "a document must have at most %d bytes: send texts as variables", maxQueryBytes)
	}
	if _, known := l.known.Get(ctx, params.Query); known {
		return nil
	}
	document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: params.Query}, maxTokens)
	if err != nil {
		return nil
	}
	w, all := measure(document)
	switch {
	case w.circle:
		return tooMuch("invalid_document", "a fragment must not hold itself")
	case w.nesting > maxNesting:
		return tooDeep()
	case w.aliases > maxAliases:
		return tooManyAliases()
	case w.selections > maxSelections:
		return tooMuch("query_too_complex", "a document may write down %d fields and fragments at most", maxSelections)
	case w.introspects && !l.introspection:
		return introspectionOff()
	case all.pairs > maxPairs || all.fields > maxPairs:
		return tooMuch("query_too_complex", "this document takes too long to check: use fewer fields, operations and fragments within fragments")
	}
	return nil
}

// MutateOperationContext implements graphql.OperationContextMutator.
func (l limits) MutateOperationContext(_ context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	operation.DisableIntrospection = !l.introspection
	s := &scale{variables: operation.Variables, fragments: map[string]weight{}, changes: map[string]bool{}}
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
	case w.bulks > maxBulks:
		return tooMuch("too_many_bulks", "a request may hold %d adminBulkAssignRoles at most", maxBulks)
	case s.twice:
		return tooMuch("invalid_document", "two changes have the same name in the answer: give one of them an alias")
	case w.fields+w.items*itemsUnsaid > maxComplexity:
		return tooMuch("query_too_complex",
			"a request may ask for %d fields at most, those of each item of a list included: ask for fewer fields, or with a smaller limit",
			maxComplexity)
	case s.misfit:
		return tooMuch("invalid_document", "a variable has a value that cannot stand where it is used")
	case !l.introspection && w.introspects:
		return introspectionOff()
	}
	return nil
}

func tooMuch(code, format string, args ...any) *gqlerror.Error {
	e := &propusk.Error{Kind: propusk.Invalid, Code: code, Message: fmt.Sprintf(format, args...)}
	return &gqlerror.Error{Err: e, Message: e.Message}
}

func introspectionOff() *gqlerror.Error {
	return tooMuch("introspection_off", "this server does not tell its schema: it is in api/schema.graphql")
}

func tooDeep() *gqlerror.Error {
	return tooMuch("query_too_deep", "fields may be nested %d deep at most, fragments in place %d", maxDepth, maxNesting)
}

func tooManyAliases() *gqlerror.Error {
	return tooMuch("too_many_aliases", "a request may have %d aliases at most", maxAliases)
}

// weight is what a selection asks for.
type weight struct {
	depth, aliases, authentications, bulks int
	// fields are told once, items once for each item of the nearest field that says how many.
	fields, items int
	introspects   bool
}

func (w *weight) add(more weight) {
	w.depth = max(w.depth, more.depth)
	w.aliases = min(w.aliases+more.aliases, heaviest)
	w.authentications = min(w.authentications+more.authentications, heaviest)
	w.bulks = min(w.bulks+more.bulks, heaviest)
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
	// misfit tells of a variable that gqlgen would stumble over when some of the operation has run already.
	misfit bool
	// changes are the names that mutations have in the answer. twice tells of one that comes again: gqlgen would make one change of two whose
	// lists differ.
	changes map[string]bool
	twice   bool
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
		s.judge(argument.Value)
	}
	if s.overflow || s.misfit {
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
		switch f.Name {
		case "login", "register":
			w.authentications++
		case "adminBulkAssignRoles":
			w.bulks++
		}
		s.twice = s.twice || s.changes[f.Alias]
		s.changes[f.Alias] = true
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

// judge looks at the variables in an argument: at what gqlparser lets pass of them, and gqlgen does not.
func (s *scale) judge(v *ast.Value) {
	for _, child := range v.Children {
		s.judge(child.Value)
	}
	value, given := s.variables[v.Raw]
	if v.Kind != ast.Variable || !given {
		return
	}
	switch name, _ := value.(string); {
	case value == nil:
		s.misfit = s.misfit || (v.ExpectedType != nil && v.ExpectedType.NonNull)
	case v.Definition != nil && v.Definition.Kind == ast.Enum:
		s.misfit = s.misfit || v.Definition.EnumValues.ForName(name) == nil
	case v.Definition != nil && v.Definition.Name == "String":
		s.misfit = s.misfit || !text(value)
	default:
		s.overflow = s.overflow || beyond(value)
	}
}

// text reports whether a variable is a text, or a list of texts. gqlgen would make one of a number.
func text(value any) bool {
	switch value := value.(type) {
	case string:
		return true
	case []string:
		return true
	case []any:
		return !slices.ContainsFunc(value, func(one any) bool { return !text(one) })
	}
	return false
}

// beyond reports whether there is a number in a variable that no Int holds. The schema has no other numbers.
func beyond(value any) bool {
	switch value := value.(type) {
	case int64:
		return value != int64(int32(value))
	case json.Number:
		_, err := strconv.ParseInt(value.String(), 10, 32)
		return err != nil
	case []any:
		return slices.ContainsFunc(value, beyond)
	case []map[string]any:
		return slices.ContainsFunc(value, func(one map[string]any) bool { return beyond(one) })
	case map[string]any:
		for _, one := range value {
			if beyond(one) {
				return true
			}
		}
	}
	return false
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
