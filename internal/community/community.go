// Package community is the life of a community: found it, let people in, give them roles, say what the roles permit.
//
// Nobody grants above themselves: whoever changes a role, a list or a member may touch only permissions that they hold there themselves,
// and only members who hold nothing they do not hold.
package community

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/audit"
	"github.com/propusk/propusk/internal/field"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// The permissions that this package asks for, as in the default policies.
var (
	permCreate     = rbac.MustPermission("community:create")
	permUpdate     = rbac.MustPermission("community:update_own")
	permDelete     = rbac.MustPermission("community:delete_own")
	permConfigure  = rbac.MustPermission("community:configure")
	permRead       = rbac.MustPermission("member:read")
	permAdmit      = rbac.MustPermission("member:admit")
	permRemove     = rbac.MustPermission("member:remove")
	permAssign     = rbac.MustPermission("member:assign_role")
	permManageRole = rbac.MustPermission("role:manage")
	permApply      = rbac.MustPermission("policy:apply")
)

// Service keeps the communities. Every method that changes something checks the caller's authority and makes the change in one
// transaction.
type Service struct {
	Store  store.Store
	Access *access.Service
	// Policy is what new communities start with, Grants what it compiles to, Catalogue the permissions that a custom role may hold.
	Policy    rbac.Policy
	Grants    *rbac.Grants
	Catalogue *rbac.Catalogue
	// Changed, when set, is told of communities whose lists are others than before, or that are gone.
	Changed func(communityID int64)
	Log     *slog.Logger
	// Now is the wall clock.
	Now func() time.Time
}

// Profile is a community as one person sees it.
type Profile struct {
	propusk.Community
	// Settled tells whether the person may know which roles there are: holders of member:read. Lists do not tell it.
	Settled bool
	// Member, Roles and Follower are what the person is there. Follower is nil in lists, which do not tell it.
	Member   bool
	Roles    []string
	Follower *bool
}

// Founding is what a community is to be. An empty slug is made of the name.
type Founding struct {
	Slug, Name, Description string
}

// maxDescription is in characters.
const maxDescription = 2000

// Create founds a community with the roles of the policy, whose admin the caller becomes. It needs the platform permission community:create.
// Forbidden, Invalid, Conflict (slug_taken).
func (s *Service) Create(ctx context.Context, caller propusk.Pass, in Founding) (Profile, error) {
	row, err := s.newCommunity(in)
	if err != nil {
		return Profile{}, err
	}
	var founded propusk.Community
	creator := []string{s.Policy.CreatorRole}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.Access.Authorize(tx, caller, permCreate)
		if err != nil {
			return err
		}
		if me.Operator {
			return access.SessionRequired()
		}
		founded, err = s.found(tx, row, me.User, creator)
		if err != nil {
			return err
		}
		return audit.Record(tx, s.Now(), me, audit.Entry{
			Action: "community.create", Target: target(founded.ID), After: audit.Fields{"slug": founded.Slug, "name": founded.Name},
		})
	})
	if err != nil {
		return Profile{}, taken(err)
	}
	s.changed(founded.ID)
	founded.MemberCount = 1
	return Profile{Community: founded, Settled: true, Member: true, Roles: creator, Follower: new(false)}, nil
}

// CreateFor is Create by the operator of the machine, for the account of that user_id.
func (s *Service) CreateFor(ctx context.Context, operator propusk.Pass, userID string, in Founding) (propusk.Community, error) {
	row, err := s.newCommunity(in)
	if err != nil {
		return propusk.Community{}, err
	}
	var founded propusk.Community
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.Access.Authorize(tx, operator, permCreate)
		if err != nil {
			return err
		}
		owner, err := findUser(tx, userID)
		if err != nil {
			return err
		}
		if !me.Platform.Everything() {
			return aboveOwnRights()
		}
		if founded, err = s.found(tx, row, owner, []string{s.Policy.CreatorRole}); err != nil {
			return err
		}
		return audit.Record(tx, s.Now(), me, audit.Entry{
			Action: "community.create", Target: target(founded.ID),
			After: audit.Fields{"slug": founded.Slug, "name": founded.Name, "admin": owner.UserID},
		})
	})
	if err == nil {
		s.changed(founded.ID)
		founded.MemberCount = 1
	}
	return founded, taken(err)
}

