package rbac

import (
	"errors"
	"fmt"
)

// maxFaults keeps a hostile policy from being answered by a longer list of
// errors than anyone would read.
const maxFaults = 100

// PolicyError is one thing wrong with a policy.
type PolicyError struct {
	// Path leads to the place, for example "roles.author.permissions[3]",
	// "default_roles[0]" or "catalogue.content[7]". A role whose id is
	// malformed or taken goes by its place: "roles[2]".
	Path string
	Err  error
}

func (e *PolicyError) Error() string { return e.Path + ": " + e.Err.Error() }

func (e *PolicyError) Unwrap() error { return e.Err }

// faults collects what is wrong, so that a person can mend it all at once.
type faults struct {
	list []error
}

func (f *faults) add(path, format string, args ...any) {
	f.wrap(path, fmt.Errorf(format, args...))
}

func (f *faults) wrap(path string, err error) {
	if len(f.list) < maxFaults {
		f.list = append(f.list, &PolicyError{Path: path, Err: err})
	}
}

func (f *faults) join() error { return errors.Join(f.list...) }
