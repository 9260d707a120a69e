package rbac

// Policy is the rules of one scope as a person writes them. It is plain data;
// [Compile] checks it.
type Policy struct {
	Scope Scope

	// AvailableRoles can be given to members. Admin is always one of them.
	AvailableRoles []string
	// DefaultRoles are given on joining. They are available, and never Admin.
	DefaultRoles []string
	// CreatorRole is what the creator of a community becomes; it holds
	// Everything. A platform policy has none.
	CreatorRole string

	// Content and Reserved are the catalogue, see [NewCatalogue].
	Content  []string
	Reserved []string

	// Roles in the order they are shown in.
	Roles []Role
}

// Role is a named list of permissions.
type Role struct {
	ID          string // see [ValidRole]
	Name        string // for people, may be empty
	Description string // for people, may be empty
	Inherits    []string
	// Permissions is the role's own list of patterns; all that the roles in
	// Inherits hold comes on top.
	Permissions []string
}

// Ancestors returns role and every role it inherits, directly or not, nearest
// first, each once. It returns nil for a role the policy does not have, and
// passes over unknown parents.
func (p Policy) Ancestors(role string) []string {
	var ids []string
	for _, a := range p.ancestry(role) {
		ids = append(ids, a.role.ID)
	}
	return ids
}

// ancestor is a role met while walking up from another, and the way there.
type ancestor struct {
	role Role
	path []string // from the role asked about to this one, both included
}

// ancestry walks breadth first, so each path is a shortest one.
func (p Policy) ancestry(role string) []ancestor {
	byID := make(map[string]Role, len(p.Roles))
	for _, r := range p.Roles {
		byID[r.ID] = r
	}
	var met []ancestor
	meet := func(id string, below []string) {
		if r, unmet := byID[id]; unmet {
			delete(byID, id)
			met = append(met, ancestor{r, append(below[:len(below):len(below)], id)})
		}
	}
	meet(role, nil)
	for i := 0; i < len(met); i++ {
		for _, parent := range met[i].role.Inherits {
			meet(parent, met[i].path)
		}
	}
	return met
}
