package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/account"
)

// User is an account as the API shows it.
type User struct {
	UserID    string     `json:"user_id" format:"uuid" doc:"Names the user everywhere in this API"`
	ID        int64      `json:"id" doc:"The user's number, for tables that want one"`
	Name      string     `json:"name"`
	LastName  string     `json:"last_name"`
	Slug      string     `json:"slug" doc:"Unique name for links"`
	Email     string     `json:"email"`
	Role      string     `json:"role" doc:"Role on the platform: user, moderator or admin"`
	IsActive  bool       `json:"is_active" doc:"False for blocked and deleted accounts"`
	CreatedAt time.Time  `json:"created_at"`
	UpdatedAt time.Time  `json:"updated_at"`
	LastSeen  *time.Time `json:"last_seen" doc:"A minute late at most; null for somebody never seen"`
}

func toUser(u propusk.User) User {
	out := User{
		UserID: u.UserID, ID: u.ID, Name: u.Name, LastName: u.LastName, Slug: u.Slug, Email: u.Email, Role: u.Role,
		IsActive: u.IsActive, CreatedAt: u.CreatedAt.UTC(), UpdatedAt: u.UpdatedAt.UTC(),
	}
	if !u.LastSeen.IsZero() {
		out.LastSeen = new(u.LastSeen.UTC())
	}
	return out
}

func user(u propusk.User, err error) (User, error) { return toUser(u), err }

type none struct{}

type registration struct {
	Body struct {
		Name     string `json:"name" minLength:"1" maxLength:"400" doc:"1 to 100 characters" example:"Anna"`
		LastName string `json:"last_name,omitempty" maxLength:"400" doc:"Up to 100 characters" example:"Smirnova"`
		Email    string `json:"email" maxLength:"320" doc:"Compared without regard to case, shown as typed" example:"anna@example.org"`
		Password string `json:"password" maxLength:"1024" doc:"At least 8 characters unless configured otherwise, at most 1,024 bytes, not a common one"`
	}
}

type edit struct {
	Body struct {
		Name     string `json:"name" minLength:"1" maxLength:"400"`
		LastName string `json:"last_name" maxLength:"400"`
	}
}

type patch struct {
	Body struct {
		Name     *string `json:"name,omitempty" minLength:"1" maxLength:"400"`
		LastName *string `json:"last_name,omitempty" maxLength:"400"`
		Slug     *string `json:"slug,omitempty" maxLength:"64" doc:"Lower-case letters a-z, digits, single hyphens between them"`
	}
}

type passwordChange struct {
	Body struct {
		CurrentPassword string `json:"current_password" maxLength:"1024"`
		NewPassword     string `json:"new_password" maxLength:"1024"`
	}
}

func (d *Door) users(api huma.API) {
	const tag = "Users"
	register := operation(http.MethodPost, "/api/users/register", "register", "Make an account", tag)
	register.DefaultStatus = http.StatusCreated
	register.Errors = append(register.Errors, http.StatusForbidden, http.StatusConflict)
	huma.Register(api, register, answer(d, func(ctx context.Context, _ propusk.Pass, in *registration) (User, error) {
		return user(d.Accounts.Register(ctx, recordOf(ctx).origin(), account.Registration(in.Body)))
	}))

	d.self(api)
}

// self is what signed-in people do with their own account.
func (d *Door) self(api huma.API) {
	const tag = "Users"
	huma.Register(api, signedIn(operation(http.MethodGet, "/api/users/me", "me", "My account", tag)),
		answer(d, func(_ context.Context, me propusk.Pass, _ *none) (User, error) { return toUser(me.User), nil }))

	huma.Register(api, signedIn(operation(http.MethodPost, "/api/users/edit", "edit", "Change my name", tag)),
		answer(d, func(ctx context.Context, me propusk.Pass, in *edit) (User, error) {
			return user(d.Accounts.Edit(ctx, me, account.Edit{Name: &in.Body.Name, LastName: &in.Body.LastName}))
		}))

	patchMe := signedIn(operation(http.MethodPatch, "/api/users/me", "patch-me", "Change any part of my profile", tag))
	patchMe.Errors = append(patchMe.Errors, http.StatusConflict)
	huma.Register(api, patchMe, answer(d, func(ctx context.Context, me propusk.Pass, in *patch) (User, error) {
		return user(d.Accounts.Edit(ctx, me, account.Edit(in.Body)))
	}))

	change := signedIn(operation(http.MethodPost, "/api/users/change-password", "change-password", "Change my password; ends my other sessions", tag))
	change.Errors = append(change.Errors, http.StatusForbidden)
	huma.Register(api, change, answer(d, func(ctx context.Context, me propusk.Pass, in *passwordChange) (none, error) {
		return none{}, d.Accounts.ChangePassword(ctx, me, in.Body.CurrentPassword, in.Body.NewPassword)
	}))

	for path, id := range map[string]string{"/api/users/": "delete-account", "/api/users/me": "delete-me"} {
		remove := signedIn(operation(http.MethodDelete, path, id, "Delete my account; an administrator can restore it", tag))
		remove.Errors = append(remove.Errors, http.StatusConflict)
		huma.Register(api, remove, answer(d, func(ctx context.Context, me propusk.Pass, _ *none) (none, error) {
			return none{}, d.Accounts.Delete(ctx, me)
		}))
	}
}
