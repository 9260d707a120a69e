package importer

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/email"
	"github.com/propusk/propusk/internal/field"
	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// maxDescription is in characters, as for communities that are founded in Propusk.
const maxDescription = 2000

// communityRow is a row and what it is to be.
type communityRow struct {
	source.Community
	refused string
	// twice tells that a row before it has its key.
	twice  bool
	judged outcome
	// to has all but the slug, the founder, and the number where that is not kept; own are the roles that differ from the policy's.
	to     propusk.Community
	own    []store.RoleRow
	grants *rbac.Grants
	// deleted is when it was deleted; zero if it was not.
	deleted time.Time
}

func (c *communityRow) key() string { return c.Key }

func (c *communityRow) fault(part, why string) {
	c.judged.fault(store.ImportedCommunity, c.Row, part, why)
}

func (r *run) communities(ctx context.Context) error {
	if err := r.findOwner(ctx); err != nil {
		return err
	}
	return chunks(r.system.Communities(ctx), r.chunk(), sizeOfCommunity, func(read []source.Community) error {
		rows := make([]*communityRow, len(read))
		for i, c := range read {
			rows[i] = r.judgeCommunity(c)
		}
		var founded []int64
		err := r.change(ctx, "import.communities", &r.report.Communities, func(g ground, o *outcome) (err error) {
			founded, err = r.writeCommunities(g, o, rows)
			return err
		})
		r.report.Communities.Read += len(rows)
		r.tell("communities", r.report.Communities.Read, r.total.Communities)
		for _, id := range founded {
			if changed := r.Service.Communities.Changed; changed != nil && r.memory == nil {
				changed(id)
			}
		}
		return err
	})
}

// findOwner looks for the founder of what nobody known has founded. It comes after the accounts, who may be one of them.
func (r *run) findOwner(ctx context.Context) error {
	if r.Owner == "" {
		return nil
	}
	return r.change(ctx, "", &Count{}, func(g ground, _ *outcome) error {
		holders, err := g.EmailHolders([]string{email.Key(r.Owner)})
		if err != nil {
			return err
		}
		if r.owner = holders[0]; r.owner == 0 {
			return fmt.Errorf("there is no account with the address %s, which is to be the founder of communities without a known one", r.Owner)
		}
		return nil
	})
}

// judgeCommunity says what a row is to be, as far as that hangs on nothing but the rows and the policy.
func (r *run) judgeCommunity(c source.Community) *communityRow {
	row := &communityRow{Community: c, refused: refusal(c.Row), judged: outcome{ofRow: true}}
	if row.refused == "" {
		row.refused = r.again(c.Row)
		row.twice = row.refused != ""
	}
	if row.refused != "" {
		return row
	}
	row.judged.odd(store.ImportedCommunity, c.Row)
	row.judgeTexts()
	row.judgeTimes(r.Now())
	r.judgeLists(row)
	r.judgeSettings(row)
	row.to.ID = r.keep(store.ImportedCommunity, c.Number)
	if row.to.Joining = propusk.JoiningOpen; c.Closed {
		row.to.Joining = propusk.JoiningClosed
	}
	return row
}

func (c *communityRow) judgeTexts() {
	c.to.Name = shownName(&c.judged, store.ImportedCommunity, c.Row, "name", c.Name)
	var bad field.Faults
	if c.to.Description = bad.Text("description", c.Description, maxDescription); len(bad) > 0 {
		c.to.Description = ""
		c.fault(fmt.Sprintf("description %.200q", c.Description), bad[0].Message)
	}
}

func (c *communityRow) judgeTimes(now time.Time) {
	at := func(part string, t time.Time) time.Time {
		return moment(&c.judged, store.ImportedCommunity, c.Row, part, t)
	}
	c.to.CreatedAt = since(at("time of creation", c.CreatedAt), now.Truncate(time.Second))
	c.to.UpdatedAt = since(at("time of the last change", c.UpdatedAt), c.to.CreatedAt)
	// What was deleted stays so, also when nobody knows since when.
	if c.deleted = at("time of deletion", c.DeletedAt); c.deleted.IsZero() && !c.DeletedAt.IsZero() {
		c.deleted = c.to.UpdatedAt
	}
}

