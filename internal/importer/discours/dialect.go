package discours

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/rbac"
)

// dialect reads lists of permissions as Discours wrote them over the years:
//
//   - reaction:LIKE:read, as Propusk writes it;
//   - reaction:read:LIKE, with kind and action the other way round;
//   - shout:update and shout:delete, where update_own and delete_own are meant;
//   - the name of another role, all of whose list comes on top.
//
// Kinds are in capitals and actions are not, so that the first two cannot be taken for each other. "*" stands for one segment, and reaches
// what it reaches in a policy. What cannot be read in one way only is not read.
type dialect struct {
	grants    *rbac.Grants
	catalogue *rbac.Catalogue
}

// own is what a role says by itself.
type own struct {
	permissions []string
	parents     []string
	everything  bool
}

// reading is lists on the way.
type reading struct {
	dialect
	roles map[string]*own
	odd   []source.Odd
}

// normalize is the full lists, sorted, each permission concrete, and what was not understood. The roles are read in the order of their ids.
func (d dialect) normalize(lists map[string][]string) (full map[string][]string, odd []source.Odd) {
	r := &reading{dialect: d, roles: map[string]*own{}}
	for role := range lists {
		r.roles[role] = &own{}
	}
	roles := slices.Sorted(maps.Keys(lists))
	for _, role := range roles {
		for _, token := range lists[role] {
			r.read(role, token)
		}
	}
	r.breakCircles(roles)
	full = make(map[string][]string, len(roles))
	for _, role := range roles {
		full[role] = r.full(role)
	}
	return full, r.odd
}

func (r *reading) doubt(role, token, why string) {
	r.odd = append(r.odd, source.Odd{Part: fmt.Sprintf("role %.100q, permission %.150q", role, token), Why: why})
}

// read takes one line of a role's list.
func (r *reading) read(role, token string) {
	is := r.roles[role]
	switch {
	case token == rbac.Everything && role == rbac.Admin:
		is.everything = true
	case token == rbac.Everything:
		r.doubt(role, token, "only admin holds everything")
	case strings.Contains(token, ":"):
		permissions, why := r.permissions(token)
		if why != "" {
			r.doubt(role, token, why)
		}
		is.permissions = append(is.permissions, permissions...)
	case r.roles[token] != nil || r.grants.Has(token):
		is.parents = append(is.parents, token)
	default:
		r.doubt(role, token, "it is neither a permission nor a role")
	}
}

// permissions are the ones of the catalogue that a line names, or why there are none.
func (d dialect) permissions(token string) (list []string, why string) {
	text, why := ours(token)
	if why != "" {
		return nil, why
	}
	pattern, err := rbac.ParsePattern(text)
	if err != nil {
		return nil, err.Error()
	}
	if list = d.matching(pattern); len(list) == 0 && (strings.HasSuffix(text, ":update") || strings.HasSuffix(text, ":delete")) {
		if pattern, err = rbac.ParsePattern(text + "_own"); err == nil {
			list = d.matching(pattern)
		}
	}
	switch {
	case len(list) > 0:
		return list, ""
	case strings.Contains(text, rbac.Everything):
		return nil, "it matches nothing in the catalogue"
	default:
		return nil, "it is not in the catalogue"
	}
}

// ours is a line the way Propusk writes it, or why it cannot be read.
func ours(token string) (text, why string) {
	parts := strings.Split(token, ":")
	if len(parts) != 3 {
		return token, ""
	}
	second, third := caseOf(parts[1]), caseOf(parts[2])
	switch {
	case second == small && third == small:
		return "", "it has no kind: one of the two must be in capitals"
	case second == capitals && third == capitals:
		return "", "it has two kinds and no action"
	case second == small || third == capitals:
		return parts[0] + ":" + parts[2] + ":" + parts[1], ""
	default:
		return token, ""
	}
}

// letters are what a segment is written in.
type letters int

const (
	neither letters = iota
	small
	capitals
)

func caseOf(segment string) letters {
	switch {
	case segment == "" || segment[0] == '*':
		return neither
	case segment == strings.ToUpper(segment):
		return capitals
	case segment == strings.ToLower(segment):
		return small
	default:
		return neither
	}
}

func (d dialect) matching(pattern rbac.Pattern) (list []string) {
	for _, p := range d.catalogue.Permissions() {
		if pattern.Matches(p, d.catalogue.Class(p)) {
			list = append(list, p.String())
		}
	}
	return list
}

// breakCircles takes away what roles inherit from those that inherit from them: nobody can say which of the two was meant. Every circle is looked
// at whole.
func (r *reading) breakCircles(roles []string) {
	kept := make([][]string, len(roles))
	for i, role := range roles {
		for _, parent := range r.roles[role].parents {
			switch {
			case r.reaches(parent, role, map[string]bool{}):
				r.doubt(role, parent, fmt.Sprintf("%s inherits from %s in its turn: roles cannot inherit in a circle", parent, role))
			case role != rbac.Admin && r.holdsEverything(parent):
				r.doubt(role, parent, "only admin holds everything")
			default:
				kept[i] = append(kept[i], parent)
			}
		}
	}
	for i, role := range roles {
		r.roles[role].parents = kept[i]
	}
}

func (r *reading) reaches(from, to string, met map[string]bool) bool {
	if from == to {
		return true
	}
	is := r.roles[from]
	if is == nil || met[from] {
		return false
	}
	met[from] = true
	return slices.ContainsFunc(is.parents, func(parent string) bool { return r.reaches(parent, to, met) })
}

func (r *reading) holdsEverything(role string) bool {
	if is := r.roles[role]; is != nil {
		return is.everything
	}
	return r.grants.All([]string{role})
}

// full is all that a role permits: its own, and what it inherits.
func (r *reading) full(role string) []string {
	set := map[string]bool{}
	r.collect(role, set, map[string]bool{})
	resolved, err := r.catalogue.Resolve(slices.Sorted(maps.Keys(set)))
	if err != nil {
		r.doubt(role, "", err.Error())
		return nil
	}
	// Who holds all that there is was meant to hold everything.
	if all := r.catalogue.Permissions(); role == rbac.Admin && (r.roles[role].everything || len(resolved) == len(all)) {
		return slices.Concat([]string{rbac.Everything}, texts(all))
	}
	return texts(resolved)
}

func (r *reading) collect(role string, set, met map[string]bool) {
	if met[role] {
		return
	}
	met[role] = true
	is := r.roles[role]
	if is == nil {
		for _, p := range r.grants.Permissions(role) {
			set[p] = true
		}
		return
	}
	for _, p := range is.permissions {
		set[p] = true
	}
	for _, parent := range is.parents {
		r.collect(parent, set, met)
	}
}

func texts(permissions []rbac.Permission) []string {
	list := make([]string, len(permissions))
	for i, p := range permissions {
		list[i] = p.String()
	}
	return list
}

// differing are the roles whose lists are not the policy's, by id.
func (d dialect) differing(lists map[string][]string) (roles []source.Role) {
	for _, id := range slices.Sorted(maps.Keys(lists)) {
		if !d.grants.Has(id) || !slices.Equal(lists[id], d.grants.Permissions(id)) {
			roles = append(roles, source.Role{ID: id, Permissions: lists[id]})
		}
	}
	return roles
}
