package rbac

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Grants is a policy compiled for one scope: role → full list of permissions,
// with no inheritance left. It never changes, so it may be shared freely. The
// zero value and nil have no roles and deny everything. Make one with
// [Compile] or [DecodeGrants].
//
// A role that Grants does not have grants nothing.
type Grants struct {
	roles     map[string]*grant
	forms     map[Permission]forms
	canonical []byte
}

// grant is what one role holds.
type grant struct {
	list []string // sorted by bytes
	set  bitset   // the same, as numbers
	all  bool     // holds Everything
}

// forms are the numbers of the permissions that decide about one permission a
// check may name. Zero is the number of nothing, which no role holds.
type forms struct {
	literal, own, any int
}

// Roles returns the ids of all roles, sorted by bytes.
func (g *Grants) Roles() []string {
	if g == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(g.roles))
}

// Has reports whether there is such a role.
func (g *Grants) Has(role string) bool { return g.role(role) != nil }

// Knows reports whether some role holds p, or what p is a form of: x where a
// role holds x_own or x_any, x_own where one holds x_any. As admin holds all
// that is in the catalogue, these are the permissions that [Catalogue.Knows].
func (g *Grants) Knows(p Permission) bool {
	if g == nil {
		return false
	}
	_, known := g.forms[p]
	return known
}

// Permissions returns a copy of role's full list, sorted by bytes, nil when
// there is no such role.
func (g *Grants) Permissions(role string) []string {
	if r := g.role(role); r != nil {
		return slices.Clone(r.list)
	}
	return nil
}

// All reports whether one of roles holds [Everything].
func (g *Grants) All(roles []string) bool {
	return slices.ContainsFunc(roles, func(id string) bool {
		r := g.role(id)
		return r != nil && r.all
	})
}

// Union returns all that roles hold together, sorted by bytes, without
// repetitions; [Everything] comes first when one of them holds it.
func (g *Grants) Union(roles []string) []string {
	var union []string
	for _, id := range roles {
		if r := g.role(id); r != nil {
			union = append(union, r.list...)
		}
	}
	slices.Sort(union)
	return slices.Compact(union)
}

// Covers reports whether a holder of roles holder holds all that roles other
// hold: nobody grants above themselves. Roles that Grants does not have hold
// nothing and are covered, so whether a role may be given at all is another
// question.
func (g *Grants) Covers(holder, other []string) bool {
	return g != nil && len(g.roles) > 0 && len(g.Missing(holder, other)) == 0
}

// Missing returns what other hold and holder do not, sorted by bytes.
func (g *Grants) Missing(holder, other []string) []string {
	if g.All(holder) {
		return nil
	}
	held := g.Union(holder)
	return slices.DeleteFunc(g.Union(other), func(p string) bool {
		_, found := slices.BinarySearch(held, p)
		return found
	})
}

// With returns Grants in which role holds exactly permissions, instead of what
// it held before, if there was such a role. Refused are a malformed role id,
// [Admin], the zero Permission, and more than [MaxRoles] or [MaxPermissions].
// Whether the permissions exist is for [Catalogue.Resolve] to say.
func (g *Grants) With(role string, permissions []Permission) (*Grants, error) {
	if err := checkEditable(role); err != nil {
		return nil, err
	}
	list := make([]string, 0, len(permissions))
	for _, p := range permissions {
		if p.IsZero() {
			return nil, &SyntaxError{What: "permission", Fault: faultEmpty}
		}
		list = append(list, p.text)
	}
	slices.Sort(list)
	lists := g.lists()
	lists[role] = slices.Compact(list)
	if err := checkLimits(role, lists); err != nil {
		return nil, err
	}
	return newGrants(lists), nil
}

// Without returns Grants that do not have role. Refused is [Admin].
func (g *Grants) Without(role string) (*Grants, error) {
	if err := checkEditable(role); err != nil {
		return nil, err
	}
	lists := g.lists()
	delete(lists, role)
	return newGrants(lists), nil
}

func checkEditable(role string) error {
	if role == Admin {
		return errors.New("role admin cannot be edited or removed, it holds everything")
	}
	return checkRole(role)
}

func checkLimits(role string, lists map[string][]string) error {
	if len(lists) > MaxRoles {
		return fmt.Errorf("there are more than %d roles", MaxRoles)
	}
	held := len(lists[role])
	if role == Admin {
		held-- // "*" does not count
	}
	if held > MaxPermissions {
		return fmt.Errorf("role %s holds more than %d permissions", role, MaxPermissions)
	}
	return nil
}

func (g *Grants) role(id string) *grant {
	if g == nil {
		return nil
	}
	return g.roles[id]
}

// lists shares its slices with g, which never writes to them.
func (g *Grants) lists() map[string][]string {
	lists := make(map[string][]string)
	for _, id := range g.Roles() {
		lists[id] = g.roles[id].list
	}
	return lists
}

// newGrants takes lists that are sorted, free of repetitions and not nil.
func newGrants(lists map[string][]string) *Grants {
	g := &Grants{
		roles: make(map[string]*grant, len(lists)),
		forms: make(map[Permission]forms),
	}
	numbers := make(map[string]int)
	for _, role := range slices.Sorted(maps.Keys(lists)) {
		for _, text := range lists[role] {
			if text != Everything && numbers[text] == 0 {
				numbers[text] = len(numbers) + 1
				g.enter(Permission{text}, numbers[text])
			}
		}
	}
	for role, list := range lists {
		g.roles[role] = newGrant(list, numbers)
	}
	// The texts are plain ASCII and maps are written in order of their keys,
	// so these bytes are the same for the same lists, everywhere and always.
	g.canonical, _ = json.Marshal(lists)
	return g
}

func newGrant(list []string, numbers map[string]int) *grant {
	r := &grant{list: list, set: newBitset(len(numbers) + 1)}
	for _, text := range list {
		if text == Everything {
			r.all = true
		} else {
			r.set.add(numbers[text])
		}
	}
	return r
}

// with holds what both hold. It has no list, which only roles have.
func (r *grant) with(other *grant) *grant {
	both := &grant{set: slices.Clone(r.set), all: r.all || other.all}
	both.set.unite(other.set)
	return both
}

// enter notes which checks permission p, known as number, may decide.
func (g *Grants) enter(p Permission, number int) {
	for _, form := range p.answersFor() {
		f := g.forms[form]
		if form == p {
			f.literal = number
		}
		if _, own := p.stem(suffixOwn); own {
			f.own = number
		} else if form != p {
			f.any = number
		}
		g.forms[form] = f
	}
}