// judgeLists makes roles of the community's own, and edited ones, of the roles whose lists differ from the policy's.
func (r *run) judgeLists(row *communityRow) {
	policy := r.Service.Communities.Grants
	var own []store.RoleRow
	met, total := map[string]bool{}, len(policy.Roles())
	for i, role := range row.Roles {
		if met[role.ID] {
			row.fault(fmt.Sprintf("role %.100q", role.ID), "it is there twice: the first one counts")
			continue
		}
		met[role.ID] = true
		if total == rbac.MaxRoles && rbac.ValidRole(role.ID) && !policy.Has(role.ID) {
			row.fault(fmt.Sprintf("role %q and what follows it, %d roles", role.ID, len(row.Roles)-i),
				fmt.Sprintf("a community has at most %d roles, those of the policy among them", rbac.MaxRoles))
			break
		}
		one, is := r.judgeRole(row, policy, role)
		if !is {
			continue
		}
		if own = append(own, one); one.Custom {
			total++
		}
	}
	grants, err := r.compile(own)
	if err == nil {
		row.own, row.grants = own, grants
		return
	}
	row.grants = policy
	for _, one := range own {
		grants, err := r.compile(append(slices.Clone(row.own), one))
		if err != nil {
			row.fault(fmt.Sprintf("role %q", one.ID), err.Error())
			continue
		}
		row.own, row.grants = append(row.own, one), grants
	}
}

// judgeRole is the role as it is kept, unless it is no role or the policy's own.
func (r *run) judgeRole(row *communityRow, policy *rbac.Grants, role source.Role) (own store.RoleRow, is bool) {
	part := fmt.Sprintf("role %.100q", role.ID)
	switch {
	case !rbac.ValidRole(role.ID):
		row.fault(part, "a role must begin with a letter a-z and have at most 32 letters a-z, digits, _ and -")
		return own, false
	case role.ID == rbac.Admin:
		row.fault(part, "its list cannot be edited: admin holds everything, always")
		return own, false
	}
	own = store.RoleRow{ID: role.ID, Custom: !policy.Has(role.ID), Permissions: r.listed(row, role)}
	if !own.Custom && slices.Equal(own.Permissions, policy.Permissions(role.ID)) {
		return own, false
	}
	name := shownName(&row.judged, store.ImportedCommunity, row.Row, "name of "+part, role.Name)
	own.Name = cmp.Or(name, r.policyName(role.ID), role.ID)
	return own, true
}

// listed is a list of permissions as it is kept: those of the catalogue, sorted, with x_own for every x_any.
func (r *run) listed(row *communityRow, role source.Role) []string {
	catalogue := r.Service.Communities.Catalogue
	var good []string
	met := map[string]bool{}
	for _, text := range role.Permissions {
		if met[text] {
			continue
		}
		met[text] = true
		if _, err := catalogue.Resolve([]string{text}); err != nil {
			row.fault(fmt.Sprintf("role %q, permission %.150q", role.ID, text), faultOf(err))
			continue
		}
		good = append(good, text)
	}
	resolved, err := catalogue.Resolve(good)
	if err != nil {
		row.fault(fmt.Sprintf("role %q", role.ID), err.Error())
	}
	list := make([]string, len(resolved))
	for i, p := range resolved {
		list[i] = p.String()
	}
	return list
}

// faultOf is what is wrong with the one permission of a list, without its place in it.
func faultOf(err error) string {
	if located := (*rbac.PolicyError)(nil); errors.As(err, &located) {
		return located.Err.Error()
	}
	return err.Error()
}

func (r *run) policyName(role string) string {
	for _, one := range r.Service.Communities.Policy.Roles {
		if one.ID == role {
			return one.Name
		}
	}
	return ""
}

// maxLists bounds how many compiled lists are remembered. Most communities have one of a few.
const maxLists = 64

// compiled is what compiling some lists came to.
type compiled struct {
	grants *rbac.Grants
	err    error
}

func (r *run) compile(own []store.RoleRow) (*rbac.Grants, error) {
	key := digestOfLists(own)
	is, met := r.lists[key]
	if !met {
		if len(r.lists) >= maxLists {
			clear(r.lists)
		}
		is.grants, is.err = r.Service.Communities.Compile(own)
		r.lists[key] = is
	}
	return is.grants, is.err
}

// digestOfLists hangs on what the compiled lists hang on. No id and no permission has a space or a new line.
func digestOfLists(own []store.RoleRow) digest {
	sum := sha256.New()
	for _, row := range own {
		_, _ = io.WriteString(sum, row.ID)
		for _, permission := range row.Permissions {
			_, _ = io.WriteString(sum, " "+permission)
		}
		_, _ = io.WriteString(sum, "\n")
	}
	return digest(sum.Sum(nil)[:len(digest{})])
}

