package graph

import "github.com/vektah/gqlparser/v2/ast"

// written is how much stands in a document.
type written struct {
	document                     *ast.QueryDocument
	selections, nesting, aliases int
	introspects, circle          bool
	// fragments are measured once, however often they are used; nil while that is under way.
	fragments map[string]*extent
}

// extent is how much a selection is when every fragment is put in its place: fields, and pairs of them.
type extent struct{ fields, pairs int }

func (e *extent) add(more extent) {
	e.fields, e.pairs = min(e.fields+more.fields, heaviest), min(e.pairs+more.pairs, heaviest)
}

func measure(document *ast.QueryDocument) (w written, all extent) {
	w = written{document: document, fragments: map[string]*extent{}}
	for _, operation := range document.Operations {
		all.add(w.measure(operation.SelectionSet, 1))
	}
	for _, fragment := range document.Fragments {
		all.add(w.fragment(fragment.Name))
		if document.Fragments.ForName(fragment.Name) != fragment { // a second one of that name, which the validator reads too
			all.add(w.measure(fragment.SelectionSet, 1))
		}
	}
	return w, all
}

func (w *written) measure(selections ast.SelectionSet, depth int) (sum extent) {
	w.selections += len(selections)
	w.nesting = max(w.nesting, depth)
	for _, selection := range selections {
		switch selection := selection.(type) {
		case *ast.Field:
			if selection.Alias != selection.Name {
				w.aliases++
			}
			w.introspects = w.introspects || selection.Name == "__schema" || selection.Name == "__type"
			sum.add(w.measure(selection.SelectionSet, depth+1))
		case *ast.InlineFragment:
			sum.add(w.measure(selection.SelectionSet, depth+1))
		case *ast.FragmentSpread:
			sum.add(w.fragment(selection.Name))
		}
		sum.fields++
	}
	if repeats(selections, map[string]bool{}) {
		sum.add(extent{pairs: sum.fields * sum.fields})
	}
	return sum
}

// repeats reports whether a name may come twice in the answer's object: only then is anything compared. What a fragment holds may be anything.
func repeats(selections ast.SelectionSet, seen map[string]bool) bool {
	const spread = ""
	for _, selection := range selections {
		switch selection := selection.(type) {
		case *ast.Field:
			if seen[selection.Alias] || seen[spread] {
				return true
			}
			seen[selection.Alias] = true
		case *ast.InlineFragment:
			if repeats(selection.SelectionSet, seen) {
				return true
			}
		case *ast.FragmentSpread:
			if len(seen) > 0 {
				return true
			}
			seen[spread] = true
		}
	}
	return false
}

func (w *written) fragment(name string) extent {
	is, known := w.fragments[name]
	if known {
		w.circle = w.circle || is == nil
		if is == nil {
			return extent{}
		}
		return *is
	}
	fragment := w.document.Fragments.ForName(name)
	if fragment == nil {
		return extent{}
	}
	w.fragments[name] = nil
	sum := w.measure(fragment.SelectionSet, 1)
	w.fragments[name] = &sum
	return sum
}
