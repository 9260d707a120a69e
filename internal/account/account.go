// Package account is the life of a user: register, edit, change role, block, delete, restore.
package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/email"
	"github.com/propusk/propusk/internal/field"
	"github.com/propusk/propusk/internal/password"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/throttle"
	"github.com/propusk/propusk/rbac"
)

// Service keeps the accounts. Every method that changes something checks the caller's authority and makes the change in one
// transaction.
type Service struct {
	Store     store.Store
	Access    *access.Service
	Hasher    *password.Hasher
	Passwords password.Policy
	// Throttle limits guesses at the current password.
	Throttle *throttle.Limiter
	// Open says whether anybody may register.
	Open bool
	// Now is the wall clock.
	Now func() time.Time

	addresses keylock
}

// Registration is what somebody tells about themselves to get an account.
type Registration struct {
	Name, LastName, Email, Password string
}

// Register makes an ordinary account. Forbidden (registration_closed), Invalid, Conflict (email_taken), Unavailable when too many
// passwords are being hashed.
func (s *Service) Register(ctx context.Context, from propusk.Origin, in Registration) (propusk.User, error) {
	if !s.Open {
		return propusk.User{}, &propusk.Error{
			Kind: propusk.Forbidden, Code: "registration_closed", Message: "this server does not let people register by themselves",
		}
	}
	row, err := s.newRow(in, roleUser)
	if err != nil {
		return propusk.User{}, err
	}
	unlock, err := s.addresses.lock(ctx, row.EmailKey)
	if err != nil {
		return propusk.User{}, err
	}
	defer unlock()
	_, _, err = s.Store.Now(ctx).Credentials(row.EmailKey)
	if !errors.Is(err, store.ErrNotFound) {
		return propusk.User{}, taken(cmp.Or(err, store.ErrEmailTaken))
	}
	return s.insert(ctx, row, in.Password, "user.register", func(store.Tx) (propusk.Pass, error) { return propusk.Pass{Origin: from}, nil })
}

// The platform roles that the program itself gives; which others there are is the policy's affair.
const (
	roleUser  = "user"
	roleAdmin = rbac.Admin
)

// newRow checks the input, all fields at once, and makes the row of an account that has no slug and no password hash yet.
func (s *Service) newRow(in Registration, role string) (store.UserRow, error) {
	var bad field.Faults
	name := bad.Name("name", in.Name, 1)
	lastName := bad.Name("last_name", in.LastName, 0)
	address, err := email.Parse(in.Email)
	bad.Add("email", err)
	bad.Add("password", s.Passwords.Accept(in.Password))
	now := s.Now().Truncate(time.Second)
	return store.UserRow{
		User: propusk.User{
			UserID: uuid.NewString(), Name: name, LastName: lastName, Email: address.Typed, Role: role, IsActive: true,
			CreatedAt: now, UpdatedAt: now,
		},
		EmailKey: address.Key,
	}, bad.Err()
}

// insert hashes the password, which is the expensive part, and then adds the account under a free slug. allow is asked inside the
// transaction first, and tells whose deed it is; a stranger's is that of the new account itself.
func (s *Service) insert(ctx context.Context, row store.UserRow, secret, action string,
	allow func(store.Tx) (propusk.Pass, error),
) (propusk.User, error) {
	hash, err := s.Hasher.Hash(ctx, secret)
	if err != nil {
		return propusk.User{}, err
	}
	row.PasswordHash = hash
	var user propusk.User
	err = s.Store.Update(ctx, func(tx store.Tx) (err error) {
		by, err := allow(tx)
		if err != nil {
			return err
		}
		fresh := row
		if fresh.Slug, err = field.FreeSlug(tx.SlugExists, row.Name+" "+row.LastName, "user"); err != nil {
			return err
		}
		if user, err = tx.InsertUser(fresh); err != nil {
			return err
		}
		if !by.Operator && by.User.UserID == "" {
			by.User = user
			if err := s.Throttle.Remember(tx, row.EmailKey, row.PasswordHash, by.Origin.Address); err != nil {
				return err
			}
		}
		return audit.Record(tx, s.Now(), by, audit.Entry{
			Action: action, Target: user.UserID, After: audit.Fields{"email": user.Email, "name": user.Name, "role": user.Role},
		})
	})
	return user, taken(err)
}

