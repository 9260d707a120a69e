package transfer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

// decoder reads lines.
type decoder struct {
	tally
	rows   *rowParser
	from   *bufio.Reader
	number int
	long   []byte
}

func newDecoder(from io.Reader) *decoder {
	t := newTally()
	return &decoder{tally: t, rows: newRowParser(t.tables), from: bufio.NewReaderSize(from, 1<<16)}
}

// errCutOff is a file that was copied, or written, in part.
var errCutOff = errors.New("the last line is missing: the file is cut off")

// read hands over all rows. Only when it returns no error is the file whole.
func (d *decoder) read(watch Watch, each func(store.DumpRow) error) (Summary, error) {
	s, err := d.lines(watch, each)
	if err != nil {
		return Summary{}, fmt.Errorf("line %d: %w", d.number, err)
	}
	return s, nil
}

func (d *decoder) lines(watch Watch, each func(store.DumpRow) error) (Summary, error) {
	rows, err := d.header()
	if err != nil {
		return Summary{}, err
	}
	step, last := watch(rows), 0
	for {
		line, err := d.next()
		if err != nil {
			return Summary{}, err
		}
		if bytes.HasPrefix(line, []byte(`{"`+endName+`":`)) {
			return d.end(line, rows)
		}
		d.hash.Write(line)
		row, err := d.rows.parse(line)
		if err != nil {
			return Summary{}, err
		}
		if row.Table < last {
			return Summary{}, fmt.Errorf("a row of the table %q comes after those of %q", d.tables[row.Table].Name, d.tables[last].Name)
		}
		last = row.Table
		d.counts[row.Table]++
		if err := each(row); err != nil {
			return Summary{}, place(err)
		}
		step()
	}
}

// place says where a row is that was not taken. Rows are written many at a time, and only what is found before that is known to be in the last.
func place(err error) error {
	var known *propusk.Error
	if errors.As(err, &known) && known.Code == "invalid_dump" {
		return err
	}
	return fmt.Errorf("here or in the rows before: %w", err)
}

// next reads a line with its end. It is good until the next call.
func (d *decoder) next() ([]byte, error) {
	d.number++
	line, err := d.from.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = d.nextLong(line)
	}
	if errors.Is(err, io.EOF) {
		err = errCutOff
	}
	return line, err
}

func (d *decoder) nextLong(line []byte) (_ []byte, err error) {
	d.long = append(d.long[:0], line...)
	for {
		line, err = d.from.ReadSlice('\n')
		d.long = append(d.long, line...)
		switch {
		case len(d.long) > maxLine:
			return nil, fmt.Errorf("it is longer than %d bytes", maxLine)
		case !errors.Is(err, bufio.ErrBufferFull):
			return d.long, err
		}
	}
}

// header reads the first line and gives the number of rows that it promises.
func (d *decoder) header() (int, error) {
	line, err := d.next()
	if err != nil && !errors.Is(err, errCutOff) {
		return 0, err
	}
	var header struct {
		Export *struct{ Format, Rows int } `json:"propusk_export"`
	}
	if json.Unmarshal(line, &header) != nil || header.Export == nil {
		return 0, errors.New("this is no file of propusk export")
	}
	if header.Export.Format != format {
		return 0, fmt.Errorf("the file has format %d, and this program reads format %d: use the Propusk that wrote it", header.Export.Format, format)
	}
	if !bytes.Equal(line, appendHeader(nil, header.Export.Rows)) {
		return 0, errForm
	}
	d.hash.Write(line)
	return header.Export.Rows, nil
}

// end compares what was read with what the last line says of it.
func (d *decoder) end(line []byte, rows int) (Summary, error) {
	s := d.summary()
	if !bytes.Equal(line, appendEnd(nil, s)) || s.Rows != rows {
		return Summary{}, errors.New("the lines before are not those that were written: the file was changed or damaged")
	}
	if _, err := d.from.ReadByte(); !errors.Is(err, io.EOF) {
		d.number++
		if err != nil {
			return Summary{}, err
		}
		return Summary{}, errors.New("something follows the last line")
	}
	return s, nil
}
