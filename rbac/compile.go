package rbac

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Compile checks a policy and expands it: inheritance is resolved, wildcards
// become what they match in the catalogue, "x_own" is added for every "x_any",
// and each list is sorted by bytes. Admin's list is "*" and then every
// permission of the catalogue.
//
// The error joins one [*PolicyError] for each thing that is wrong (at most a
// hundred), so errors.As finds the first and Unwrap() []error all of them.
func Compile(p Policy) (*Grants, error) {
	c := compiler{policy: p, roles: make(map[string]Role), own: make(map[string]bitset)}
	if c.checkSizes() {
		c.catalogue = newCatalogue(p.Content, p.Reserved, &c.faults)
		c.checkRoles()
		c.checkInheritance()
		c.checkSettings()
	}
	if err := c.faults.join(); err != nil {
		return nil, err
	}
	return newGrants(c.lists()), nil
}

type compiler struct {
	policy    Policy
	faults    faults
	catalogue *Catalogue
	roles     map[string]Role   // the well-formed ones, by id
	own       map[string]bitset // role → places in catalogue.sorted its own list reaches
}

// checkSizes comes first: it bounds the work of all that follows.
func (c *compiler) checkSizes() bool {
	patterns := 0
	for _, r := range c.policy.Roles {
		patterns += len(r.Permissions)
	}
	if len(c.policy.Roles) > MaxRoles {
		c.faults.add("roles", "there are more than %d roles", MaxRoles)
	}
	if patterns > MaxPatterns {
		c.faults.add("roles", "the roles list more than %d permissions in all", MaxPatterns)
	}
	checkCatalogueSize(c.policy.Content, c.policy.Reserved, &c.faults)
	return c.faults.list == nil
}

func (c *compiler) checkRoles() {
	for i, r := range c.policy.Roles {
		at := fmt.Sprintf("roles[%d]", i)
		if err := checkRole(r.ID); err != nil {
			c.faults.wrap(at, err)
			continue
		}
		if _, taken := c.roles[r.ID]; taken {
			c.faults.add(at, "role %s is there twice", r.ID)
			continue
		}
		c.roles[r.ID] = r
		c.checkText("roles."+r.ID+".name", r.Name, MaxNameLen)
		c.checkText("roles."+r.ID+".description", r.Description, MaxDescriptionLen)
		c.expand(r)
	}
	admin, ok := c.roles[Admin]
	if !ok {
		c.faults.add("roles", "role admin is missing")
	} else if !slices.Contains(admin.Permissions, Everything) {
		c.faults.add("roles.admin.permissions", `must list "*": admin may do everything`)
	}
}

// checkText refuses what could break out of the place it is shown in.
func (c *compiler) checkText(at, text string, limit int) {
	hidden := func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }
	if strings.ContainsFunc(text, hidden) || utf8.RuneCountInString(text) > limit {
		c.faults.add(at, "must be printable text of at most %d characters on one line", limit)
	}
}

// expand turns a role's own list into the set of what it matches.
func (c *compiler) expand(r Role) {
	own := newBitset(len(c.catalogue.sorted))
	for i, line := range r.Permissions {
		if err := c.expandLine(r.ID, line, own); err != nil {
			c.faults.wrap(fmt.Sprintf("roles.%s.permissions[%d]", r.ID, i), err)
		}
	}
	c.own[r.ID] = own
}

func (c *compiler) expandLine(role, line string, own bitset) error {
	pattern, err := ParsePattern(line)
	if err != nil {
		return err
	}
	if line == Everything {
		return c.expandEverything(role, own)
	}
	matched := false
	for i, p := range c.catalogue.sorted {
		if pattern.Matches(p, c.catalogue.Class(p)) {
			matched = true
			own.add(i)
			c.addImplied(p, own)
		}
	}
	if !matched {
		return fmt.Errorf("%q matches nothing in the catalogue"+
			` (each "*" is one whole segment, and reserved entities are reached by name only)`, line)
	}
	return nil
}

