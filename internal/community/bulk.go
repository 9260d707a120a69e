package community

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

const (
	// MaxBulk is how many rows one bulk may have.
	MaxBulk = 100_000
	// lookAt and writeDown are how many rows are read and staged at once; the latter keeps other writers waiting for some milliseconds.
	lookAt, writeDown = 1000, 2000
	// maxFaults is how many wrong rows are named.
	maxFaults = 100
	// bulkAttempts is how often a bulk is planned anew because others changed what it is about.
	bulkAttempts = 5
)

// Bulk gives roles to many accounts: all rows or none. Who is no member is admitted. Every row needs what SetRoles needs; wrong rows are
// named, up to a hundred. The audit has one entry, of all rows. NotFound, Forbidden, Invalid, Conflict (last_community_admin, busy).
func (s *Service) Bulk(ctx context.Context, caller propusk.Pass, id int64, mode propusk.Mode, rows []propusk.Assignment) ([]propusk.Assigned, error) {
	if mode != propusk.ModeAdd && mode != propusk.ModeReplace {
		return nil, propusk.InvalidField("mode", fmt.Sprintf("must be %s or %s", propusk.ModeAdd, propusk.ModeReplace))
	}
	if len(rows) > MaxBulk {
		return nil, propusk.InvalidField("members", fmt.Sprintf("must have at most %d rows", MaxBulk))
	}
	for range bulkAttempts {
		results, err := s.tryBulk(ctx, caller, id, mode, rows)
		if !errors.Is(err, store.ErrChanged) {
			return results, err
		}
	}
	return nil, &propusk.Error{
		Kind: propusk.Conflict, Code: "busy", Message: "others kept changing the same members: nothing was changed, try again",
	}
}

// MayBulk refuses whoever may not assign roles in a community, before anybody takes a large body from them. NotFound, Forbidden.
func (s *Service) MayBulk(ctx context.Context, caller propusk.Pass, id int64) error {
	_, err := s.Access.InsideWith(s.Store.Now(ctx), caller, id, permAssign)
	return err
}

// bulk is one that is under way.
type bulk struct {
	s    *Service
	mode propusk.Mode
	me   propusk.Pass
	// rows are what is to be written, results what is to be told, faults which rows are wrong, and above which are beyond the caller's rights.
	rows          []store.BulkRow
	results       []propusk.Assigned
	faults, above []propusk.FieldError
	rights        rights
	seen          map[int64]int
	// demoted are the user_ids of those who are admins no more.
	demoted []string
}

func (s *Service) tryBulk(ctx context.Context, caller propusk.Pass, id int64, mode propusk.Mode, rows []propusk.Assignment) ([]propusk.Assigned, error) {
	b := &bulk{s: s, mode: mode, seen: map[int64]int{}}
	if err := s.Store.View(ctx, func(r store.Reader) error { return b.plan(ctx, r, caller, id, rows) }); err != nil {
		return nil, err
	}
	if err := b.refusal(); err != nil {
		return b.results, err
	}
	if len(b.rows) == 0 {
		// Whoever made it so may not have waited yet until every node knows.
		return b.results, s.Store.Update(ctx, func(store.Tx) error { return nil })
	}
	bulkID, err := b.stage(ctx)
	if err == nil {
		err = s.Store.UpdateBeside(ctx, func(tx store.Tx) error { return b.apply(tx, caller, bulkID) })
	}
	if err != nil {
		b.s.drop(ctx, bulkID)
		return nil, err
	}
	return b.results, nil
}

// plan judges every row.
func (b *bulk) plan(ctx context.Context, r store.Reader, caller propusk.Pass, id int64, rows []propusk.Assignment) (err error) {
	if b.me, err = b.s.Access.InsideWith(r, caller, id, permAssign); err != nil {
		return err
	}
	b.rights, b.results = rightsOf(b.me), make([]propusk.Assigned, len(rows))
	for start := 0; start < len(rows) && ctx.Err() == nil; start += lookAt {
		part := rows[start:min(start+lookAt, len(rows))]
		accounts, err := lookUp(r, id, part)
		if err != nil {
			return err
		}
		for i, row := range part {
			b.judge(start+i, row, accounts[i])
		}
	}
	return ctx.Err()
}

