package community

import (
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// Compile is the lists of a community that has these roles beside those of the policy, or instead of them. Of their permissions those hold that
// are in the catalogue. Conflict (too_many_roles).
func (s *Service) Compile(own []store.RoleRow) (*rbac.Grants, error) {
	grants := s.Grants
	for _, row := range own {
		if row.Permissions == nil {
			continue
		}
		var err error
		if grants, err = s.carryOver(grants, &row); err != nil {
			return nil, err
		}
	}
	return grants, nil
}
