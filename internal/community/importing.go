package community

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// Compile is the lists of a community that has these roles beside those of the policy, or instead of them. Of their permissions those hold that
// are in the catalogue. All roles are compiled at once, however many there are. Conflict (too_many_roles).
func (s *Service) Compile(own []store.RoleRow) (*rbac.Grants, error) {
	lists := map[string][]string{}
	for _, role := range s.Grants.Roles() {
		lists[role] = s.Grants.Permissions(role)
	}
	edited := 0
	for _, row := range own {
		if row.Permissions == nil {
			continue
		}
		if row.ID == rbac.Admin {
			return nil, errors.New("role admin cannot be edited, it holds everything")
		}
		lists[row.ID] = s.held(row.Permissions)
		edited++
	}
	if edited == 0 {
		return s.Grants, nil
	}
	text, err := json.Marshal(lists)
	if err != nil {
		return nil, err
	}
	grants, err := rbac.DecodeGrants(text)
	if err != nil {
		return nil, &propusk.Error{
			Kind: propusk.Conflict, Code: "too_many_roles", Cause: err,
			Message: "the policy and the community's own roles together are more than a community can have: delete some of its own first",
		}
	}
	return grants, nil
}

// held are those of some permissions that are in the catalogue, sorted and each once.
func (s *Service) held(permissions []string) []string {
	list := make([]string, 0, len(permissions))
	for _, text := range permissions {
		if p, err := rbac.ParsePermission(text); err == nil && s.Catalogue.Has(p) {
			list = append(list, p.String())
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
