package importer

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"hash/maphash"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/internal/store"
)

const (
	// chunkRows is how many rows one transaction takes over unless said otherwise: few enough that others who write wait for a fraction of a second.
	chunkRows = 1000
	// breath is how long the database is left to others between two transactions. Those who wait for an SQLite file look again every 2 ms.
	breath = 5 * time.Millisecond
	// chunkBytes ends a transaction earlier, where rows are large: a thousand of a megabyte would take a gigabyte.
	chunkBytes = 4 << 20
	// maxTold is how many parts of one row are told one by one.
	maxTold = 100
	// maxNamed is how many renumbered rows the report names.
	maxNamed = 20
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
	// addresses are those of the rows so far, so that the second row of an address is not linked to the first one's account, and so that nobody
	// gets the memberships of an address whose row did not come over.
	addresses map[digest]fate
	// seed and keys tell which keys of the stage's rows were there before. A sum of 64 bits is enough: a million keys have two alike once in
	// a hundred thousand years of runs.
	seed maphash.Seed
	keys map[uint64]struct{}
	// renamed are the notes about rows that got another number, and renumbered is how many there are.
	renamed    []string
	renumbered int
	// numbers are the ranges of numbers that can be kept, and highest the last number that was read.
	numbers map[store.ImportKind]numbers
	highest map[store.ImportKind]int64
	// owner is the account that founds what nobody known has founded; 0 for none.
	owner int64
	// founded are the communities that are not deleted, deleted those that the source has deleted.
	founded []int64
	deleted map[int64]*scope
	// created is when accounts were made, as far as somebody asked lately.
	created map[int64]time.Time
	// lists are compiled already, and roleLists were met already, so that equal ones are kept once.
	lists     map[digest]compiled
	roleLists map[string][]string
	// passwordless counts new accounts that have no password.
	passwordless int
}

// fate is what became of the rows that have an address.
type fate byte

const (
	// refused rows were not understood; another row may still have the address.
	refused fate = iota + 1
	// claimed stands for a row that was understood.
	claimed
	// came stands for a row whose account has the address in Propusk.
	came
)

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
	// ofRow bounds how many parts are told, and more counts the others.
	ofRow bool
	more  int
}

// fault notes a part that was not understood, or all of a row.
func (o *outcome) fault(kind store.ImportKind, row source.Row, part, why string) {
	if o.ofRow && part != "" && len(o.faults) >= maxTold {
		o.more++
		return
	}
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
	if before.more > 0 {
		last := before.faults[len(before.faults)-1]
		last.Adjusted, last.Part, last.Why = false, fmt.Sprintf("and %d more", before.more), fmt.Sprintf("the first %d are told one by one", maxTold)
		o.faults = append(o.faults, last)
		o.Parts++
	}
}

// odd takes over what the source did not understand of a row.
func (o *outcome) odd(kind store.ImportKind, row source.Row) {
	for _, odd := range row.Odd {
		o.fault(kind, row, odd.Part, odd.Why)
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

// again is why a row cannot be taken over if one before it, in this stage, has its key: nobody can tell the two apart later.
func (r *run) again(row source.Row) string {
	sum := maphash.String(r.seed, row.Key)
	if _, twice := r.keys[sum]; twice {
		return fmt.Sprintf("a row before it has the key %.100q too", row.Key)
	}
	r.keys[sum] = struct{}{}
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

// chunk is how many rows one transaction takes over at most.
func (r *run) chunk() int { return cmp.Or(r.Chunk, chunkRows) }

// chunks does something with that many rows at a time, or with fewer where they are large.
func chunks[T any](rows iter.Seq2[T, error], most int, size func(T) int, do func([]T) error) error {
	chunk := make([]T, 0, most)
	bytes := 0
	for row, err := range rows {
		if err != nil {
			return err
		}
		bytes += size(row)
		if chunk = append(chunk, row); len(chunk) < most && bytes < chunkBytes {
			continue
		}
		if err := do(chunk); err != nil {
			return err
		}
		clear(chunk)
		chunk, bytes = chunk[:0], 0
	}
	if len(chunk) == 0 {
		return nil
	}
	return do(chunk)
}

// perText is about what a text takes beside its bytes.
const perText = 16

// sizeOf is about what texts take.
func sizeOf(texts ...string) (bytes int) {
	for _, text := range texts {
		bytes += perText + len(text)
	}
	return bytes
}

func sizeOfRow(row source.Row) int {
	bytes := sizeOf(row.Key, row.Where, row.Refused)
	for _, odd := range row.Odd {
		bytes += sizeOf(odd.Part, odd.Why)
	}
	return bytes
}

func sizeOfAccount(a source.Account) int {
	return sizeOfRow(a.Row) + sizeOf(a.Email, a.Name, a.LastName, a.Slug, a.Role, a.Password.Hash, a.Password.Plain)
}

func sizeOfCommunity(c source.Community) int {
	bytes := sizeOfRow(c.Row) + sizeOf(c.Slug, c.Name, c.Description) + sizeOf(c.Available...) + sizeOf(c.Default...)
	for _, role := range c.Roles {
		bytes += sizeOf(role.ID, role.Name) + sizeOf(role.Permissions...)
	}
	return bytes
}

func sizeOfMember(m source.Member) int { return sizeOfRow(m.Row) + sizeOf(m.Roles...) }

func sizeOfFollower(f source.Follower) int { return sizeOfRow(f.Row) }

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