func (s *Service) newCommunity(in Founding) (propusk.Community, error) {
	var bad field.Faults
	now := s.Now().Truncate(time.Second)
	row := propusk.Community{
		Slug: in.Slug, Name: bad.Name("name", in.Name, 1), Description: bad.Text("description", in.Description, maxDescription),
		Joining: propusk.JoiningOpen, AvailableRoles: s.Policy.AvailableRoles, DefaultRoles: s.Policy.DefaultRoles,
		Grants: s.Grants.Hash(), CreatedAt: now, UpdatedAt: now,
	}
	if in.Slug != "" {
		bad.Add("slug", field.CheckSlug(in.Slug))
	}
	return row, bad.Err()
}

// found writes the community with the lists that hold in it from now on, and its first member.
func (s *Service) found(tx store.Tx, row propusk.Community, owner propusk.User, roles []string) (founded propusk.Community, err error) {
	row.CreatorID = owner.ID
	if row.Slug == "" {
		if row.Slug, err = field.FreeSlug(tx.CommunitySlugExists, row.Name, "community"); err != nil {
			return founded, err
		}
	}
	if err := s.keep(tx, &row, s.Grants); err != nil {
		return founded, err
	}
	if founded, err = tx.InsertCommunity(row); err != nil {
		return founded, err
	}
	return founded, tx.InsertMember(founded.ID, owner.ID, roles, row.CreatedAt)
}

// keep makes lists those of the community.
func (s *Service) keep(tx store.Tx, c *propusk.Community, grants *rbac.Grants) error {
	lists, err := grants.MarshalJSON()
	if err != nil {
		return err
	}
	c.Grants = grants.Hash()
	return tx.KeepGrants(c.Grants, lists)
}

func (s *Service) changed(id int64) {
	if s.Changed != nil {
		s.Changed(id)
	}
}

// Filter selects communities.
type Filter struct {
	Search        string
	Offset, Limit int
}

// List is a page of communities in the order of their ids, and how many match in all. Everybody who is signed in may see it.
func (s *Service) List(ctx context.Context, caller propusk.Pass, f Filter) (page []Profile, total int, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		me, err := s.Access.Again(r, caller)
		if err != nil {
			return err
		}
		found, n, err := r.Communities(store.CommunityFilter{Search: f.Search, UserID: me.User.ID, Offset: f.Offset, Limit: f.Limit})
		total, page = n, make([]Profile, len(found))
		for i, p := range found {
			page[i] = Profile{Community: p.Community, Member: p.Member, Roles: p.Roles}
		}
		return err
	})
	return page, total, err
}

// Get is the profile of a community. Everybody who is signed in may see it. NotFound.
func (s *Service) Get(ctx context.Context, caller propusk.Pass, id int64) (profile Profile, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		me, err := s.Access.Enter(r, caller, id)
		if err == nil {
			profile, err = profileOf(r, me)
		}
		return err
	})
	return profile, err
}

func profileOf(r store.Reader, me propusk.Pass) (Profile, error) {
	follows, err := r.Follows(me.Community.ID, me.User.ID)
	return Profile{
		Community: me.Community, Settled: access.RequireHere(me, permRead) == nil, Member: me.Member, Roles: me.Local.Roles, Follower: &follows,
	}, err
}

// Edit is a change of a profile; nil fields stay.
type Edit struct {
	Slug, Name, Description *string
	Joining                 *propusk.Joining
}

// Edit changes the profile. It needs community:update_own or community:configure. Forbidden, NotFound, Invalid, Conflict (slug_taken).
func (s *Service) Edit(ctx context.Context, caller propusk.Pass, id int64, in Edit) (profile Profile, err error) {
	if in, err = in.normalized(); err != nil {
		return Profile{}, err
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.Access.Inside(tx, caller, id)
		if err != nil {
			return err
		}
		if access.RequireHere(me, permUpdate) != nil {
			if err := access.RequireHere(me, permConfigure); err != nil {
				return err
			}
		}
		before, after := in.apply(&me.Community)
		if len(after) > 0 {
			if err := s.save(tx, me, &me.Community, "community.edit", before, after); err != nil {
				return err
			}
		}
		profile, err = profileOf(tx, me)
		return err
	})
	return profile, taken(err)
}

