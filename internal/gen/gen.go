// Package gen fills a database with people, communities and memberships that nobody is: as many as somebody wants to try an installation
// with, and shaped as those of a platform that has grown for ten years.
package gen

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/community"
	"github.com/propusk/propusk/internal/password"
	"github.com/propusk/propusk/internal/store"
)

// What one transaction adds at most: as much as keeps others who write waiting for about half a second. Accounts are fewer, because SQLite
// takes longer for each the more of them a transaction has: the search through their names works with triggers, and what a trigger
// changes is noted in a list that is walked from its beginning.
const (
	accountsAtOnce    = 250
	communitiesAtOnce = 1_000
	rowsAtOnce        = 20_000
)

// Service generates.
type Service struct {
	Store       store.Store
	Communities *community.Service
	Hasher      *password.Hasher
	// Now is the wall clock.
	Now func() time.Time
}

// Options are what to generate.
type Options struct {
	// Users, Communities and Memberships are how many of each. There is at least one user, and every community has at least one member.
	Users, Communities, Memberships int
	// Seed decides about everything but user_ids and the salt of the password: the same seed and numbers give the same data.
	Seed uint64
	// Password is that of every account; with an empty one nobody can log in.
	Password string
	// Add generates into a database that holds something already. What is there is not touched.
	Add bool
	// Progress, when set, is told how far a stage is.
	Progress func(stage string, done, total int)
}

// Report is what was generated.
type Report struct {
	Accounts, Inactive, Communities, Members, Followers, CustomRoles int
	// Largest is how many members the largest community has.
	Largest int
	// FirstEmail is the address of the first account.
	FirstEmail string
}

// String is the report in one line.
func (r Report) String() string {
	return fmt.Sprintf("generated %d accounts (%d of them inactive), %d communities (the largest with %d members), %d memberships, "+
		"%d followers, %d custom roles\n", r.Accounts, r.Inactive, r.Communities, r.Largest, r.Members, r.Followers, r.CustomRoles)
}

// Run generates. It is the operator's alone. Forbidden (operator_required), Invalid, Conflict (not_empty). An error leaves what was written
// before it: the way on is a new database.
func (s *Service) Run(ctx context.Context, operator propusk.Pass, o Options) (Report, error) {
	if !operator.Operator {
		return Report{}, &propusk.Error{
			Kind: propusk.Forbidden, Code: "operator_required", Message: "only the operator of the machine may generate data",
		}
	}
	if err := o.check(); err != nil {
		return Report{}, err
	}
	r, err := s.begin(ctx, operator, o)
	if err != nil {
		return Report{}, err
	}
	for _, stage := range []func(context.Context) error{r.people, r.places, r.seats} {
		if err := stage(ctx); err != nil {
			return r.report, err
		}
	}
	return r.report, nil
}

func (o Options) check() error {
	switch {
	case o.Users < 1 || o.Users > store.MaxReserved:
		return propusk.InvalidField("users", fmt.Sprintf("must be 1 to %d", store.MaxReserved))
	case o.Communities < 0 || o.Communities > store.MaxReserved:
		return propusk.InvalidField("communities", fmt.Sprintf("must be 0 to %d", store.MaxReserved))
	case o.Memberships < o.Communities:
		return propusk.InvalidField("memberships", "must be at least as many as communities, for each has a founder")
	case o.Memberships > math.MaxInt32 || o.Communities == 0 && o.Memberships > 0 || o.Communities > 0 && (o.Memberships-1)/o.Communities >= o.Users:
		return propusk.InvalidField("memberships", fmt.Sprintf("must be at most users × communities, and at most %d", math.MaxInt32))
	case len(o.Password) > password.MaxBytes:
		return propusk.InvalidField("password", fmt.Sprintf("must have at most %d bytes", password.MaxBytes))
	}
	return nil
}

// run is one generation under way.
type run struct {
	Options
	service *Service
	plan    plan
	report  Report
	// hash is that of everybody's password.
	hash string
	// accountsBefore and communitiesBefore are the last numbers that are not ours.
	accountsBefore, communitiesBefore int64
	// founded are the communities, by their place in the plan.
	founded []place
	roles   cast
}

// begin makes sure that there is room, and takes note of who asked for it.
func (s *Service) begin(ctx context.Context, operator propusk.Pass, o Options) (*run, error) {
	r := &run{service: s, Options: o, plan: newPlan(o), roles: newCast(s.Communities)}
	if !o.Add {
		empty, err := s.Store.Empty(ctx)
		if err != nil {
			return nil, err
		}
		if !empty {
			return nil, &propusk.Error{
				Kind: propusk.Conflict, Code: "not_empty",
				Message: "the database is not empty: take a new one, or say --add to have generated data beside what is there",
			}
		}
	}
	word := o.Password
	if word == "" {
		word = rand.Text() // which nobody will ever see
	}
	var err error
	if r.hash, err = s.Hasher.Hash(ctx, word); err != nil {
		return nil, err
	}
	return r, s.Store.Update(ctx, func(tx store.Tx) error { return r.reserve(tx, operator) })
}

// reserve takes the numbers that everything will have, so that rows are in the order of their numbers also where others write meanwhile.
func (r *run) reserve(tx store.Tx, operator propusk.Pass) (err error) {
	if r.accountsBefore, err = reserve(tx, store.ImportedAccount, r.Users); err != nil {
		return err
	}
	if r.communitiesBefore, err = reserve(tx, store.ImportedCommunity, r.Communities); err != nil {
		return err
	}
	return audit.Record(tx, r.service.Now(), operator, audit.Entry{Action: "database.generate", After: audit.Fields{
		"users": r.Users, "communities": r.Communities, "memberships": r.Memberships, "seed": r.Seed,
	}})
}

// reserve takes n numbers and returns the one before the first.
func reserve(tx store.Tx, kind store.ImportKind, n int) (before int64, err error) {
	if n == 0 {
		return 0, nil
	}
	before, err = tx.ReserveNumbers(kind, 1) // to learn what was given before
	if err != nil {
		return 0, err
	}
	if before > store.MaxReserved-int64(n) {
		return 0, &propusk.Error{
			Kind: propusk.Conflict, Code: "too_many", Message: "the database has not that many numbers left to give to accounts or communities",
		}
	}
	_, err = tx.ReserveNumbers(kind, before+int64(n))
	return before, err
}

// tell says how far a stage is.
func (r *run) tell(stage string, done, total int) {
	if r.Progress != nil {
		r.Progress(stage, done, total)
	}
}

// people adds the accounts.
func (r *run) people(ctx context.Context) error {
	for first := 0; first < r.Users; first += accountsAtOnce {
		rows := make([]store.UserRow, 0, accountsAtOnce)
		for i := first; i < min(first+accountsAtOnce, r.Users); i++ {
			row := r.plan.account(i, r.accountsBefore+int64(i)+1)
			row.PasswordHash = r.hash
			if !row.IsActive {
				r.report.Inactive++
			}
			rows = append(rows, row)
		}
		if first == 0 {
			r.report.FirstEmail = rows[0].Email
		}
		err := r.service.Store.Update(ctx, func(tx store.Tx) error {
			_, err := tx.InsertUsers(rows)
			return err
		})
		if err != nil {
			return err
		}
		r.report.Accounts += len(rows)
		r.tell("accounts", r.report.Accounts, r.Users)
	}
	return nil
}