// lookUp finds the accounts of rows. Those that are named wrongly are nobody.
func lookUp(r store.Reader, id int64, rows []propusk.Assignment) ([]store.Account, error) {
	var userIDs []string
	var numbers []int64
	for _, row := range rows {
		switch {
		case row.UserID != "" && row.AuthorID == 0:
			userID, ok := parseUserID(row.UserID)
			if !ok {
				userID = "" // nobody's
			}
			userIDs = append(userIDs, userID)
		case row.UserID == "" && row.AuthorID != 0:
			numbers = append(numbers, row.AuthorID)
		}
	}
	byUserID, err := r.Accounts(id, userIDs)
	if err != nil {
		return nil, err
	}
	byNumber, err := r.AccountsByID(id, numbers)
	if err != nil {
		return nil, err
	}
	accounts := make([]store.Account, len(rows))
	for i, row := range rows {
		switch {
		case row.UserID != "" && row.AuthorID == 0:
			accounts[i], byUserID = byUserID[0], byUserID[1:]
		case row.UserID == "" && row.AuthorID != 0:
			accounts[i], byNumber = byNumber[0], byNumber[1:]
		}
	}
	return accounts, nil
}

func (b *bulk) fault(i int, field, message string) { name(&b.faults, i, field, message) }

// name takes note of a wrong row, unless there are many already.
func name(faults *[]propusk.FieldError, i int, field, message string) {
	if len(*faults) < maxFaults {
		*faults = append(*faults, propusk.FieldError{Field: fmt.Sprintf("members[%d]%s", i, field), Message: message})
	}
}

// judge decides what is to become of one row.
func (b *bulk) judge(i int, row propusk.Assignment, is store.Account) {
	first, twice := b.seen[is.ID]
	switch {
	case (row.UserID == "") == (row.AuthorID == 0):
		b.fault(i, "", "must name the account by either user_id or author_id")
		return
	case is.ID == 0:
		b.fault(i, nameOf(row), "there is no such account")
		return
	case twice:
		b.fault(i, nameOf(row), fmt.Sprintf("is the account of members[%d] too", first))
		return
	case row.Roles == nil:
		b.fault(i, ".roles", "is required")
		return
	}
	b.seen[is.ID] = i
	if !b.available(i, row.Roles, is.Roles) {
		return
	}
	to := unique(row.Roles)
	if b.mode == propusk.ModeAdd {
		to = union(is.Roles, row.Roles)
	}
	b.results[i] = propusk.Assigned{UserID: is.UserID, Roles: to, Status: propusk.StatusUnchanged}
	switch {
	case tooLong(to) != nil:
		b.fault(i, ".roles", tooLong(to).Error())
	case !b.rights.covers(is.Roles) || !b.rights.covers(to):
		name(&b.above, i, "", "would touch rights that you do not hold yourself")
	case !is.Member || !slices.Equal(is.Roles, to):
		b.add(i, is, to)
	}
}

func nameOf(row propusk.Assignment) string {
	if row.UserID != "" {
		return ".user_id"
	}
	return ".author_id"
}

// available reports whether the roles can be given here.
func (b *bulk) available(i int, given, has []string) bool {
	var refused *propusk.Error
	if errors.As(checkAvailable(b.me.Community, has, given), &refused) {
		for _, f := range refused.Fields {
			b.fault(i, "."+f.Field, f.Message)
		}
		return false
	}
	return true
}

func (b *bulk) add(i int, is store.Account, to []string) {
	b.results[i].Status = propusk.StatusAdded
	if is.Member {
		b.results[i].Status = propusk.StatusChanged
	}
	row := store.BulkRow{AccountID: is.ID, Member: is.Member, Before: is.Roles, After: to}
	if mark, barred := bar(b.me.Community, is.Member, is.Roles, to); mark && is.ID != b.me.User.ID {
		row.Bar, row.Admit = barred, !barred
	}
	b.rows = append(b.rows, row)
	if slices.Contains(is.Roles, rbac.Admin) && !slices.Contains(to, rbac.Admin) {
		b.demoted = append(b.demoted, is.UserID)
	}
}

