package rest

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/account"
)

// UserPage is a page of accounts.
type UserPage struct {
	Users   []User `json:"users"`
	Total   int    `json:"total" doc:"How many match in all"`
	Page    int    `json:"page"`
	Limit   int    `json:"limit"`
	HasNext bool   `json:"has_next"`
}

// Paging selects a page of a list.
type Paging struct {
	Page  int `query:"page" minimum:"1" maximum:"1000000" default:"1"`
	Limit int `query:"limit" minimum:"1" maximum:"100" default:"50"`
}

func (p Paging) offset() int { return (p.Page - 1) * p.Limit }

type userSearch struct {
	Search string `query:"search" maxLength:"200" doc:"Part of a name, address or slug, in any case"`
	Role   string `query:"role" maxLength:"32"`
	Active string `query:"active" enum:"true,false" doc:"Only active, or only inactive accounts"`
	Paging
}

func (s userSearch) filter() account.Filter {
	f := account.Filter{Search: s.Search, Role: s.Role, Offset: s.offset(), Limit: s.Limit}
	if s.Active != "" {
		f.Active = new(s.Active == "true")
	}
	return f
}

type roleChange struct {
	Body struct {
		UserID string `json:"user_id" maxLength:"36" format:"uuid"`
		Role   string `json:"role" maxLength:"32" example:"moderator"`
	}
}

type userPath struct {
	UserID string `path:"user_id" maxLength:"36" format:"uuid"`
}

func (d *Door) admin(api huma.API) {
	const tag = "Administration"
	needs := func(method, path, id, summary string, errors ...int) huma.Operation {
		op := signedInOrKey(operation(method, path, id, summary, tag))
		op.Errors = append(append(op.Errors, http.StatusForbidden), errors...)
		return op
	}

	huma.Register(api, needs(http.MethodGet, "/api/admin/users", "list-users", "Find accounts; needs user:read"),
		answer(d, func(ctx context.Context, me propusk.Pass, in *userSearch) (UserPage, error) {
			users, total, err := d.Accounts.List(ctx, me, in.filter())
			page := UserPage{Users: make([]User, len(users)), Total: total, Page: in.Page, Limit: in.Limit}
			for i, u := range users {
				page.Users[i] = toUser(u)
			}
			page.HasNext = in.offset()+len(users) < total
			return page, err
		}))

	huma.Register(api, needs(http.MethodPost, "/api/admin/change-role", "change-role",
		"Give somebody a platform role; needs user:change_role", http.StatusNotFound, http.StatusConflict),
		answer(d, func(ctx context.Context, me propusk.Pass, in *roleChange) (User, error) {
			return user(d.Accounts.ChangeRole(ctx, me, in.Body.UserID, in.Body.Role))
		}))

	huma.Register(api, needs(http.MethodPut, "/api/admin/block/{user_id}", "block",
		"Block an account below yours; needs user:block", http.StatusNotFound, http.StatusConflict),
		answer(d, func(ctx context.Context, me propusk.Pass, in *userPath) (User, error) {
			return user(d.Accounts.Block(ctx, me, in.UserID))
		}))

	huma.Register(api, needs(http.MethodPut, "/api/admin/unblock/{user_id}", "unblock",
		"Restore an account below yours; needs user:unblock", http.StatusNotFound),
		answer(d, func(ctx context.Context, me propusk.Pass, in *userPath) (User, error) {
			return user(d.Accounts.Unblock(ctx, me, in.UserID))
		}))
}