func (in Edit) normalized() (Edit, error) {
	var bad field.Faults
	if in.Name != nil {
		in.Name = new(bad.Name("name", *in.Name, 1))
	}
	if in.Description != nil {
		in.Description = new(bad.Text("description", *in.Description, maxDescription))
	}
	if in.Slug != nil {
		bad.Add("slug", field.CheckSlug(*in.Slug))
	}
	if in.Joining != nil && *in.Joining != propusk.JoiningOpen && *in.Joining != propusk.JoiningClosed {
		bad.Add("joining", fmt.Errorf("must be %s or %s", propusk.JoiningOpen, propusk.JoiningClosed))
	}
	return in, bad.Err()
}

// apply makes the change and says what it changed.
func (in Edit) apply(c *propusk.Community) (before, after audit.Fields) {
	before, after = audit.Fields{}, audit.Fields{}
	set(before, after, "slug", &c.Slug, in.Slug)
	set(before, after, "name", &c.Name, in.Name)
	set(before, after, "description", &c.Description, in.Description)
	set(before, after, "joining", &c.Joining, in.Joining)
	return before, after
}

func set[T comparable](before, after audit.Fields, name string, field, to *T) {
	if to != nil && *to != *field {
		before[name], after[name] = *field, *to
		*field = *to
	}
}

// save writes a community that was changed, and tells the audit.
func (s *Service) save(tx store.Tx, me propusk.Pass, c *propusk.Community, action string, before, after audit.Fields) error {
	c.UpdatedAt = s.Now().Truncate(time.Second)
	if err := s.record(tx, me, action, target(c.ID), before, after); err != nil {
		return err
	}
	return tx.UpdateCommunity(*c)
}

// record tells the audit, and says so when somebody acted with the power of the platform.
func (s *Service) record(tx store.Tx, me propusk.Pass, action, target string, before, after audit.Fields) error {
	return s.enter(tx, me, audit.Entry{Action: action, Target: target, Before: before, After: after})
}

// recordRows is record of what was done to many members.
func (s *Service) recordRows(tx store.Tx, me propusk.Pass, action string, after audit.Fields, bulkID int64) error {
	return s.enter(tx, me, audit.Entry{Action: action, Target: target(me.Community.ID), After: after, BulkID: bulkID})
}

func (s *Service) enter(tx store.Tx, me propusk.Pass, e audit.Entry) error {
	if me.Anywhere() {
		e.After["by_platform_admin"] = true
	}
	return audit.Record(tx, s.Now(), me, e)
}

// Delete is the soft delete of a community. It needs community:delete_own there and to be its creator, or to be a platform admin. Forbidden,
// NotFound.
func (s *Service) Delete(ctx context.Context, caller propusk.Pass, id int64) error {
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.Access.InsideWith(tx, caller, id, permDelete)
		if err != nil {
			return err
		}
		if !me.Anywhere() && me.User.ID != me.Community.CreatorID {
			return &propusk.Error{
				Kind: propusk.Forbidden, Code: "not_creator", Message: "only the founder of a community, or a platform admin, may delete it",
			}
		}
		err = s.record(tx, me, "community.delete", target(id), audit.Fields{"slug": me.Community.Slug, "name": me.Community.Name}, audit.Fields{})
		if err != nil {
			return err
		}
		return tx.DeleteCommunity(id, s.Now().Truncate(time.Second))
	})
	if err == nil {
		s.changed(id)
	}
	return err
}

// Follow makes the caller a follower, or no longer one; it has nothing to do with membership. It is open to everybody who is signed in. NotFound.
func (s *Service) Follow(ctx context.Context, caller propusk.Pass, id int64, follows bool) (profile Profile, err error) {
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		me, err := s.Access.Enter(tx, caller, id)
		if err != nil {
			return err
		}
		if err := access.InPerson(me); err != nil {
			return err
		}
		if err := tx.SetFollows(id, me.User.ID, follows, s.Now().Truncate(time.Second)); err != nil {
			return err
		}
		profile, err = profileOf(tx, me)
		return err
	})
	return profile, err
}

// target names a community in the audit.
func target(id int64) string { return fmt.Sprintf("community:%d", id) }

func taken(err error) error {
	if !errors.Is(err, store.ErrSlugTaken) {
		return err
	}
	const message = "another community has, or had, this slug: choose another"
	return &propusk.Error{
		Kind: propusk.Conflict, Code: "slug_taken", Message: message, Fields: []propusk.FieldError{{Field: "slug", Message: message}},
	}
}

func aboveOwnRights() error {
	return &propusk.Error{
		Kind: propusk.Forbidden, Code: "above_own_rights", Message: "this would touch rights that you do not hold yourself",
	}
}

// without is list less what it shares with gone.
func without(list, gone []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(gone, s) })
}