// judgeSettings says which roles can be given, and which are given on joining. admin is always among the first and never among the second.
func (r *run) judgeSettings(row *communityRow) {
	r.judgeAvailable(row)
	r.judgeDefault(row)
	row.to.AvailableRoles, row.to.DefaultRoles = r.shared(row.to.AvailableRoles), r.shared(row.to.DefaultRoles)
}

// shared is the list itself, or an equal one that is kept already.
func (r *run) shared(list []string) []string {
	key := strings.Join(list, ",")
	if is, met := r.roleLists[key]; met {
		return is
	}
	if len(r.roleLists) >= maxLists {
		clear(r.roleLists)
	}
	r.roleLists[key] = slices.Clip(list)
	return list
}

func (r *run) judgeAvailable(row *communityRow) {
	policy := r.Service.Communities.Policy
	if row.Available == nil {
		row.to.AvailableRoles = slices.Clone(policy.AvailableRoles)
		for _, own := range row.own {
			if own.Custom {
				row.to.AvailableRoles = append(row.to.AvailableRoles, own.ID)
			}
		}
	} else {
		row.to.AvailableRoles = r.settled(row, "available role", row.Available, row.grants.Roles(), "the community has no such role")
	}
	if !slices.Contains(row.to.AvailableRoles, rbac.Admin) {
		row.to.AvailableRoles = append(row.to.AvailableRoles, rbac.Admin)
		row.judged.adjusted(store.ImportedCommunity, row.Row, "available roles", "admin is always one of them")
	}
}

// judgeDefault keeps no more default roles than a membership can hold.
func (r *run) judgeDefault(row *communityRow) {
	if row.Default != nil {
		may := slices.DeleteFunc(slices.Clone(row.to.AvailableRoles), func(role string) bool { return role == rbac.Admin })
		row.to.DefaultRoles = r.settled(row, "default role", row.Default, may, "it cannot be given on joining: it is admin, or not available")
		fit := row.to.DefaultRoles[:0]
		for _, role := range row.to.DefaultRoles {
			if tooMany(role, fit) {
				row.fault(fmt.Sprintf("default role %q", role), "nobody can have that many roles")
			} else {
				fit = append(fit, role)
			}
		}
		row.to.DefaultRoles = fit
		return
	}
	for _, role := range r.Service.Communities.Policy.DefaultRoles {
		if slices.Contains(row.to.AvailableRoles, role) {
			row.to.DefaultRoles = append(row.to.DefaultRoles, role)
		}
	}
}

// settled are the roles of a list that may be in it, each once.
func (r *run) settled(row *communityRow, part string, list, may []string, why string) (settled []string) {
	for _, role := range list {
		switch {
		case !slices.Contains(may, role):
			row.fault(fmt.Sprintf("%s %.100q", part, role), why)
		case !slices.Contains(settled, role):
			settled = append(settled, role)
		}
	}
	return settled
}

// writeCommunities founds those that are neither there nor in anybody's way, and returns the numbers of those that are new.
func (r *run) writeCommunities(g ground, o *outcome, rows []*communityRow) (founded []int64, err error) {
	ids, err := known(g, r.Source, store.ImportedCommunity, rows)
	if err != nil {
		return nil, err
	}
	founders, err := r.founders(g, rows)
	if err != nil {
		return nil, err
	}
	slugs := slugMaker{taken: g.CommunitySlugExists, used: map[string]bool{}}
	var keys []string
	for i, row := range rows {
		if row.twice {
			o.fault(store.ImportedCommunity, row.Row, "", row.refused)
			continue
		}
		o.add(row.judged, ids[i] != 0)
		if ids[i] == 0 {
			if ids[i], err = r.found(g, o, row, founders[i], slugs); err != nil {
				return nil, err
			}
			if ids[i] == 0 {
				continue
			}
			keys, founded = append(keys, row.Key), append(founded, ids[i])
		} else {
			o.There++
		}
		r.remember(o, row, ids[i])
	}
	if len(keys) == 0 {
		return nil, nil
	}
	o.Added += len(keys)
	o.note("count", len(keys))
	return founded, g.SetImported(r.Source, store.ImportedCommunity, keys, founded)
}

// remember keeps what the members' stage asks about a community.
func (r *run) remember(o *outcome, row *communityRow, id int64) {
	o.after = append(o.after, func() {
		if row.deleted.IsZero() {
			r.founded = append(r.founded, id)
			return
		}
		r.deleted[id] = &scope{row.to.AvailableRoles, row.to.DefaultRoles, row.to.CreatedAt}
	})
}

