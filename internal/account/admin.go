package account

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/email"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// The platform permissions that this package asks for, as in the platform policy.
var (
	permRead          = rbac.MustPermission("user:read")
	permBlock         = rbac.MustPermission("user:block")
	permUnblock       = rbac.MustPermission("user:unblock")
	permChangeRole    = rbac.MustPermission("user:change_role")
	permResetPassword = rbac.MustPermission("user:reset_password")
)

// Filter selects accounts; zero fields select everything.
type Filter = store.UserFilter

// List is a page of accounts, active or not, in the order of their ids, and how many match in all. It needs user:read.
func (s *Service) List(ctx context.Context, caller propusk.Pass, filter Filter) (users []propusk.User, total int, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		if _, err := s.Access.Authorize(r, caller, permRead); err != nil {
			return err
		}
		if filter.Role != "" && !s.Access.Platform.Has(filter.Role) {
			return s.unknownRole()
		}
		users, total, err = r.Users(filter)
		return err
	})
	return users, total, err
}

// ChangeRole gives the account another platform role. It needs user:change_role; nobody gives a role, or changes somebody, that holds
// more than they hold themselves. Forbidden, Invalid, NotFound, Conflict (last_admin).
func (s *Service) ChangeRole(ctx context.Context, caller propusk.Pass, userID, role string) (propusk.User, error) {
	return s.change(ctx, caller, userID, permChangeRole, func(tx store.Tx, me propusk.Pass, user *propusk.User) error {
		return s.giveRole(tx, me, user, role)
	})
}

// Block makes an account inactive and ends its sessions. It needs user:block and an account below oneself. Blocking an account that is
// inactive already changes nothing. Forbidden, NotFound, Conflict (last_admin).
func (s *Service) Block(ctx context.Context, caller propusk.Pass, userID string) (propusk.User, error) {
	return s.change(ctx, caller, userID, permBlock, func(tx store.Tx, me propusk.Pass, user *propusk.User) error {
		return s.setActive(tx, me, user, false)
	})
}

// Unblock restores an account, not its old sessions. It needs user:unblock and an account below oneself; one that its owner deleted
// is restored by an admin only. Forbidden, NotFound.
func (s *Service) Unblock(ctx context.Context, caller propusk.Pass, userID string) (propusk.User, error) {
	return s.change(ctx, caller, userID, permUnblock, func(tx store.Tx, me propusk.Pass, user *propusk.User) error {
		return s.setActive(tx, me, user, true)
	})
}

// SetPassword replaces somebody's password and ends all their sessions. It needs user:reset_password and an account that holds nothing
// the caller does not hold. Forbidden, Invalid, NotFound, Unavailable.
func (s *Service) SetPassword(ctx context.Context, caller propusk.Pass, userID, next string) (propusk.User, error) {
	if err := s.Passwords.Accept(next); err != nil {
		return propusk.User{}, propusk.InvalidField("password", err.Error())
	}
	hash, err := s.Hasher.Hash(ctx, next)
	if err != nil {
		return propusk.User{}, err
	}
	return s.change(ctx, caller, userID, permResetPassword, func(tx store.Tx, me propusk.Pass, user *propusk.User) error {
		if !me.Platform.Covers([]string{user.Role}) {
			return above()
		}
		if err := s.replacePassword(tx, me, "user.reset_password", *user, hash, ""); err != nil {
			return err
		}
		return reload(tx, user)
	})
}

// Find gives the account with that user_id or e-mail address. It needs user:read.
func (s *Service) Find(ctx context.Context, caller propusk.Pass, key string) (user propusk.User, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		if _, err := s.Access.Authorize(r, caller, permRead); err != nil {
			return err
		}
		if strings.Contains(key, "@") {
			user, _, err = r.Credentials(email.Key(key))
		} else {
			user, err = find(r, key)
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = unknownUser()
	}
	return user, err
}

// change is the shape of every act upon another's account: authority and target are read in the transaction that acts.
func (s *Service) change(ctx context.Context, caller propusk.Pass, userID string, needs rbac.Permission,
	act func(store.Tx, propusk.Pass, *propusk.User) error,
) (propusk.User, error) {
	var user propusk.User
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.Access.Authorize(tx, caller, needs)
		if err != nil {
			return err
		}
		if user, err = find(tx, userID); err != nil {
			return err
		}
		return act(tx, me, &user)
	})
	if err != nil {
		return propusk.User{}, err
	}
	return user, nil
}

func find(r store.Reader, userID string) (propusk.User, error) {
	id, err := uuid.Parse(userID)
	if err != nil {
		return propusk.User{}, unknownUser()
	}
	user, err := r.UserByUserID(id.String())
	if errors.Is(err, store.ErrNotFound) {
		err = unknownUser()
	}
	return user, err
}

func reload(r store.Reader, user *propusk.User) (err error) {
	*user, err = r.UserByUserID(user.UserID)
	return err
}

// below reports whether the caller stands above the account: holds all that it holds and more, or everything.
func below(me propusk.Pass, user propusk.User) bool {
	if me.Platform.Everything() {
		return true
	}
	theirs := propusk.Standing{Roles: []string{user.Role}, Grants: me.Platform.Grants}
	return me.Platform.Covers(theirs.Roles) && !theirs.Covers(me.Platform.Roles)
}

func above() error {
	return &propusk.Error{
		Kind: propusk.Forbidden, Code: "above_own_rights",
		Message: "this would touch rights that you do not hold yourself",
	}
}

func (s *Service) unknownRole() error {
	return propusk.InvalidField("role", fmt.Sprintf("must be one of %s", strings.Join(s.Access.Platform.Roles(), ", ")))
}
