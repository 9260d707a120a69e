package account

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

// DefaultAdminEmail is the address of the administrator that the very first start makes when nobody named one.
const DefaultAdminEmail = "admin@propusk.local"

// First says who is to be the first administrator.
type First struct {
	// Email and Password are the configured ones, both or neither.
	Email, Password string
}

// errNotNeeded stops the transaction of a first admin that somebody else has made meanwhile.
var errNotNeeded = errors.New("an administrator exists already")

// EnsureFirstAdmin makes the first administrator if there is none. With a configured address and password it makes that account. With
// neither, and only while there is no account at all, it makes DefaultAdminEmail with a random password, which it returns: the only
// time it can be seen. Of several nodes that start at once one makes it. Conflict (admin_email_taken) if the configured address
// belongs to an ordinary account.
func (s *Service) EnsureFirstAdmin(ctx context.Context, first First) (oneTime string, err error) {
	needed, fresh, err := s.adminNeeded(s.Store.Now(ctx))
	if err != nil || !needed {
		return "", err
	}
	configured := first.Email != ""
	if !configured && !fresh {
		return "", nil
	}
	if !configured {
		oneTime = rand.Text()
		first = First{Email: DefaultAdminEmail, Password: oneTime}
	}
	err = s.makeFirst(ctx, first, configured)
	if errors.Is(err, errNotNeeded) {
		return "", nil
	}
	return oneTime, err
}

func (s *Service) makeFirst(ctx context.Context, first First, configured bool) error {
	row, err := s.newRow(Registration{Name: "Admin", Email: first.Email, Password: first.Password}, roleAdmin)
	if err != nil {
		return err
	}
	_, err = s.insert(ctx, row, first.Password, "user.create_admin", func(tx store.Tx) (propusk.Pass, error) {
		needed, fresh, err := s.adminNeeded(tx)
		if err == nil && (!needed || (!configured && !fresh)) {
			err = errNotNeeded
		}
		return s.Access.Operator(), err
	})
	var taken *propusk.Error
	if errors.As(err, &taken) && taken.Code == "email_taken" {
		return &propusk.Error{
			Kind: propusk.Conflict, Code: "admin_email_taken",
			Message: "the address for the first administrator belongs to an ordinary account: " +
				"name another one, or make that account an admin with: propusk user change-role " + first.Email + " admin",
		}
	}
	return err
}

// adminNeeded reports whether there is no active administrator, and whether there is no account at all.
func (s *Service) adminNeeded(r store.Reader) (needed, fresh bool, err error) {
	admins, err := r.CountActive(roleAdmin, 1)
	if err != nil || admins > 0 {
		return false, false, err
	}
	exists, err := r.UserExists()
	return true, !exists, err
}

// CreateAdmin makes an account that is an administrator. It needs user:change_role. Forbidden, Invalid, Conflict (email_taken).
func (s *Service) CreateAdmin(ctx context.Context, caller propusk.Pass, in Registration) (propusk.User, error) {
	row, err := s.newRow(in, roleAdmin)
	if err != nil {
		return propusk.User{}, err
	}
	return s.insert(ctx, row, in.Password, "user.create_admin", func(tx store.Tx) (propusk.Pass, error) {
		me, err := s.Access.Authorize(tx, caller, permChangeRole)
		if err == nil && !me.Platform.Covers([]string{roleAdmin}) {
			err = above()
		}
		return me, err
	})
}