// refusal names the rows that are wrong. What is malformed comes before what is forbidden.
func (b *bulk) refusal() error {
	const message = "nothing was changed: some rows are wrong"
	switch {
	case len(b.faults) > 0:
		return &propusk.Error{Kind: propusk.Invalid, Code: "invalid_input", Message: message, Fields: b.faults}
	case len(b.above) > 0:
		return &propusk.Error{Kind: propusk.Forbidden, Code: "above_own_rights", Message: message, Fields: b.above}
	}
	return nil
}

// stage writes the rows down, in the order of accounts, where nobody sees them.
func (b *bulk) stage(ctx context.Context) (bulkID int64, err error) {
	slices.SortFunc(b.rows, func(x, y store.BulkRow) int { return int(x.AccountID - y.AccountID) })
	err = b.s.Store.Update(ctx, func(tx store.Tx) (err error) {
		bulkID, err = tx.BeginBulk(b.me.Community.ID, b.s.Now().Truncate(time.Second))
		return err
	})
	for part := range slices.Chunk(b.rows, writeDown) {
		if err == nil {
			err = b.s.Store.Update(ctx, func(tx store.Tx) error { return tx.AddBulkRows(bulkID, part) })
		}
	}
	return bulkID, err
}

// apply makes the rows true, if by then the caller still may and the community is as it was planned for. It writes before it reads, as
// UpdateBeside wants it.
func (b *bulk) apply(tx store.Tx, caller propusk.Pass, bulkID int64) error {
	if _, err := tx.ApplyBulk(bulkID, b.s.Now().Truncate(time.Second)); err != nil {
		return err
	}
	err := tx.CountBulk(bulkID)
	if errors.Is(err, store.ErrNotFound) {
		return access.UnknownCommunity()
	}
	if err != nil {
		return err
	}
	me, err := b.callerBefore(tx, caller)
	if err != nil {
		return err
	}
	if !b.asPlanned(me) {
		return store.ErrChanged
	}
	if err := b.keepsAdmin(tx, me.Community); err != nil {
		return err
	}
	return b.s.recordRows(tx, me, "member.bulk", audit.Fields{"mode": b.mode, "rows": len(b.rows)}, bulkID)
}

// asPlanned reports whether all that the rows were judged by is still so. The lists of a key never change.
func (b *bulk) asPlanned(me propusk.Pass) bool {
	was, is := b.me.Community, me.Community
	return is.Grants == was.Grants && slices.Equal(is.AvailableRoles, was.AvailableRoles) && slices.Equal(is.DefaultRoles, was.DefaultRoles) &&
		slices.Equal(me.Local.Roles, b.me.Local.Roles) && me.Anywhere() == b.me.Anywhere()
}

// callerBefore is what the caller may do by now, but for what these rows themselves did to the caller.
func (b *bulk) callerBefore(tx store.Tx, caller propusk.Pass) (propusk.Pass, error) {
	me, err := b.s.Access.Enter(tx, caller, b.me.Community.ID)
	if err != nil {
		return propusk.Pass{}, err
	}
	for _, row := range b.rows {
		if row.AccountID == me.User.ID {
			me.Member, me.Local.Roles = row.Member, row.Before
		}
	}
	if !me.Member && !me.Anywhere() {
		return propusk.Pass{}, access.UnknownCommunity()
	}
	return me, access.RequireHere(me, permAssign)
}

// keepsAdmin refuses rows that took the last active admin of a community away. Where there was none before, they did not.
func (b *bulk) keepsAdmin(r store.Reader, c propusk.Community) error {
	if len(b.demoted) == 0 {
		return nil
	}
	admins, err := r.ActiveHolders(c.ID, rbac.Admin, 1)
	if err != nil || admins > 0 {
		return err
	}
	for _, userID := range b.demoted {
		user, err := r.UserByUserID(userID)
		if err != nil {
			return err
		}
		if user.IsActive {
			return lastAdmin(c)
		}
	}
	return nil
}

// drop removes what was written down of a bulk that is not to be. What it leaves, Sweep takes.
func (s *Service) drop(ctx context.Context, bulkID int64) {
	ctx = context.WithoutCancel(ctx)
	for removed := writeDown; removed == writeDown; {
		err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
			removed, err = tx.DropBulk(bulkID, writeDown)
			return err
		})
		if err != nil {
			s.Log.Warn("a bulk that was refused was not removed yet", "error", err)
			return
		}
	}
}