// taken gives the store's unique constraints their kind.
func taken(err error) error {
	switch {
	case errors.Is(err, store.ErrEmailTaken):
		return conflictField("email_taken", "email", "an account with this e-mail address exists: log in, or use another address")
	case errors.Is(err, store.ErrSlugTaken):
		return conflictField("slug_taken", "slug", "somebody else has this slug: choose another")
	default:
		return err
	}
}

func conflictField(code, field, message string) error {
	return &propusk.Error{
		Kind: propusk.Conflict, Code: code, Message: message, Fields: []propusk.FieldError{{Field: field, Message: message}},
	}
}

// Edit is a change of one's own profile; nil fields stay.
type Edit struct {
	Name, LastName, Slug *string
}

// Edit changes the caller's own profile. Unauthenticated, Invalid, Conflict (slug_taken).
func (s *Service) Edit(ctx context.Context, caller propusk.Pass, in Edit) (propusk.User, error) {
	in, err := in.normalized()
	if err != nil {
		return propusk.User{}, err
	}
	var user propusk.User
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.Access.SignedIn(tx, caller)
		if err != nil {
			return err
		}
		user = me.User
		set(&user.Name, in.Name)
		set(&user.LastName, in.LastName)
		set(&user.Slug, in.Slug)
		return s.save(tx, me, "user.edit", me.User, &user)
	})
	return user, taken(err)
}

func (in Edit) normalized() (Edit, error) {
	var bad field.Faults
	if in.Name != nil {
		in.Name = new(bad.Name("name", *in.Name, 1))
	}
	if in.LastName != nil {
		in.LastName = new(bad.Name("last_name", *in.LastName, 0))
	}
	if in.Slug != nil {
		bad.Add("slug", field.CheckSlug(*in.Slug))
	}
	return in, bad.Err()
}

func set(field *string, to *string) {
	if to != nil {
		*field = *to
	}
}

// save writes what was changed and tells the audit.
func (s *Service) save(tx store.Tx, by propusk.Pass, action string, was propusk.User, user *propusk.User) error {
	before, after := differences(was, *user)
	if len(after) == 0 {
		return nil
	}
	return s.saveWith(tx, by, action, user, before, after)
}

func (s *Service) saveWith(tx store.Tx, by propusk.Pass, action string, user *propusk.User, before, after audit.Fields) error {
	user.UpdatedAt = s.Now().Truncate(time.Second)
	if err := tx.UpdateUser(*user); err != nil {
		return err
	}
	return audit.Record(tx, s.Now(), by, audit.Entry{Action: action, Target: user.UserID, Before: before, After: after})
}

// differences are the fields that an edit may change, where they differ.
func differences(was, is propusk.User) (before, after audit.Fields) {
	before, after = audit.Fields{}, audit.Fields{}
	note := func(field string, old, new any) {
		if old != new {
			before[field], after[field] = old, new
		}
	}
	note("name", was.Name, is.Name)
	note("last_name", was.LastName, is.LastName)
	note("slug", was.Slug, is.Slug)
	note("role", was.Role, is.Role)
	note("is_active", was.IsActive, is.IsActive)
	note("deleted_by_owner", was.DeletedByOwner, is.DeletedByOwner)
	return before, after
}

// ChangePassword replaces the caller's password and ends all their other sessions. Unauthenticated, Forbidden (wrong_password),
// Invalid, Unavailable.
func (s *Service) ChangePassword(ctx context.Context, caller propusk.Pass, current, next string) error {
	if err := s.Passwords.Accept(next); err != nil {
		return propusk.InvalidField("new_password", err.Error())
	}
	verified, err := s.Store.Now(ctx).PasswordHash(caller.User.ID)
	if err != nil {
		return err
	}
	attempt, err := s.Throttle.Begin(ctx, email.Key(caller.User.Email), verified, caller.Origin.Address)
	if err != nil {
		return err
	}
	fresh, err := s.exchange(ctx, verified, current, next)
	if propusk.KindOf(err) == propusk.Unavailable {
		return errors.Join(err, attempt.Withdraw(ctx))
	}
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.Access.SignedIn(tx, caller)
		if err != nil {
			return err
		}
		now, err := tx.PasswordHash(me.User.ID)
		if err != nil {
			return err
		}
		if now != verified {
			return &propusk.Error{
				Kind: propusk.Conflict, Code: "changed_meanwhile", Message: "the password was changed or renewed at the same moment: try again",
			}
		}
		if err := attempt.Succeeded(tx, fresh); err != nil {
			return err
		}
		return s.replacePassword(tx, me, "user.change_password", me.User, fresh, me.Session.ID)
	})
}

