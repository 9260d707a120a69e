package transfer

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/propusk/propusk/internal/store"
)

// format is the number of what lines there are. A file of another number is not read.
const format = 1

// warning stands in the first line, for whoever opens the file.
const warning = "password hashes and private signing keys: whoever reads this file can sign in as anybody who is signed in"

const (
	headerName = "propusk_export"
	endName    = "end"
)

func appendHeader(line []byte, rows int) []byte {
	line = append(line, `{"`+headerName+`":{"format":`...)
	line = strconv.AppendInt(line, format, 10)
	line = append(line, `,"rows":`...)
	line = strconv.AppendInt(line, int64(rows), 10)
	return append(line, `,"holds":"`+warning+`"}}`+"\n"...)
}

func appendEnd(line []byte, s Summary) []byte {
	line = append(line, `{"`+endName+`":{"rows":{`...)
	for i, c := range s.Counts {
		if i > 0 {
			line = append(line, ',')
		}
		line = append(line, `"`+c.Table+`":`...)
		line = strconv.AppendInt(line, int64(c.Rows), 10)
	}
	return append(line, `},"sha256":"`+s.SHA256+`"}}`+"\n"...)
}

// appendRow writes {"table":{"column":value,…}}. A text that is not UTF-8, or holds a zero byte, is an error: no engine but SQLite could take it.
func appendRow(line []byte, table store.DumpTable, values []any) (_ []byte, err error) {
	line = append(line, `{"`+table.Name+`":{`...)
	for i, column := range table.Columns {
		if i > 0 {
			line = append(line, ',')
		}
		line = append(line, `"`+column.Name+`":`...)
		if line, err = appendValue(line, values[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", column.Name, err)
		}
	}
	return append(line, "}}\n"...), nil
}

func appendValue(line []byte, value any) ([]byte, error) {
	switch value := value.(type) {
	case nil:
		return append(line, `null`...), nil
	case int64:
		return strconv.AppendInt(line, value, 10), nil
	case bool:
		return strconv.AppendBool(line, value), nil
	case []byte:
		return append(base64.StdEncoding.AppendEncode(append(line, '"'), value), '"'), nil
	case string:
		if strings.Contains(value, "\x00") {
			return nil, errZero
		}
		return jsontext.AppendQuote(line, value)
	default:
		return nil, fmt.Errorf("a value is a %T", value)
	}
}

var (
	errZero   = errors.New("the text holds a zero byte")
	errObject = errors.New("it is not one JSON object")
	errForm   = errors.New("it is not written as propusk export writes it")
)

// rowParser reads rows of lines.
type rowParser struct {
	tables []store.DumpTable
	index  map[string]int
	source *bytes.Buffer
	json   *jsontext.Decoder
	again  []byte
}

func newRowParser(tables []store.DumpTable) *rowParser {
	p := &rowParser{tables: tables, index: map[string]int{}, source: &bytes.Buffer{}}
	p.json = jsontext.NewDecoder(p.source)
	for i, table := range tables {
		p.index[table.Name] = i
	}
	return p
}

// parse reads a line. What is not the one way to write the row is refused, also where JSON means the same by it.
func (p *rowParser) parse(line []byte) (store.DumpRow, error) {
	p.source.Reset()
	p.source.Write(line)
	p.json.Reset(p.source)
	if err := p.open(); err != nil {
		return store.DumpRow{}, err
	}
	name, err := p.json.ReadToken()
	if err != nil || name.Kind() != '"' {
		return store.DumpRow{}, errObject
	}
	index, known := p.index[name.String()]
	if !known {
		return store.DumpRow{}, fmt.Errorf("there is no table %q", clip(name.String()))
	}
	row := store.DumpRow{Table: index, Values: make([]any, len(p.tables[index].Columns))}
	if err := p.columns(p.tables[index], row.Values); err != nil {
		return store.DumpRow{}, fmt.Errorf("table %q: %w", p.tables[index].Name, err)
	}
	p.again, err = appendRow(p.again[:0], p.tables[index], row.Values)
	if err == nil && !bytes.Equal(p.again, line) {
		err = errForm
	}
	return row, err
}

// open reads the beginning of an object.
func (p *rowParser) open() error {
	if token, err := p.json.ReadToken(); err != nil || token.Kind() != '{' {
		return errObject
	}
	return nil
}

// columns reads the columns of a row, all of them in their order.
func (p *rowParser) columns(table store.DumpTable, values []any) error {
	if err := p.open(); err != nil {
		return err
	}
	for i, column := range table.Columns {
		if err := p.name(table, column); err != nil {
			return err
		}
		value, err := p.json.ReadToken()
		if err != nil {
			return errObject
		}
		if values[i], err = valueOf(column, value); err != nil {
			return fmt.Errorf("column %q: %w", column.Name, err)
		}
	}
	token, err := p.json.ReadToken()
	switch {
	case err != nil:
		return errObject
	case token.Kind() == '"':
		return unexpected(table, token.String())
	}
	return nil
}

// name reads the name of a column.
func (p *rowParser) name(table store.DumpTable, want store.DumpColumn) error {
	token, err := p.json.ReadToken()
	switch {
	case err != nil:
		return errObject
	case token.Kind() != '"':
		return fmt.Errorf("the column %q is missing", want.Name)
	case token.String() == want.Name:
		return nil
	}
	return unexpected(table, token.String())
}

func unexpected(table store.DumpTable, name string) error {
	if slices.ContainsFunc(table.Columns, func(c store.DumpColumn) bool { return c.Name == name }) {
		return fmt.Errorf("the column %q is not where it belongs", name)
	}
	return fmt.Errorf("there is no column %q", clip(name))
}

func valueOf(column store.DumpColumn, token jsontext.Token) (any, error) {
	if token.Kind() == 'n' {
		if column.Nullable {
			return nil, nil
		}
		return nil, errors.New("it may not be null")
	}
	switch column.Kind {
	case store.DumpInteger:
		if n, err := strconv.ParseInt(token.String(), 10, 64); err == nil && token.Kind() == '0' {
			return n, nil
		}
		return nil, errors.New("it must be a whole number")
	case store.DumpBool:
		if token.Kind() == 't' || token.Kind() == 'f' {
			return token.Bool(), nil
		}
		return nil, errors.New("it must be true or false")
	case store.DumpBytes:
		if b, err := base64.StdEncoding.Strict().DecodeString(token.String()); err == nil && token.Kind() == '"' {
			return b, nil
		}
		return nil, errors.New("it must be bytes in base64")
	case store.DumpText:
	}
	if token.Kind() != '"' {
		return nil, errors.New("it must be a text")
	}
	return token.String(), nil
}

// clip is a text that somebody else wrote, short enough for a message.
func clip(text string) string {
	const most = 40
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
