package importer

import (
	"context"
	"fmt"
	"iter"

	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/internal/store"
)

// maxKept is the highest number that is kept. Below 2³¹ it leaves enough for those who come later.
const maxKept = 1_000_000_000

// numbers is a range of numbers that rows keep, first to last; empty where first is above last.
type numbers struct{ first, last int64 }

// reserve makes sure of the numbers that rows are to keep. It happens once for each kind: what it reserved is remembered, so that a later run does
// not take the number of somebody who came in between for its own.
func (r *run) reserve(ctx context.Context) error {
	err := r.reserveKind(ctx, store.ImportedAccount, "import.accounts", highest(r.system.Accounts(ctx), func(a source.Account) int64 { return a.Number }))
	if err != nil {
		return err
	}
	return r.reserveKind(ctx, store.ImportedCommunity, "import.communities",
		highest(r.system.Communities(ctx), func(c source.Community) int64 { return c.Number }))
}

// highest finds the highest number that can be kept.
func highest[T any](rows iter.Seq2[T, error], number func(T) int64) func() (int64, error) {
	return func() (most int64, err error) {
		for row, err := range rows {
			if err != nil {
				return 0, err
			}
			if n := number(row); n <= maxKept {
				most = max(most, n)
			}
		}
		return most, nil
	}
}

func (r *run) reserveKind(ctx context.Context, kind store.ImportKind, action string, find func() (int64, error)) error {
	keys := []string{string(kind) + " first", string(kind) + " last"}
	known, err := r.Store.Now(ctx).Imported(r.Source, store.ImportedNumbers, keys)
	if err != nil {
		return err
	}
	if known[1] > 0 {
		r.numbers[kind] = numbers{known[0], known[1]}
		return nil
	}
	r.tell("looking", 0, 0)
	last, err := find()
	if err != nil || last == 0 {
		return err
	}
	return r.change(ctx, action, &Count{}, func(g ground, o *outcome) error {
		before, err := g.ReserveNumbers(kind, last)
		if err != nil {
			return err
		}
		kept := numbers{before + 1, last}
		o.after = append(o.after, func() { r.numbers[kind] = kept })
		o.written = audit.Fields{"first_number": kept.first, "last_number": kept.last}
		return g.SetImported(r.Source, store.ImportedNumbers, keys, []int64{kept.first, kept.last})
	})
}

// keep is the number that a row keeps; 0 when it cannot. Rows come by number, so one that is no higher than the last is there twice.
func (r *run) keep(kind store.ImportKind, number int64) int64 {
	kept, is := r.numbers[kind]
	if !is || number < kept.first || number > kept.last || number <= r.highest[kind] {
		return 0
	}
	r.highest[kind] = number
	return number
}

// renumbered tells of a row that did not keep its number.
func (o *outcome) renumbered(kind store.ImportKind, row source.Row, was, kept int64) {
	if was > 0 && kept == 0 {
		o.adjusted(kind, row, fmt.Sprintf("number %d", was), "somebody else has it, or could have had it: the row gets a new one")
	}
}