// founders are the accounts that founded communities, or stand in for them; 0 where there is none.
func (r *run) founders(g ground, rows []*communityRow) ([]int64, error) {
	refs := make([]source.Ref, len(rows))
	for i, row := range rows {
		refs[i] = row.Creator
	}
	founders, err := r.accountsOf(g, refs)
	for i := range founders {
		founders[i] = cmp.Or(founders[i], r.owner)
	}
	return founders, err
}

// found adds a community and returns its number; 0 when it is quarantined.
func (r *run) found(g ground, o *outcome, row *communityRow, founder int64, slugs slugMaker) (id int64, err error) {
	why := row.refused
	if why == "" && founder == 0 {
		why = "it has no founder that came over: name one with --owner"
	}
	to := row.to
	if why == "" {
		if to.Slug, why, err = slugs.community(row); err != nil {
			return 0, err
		}
	}
	if why != "" {
		o.fault(store.ImportedCommunity, row.Row, "", why)
		return 0, nil
	}
	if row.Slug != "" && row.Slug != to.Slug {
		o.adjusted(store.ImportedCommunity, row.Row, fmt.Sprintf("slug %.100q", row.Slug), "it is no slug, and is "+to.Slug+" now")
	}
	to.Name, to.CreatorID, to.Grants = cmp.Or(to.Name, to.Slug), founder, row.grants.Hash()
	if id, err = r.insertCommunity(g, row, to); err == nil {
		r.renumber(o, store.ImportedCommunity, row.Row, row.Number, to.ID, id)
	}
	return id, err
}

// community is the slug of a community, or why there is none: another one has the slug that it wants. Links to the two would get mixed up.
func (s slugMaker) community(row *communityRow) (slug, why string, err error) {
	if field.CheckSlug(row.Slug) == nil {
		taken, err := s.isTaken(row.Slug)
		if err != nil || taken {
			return "", fmt.Sprintf("another community has, or had, the slug %s", row.Slug), err
		}
	}
	slug, err = s.free(row.Slug, row.to.Name, "community", row.Key)
	return slug, "", err
}

func (r *run) insertCommunity(g ground, row *communityRow, to propusk.Community) (int64, error) {
	lists, err := row.grants.MarshalJSON()
	if err != nil {
		return 0, err
	}
	if err := g.KeepGrants(to.Grants, lists); err != nil {
		return 0, err
	}
	if to.ID != 0 {
		err = g.InsertNumberedCommunity(to)
	} else {
		to, err = g.InsertCommunity(to)
	}
	if err != nil {
		return 0, err
	}
	for _, own := range row.own {
		if err := g.SetCommunityRole(to.ID, own); err != nil {
			return 0, err
		}
	}
	if !row.deleted.IsZero() {
		err = g.DeleteCommunity(to.ID, row.deleted)
	}
	return to.ID, err
}

// conclude tells what somebody should look at.
func (r *run) conclude(ctx context.Context) error {
	if r.report.Linked > 0 {
		r.note("%d accounts were there already and were linked by their addresses; nothing of them was changed", r.report.Linked)
	}
	if r.passwordless > 0 {
		r.note("%d new accounts have no password: give each one with propusk user set-password", r.passwordless)
	}
	orphans, err := r.orphans(ctx)
	if len(orphans) > 0 {
		shown := strings.Join(orphans[:min(len(orphans), shownSlugs)], ", ")
		if len(orphans) > shownSlugs {
			shown += " and others"
		}
		r.note("%d communities have no active admin: %s; make one with propusk community grant", len(orphans), shown)
	}
	r.noteRenumbered()
	return err
}

// shownSlugs is how many communities are named in a note.
const shownSlugs = 20

// orphans are the slugs of communities that nobody can look after.
func (r *run) orphans(ctx context.Context) (slugs []string, err error) {
	reader := r.Store.Now(ctx)
	if r.memory != nil {
		reader = ghost{reader, r.memory}
	}
	for _, id := range r.founded {
		admins, err := reader.ActiveHolders(id, rbac.Admin, 1)
		if err != nil {
			return nil, err
		}
		if admins > 0 {
			continue
		}
		is, err := reader.Community(id)
		switch {
		case err == nil:
			slugs = append(slugs, is.Slug)
		case !errors.Is(err, store.ErrNotFound): // somebody has deleted it in Propusk
			return nil, err
		}
	}
	return slugs, nil
}

func (r *run) note(format string, args ...any) {
	r.report.Notes = append(r.report.Notes, fmt.Sprintf(format, args...))
}
