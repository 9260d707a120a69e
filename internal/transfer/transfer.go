// Package transfer moves everything that a database holds into another one, of whatever engine, by way of a file.
//
// The file is lines of JSON. The first says what it is, then each row of each table is one, and the last counts them and has the SHA-256 of
// all lines before it. Nothing in it tells of which engine it came or when: equal databases make equal files, and there is exactly one way to
// write each line.
package transfer

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/propusk/propusk/internal/store"
)

// Summary is what a file holds.
type Summary struct {
	// Counts are the tables that have rows, in their order, and Rows how many these are together.
	Counts []Count
	Rows   int
	// SHA256 is that of all lines but the last, in hexadecimal. Files with the same one are the same.
	SHA256 string
}

// Count is how many rows of a table there are.
type Count struct {
	Table string
	Rows  int
}

// Watch is told how many rows there are, and gives what is called after each.
type Watch func(rows int) (step func())

// Unwatched is for whoever does not want to know.
func Unwatched(int) func() { return func() {} }

// ErrOccupied means that an import would mix what is in the file with something else.
var ErrOccupied = errors.New("the database is not empty, and holds something else than this file")

// Export writes all that one snapshot of the database holds. What it wrote is complete only when it returns no error; a part of a file is known
// as such by its missing last line.
func Export(ctx context.Context, from store.Dumper, to io.Writer, watch Watch) (Summary, error) {
	e := newEncoder(to)
	step := func() {}
	err := from.Dump(ctx, func(rows int) error {
		step = watch(rows)
		return e.header(rows)
	}, func(row store.DumpRow) error {
		defer step()
		return e.row(row)
	})
	if err != nil {
		return Summary{}, err
	}
	return e.end()
}

// Check reads a file to its end and finds whether it is whole and as Export wrote it. An error names the line. Whether a database would take its
// rows only Import can tell.
func Check(from io.Reader, watch Watch) (Summary, error) {
	return newDecoder(from).read(watch, func(store.DumpRow) error { return nil })
}

// Import fills an empty database with what is in a file, all at once: after an error, which names the line if one is at fault, nothing of it is
// there. A database that holds exactly what is in the file is left alone, and already is true; one that holds anything else is
// ErrOccupied.
func Import(ctx context.Context, into store.Dumper, from io.Reader, watch Watch) (s Summary, already bool, err error) {
	empty, err := into.Empty(ctx)
	if err != nil {
		return Summary{}, false, err
	}
	if !empty {
		s, err = same(ctx, into, from, watch)
		return s, err == nil, err
	}
	d := newDecoder(from)
	err = into.Load(ctx, func(add func(store.DumpRow) error) (err error) {
		s, err = d.read(watch, add)
		return err
	})
	if errors.Is(err, store.ErrNotEmpty) { // since we looked
		err = ErrOccupied
	}
	return s, false, err
}

// same compares a database with a file.
func same(ctx context.Context, db store.Dumper, file io.Reader, watch Watch) (Summary, error) {
	wanted, err := Check(file, Unwatched)
	if err != nil {
		return Summary{}, err
	}
	held, err := Export(ctx, db, io.Discard, watch)
	if err == nil && held.SHA256 != wanted.SHA256 {
		err = ErrOccupied
	}
	return wanted, err
}

// Probe says what Import would do, and changes nothing.
func Probe(ctx context.Context, into store.Dumper, from io.Reader, watch Watch) (s Summary, already bool, err error) {
	empty, err := into.Empty(ctx)
	switch {
	case err != nil:
		return Summary{}, false, err
	case empty:
		s, err = Check(from, watch)
		return s, false, err
	}
	s, err = same(ctx, into, from, watch)
	return s, err == nil, err
}

// tally counts and hashes lines.
type tally struct {
	tables []store.DumpTable
	counts []int
	hash   hash.Hash
}

func newTally() tally {
	tables := store.DumpTables()
	return tally{tables, make([]int, len(tables)), sha256.New()}
}

func (t *tally) summary() Summary {
	s := Summary{SHA256: hex.EncodeToString(t.hash.Sum(nil))}
	for i, rows := range t.counts {
		if rows > 0 {
			s.Counts = append(s.Counts, Count{t.tables[i].Name, rows})
			s.Rows += rows
		}
	}
	return s
}

// maxLine is the longest line that is written, and read into memory, in bytes.
const maxLine = 32 << 20

// encoder writes lines.
type encoder struct {
	tally
	to   *bufio.Writer
	line []byte
}

func newEncoder(to io.Writer) *encoder {
	return &encoder{tally: newTally(), to: bufio.NewWriterSize(to, 1<<16)}
}

func (e *encoder) header(rows int) error { return e.write(appendHeader(nil, rows)) }

func (e *encoder) row(row store.DumpRow) (err error) {
	table := e.tables[row.Table]
	if e.line, err = appendRow(e.line[:0], table, row.Values); err != nil {
		return fmt.Errorf("a row of the table %q: %w", table.Name, err)
	}
	if len(e.line) > maxLine {
		return fmt.Errorf("a row of the table %q is longer than %d bytes", table.Name, maxLine)
	}
	e.counts[row.Table]++
	return e.write(e.line)
}

func (e *encoder) end() (Summary, error) {
	s := e.summary()
	if _, err := e.to.Write(appendEnd(nil, s)); err != nil {
		return Summary{}, err
	}
	return s, e.to.Flush()
}

func (e *encoder) write(line []byte) error {
	e.hash.Write(line)
	_, err := e.to.Write(line)
	return err
}
