package discours

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/rbac"
)

// oldTables are the lists of the older tables, one for each role in all communities. They are few, whatever the number of members.
type oldTables struct {
	grants *rbac.Grants
	// lists are full, and odd is what was not understood of them; names are those of the roles. All are empty where the tables are.
	lists map[string][]string
	odd   map[string]*doubts
	names map[string]string
	// used are the roles that somebody has, by community, each once.
	used map[int64][]string
	// count tells that the tables make members by themselves: the roles of the policy then mean everywhere what they say.
	count bool
}

func (s *system) oldTables(ctx context.Context) (*oldTables, error) {
	old := &oldTables{grants: s.Grants, names: map[string]string{}, used: map[int64][]string{}}
	if !s.has("author_role") || !s.has("role_permission") {
		return old, nil
	}
	lists, err := s.oldLists(ctx)
	if err != nil || len(lists) == 0 {
		return old, err
	}
	if old.lists, old.odd, err = s.dialect.normalizeEach(ctx, lists); err != nil {
		return nil, err
	}
	if err := s.nameRoles(ctx, old); err != nil {
		return nil, err
	}
	if old.count, err = s.oldRolesCount(ctx); err != nil {
		return nil, err
	}
	text := `SELECT DISTINCT ` + s.bounded(`community`) + `, ` + excerpt(`role`) + ` FROM author_role ORDER BY 1, 2`
	for r, err := range s.query(ctx, text) {
		if err != nil {
			return nil, err
		}
		id, role := r.ident(0).number, strings.TrimSpace(r.text(1))
		if (old.lists[role] != nil || s.Grants.Has(role)) && !slices.Contains(old.used[id], role) {
			old.used[id] = append(old.used[id], role)
		}
	}
	return old, nil
}

// excerpt is the beginning of a text, longer than anything that can be understood there.
func excerpt(value string) string { return `substr(CAST(` + value + ` AS TEXT), 1, 1000)` }

func (s *system) excerptOrNull(table, column string) string {
	if s.hasColumn(table, column) {
		return excerpt(quote(column))
	}
	return `CAST(NULL AS TEXT)`
}

// oldLists are the lists of the older tables as they are written there. What names a permission that there is not stays in the list.
func (s *system) oldLists(ctx context.Context) (map[string][]string, error) {
	lists := map[string][]string{}
	text := `SELECT ` + excerpt(`role`) + `, NULL, NULL, ` + excerpt(`permission`) + ` FROM role_permission ORDER BY 1, 4`
	if s.hasColumn("permission", "id") {
		text = `SELECT ` + excerpt(`rp.role`) + `, ` + s.excerptOrNull("permission", "resource") + `, ` + s.excerptOrNull("permission", "operation") + `, ` +
			excerpt(`rp.permission`) + ` FROM role_permission AS rp LEFT JOIN permission AS p ON CAST(p.id AS TEXT) = CAST(rp.permission AS TEXT) ORDER BY 1, 2, 3, 4`
	}
	for r, err := range s.query(ctx, text) {
		if err != nil {
			return nil, err
		}
		role, permission := strings.TrimSpace(r.text(0)), r.text(3)
		if r.text(1) != "" {
			permission = r.text(1) + ":" + r.text(2)
		}
		lists[role] = append(lists[role], permission)
	}
	return lists, nil
}

func (s *system) nameRoles(ctx context.Context, old *oldTables) error {
	if !s.hasColumn("role", "name") {
		return nil
	}
	for r, err := range s.query(ctx, `SELECT `+excerpt(`id`)+`, `+excerpt(`name`)+` FROM role`) {
		if err != nil {
			return err
		}
		if role := strings.TrimSpace(r.text(0)); old.lists[role] != nil {
			old.names[role] = r.text(1)
		}
	}
	return nil
}

// role is what the tables make of a role: their own one, or an edited one of the policy.
func (o *oldTables) role(id string) source.Role {
	name := o.names[id]
	if o.grants.Has(id) {
		name = "" // the policy's
	}
	return source.Role{ID: id, Name: name, Permissions: o.lists[id]}
}

// add gives a community without newer lists the roles of the older tables: those of its own that are used in it, and those of the policy whose
// lists are others there.
func (o *oldTables) add(c *source.Community, r *record) {
	roles := o.used[c.Number]
	if o.count {
		roles = slices.Concat(roles, slices.DeleteFunc(slices.Collect(maps.Keys(o.lists)), func(id string) bool { return !o.grants.Has(id) }))
		slices.Sort(roles)
		roles = slices.Compact(roles)
	}
	for _, id := range roles {
		list, is := o.lists[id]
		r.addAll("table role_permission, ", o.odd[id])
		switch {
		case o.grants.Has(id) && slices.Equal(list, o.grants.Permissions(id)), !is && id == rbac.Admin:
			continue
		case !is:
			r.doubt(fmt.Sprintf("table role_permission, role %q", id), "it has no list there, and permits nothing")
		}
		o.give(c, o.role(id))
	}
}

// addEmpty gives a community with newer lists the roles of the older tables that are used in it and not in the lists. They permit nothing.
func (o *oldTables) addEmpty(c *source.Community, r *record, lists map[string][]string) {
	for _, id := range o.used[c.Number] {
		if _, is := lists[id]; is || o.grants.Has(id) {
			continue
		}
		role := o.role(id)
		role.Permissions = nil
		r.doubt(fmt.Sprintf("table role_permission, role %q", id), "the lists of the community are newer, and it has none there: it permits nothing")
		o.give(c, role)
	}
}

func (o *oldTables) give(c *source.Community, role source.Role) {
	c.Roles = append(slices.Clip(c.Roles), role)
	if c.Available != nil && !o.grants.Has(role.ID) && !slices.Contains(c.Available, role.ID) {
		c.Available = append(c.Available, role.ID)
	}
	slices.SortStableFunc(c.Roles, func(a, b source.Role) int { return cmp.Compare(a.ID, b.ID) })
}
