package casbin

import (
	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/rbac"
)

// The permissions that mean something to Propusk itself, as package source has it. A test compares both lists with the policies.
var (
	// ownPermissions are those by which Propusk decides in communities.
	ownPermissions = append(source.Administration(), "community:read", "community:update_own", "member:read")
	// platformPermissions are all of the platform, which no catalogue of communities may have.
	platformPermissions = []string{
		"user:read", "user:block", "user:unblock", "user:change_role", "user:reset_password", "community:create", "access:check", "api_key:manage", "audit:read",
	}
)

// takenCatalogues are both lists.
func takenCatalogues() (own, platform *rbac.Catalogue, err error) {
	if own, err = rbac.NewCatalogue(nil, ownPermissions); err != nil {
		return nil, nil, err
	}
	platform, err = rbac.NewCatalogue(nil, platformPermissions)
	return own, platform, err
}
