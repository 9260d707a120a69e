package casbin

import "github.com/propusk/propusk/rbac"

// The permissions that mean something to Propusk itself. What other programs call by the same name is something else: who may remove a "member" of
// theirs must not come to remove members here. A test compares both lists with the policies.
var (
	// ownPermissions are those by which Propusk decides in communities.
	ownPermissions = []string{
		"community:read", "community:update_own", "community:delete_own", "community:configure",
		"member:read", "member:admit", "member:remove", "member:assign_role", "role:manage", "policy:apply",
	}
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
