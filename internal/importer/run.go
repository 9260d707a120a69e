package importer

import (
	"context"
	"crypto/sha256"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

const (
	// chunkRows is how many rows one transaction takes over: few enough that others who write wait for a fraction of a second.
	chunkRows = 1000
	// breath is how long the database is left to others between two transactions. Those who wait for an SQLite file look again every 2 ms.
	breath = 5 * time.Millisecond
	// attempts is how often a transaction is begun while the database says that it is busy.
	attempts = 5
)

// run is one import under way.
type run struct {
	*Service
	Options
	operator propusk.Pass
	system   System
	total    source.Count
	report   Report
	// memory is what a dry run would have written; nil in a real one.
	memory *memory

	// unusable is the hash of accounts that have no password.
	unusable string
	// addresses are those of the rows so far, so that the second row of an address is not linked to the first one's account.
	addresses map[digest]struct{}
	// numbers are the ranges of numbers that can be kept, and highest the last number that was read.
	numbers map[store.ImportKind]numbers
	highest map[store.ImportKind]int64
	// owner is the account that founds what nobody known has founded; 0 for none.
	owner int64
	// founded are the communities that are not deleted, deleted those that the source has deleted.
	founded []int64
	deleted map[int64]propusk.Community
	// created is when accounts were made, as far as somebody asked lately.
	created map[int64]time.Time
	// lists are compiled already.
	lists map[string]*rbac.Grants
	// passwordless counts new accounts that have no password.
	passwordless int
}

// digest stands for a text, so that a hundred thousand of them are small.
type digest [16]byte

func digestOf(text string) digest {
	sum := sha256.Sum256([]byte(text))
	return digest(sum[:16])
}

// ground is what rows are written to: a transaction, or in a dry run what it would be.
type ground interface {
	store.Reader
	store.ImportWriter
	founder
}

// founder is what founding a community takes.
type founder interface {
	InsertCommunity(propusk.Community) (propusk.Community, error)
	DeleteCommunity(id int64, at time.Time) error
	KeepGrants(store.GrantsHash, []byte) error
	SetCommunityRole(communityID int64, r store.RoleRow) error
}

// outcome is what became of some rows, in one attempt to write them.
type outcome struct {
	Count
	faults []Fault
	// written is what the audit is told; nothing was changed while it is empty.
	written audit.Fields
	// after is done when the attempt was the one that counted.
	after []func()
}

// fault notes a part that was not understood, or all of a row.
func (o *outcome) fault(kind store.ImportKind, row source.Row, part, why string) {
	o.faults = append(o.faults, Fault{Kind: string(kind), Where: where(row), Part: part, Why: why})
	if part == "" {
		o.Quarantined++
	} else {
		o.Parts++
	}
}

// adjusted notes something that was changed so that it fits.
func (o *outcome) adjusted(kind store.ImportKind, row source.Row, part, why string) {
	o.faults = append(o.faults, Fault{Kind: string(kind), Where: where(row), Part: part, Why: why, Adjusted: true})
	o.Adjusted++
}

// add takes over what was found out about a row before. Of one that came over earlier nothing is adjusted any more; what was not understood of
// it is told each time, so that a run that was interrupted leaves no gap in what people read.
func (o *outcome) add(before outcome, known bool) {
	o.Parts += before.Parts
	for _, f := range before.faults {
		if f.Adjusted && known {
			continue
		}
		o.faults = append(o.faults, f)
		if f.Adjusted {
			o.Adjusted++
		}
	}
}

// note takes note of what the audit is to be told.
func (o *outcome) note(what string, n int) {
	if o.written == nil {
		o.written = audit.Fields{}
	}
	o.written[what] = n
}

func where(row source.Row) string {
	if row.Where == "" {
		return row.Key
	}
	return row.Where
}

// refusal is why a row cannot be taken over whatever is in it: the source says so, or it cannot be remembered.
func refusal(row source.Row) string {
	switch {
	case row.Refused != "":
		return row.Refused
	case row.Key == "" || !isText(row.Key):
		return "the row has no key that is a text"
	}
	return ""
}

// keyed is a row that is remembered.
type keyed interface{ key() string }

// keysOf are the keys of rows. What is no text no database has heard of, and none takes it: nothing has that key.
func keysOf[T keyed](rows []T) []string {
	keys := make([]string, len(rows))
	for i, row := range rows {
		if key := row.key(); isText(key) {
			keys[i] = key
		}
	}
	return keys
}

// known tells what rows became in earlier runs; 0 for what is new.
func known[T keyed](g ground, name string, kind store.ImportKind, rows []T) ([]int64, error) {
	return g.Imported(name, kind, keysOf(rows))
}

// isText reports whether a database takes it.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// change writes some rows with fn, as one transaction with one entry in the audit, and counts what became of them in count.
func (r *run) change(ctx context.Context, action string, count *Count, fn func(ground, *outcome) error) error {
	var o *outcome
	err := r.commit(ctx, action, func(g ground) (*outcome, error) {
		o = &outcome{}
		return o, fn(g, o)
	})
	if err != nil {
		return err
	}
	count.Added += o.Added
	count.There += o.There
	count.Quarantined += o.Quarantined
	count.Parts += o.Parts
	count.Adjusted += o.Adjusted
	for _, f := range o.faults {
		if r.Quarantine != nil {
			r.Quarantine(f)
		}
	}
	for _, done := range o.after {
		done()
	}
	if len(o.written) > 0 && r.memory == nil {
		return rest(ctx)
	}
	return nil
}

func (r *run) commit(ctx context.Context, action string, fn func(ground) (*outcome, error)) error {
	if r.memory != nil {
		return r.Store.View(ctx, func(reader store.Reader) error {
			_, err := fn(ghost{reader, r.memory})
			return err
		})
	}
	return r.persist(ctx, func(tx store.Tx) error {
		o, err := fn(tx)
		if err != nil || len(o.written) == 0 {
			return err
		}
		o.written["source"] = r.Source
		return audit.Record(tx, r.Now(), r.operator, audit.Entry{Action: action, After: o.written})
	})
}

// persist tries again while others keep the database busy: what a transaction finds to be there already it leaves alone.
func (r *run) persist(ctx context.Context, fn func(store.Tx) error) (err error) {
	for range attempts {
		if err = r.Store.Update(ctx, fn); propusk.KindOf(err) != propusk.Unavailable {
			return err
		}
	}
	return err
}

// rest lets others write.
func rest(ctx context.Context) error {
	select {
	case <-time.After(breath):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tell says how far a stage is.
func (r *run) tell(stage string, done, total int) {
	if r.Progress != nil {
		r.Progress(stage, done, total)
	}
}

// chunks does something with a thousand rows at a time.
func chunks[T any](rows iter.Seq2[T, error], do func([]T) error) error {
	chunk := make([]T, 0, chunkRows)
	for row, err := range rows {
		if err != nil {
			return err
		}
		if chunk = append(chunk, row); len(chunk) < chunkRows {
			continue
		}
		if err := do(chunk); err != nil {
			return err
		}
		chunk = chunk[:0]
	}
	if len(chunk) == 0 {
		return nil
	}
	return do(chunk)
}

// moment is a time as it is kept, to the second; zero when it is none that there can be.
func moment(o *outcome, kind store.ImportKind, row source.Row, part string, at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	if at.Unix() < 0 || at.UTC().Year() > 9999 {
		o.fault(kind, row, part, "must be a time between 1970 and 9999")
		return time.Time{}
	}
	return at.Truncate(time.Second)
}

// since is at, or where that is unknown the other.
func since(at, other time.Time) time.Time {
	if at.IsZero() {
		return other
	}
	return at
}
