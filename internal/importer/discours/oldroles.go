package discours

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/propusk/propusk/internal/importer/source"
)

// customRoles are the roles of the older tables that the policy does not have and that permit something, by the communities in which somebody
// has them. They are few, whatever the number of members.
func (s *system) customRoles(ctx context.Context) (map[int64][]source.Role, error) {
	if !s.has("author_role") || !s.has("role_permission") || !s.has("permission") {
		return nil, nil
	}
	roles, err := s.oldLists(ctx)
	if err != nil || len(roles) == 0 {
		return nil, err
	}
	if err := s.nameRoles(ctx, roles); err != nil {
		return nil, err
	}
	used := map[int64][]source.Role{}
	for r, err := range s.query(ctx, `SELECT DISTINCT community, role FROM author_role ORDER BY community, role`) {
		if err != nil {
			return nil, err
		}
		if role, is := roles[r.text(1)]; is {
			used[r.number(0)] = append(used[r.number(0)], *role)
		}
	}
	return used, nil
}

// oldLists are the lists of the older tables of roles that the policy does not have, as they are written there.
func (s *system) oldLists(ctx context.Context) (map[string]*source.Role, error) {
	roles := map[string]*source.Role{}
	text := `SELECT rp.role, ` + s.orNull("permission", "resource", "TEXT") + ` AS resource, ` + s.orNull("permission", "operation", "TEXT") + ` AS operation,
		CAST(p.id AS TEXT) FROM role_permission AS rp JOIN permission AS p ON CAST(p.id AS TEXT) = CAST(rp.permission AS TEXT) ORDER BY 1, 2, 3, 4`
	for r, err := range s.query(ctx, text) {
		if err != nil {
			return nil, err
		}
		id := r.text(0)
		if s.Grants.Has(id) {
			continue
		}
		if roles[id] == nil {
			roles[id] = &source.Role{ID: id}
		}
		permission := r.text(3)
		if r.text(1) != "" {
			permission = r.text(1) + ":" + r.text(2)
		}
		roles[id].Permissions = append(roles[id].Permissions, permission)
	}
	return roles, nil
}

func (s *system) nameRoles(ctx context.Context, roles map[string]*source.Role) error {
	if !s.hasColumn("role", "name") {
		return nil
	}
	for r, err := range s.query(ctx, `SELECT id, name FROM role`) {
		if err != nil {
			return err
		}
		if role, is := roles[r.text(0)]; is {
			role.Name = r.text(1)
		}
	}
	return nil
}

// addCustom gives a community the roles of the older tables that are used in it. Lists that were kept for the community itself are newer.
func (s *system) addCustom(c *source.Community, r *record, custom []source.Role) {
	lists := map[string][]string{}
	names := map[string]string{}
	for _, role := range custom {
		if !slices.ContainsFunc(c.Roles, func(has source.Role) bool { return has.ID == role.ID }) {
			lists[role.ID], names[role.ID] = role.Permissions, role.Name
		}
		if c.Available != nil && !slices.Contains(c.Available, role.ID) {
			c.Available = append(c.Available, role.ID)
		}
	}
	if len(lists) == 0 {
		return
	}
	full, odd := s.dialect.normalize(lists)
	for _, one := range odd {
		r.doubt(fmt.Sprintf("table role_permission, %s", one.Part), one.Why)
	}
	for _, id := range slices.Sorted(maps.Keys(full)) {
		c.Roles = append(c.Roles, source.Role{ID: id, Name: names[id], Permissions: full[id]})
	}
}
