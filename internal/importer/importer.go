// Package importer brings people, communities and memberships over from another system. What it cannot understand it hands to a quarantine: it
// drops nothing and guesses nothing. It remembers every row that it took over, so that a run can be repeated, also after it was killed in the
// middle: what came over earlier is never touched again, whatever became of it in Propusk since.
package importer

import (
	"context"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/community"
	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/internal/password"
	"github.com/propusk/propusk/internal/store"
)

// System is where people come from; see package source.
type System = source.System

// Service imports.
type Service struct {
	Store       store.Store
	Access      *access.Service
	Communities *community.Service
	Hasher      *password.Hasher
	// Now is the wall clock.
	Now func() time.Time
	// Chunk is how many rows one transaction takes over at most; 0 stands for a thousand.
	Chunk int
}

// Options are how to import.
type Options struct {
	// Source is the name under which rows are remembered; two installations of one system need two names.
	Source string
	// DryRun changes nothing and reports what a run would do.
	DryRun bool
	// LinkByAddress makes a row the account that has its address already. Without it such a row is quarantined: addresses are not verified, and
	// whoever registered one first would take over what somebody else was.
	LinkByAddress bool
	// Owner is the e-mail address of the account that becomes the founder of communities without a known one.
	Owner string
	// Progress, when set, is told how far a stage is.
	Progress func(stage string, done, total int)
	// Quarantine, when set, is called for everything that is not taken over as it is.
	Quarantine func(Fault)
}

// Fault is something that was not taken over, or not as it was.
type Fault struct {
	// Kind is "account", "community", "member" or "follower", Where the place in the source, and Part what of the row it is; empty for all of it.
	Kind, Where, Part string
	// Why says what Propusk would have understood, or what it did instead.
	Why string
	// Adjusted tells that it was taken over, but otherwise than it was.
	Adjusted bool
}

// String is the fault in one line.
func (f Fault) String() string {
	if f.Part == "" {
		return fmt.Sprintf("%s: %s", f.Where, f.Why)
	}
	return fmt.Sprintf("%s, %s: %s", f.Where, f.Part, f.Why)
}

// Run imports what the system holds. It is the operator's alone. Forbidden (operator_required). An error stops the run between two
// transactions; run it again to go on.
func (s *Service) Run(ctx context.Context, operator propusk.Pass, system System, o Options) (Report, error) {
	if !operator.Operator {
		return Report{}, &propusk.Error{
			Kind: propusk.Forbidden, Code: "operator_required", Message: "only the operator of the machine may import",
		}
	}
	r, err := s.begin(ctx, operator, system, o)
	if err != nil {
		return Report{}, err
	}
	for _, stage := range []func(context.Context) error{r.recognise, r.reserve, r.accounts, r.communities, r.members, r.followers, r.conclude} {
		r.keys = map[uint64]struct{}{}
		if err := stage(ctx); err != nil {
			return r.report, err
		}
	}
	return r.report, nil
}

func (s *Service) begin(ctx context.Context, operator propusk.Pass, system System, o Options) (*run, error) {
	if o.Source == "" {
		return nil, propusk.InvalidField("source", "must be a name to remember the rows under")
	}
	total, err := system.Count(ctx)
	if err != nil {
		return nil, err
	}
	hash, err := s.Hasher.Hash(ctx, "")
	if err != nil {
		return nil, err
	}
	r := &run{
		Service: s, Options: o, operator: operator, system: system, total: total, report: Report{DryRun: o.DryRun}, unusable: unusable(hash),
		addresses: map[digest]fate{}, seed: maphash.MakeSeed(), numbers: map[store.ImportKind]numbers{}, highest: map[store.ImportKind]int64{},
		deleted: map[int64]*scope{}, created: map[int64]time.Time{}, lists: map[digest]compiled{}, roleLists: map[string][]string{},
	}
	if o.DryRun {
		r.memory = newMemory()
	}
	return r, nil
}
