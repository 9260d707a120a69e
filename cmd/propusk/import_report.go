package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/propusk/propusk/internal/importer"
)

// shownFaults is how many faults are printed where no file takes them.
const shownFaults = 20

// quarantine takes faults: all of them into a file, or the first to people.
type quarantine struct {
	out   io.Writer
	bar   *stages
	path  string
	part  *os.File // which becomes path in the end
	lines *bufio.Writer
	told  int
	err   error
}

// newQuarantine writes beside the file at path, if there is to be one, so that what is there stays whole until the run has ended. sources are files,
// with or without sqlite: before them, that it can never take the place of.
func newQuarantine(out io.Writer, bar *stages, path string, sources []string) (*quarantine, error) {
	q := &quarantine{out: out, bar: bar, path: path}
	if path == "" {
		return q, nil
	}
	if err := replaceable(path, sources); err != nil {
		return nil, fmt.Errorf("--report: %w", err)
	}
	// Its mode lets nobody else read it: what it is to hold are addresses of people.
	part, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".partial-*")
	if err != nil {
		return nil, fmt.Errorf("--report: %w", err)
	}
	q.part, q.lines = part, bufio.NewWriter(part)
	return q, nil
}

// reportStart is how reports begin, unless they are empty.
const reportStart = `{"what":`

// replaceable reports why a report cannot have this name. Whoever mixes up two flags is not to lose a table of users, or the database, and
// a link that somebody else has put there is not followed.
func replaceable(path string, sources []string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file: name one", path)
	}
	for _, source := range sources {
		source = strings.TrimPrefix(source, "sqlite:")
		if other, err := os.Stat(source); err == nil && os.SameFile(info, other) {
			return fmt.Errorf("%s is what this run works with: name another file", path)
		}
	}
	if info.Size() == 0 {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	start := make([]byte, len(reportStart))
	if _, err := io.ReadFull(file, start); err != nil || string(start) != reportStart {
		return fmt.Errorf("%s is there, and is no report of an import: name another file", path)
	}
	return nil
}

// faultLine is a fault in the file.
type faultLine struct {
	What  string `json:"what"` // the first: see reportStart
	Kind  string `json:"kind"`
	Where string `json:"where"`
	Part  string `json:"part,omitempty"`
	Why   string `json:"why"`
}

func (q *quarantine) take(f importer.Fault) {
	if q.lines != nil {
		q.write(f)
		return
	}
	if f.Adjusted {
		return
	}
	if q.told++; q.told <= shownFaults {
		q.bar.clear()
		fmt.Fprintf(q.out, "quarantined: %s\n", f)
	}
}

func (q *quarantine) write(f importer.Fault) {
	line := faultLine{What: "quarantined", Kind: f.Kind, Where: f.Where, Part: f.Part, Why: f.Why}
	if f.Adjusted {
		line.What = "adjusted"
	} else {
		q.told++
	}
	encoder := json.NewEncoder(q.lines)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(line); q.err == nil {
		q.err = err
	}
}

// close gives the file its name, if there is one, also where it could not be written to its end.
func (q *quarantine) close() error {
	if q.part == nil {
		return nil
	}
	err := errors.Join(q.err, q.lines.Flush(), q.part.Close(), os.Rename(q.part.Name(), q.path))
	if err != nil {
		return fmt.Errorf("--report: %w", err)
	}
	return nil
}

// rest says where the faults are that were not printed.
func (q *quarantine) rest() {
	switch {
	case q.part != nil:
		fmt.Fprintf(q.out, "quarantined: %d, all in %s\n", q.told, q.path)
	case q.told > shownFaults:
		fmt.Fprintf(q.out, "quarantined: %d more; --report FILE takes all of them\n", q.told-shownFaults)
	}
}
