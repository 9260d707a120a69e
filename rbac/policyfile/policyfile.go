// Package policyfile reads the file in which a person writes an
// [rbac.Policy]. It is a small, strict part of YAML: keys and values of other
// shapes than a policy needs are refused, and so are unknown and repeated keys,
// anchors, aliases, tags and block texts. Every error names file and line.
package policyfile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/propusk/propusk/rbac"
)

// MaxSize is the size of the largest policy file, in bytes.
const MaxSize = 256 << 10

// Error is one thing wrong with a policy file.
type Error struct {
	File string
	Line int // counted from 1
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// Parse reads a policy and compiles it to see that it is sound, so
// [rbac.Compile] takes whatever Parse returns. The name is that of the file,
// for errors only. The error joins one [*Error] for each thing that is wrong,
// in order of lines.
func Parse(name string, data []byte) (rbac.Policy, error) {
	r := &reader{lines: make(map[string]int)}
	policy := r.read(data)
	if len(r.errs) == 0 {
		_, err := rbac.Compile(policy)
		r.locate(err)
	}
	if len(r.errs) > 0 {
		return rbac.Policy{}, r.join(name)
	}
	return policy, nil
}

// locate gives each error of the compiler its line.
func (r *reader) locate(err error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return
	}
	for _, err := range joined.Unwrap() {
		line := 1
		if at, ok := errors.AsType[*rbac.PolicyError](err); ok {
			line = r.line(at.Path)
		}
		r.errs = append(r.errs, &Error{Line: line, Err: err})
	}
}

// line returns the line of path, or of the nearest thing around it.
func (r *reader) line(path string) int {
	for path != "" {
		if line, ok := r.lines[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 1
}

func (r *reader) join(name string) error {
	slices.SortStableFunc(r.errs, func(a, b *Error) int { return cmp.Compare(a.Line, b.Line) })
	joined := make([]error, len(r.errs))
	for i, e := range r.errs {
		e.File = name
		joined[i] = e
	}
	return errors.Join(joined...)
}
