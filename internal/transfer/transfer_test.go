package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/sqlstore"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/storetest"
)

func database(t *testing.T) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(context.Background(), "sqlite:"+filepath.Join(t.TempDir(), "propusk.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// full is the file of a database that has rows of everything.
func full(t *testing.T) string {
	t.Helper()
	s := database(t)
	storetest.Fill(t, s)
	return export(t, s)
}

func export(t *testing.T, from store.Dumper) string {
	t.Helper()
	var file strings.Builder
	if _, err := Export(t.Context(), from, &file, Unwatched); err != nil {
		t.Fatal(err)
	}
	return file.String()
}

// resealed is sealed with the header that is there.
func resealed(file string) string {
	header, rest, _ := strings.Cut(file, "\n")
	_, rest, _ = strings.Cut(sealed(header+"\n"+rest), "\n")
	body := header + "\n" + rest[:strings.LastIndex(strings.TrimSuffix(rest, "\n"), "\n")+1]
	end := rest[strings.LastIndex(strings.TrimSuffix(rest, "\n"), "\n")+1:]
	sum := sha256.Sum256([]byte(body))
	at := strings.Index(end, `"sha256":"`) + len(`"sha256":"`)
	return body + end[:at] + hex.EncodeToString(sum[:]) + end[at+64:]
}

// sealed gives changed lines a last line that is right about them, so that another check has to find what is wrong.
func sealed(file string) string {
	lines := strings.SplitAfter(file, "\n")
	lines = lines[:len(lines)-2]
	t := newTally()
	for _, line := range lines {
		for i, table := range t.tables {
			if strings.HasPrefix(line, `{"`+table.Name+`":`) {
				t.counts[i]++
			}
		}
	}
	s := t.summary()
	lines[0] = string(appendHeader(nil, s.Rows))
	text := strings.Join(lines, "")
	sum := sha256.Sum256([]byte(text))
	s.SHA256 = hex.EncodeToString(sum[:])
	return text + string(appendEnd(nil, s))
}

// Whatever is wrong with a file: it is refused with the line, and nothing of it is in the database.
func TestBadFilesAreRefused(t *testing.T) {
	good := full(t)
	lines := strings.SplitAfter(good, "\n")
	lines = lines[:len(lines)-1]
	last := len(lines)
	// change changes the n-th line, from 1.
	change := func(n int, old, replacement string) string {
		if !strings.Contains(lines[n-1], old) {
			t.Fatalf("line %d has no %s: %s", n, old, lines[n-1])
		}
		changed := append([]string{}, lines...)
		changed[n-1] = strings.Replace(changed[n-1], old, replacement, 1)
		return strings.Join(changed, "")
	}
	without := func(n int) string { return strings.Join(append(append([]string{}, lines[:n-1]...), lines[n:]...), "") }
	into := database(t)
	for name, bad := range map[string]struct {
		file, says string
		line       int
	}{
		"nothing":                       {"", "no file of propusk export", 1},
		"another file":                  {"PK\x03\x04\x00", "no file of propusk export", 1},
		"another JSON":                  {"{\"users\":[]}\n", "no file of propusk export", 1},
		"only a header":                 {lines[0], "cut off", 2},
		"half a header":                 {lines[0][:len(lines[0])-9], "no file of propusk export", 1},
		"a newer format":                {change(1, `"format":1`, `"format":2`), "format 2", 1},
		"a header with more":            {change(1, `}}`, `,"more":1}}`), "not written as", 1},
		"without its last line":         {strings.Join(lines[:last-1], ""), "cut off", last},
		"half of its last line":         {good[:len(good)-2], "cut off", last},
		"without its last line end":     {strings.TrimSuffix(good, "\n"), "cut off", last},
		"cut in the middle of a row":    {good[:len(good)/2], "cut off", strings.Count(good[:len(good)/2], "\n") + 1},
		"twice":                         {good + good, "something follows", last + 1},
		"a line too much":               {good + "\n", "something follows", last + 1},
		"a row less":                    {without(last - 7), "changed or damaged", last - 1},
		"a row twice":                   {strings.Join(append(append([]string{}, lines[:2]...), lines[1:]...), ""), "before", 0},
		"another name":                  {change(4, `"hash of `, `"hash in `), "", last},
		"another hash":                  {change(last, `"sha256":"`, `"sha256":"0`), "changed or damaged", last},
		"another count":                 {change(last, `"account":`, `"account":1`), "changed or damaged", last},
		"a header with another count":   {change(1, `"rows":`, `"rows":1`), "changed or damaged", last},
		"a header that promises more":   {resealed(string(appendHeader(nil, 1000)) + strings.Join(lines[1:], "")), "changed or damaged", last},
		"an unknown table":              {sealed(change(2, `{"account"`, `{"acount"`)), `no table "acount"`, 2},
		"an unknown column":             {sealed(change(2, `"email_key"`, `"email_kye"`)), `no column "email_kye"`, 2},
		"a column more":                 {sealed(change(2, `}}`, `,"more":1}}`)), `no column "more"`, 2},
		"a column twice":                {sealed(change(2, `"id":1`, `"id":1,"id":1`)), "", 2},
		"a column less":                 {sealed(change(3, `,"last_seen":null`, ``)), `"last_seen" is missing`, 3},
		"columns in another order":      {sealed(change(2, `"id":1,"user_id":"`, `"user_id":"1","id":"`)), `"user_id" is not where`, 2},
		"a column in capitals":          {sealed(change(2, `"slug"`, `"SLUG"`)), `no column "SLUG"`, 2},
		"a number as a text":            {sealed(change(2, `"id":1,`, `"id":"1",`)), `"id": it must be a whole number`, 2},
		"half a number":                 {sealed(change(2, `"id":1,`, `"id":1.5,`)), `"id": it must be a whole number`, 2},
		"a number written otherwise":    {sealed(change(2, `"id":1,`, `"id":1e0,`)), `"id": it must be a whole number`, 2},
		"a number too large":            {sealed(change(2, `"id":1,`, `"id":9223372036854775808,`)), `"id": it must be a whole number`, 2},
		"minus zero":                    {sealed(change(2, `"id":1,`, `"id":-0,`)), "not written as", 2},
		"a number for true":             {sealed(change(2, `"is_active":true`, `"is_active":1`)), "true or false", 2},
		"a text as a list":              {sealed(change(2, `"role":"user"`, `"role":["user"]`)), "must be a text", 2},
		"null where it may not be":      {sealed(change(2, `"role":"user"`, `"role":null`)), "may not be null", 2},
		"bytes that are none":           {sealed(change(11, `"secret_hash":"`, `"secret_hash":"*`)), "base64", 11},
		"a space":                       {sealed(change(2, `{"account":{`, `{"account": {`)), "not written as", 2},
		"a space at the end":            {sealed(change(2, "}}\n", "}} \n")), "not written as", 2},
		"more after the row":            {sealed(change(2, "}}\n", "}}{}\n")), "not written as", 2},
		"a letter written otherwise":    {sealed(change(2, `"user"`, `"\u0075ser"`)), "not written as", 2},
		"half a letter":                 {sealed(change(2, `"user"`, `"\ud800ser"`)), "", 2},
		"a text that is not UTF-8":      {sealed(change(2, `"user"`, "\"\xffser\"")), "", 2},
		"a zero byte":                   {sealed(change(2, `"user"`, `"\u0000ser"`)), "zero byte", 2},
		"a line that is no object":      {sealed(change(2, lines[1], "7\n")), "not one JSON object", 2},
		"an empty line":                 {sealed(change(2, lines[1], "\n")), "not one JSON object", 2},
		"a table out of order":          {sealed(strings.Join(append([]string{lines[0], lines[last-2]}, lines[1:]...), "")), "comes after", 3},
		"a line without end":            {lines[0] + `{"account":{"id":1,"user_id":"` + strings.Repeat("a", maxLine), "longer than", 2},
		"a member of nothing":           {sealed(strings.Replace(good, `{"member":{"id":1,"community_id":1`, `{"member":{"id":1,"community_id":99`, 1)), "before", 0},
		"a number twice":                {sealed(strings.Join(slices.Insert(slices.Clone(lines), last-1, lines[last-2]), "")), `"audit_event" is there twice: the file was not written`, last},
		"one number for all":            {sealed(strings.Join(append(slices.Clone(lines[:last-6]), lines[last-7], lines[last-7], lines[last-1]), "")), "there twice", last - 5},
		"an account of another role":    {sealed(change(3, `"role":"user"`, `"role":"User"`)), `: table "account": "User" is no role: the file was not written`, 3},
		"an account of a later time":    {sealed(change(4, `"created_at":`, `"created_at":999`)), `: table "account": created_at is no time`, 4},
		"an account's address twice":    {sealed(change(3, `person1@example.org","password`, `person0@example.org","password`)), "before", 0},
		"a community without its lists": {sealed(change(last-1, `"last":`, `"last":-`)), "last number", last - 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Import(t.Context(), into, strings.NewReader(bad.file), Unwatched)
			if err == nil {
				t.Fatal("it is taken")
			}
			if !strings.Contains(err.Error(), bad.says) || !strings.Contains(err.Error(), fmt.Sprintf("line %d: ", bad.line)) && bad.says != "before" {
				t.Errorf("it is refused with %q, and line %d, %q was to be told", err, bad.line, bad.says)
			}
			if empty, err := into.Empty(t.Context()); err != nil || !empty {
				t.Errorf("something of it is in the database (%v)", err)
			}
		})
	}
	if _, _, err := Import(t.Context(), into, strings.NewReader(good), Unwatched); err != nil {
		t.Error(err)
	}
}

func TestAnImportIntoADatabaseInUse(t *testing.T) {
	file := full(t)
	into := database(t)
	s, already, err := Import(t.Context(), into, strings.NewReader(file), Unwatched)
	if err != nil || already {
		t.Fatal(already, err)
	}
	for name, do := range map[string]func(context.Context, store.Dumper, *strings.Reader) (Summary, bool, error){
		"import": func(ctx context.Context, into store.Dumper, from *strings.Reader) (Summary, bool, error) {
			return Import(ctx, into, from, Unwatched)
		},
		"probe": func(ctx context.Context, into store.Dumper, from *strings.Reader) (Summary, bool, error) {
			return Probe(ctx, into, from, Unwatched)
		},
	} {
		again, already, err := do(t.Context(), into, strings.NewReader(file))
		if err != nil || !already || !cmp.Equal(s, again) {
			t.Errorf("%s of the same file: %v, %v, %v", name, again, already, err)
		}
		if _, _, err := do(t.Context(), into, strings.NewReader(file[:len(file)-1])); err == nil || errors.Is(err, ErrOccupied) {
			t.Errorf("%s of a damaged file: %v", name, err)
		}
	}
	if export(t, into) != file {
		t.Error("a second import changed something")
	}
	err = into.Update(t.Context(), func(tx store.Tx) error { return tx.SetBarred(1, 1, true) })
	if err != nil {
		t.Fatal(err)
	}
	changed := export(t, into)
	if _, already, err := Import(t.Context(), into, strings.NewReader(file), Unwatched); already || !errors.Is(err, ErrOccupied) {
		t.Errorf("an import into another database: %v, %v", already, err)
	}
	if export(t, into) != changed {
		t.Error("a refused import changed something")
	}
}

func TestAProbeChangesNothing(t *testing.T) {
	into := database(t)
	s, already, err := Probe(t.Context(), into, strings.NewReader(full(t)), Unwatched)
	if err != nil || already || s.Rows == 0 || len(s.Counts) != len(store.DumpTables()) {
		t.Errorf("%+v, %v, %v", s, already, err)
	}
	if empty, err := into.Empty(t.Context()); err != nil || !empty {
		t.Errorf("empty: %v, %v", empty, err)
	}
}

// What is read in small pieces, and what is written to somebody who stops reading.
func TestSlowAndBrokenPipes(t *testing.T) {
	file := full(t)
	into := database(t)
	if _, _, err := Import(t.Context(), into, iotest.OneByteReader(strings.NewReader(file)), Unwatched); err != nil {
		t.Error(err)
	}
	broken := errors.New("broken pipe")
	if _, err := Export(t.Context(), into, failing{broken}, Unwatched); !errors.Is(err, broken) {
		t.Errorf("an export into a broken pipe: %v", err)
	}
	other := database(t)
	_, _, err := Import(t.Context(), other, iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(file))), Unwatched)
	if !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("an import from a broken pipe: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestProgressIsToldRowByRow(t *testing.T) {
	from := database(t)
	storetest.Fill(t, from)
	var promised, done int
	watch := func(rows int) func() {
		promised, done = rows, 0
		return func() { done++ }
	}
	var file bytes.Buffer
	s, err := Export(t.Context(), from, &file, watch)
	if err != nil || promised != s.Rows || done != s.Rows {
		t.Errorf("an export of %d rows promised %d and told %d, %v", s.Rows, promised, done, err)
	}
	if _, err := Check(&file, watch); err != nil || promised != s.Rows || done != s.Rows {
		t.Errorf("a check of %d rows promised %d and told %d, %v", s.Rows, promised, done, err)
	}
}

