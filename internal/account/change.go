package account

import (
	"context"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

// Change is what ChangeRole, Block and Unblock do, together; nil fields stay.
type Change struct {
	Role   *string
	Active *bool
}

// Change changes the account with that number, all or nothing. It needs what ChangeRole needs for the role, and what Block or Unblock needs
// for activity. Forbidden, Invalid, NotFound, Conflict (last_admin).
func (s *Service) Change(ctx context.Context, caller propusk.Pass, id int64, to Change) (user propusk.User, err error) {
	if to.Role == nil && to.Active == nil {
		return user, propusk.InvalidField("role", "give a role, is_active, or both")
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.mayChange(tx, caller, to)
		if err != nil {
			return err
		}
		if user, err = findByNumber(tx, id); err != nil {
			return err
		}
		if to.Role != nil {
			if err := s.giveRole(tx, me, &user, *to.Role); err != nil {
				return err
			}
		}
		if to.Active != nil {
			return s.setActive(tx, me, &user, *to.Active)
		}
		return nil
	})
	if err != nil {
		return propusk.User{}, err
	}
	return user, nil
}

// mayChange is the caller as they are by now, if they may do that to somebody.
func (s *Service) mayChange(tx store.Tx, caller propusk.Pass, to Change) (me propusk.Pass, err error) {
	if to.Role != nil {
		if me, err = s.Access.Authorize(tx, caller, permChangeRole); err != nil {
			return me, err
		}
	}
	switch {
	case to.Active == nil:
		return me, nil
	case *to.Active:
		return s.Access.Authorize(tx, caller, permUnblock)
	default:
		return s.Access.Authorize(tx, caller, permBlock)
	}
}

func findByNumber(r store.Reader, id int64) (propusk.User, error) {
	found, err := r.AccountsByID(0, []int64{id})
	if err != nil {
		return propusk.User{}, err
	}
	return find(r, found[0].UserID) // "" is nobody's
}

// giveRole gives the account another platform role, if the caller, who may change roles, may do so to this one.
func (s *Service) giveRole(tx store.Tx, me propusk.Pass, user *propusk.User, role string) error {
	if !s.Access.Platform.Has(role) {
		return s.unknownRole()
	}
	if !me.Platform.Covers([]string{user.Role}) || !me.Platform.Covers([]string{role}) {
		return above()
	}
	if role == user.Role {
		return nil
	}
	if err := keepsAdmin(tx, *user); err != nil {
		return err
	}
	was := *user
	user.Role = role
	return s.save(tx, me, "user.change_role", was, user)
}

// setActive blocks or restores the account, if the caller, who may block or restore, may do so to this one.
func (s *Service) setActive(tx store.Tx, me propusk.Pass, user *propusk.User, active bool) error {
	if !below(me, *user) {
		return above()
	}
	if active == user.IsActive {
		return nil
	}
	if !active {
		return s.deactivate(tx, me, "user.block", *user, user)
	}
	if user.DeletedByOwner && !me.Platform.Everything() {
		return &propusk.Error{
			Kind: propusk.Forbidden, Code: "deleted_by_owner",
			Message: "its owner deleted this account: only an administrator may restore it",
		}
	}
	was := *user
	user.IsActive, user.DeletedByOwner = true, false
	return s.save(tx, me, "user.unblock", was, user)
}
