// Package csvfile reads accounts and memberships from CSV files: the way in from every program that can write a table.
//
// A file is read as a stream, as often as somebody asks for its rows. What is remembered of a row is 16 bytes, to refuse another for the same.
package csvfile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/importer/source"
)

// Config names the files. At least one of Users and Members is needed.
type Config struct {
	Users, Members string
	// Community is the slug of the one all members are of; the file must not have the column then.
	Community string
}

// columns of the two files; the first in each is needed.
var (
	userColumns   = []string{"email", "name", "last_name", "slug", "password_hash", "password", "role", "active", "created_at"}
	memberColumns = []string{"email", "community", "roles", "joined_at"}
)

// System is the two files. It implements source.System.
type System struct {
	config         Config
	users, members layout
	// brought, once the users were read and their last row never ended, are the addresses of those before; others may stand in that row.
	brought seen
}

// Open reads the headers. An error names the file and what a header may have.
func Open(c Config) (*System, error) {
	if c.Users == "" && c.Members == "" {
		return nil, errors.New("no file is named: accounts come from --users FILE, memberships from --members FILE")
	}
	s := &System{config: c}
	var err error
	if c.Users != "" {
		if s.users, err = readLayout(c.Users, userColumns); err != nil {
			return nil, err
		}
	}
	if c.Members == "" {
		if c.Community != "" {
			return nil, errors.New("--community says where the people of --members FILE are members, and no such file is named")
		}
		return s, nil
	}
	if s.members, err = readLayout(c.Members, memberColumns); err != nil {
		return nil, err
	}
	switch _, has := s.members["community"]; {
	case has && c.Community != "":
		return nil, fmt.Errorf("%s has a column community, so --community has nothing to say: leave out one of them", c.Members)
	case !has && c.Community == "":
		return nil, fmt.Errorf("%s has no column community: add it, or name the one for all with --community SLUG", c.Members)
	}
	return s, nil
}

// layout is where the columns of a file are.
type layout map[string]int

func readLayout(file string, allowed []string) (layout, error) {
	var header record
	for row, err := range rows(context.Background(), file) {
		if err != nil {
			return nil, err
		}
		header = row
		break
	}
	if header.count == 0 {
		return nil, fmt.Errorf("%s is empty; its first line names the columns, of these: %s", file, strings.Join(allowed, ", "))
	}
	if header.fault != "" {
		return nil, fmt.Errorf("%s, %s: %s", file, header.where(), header.fault)
	}
	columns := layout{}
	for i, name := range header.cells {
		name = strings.TrimSpace(name)
		if !slices.Contains(allowed, name) {
			return nil, fmt.Errorf("%s, %s: there is no column %s; the first line names the columns, separated by commas, of these: %s",
				file, header.where(), source.Excerpt(name), strings.Join(allowed, ", "))
		}
		if _, twice := columns[name]; twice {
			return nil, fmt.Errorf("%s, %s: the column %s is there twice", file, header.where(), name)
		}
		columns[name] = i
	}
	if _, has := columns[allowed[0]]; !has {
		return nil, fmt.Errorf("%s, %s: the column %s is missing", file, header.where(), allowed[0])
	}
	return columns, nil
}

// cell is what a row has in a column, "" where the file has none such.
func (l layout) cell(row record, column string) string {
	i, has := l[column]
	if !has {
		return ""
	}
	return row.cells[i]
}

// trimmed is cell without surrounding space.
func (l layout) trimmed(row record, column string) string {
	return strings.TrimSpace(l.cell(row, column))
}

// fault says why a row cannot be read at all.
func (l layout) fault(row record) string {
	if row.fault == "" && row.count != len(l) {
		return fmt.Sprintf("it has %d cells, and the first line has %d; a cell with a comma in it stands in quotation marks", row.count, len(l))
	}
	return row.fault
}

// rows are all of a file, the header first. A row that cannot be read is none the less one.
func rows(ctx context.Context, file string) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		if err := read(ctx, file, func(row record) bool { return yield(row, nil) }); err != nil {
			yield(record{}, err)
		}
	}
}

func read(ctx context.Context, file string, yield func(record) bool) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	r, err := newRecords(in)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for ctx.Err() == nil {
		row, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if !yield(row) {
			return nil
		}
	}
	return ctx.Err()
}

// body are the rows below the header.
func body(ctx context.Context, file string) iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		header := true
		for row, err := range rows(ctx, file) {
			if header && err == nil {
				header = false
				continue
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// Count counts lines, so a cell of two lines counts twice.
func (s *System) Count(ctx context.Context) (n source.Count, err error) {
	if n.Accounts, err = countLines(ctx, s.config.Users); err != nil {
		return source.Count{}, err
	}
	n.Members, err = countLines(ctx, s.config.Members)
	return n, err
}

// countLines are those below the header.
func countLines(ctx context.Context, file string) (int, error) {
	if file == "" {
		return 0, nil
	}
	in, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer func() { _ = in.Close() }() // it was only read
	lines, last, buffer := 0, byte('\n'), make([]byte, 256<<10)
	for ctx.Err() == nil {
		n, err := in.Read(buffer)
		if n > 0 {
			lines, last = lines+bytes.Count(buffer[:n], []byte{'\n'}), buffer[n-1]
		}
		if errors.Is(err, io.EOF) {
			if last != '\n' {
				lines++
			}
			return max(0, lines-1), nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, ctx.Err()
}

// Communities are none: the files name those that are in Propusk.
func (*System) Communities(context.Context) iter.Seq2[source.Community, error] {
	return func(func(source.Community, error) bool) {}
}

// Followers are none.
func (*System) Followers(context.Context) iter.Seq2[source.Follower, error] {
	return func(func(source.Follower, error) bool) {}
}

// Close has nothing to do: files are open while their rows are read.
func (*System) Close() error { return nil }

// seen remembers keys, by so much of their hash that a million of them take some 35 MB and no two share it.
type seen map[[16]byte]struct{}

// has tells whether the key was asked for.
func (s seen) has(key string) bool {
	_, is := s[short(key)]
	return is
}

// again tells whether the key was asked for before.
func (s seen) again(key string) bool {
	sum := short(key)
	_, is := s[sum]
	s[sum] = struct{}{}
	return is
}

func short(key string) [16]byte {
	sum := sha256.Sum256([]byte(key))
	return [16]byte(sum[:16])
}