func (c *compiler) expandEverything(role string, own bitset) error {
	if role != Admin {
		return fmt.Errorf(`"*" is for role admin only, role %s must name entities`, role)
	}
	for i := range c.catalogue.sorted {
		own.add(i)
	}
	return nil
}

func (c *compiler) addImplied(p Permission, own bitset) {
	if implied, ok := p.impliedOwn(); ok {
		if i, listed := slices.BinarySearchFunc(c.catalogue.sorted, implied, compare); listed {
			own.add(i)
		}
	}
}

func (c *compiler) checkInheritance() {
	for _, r := range c.policy.Roles {
		c.checkParents(r)
	}
	done := make(map[string]bool)
	for _, r := range c.policy.Roles {
		c.checkCircle(r.ID, nil, done)
	}
}

func (c *compiler) checkParents(r Role) {
	for i, parent := range r.Inherits {
		at := fmt.Sprintf("roles.%s.inherits[%d]", r.ID, i)
		switch _, known := c.roles[parent]; {
		case !known:
			c.faults.add(at, "role %s inherits unknown role %q", r.ID, excerpt(parent))
		case parent == Admin:
			c.faults.add(at, `role %s cannot inherit admin, only admin holds "*"`, r.ID)
		case slices.Contains(r.Inherits[:i], parent):
			c.faults.add(at, "role %s inherits %s twice", r.ID, parent)
		}
	}
}

// checkCircle walks up from role; below are the roles it came through.
func (c *compiler) checkCircle(role string, below []string, done map[string]bool) {
	if i := slices.Index(below, role); i >= 0 {
		circle := strings.Join(append(below[i:], role), " → ")
		c.faults.add("roles."+role+".inherits", "roles inherit in a circle: %s", circle)
		return
	}
	if done[role] {
		return
	}
	for _, parent := range c.roles[role].Inherits {
		c.checkCircle(parent, append(below, role), done)
	}
	done[role] = true
}

func (c *compiler) checkSettings() {
	available, defaults := c.policy.AvailableRoles, c.policy.DefaultRoles
	c.checkSettingList("available_roles", available)
	if !slices.Contains(available, Admin) {
		c.faults.add("available_roles", "must name admin, which is always available")
	}
	c.checkSettingList("default_roles", defaults)
	for i, role := range defaults {
		at := fmt.Sprintf("default_roles[%d]", i)
		if role == Admin {
			c.faults.add(at, "admin cannot be given by default")
		} else if !slices.Contains(available, role) {
			c.faults.add(at, "role %q is not among available_roles", excerpt(role))
		}
	}
	c.checkScope()
}

func (c *compiler) checkSettingList(path string, roles []string) {
	for i, role := range roles {
		at := fmt.Sprintf("%s[%d]", path, i)
		if _, known := c.roles[role]; !known {
			c.faults.add(at, "role %q is not a role of this policy", excerpt(role))
		} else if slices.Contains(roles[:i], role) {
			c.faults.add(at, "role %s is named twice", role)
		}
	}
}

func (c *compiler) checkScope() {
	switch creator := c.policy.CreatorRole; c.policy.Scope {
	case ScopeCommunity:
		if creator != Admin {
			c.faults.add("creator_role", `must be admin, the role that holds "*"`)
		}
	case ScopePlatform:
		if creator != "" {
			c.faults.add("creator_role", "is for policies of a community only")
		}
	default:
		c.faults.add("scope", "must be %s or %s", ScopeCommunity, ScopePlatform)
	}
}

// lists unites each role's own list with those of its ancestors.
func (c *compiler) lists() map[string][]string {
	lists := make(map[string][]string, len(c.roles))
	for role := range c.roles {
		full := newBitset(len(c.catalogue.sorted))
		for _, ancestor := range c.policy.Ancestors(role) {
			full.unite(c.own[ancestor])
		}
		lists[role] = c.names(role, full)
	}
	return lists
}

func (c *compiler) names(role string, full bitset) []string {
	names := []string{}
	if role == Admin {
		names = append(names, Everything)
	}
	for i, p := range c.catalogue.sorted {
		if full.has(i) {
			names = append(names, p.text)
		}
	}
	return names
}
