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
	keys := numberKeys(kind)
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
		// Another run may have been faster, also while this one waited for the numbers.
		if is, err := r.reserved(g, o, kind, keys); is || err != nil {
			return err
		}
		before, err := g.ReserveNumbers(kind, last)
		if err != nil {
			return err
		}
		if is, err := r.reserved(g, o, kind, keys); is || err != nil {
			return err
		}
		kept := numbers{before + 1, last}
		o.after = append(o.after, func() { r.numbers[kind] = kept })
		o.written = audit.Fields{"first_number": kept.first, "last_number": kept.last}
		return g.SetImported(r.Source, store.ImportedNumbers, keys, []int64{kept.first, kept.last})
	})
}

// numberKeys are what the first and the last number are remembered by.
func numberKeys(kind store.ImportKind) []string {
	return []string{string(kind) + " first", string(kind) + " last"}
}

// reserved takes the numbers that were reserved before, if there are any.
func (r *run) reserved(g ground, o *outcome, kind store.ImportKind, keys []string) (bool, error) {
	known, err := g.Imported(r.Source, store.ImportedNumbers, keys)
	if err != nil || known[1] == 0 {
		return false, err
	}
	o.after = append(o.after, func() { r.numbers[kind] = numbers{known[0], known[1]} })
	return true, nil
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

// renumber tells of a row that did not keep its number. Where 0 is the number, and not the lack of one, it is the key too.
func (r *run) renumber(o *outcome, kind store.ImportKind, row source.Row, was, kept, is int64) {
	if kept != 0 || was == 0 && row.Key != "0" {
		return
	}
	why := "somebody else has it, or could have had it: the row gets a new one"
	if was <= 0 {
		why = "it is none that there can be: the row gets a new one"
	}
	o.adjusted(kind, row, fmt.Sprintf("number %d", was), why)
	o.after = append(o.after, func() {
		if r.renumbered++; r.renumbered > maxNamed {
			return
		}
		note := fmt.Sprintf("%s is %s %d now", where(row), kind, is)
		if r.memory != nil {
			note = fmt.Sprintf("%s gets a new number", where(row))
		}
		r.renamed = append(r.renamed, note)
	})
}

// noteRenumbered adds the rows that got another number to the report.
func (r *run) noteRenumbered() {
	r.report.Notes = append(r.report.Notes, r.renamed...)
	if more := r.renumbered - len(r.renamed); more > 0 {
		r.note("%d more have another number here: all are in the report", more)
	}
}