// exchange checks the current password against its hash, and hashes the next one.
func (s *Service) exchange(ctx context.Context, verified, current, next string) (fresh string, err error) {
	result, err := s.Hasher.Verify(ctx, verified, current)
	if err != nil {
		return "", err
	}
	if !result.OK {
		return "", wrongPassword()
	}
	return s.Hasher.Hash(ctx, next)
}

func wrongPassword() error {
	return &propusk.Error{
		Kind: propusk.Forbidden, Code: "wrong_password", Message: "the current password is not the right one",
		Fields: []propusk.FieldError{{Field: "current_password", Message: "must be the password you log in with now"}},
	}
}

// replacePassword writes the hash and ends the sessions opened with the old password, but the one with public id except.
func (s *Service) replacePassword(tx store.Tx, by propusk.Pass, action string, user propusk.User, hash, except string) error {
	if err := tx.SetPasswordHash(user.ID, hash); err != nil {
		return err
	}
	ended, err := tx.DeleteSessions(user.ID, except)
	if err != nil {
		return err
	}
	return s.saveWith(tx, by, action, &user, nil, audit.Fields{"sessions_ended": ended})
}

// Delete is the soft delete of the caller's own account: it becomes inactive, its sessions end and its API keys die. Unauthenticated, Conflict
// (last_admin, and last_community_admin with the communities named).
func (s *Service) Delete(ctx context.Context, caller propusk.Pass) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.Access.SignedIn(tx, caller)
		if err != nil {
			return err
		}
		if err := keepsCommunityAdmins(tx, me.User); err != nil {
			return err
		}
		gone := me.User
		gone.DeletedByOwner = true
		return s.deactivate(tx, me, "user.delete", me.User, &gone)
	})
}

func (s *Service) deactivate(tx store.Tx, by propusk.Pass, action string, was propusk.User, user *propusk.User) error {
	if err := keepsAdmin(tx, *user); err != nil {
		return err
	}
	user.IsActive = false
	ended, err := tx.DeleteSessions(user.ID, "")
	if err != nil {
		return err
	}
	if _, err := tx.DeleteAPIKeys(user.ID); err != nil {
		return err
	}
	before, after := differences(was, *user)
	after["sessions_ended"] = ended
	return s.saveWith(tx, by, action, user, before, after)
}

// keepsAdmin refuses to take the last active platform admin away.
func keepsAdmin(tx store.Tx, user propusk.User) error {
	if user.Role != roleAdmin || !user.IsActive {
		return nil
	}
	admins, err := tx.CountActive(roleAdmin, 2)
	if err != nil {
		return err
	}
	if admins < 2 {
		return &propusk.Error{
			Kind: propusk.Conflict, Code: "last_admin",
			Message: "this is the last active administrator: make somebody else an admin first",
		}
	}
	return nil
}

// keepsCommunityAdmins refuses to leave a community without an active admin. The communities are touched, so that of two admins who
// delete their accounts at once the second sees that the first has gone.
func keepsCommunityAdmins(tx store.Tx, user propusk.User) error {
	communities, err := tx.CommunitiesWith(user.ID, rbac.Admin)
	if err != nil {
		return err
	}
	var orphans []string
	for _, c := range communities {
		if err := tx.TouchCommunity(c.ID); err != nil {
			return err
		}
		admins, err := tx.ActiveHolders(c.ID, rbac.Admin, 2)
		if err != nil {
			return err
		}
		if admins < 2 {
			orphans = append(orphans, c.Slug)
		}
	}
	if len(orphans) == 0 {
		return nil
	}
	return &propusk.Error{
		Kind: propusk.Conflict, Code: "last_community_admin",
		Message: fmt.Sprintf("you are the last active admin of %s: make somebody else an admin there first, or delete the community",
			strings.Join(orphans, ", ")),
	}
}

func unknownUser() error {
	return &propusk.Error{Kind: propusk.NotFound, Code: "user_not_found", Message: "there is no such user"}
}
