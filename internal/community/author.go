package community

import (
	"context"

	"github.com/google/uuid"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/store"
)

// UserIDOf is the user_id of the account with that number, for the other methods. It tells others than oneself to holders of
// member:assign_role only. Of a number that is nobody's it is one that is nobody's, so that what follows answers as for every unknown
// account. NotFound, Forbidden.
func (s *Service) UserIDOf(ctx context.Context, caller propusk.Pass, id, authorID int64) (userID string, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		me, err := s.Access.Inside(r, caller, id)
		if err != nil {
			return err
		}
		if authorID == me.User.ID {
			userID = me.User.UserID
			return nil
		}
		if err := access.RequireHere(me, permAssign); err != nil {
			return err
		}
		found, err := r.AccountsByID(me.Community.ID, []int64{authorID})
		if err != nil {
			return err
		}
		if userID = found[0].UserID; found[0].ID == 0 {
			userID = uuid.Nil.String()
		}
		return nil
	})
	return userID, err
}

// Mine is a page of the communities that the caller is a member of, in the order of their ids, and how many there are.
func (s *Service) Mine(ctx context.Context, caller propusk.Pass, offset, limit int) (page []Profile, total int, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		me, err := s.Access.Again(r, caller)
		if err != nil {
			return err
		}
		found, err := r.PlacesOf(me.User.ID)
		total, page = len(found), nil
		for _, p := range found[min(offset, total):min(offset+limit, total)] {
			page = append(page, Profile{Community: p.Community, Member: true, Roles: p.Roles})
		}
		return err
	})
	return page, total, err
}