// A row is written in one way, and read back as it was.
func TestEveryRowIsReadAsItWasWritten(t *testing.T) {
	tables := store.DumpTables()
	parser := newRowParser(tables)
	value := func(t *rapid.T, c store.DumpColumn) any {
		if c.Nullable && rapid.Bool().Draw(t, "null") {
			return nil
		}
		switch c.Kind {
		case store.DumpInteger:
			return rapid.Int64().Draw(t, "integer")
		case store.DumpBool:
			return rapid.Bool().Draw(t, "bool")
		case store.DumpBytes:
			return append([]byte{}, rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")...)
		case store.DumpText:
		}
		return strings.ReplaceAll(strings.ToValidUTF8(rapid.String().Draw(t, "text"), "?"), "\x00", "")
	}
	rapid.Check(t, func(t *rapid.T) {
		want := store.DumpRow{Table: rapid.IntRange(0, len(tables)-1).Draw(t, "table")}
		for _, column := range tables[want.Table].Columns {
			want.Values = append(want.Values, value(t, column))
		}
		line, err := appendRow(nil, tables[want.Table], want.Values)
		if err != nil || bytes.Count(line, []byte("\n")) != 1 {
			t.Fatalf("%q, %v", line, err)
		}
		got, err := parser.parse(line)
		if err != nil || !cmp.Equal(got, want) {
			t.Fatalf("%s is read as %v, %v; it was %v", line, got, err, want)
		}
	})
}

// Whatever a line is, the parser says what is wrong with it, or takes what would be written the same.
func FuzzALine(f *testing.F) {
	tables := store.DumpTables()
	f.Add([]byte(`{"barred":{"community_id":1,"author_id":2}}` + "\n"))
	f.Add([]byte(`{"counter":{"key":"AA==","count":1,"counted_at":-1,"expires_at":0}}` + "\n"))
	f.Add([]byte(`{"last_number":{"of":"é","last":9223372036854775807}}` + "\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		row, err := newRowParser(tables).parse(line)
		if err != nil {
			return
		}
		again, err := appendRow(nil, tables[row.Table], row.Values)
		if err != nil || !bytes.Equal(again, line) {
			t.Errorf("%q is taken, and written as %q, %v", line, again, err)
		}
	})
}
