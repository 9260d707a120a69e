package csvfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

const (
	// maxCell bounds what one cell takes in memory, in bytes, and maxCells how many of a row are kept. encoding/csv has no such bounds: one
	// quotation mark too many would read a whole file into a cell.
	maxCell  = 64 << 10
	maxCells = 64
)

// record is one row of a file.
type record struct {
	// cells are the first maxCells of it, and count is how many it has.
	cells []string
	count int
	// first and last are the lines it stands on, from 1.
	first, last int
	// fault, when not empty, says why the row means nothing. cells are those before it.
	fault string
}

// where names the lines of the record.
func (r record) where() string {
	if r.last > r.first {
		return fmt.Sprintf("lines %d to %d", r.first, r.last)
	}
	return fmt.Sprintf("line %d", r.first)
}

// records reads CSV as RFC 4180 writes it, with line ends of either kind. A row that it does not understand is told, and reading goes on behind it.
type records struct {
	in   *bufio.Reader
	line int
	cell []byte
	row  record
	// long tells that the cell has more than is kept.
	long bool
}

const (
	byteOrderMark = "\uFEFF"

	faultLong  = "a cell is longer than 64 KiB"
	faultUTF8  = "it is not in UTF-8"
	faultOpen  = "a cell of it begins with a quotation mark and never ends, so that all that follows seems to be in it"
	faultQuote = `a quotation mark stands inside a cell: a cell with one begins and ends with one, and doubles those within`
)

func newRecords(in io.Reader) (*records, error) {
	r := &records{in: bufio.NewReaderSize(in, 64<<10), line: 1}
	start, err := r.in.Peek(len(byteOrderMark))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if string(start) == byteOrderMark {
		_, err = r.in.Discard(len(byteOrderMark))
		return r, err
	}
	return r, nil
}

// next is the next row that is not an empty line; io.EOF after the last. What it returns is the caller's to keep.
func (r *records) next() (record, error) {
	if err := r.skipEmptyLines(); err != nil {
		return record{}, err
	}
	r.row = record{first: r.line}
	for {
		more, err := r.readCell()
		if err != nil {
			return record{}, err
		}
		r.keep()
		if !more {
			r.row.last = max(r.row.first, r.line-1)
			return r.row, nil
		}
	}
}

// skipEmptyLines leaves the reader at the beginning of a row.
func (r *records) skipEmptyLines() error {
	for {
		next, err := r.in.Peek(2)
		switch {
		case len(next) == 0:
			return err
		case next[0] != '\n' && (next[0] != '\r' || len(next) == 2 && next[1] != '\n'):
			return nil
		}
		if _, err := r.read(); err != nil {
			return err
		}
		r.line++
	}
}

// read is the next byte; of a line end it gives the line feed alone.
func (r *records) read() (byte, error) {
	b, err := r.in.ReadByte()
	if err != nil || b != '\r' {
		return b, err
	}
	switch next, err := r.in.Peek(1); {
	case errors.Is(err, io.EOF):
		return 0, io.EOF // the last line end, cut in two
	case err != nil:
		return 0, err
	case next[0] == '\n':
		return r.in.ReadByte()
	}
	return b, nil
}

// readCell reads one cell and what ends it, and tells whether it was a comma.
func (r *records) readCell() (more bool, err error) {
	r.cell, r.long = r.cell[:0], false
	b, err := r.read()
	if err == nil && b == '"' {
		if err := r.readQuoted(); err != nil {
			return false, err
		}
		b, err = r.read()
		if err == nil && b != ',' && b != '\n' {
			r.fail(faultQuote)
			return false, r.skipLine()
		}
	}
	for ; err == nil; b, err = r.read() {
		switch b {
		case ',':
			return true, nil
		case '\n':
			r.line++
			return false, nil
		case '"':
			r.fail(faultQuote)
			return false, r.skipLine()
		}
		r.put(b)
	}
	return false, r.end(err)
}

// readQuoted reads up to the quotation mark that closes the cell, or to the end of the file: where the mark is missing nobody knows.
func (r *records) readQuoted() error {
	for last := byte(0); ; {
		b, err := r.read()
		switch {
		case errors.Is(err, io.EOF):
			r.fail(faultOpen)
			if last == '\n' {
				r.line-- // there is none behind it
			}
			return nil
		case err != nil:
			return err
		case b == '\n':
			r.line++
		case b == '"':
			next, err := r.in.Peek(1)
			if err != nil || next[0] != '"' {
				return r.notEnd(err)
			}
			if _, err := r.in.Discard(1); err != nil {
				return err
			}
		}
		r.put(b)
		last = b
	}
}

// notEnd passes on what is more than the end of the file.
func (*records) notEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// skipLine leaves out the rest of the line.
func (r *records) skipLine() error {
	for {
		switch b, err := r.read(); {
		case err != nil:
			return r.end(err)
		case b == '\n':
			r.line++
			return nil
		}
	}
}

// end takes the end of the file for that of a line.
func (r *records) end(err error) error {
	if errors.Is(err, io.EOF) {
		r.line++
		return nil
	}
	return err
}

func (r *records) put(b byte) {
	if len(r.cell) == maxCell {
		r.long = true
		return
	}
	r.cell = append(r.cell, b)
}

// keep ends a cell.
func (r *records) keep() {
	switch r.row.count++; {
	case r.long:
		r.fail(faultLong)
	case !utf8.Valid(r.cell):
		r.fail(faultUTF8)
	case r.row.fault == "" && len(r.row.cells) < maxCells:
		r.row.cells = append(r.row.cells, string(r.cell))
	}
}

// fail keeps the first fault of a row.
func (r *records) fail(fault string) {
	if r.row.fault == "" {
		r.row.fault = fault
	}
}
