package discours

import (
	"context"
	"fmt"
	"maps"
	"math/big"
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
// what it reaches in a policy, but in place of the entity never Propusk's own administration. What cannot be read in one way only is not read.
type dialect struct {
	grants    *rbac.Grants
	catalogue *rbac.Catalogue
}

// own is what a role says by itself.
type own struct {
	// set has a bit for each permission, by its place in the catalogue; ruling are those of Propusk's own administration, which only admin has
	// and nobody inherits.
	set, ruling big.Int
	parents     []string
	everything  bool
}

// reading is lists on the way.
type reading struct {
	dialect
	roles map[string]*own
	// all is the catalogue, and places are those of the permissions in it.
	all    []rbac.Permission
	places map[string]int
	// met are the lines that were read before: roles say the same again and again.
	met map[string]line
	// odd is what was not understood, by role.
	odd map[string]*doubts
}

// line is what dialect.permissions says about one.
type line struct {
	permissions []string
	why         string
}

// normalize is the full lists, sorted, each permission concrete, and what was not understood. The error is that of ctx.
func (d dialect) normalize(ctx context.Context, lists map[string][]string) (full map[string][]string, odd *doubts, err error) {
	full, by, err := d.normalizeEach(ctx, lists)
	odd = &doubts{}
	for _, role := range slices.Sorted(maps.Keys(by)) {
		odd.addAll("", by[role])
	}
	return full, odd, err
}

// normalizeEach keeps what was not understood by role.
func (d dialect) normalizeEach(ctx context.Context, lists map[string][]string) (full map[string][]string, odd map[string]*doubts, err error) {
	r := &reading{
		dialect: d, roles: map[string]*own{}, all: d.catalogue.Permissions(), places: map[string]int{}, met: map[string]line{}, odd: map[string]*doubts{},
	}
	for i, p := range r.all {
		r.places[p.String()] = i
	}
	for role := range lists {
		r.roles[role] = &own{}
	}
	roles := slices.Sorted(maps.Keys(lists))
	for _, role := range roles {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		for _, token := range lists[role] {
			r.read(role, token)
		}
	}
	order, err := r.breakCircles(ctx, roles)
	if err != nil {
		return nil, nil, err
	}
	full = make(map[string][]string, len(roles))
	for _, role := range order {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		full[role] = r.full(role)
	}
	return full, r.odd, nil
}

func (r *reading) doubt(role, token, why string) {
	if r.odd[role] == nil {
		r.odd[role] = &doubts{}
	}
	if r.odd[role].count() {
		return
	}
	r.odd[role].doubt(fmt.Sprintf("role %.100q, permission %.150q", role, token), why)
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
		r.permit(role, token)
	case r.roles[token] != nil:
		is.parents = append(is.parents, token)
	case r.grants.Has(token):
		r.doubt(role, token, "the role has no list here, and permits nothing")
	default:
		r.doubt(role, token, "it is neither a permission nor a role")
	}
}

// permit gives a role the permissions that a line names. admin holds those of Propusk's administration, whatever its list says.
func (r *reading) permit(role, token string) {
	says, met := r.met[token]
	if !met {
		says.permissions, says.why = r.permissions(token)
		r.met[token] = says
	}
	if says.why != "" {
		r.doubt(role, token, says.why)
		return
	}
	is := r.roles[role]
	var ruling []string
	for _, p := range says.permissions {
		switch {
		case !slices.Contains(source.Administration(), p):
			is.set.SetBit(&is.set, r.places[p], 1)
		case role == rbac.Admin:
			is.ruling.SetBit(&is.ruling, r.places[p], 1)
		default:
			ruling = append(ruling, p)
		}
	}
	if len(ruling) > 0 {
		r.doubt(role, token, fmt.Sprintf("in Propusk %s rules over Propusk itself: give it by hand to whom you mean", strings.Join(ruling, ", ")))
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
		class := d.catalogue.Class(p)
		if slices.Contains(source.Administration(), p.String()) {
			class = rbac.Reserved // whatever the policy says: "*" in place of the entity means content
		}
		if pattern.Matches(p, class) {
			list = append(list, p.String())
		}
	}
	return list
}

// breakCircles takes away what roles inherit from those that inherit from them: nobody can say which of the two was meant. Every circle is looked
// at whole. It returns the roles, each after those that it still inherits from.
func (r *reading) breakCircles(ctx context.Context, roles []string) (order []string, err error) {
	found, err := findCircles(ctx, roles, r.roles)
	if err != nil {
		return nil, err
	}
	for _, role := range roles {
		is := r.roles[role]
		var kept []string
		for _, parent := range is.parents {
			from := r.roles[parent]
			switch {
			case found.circle[parent] == found.circle[role]:
				r.doubt(role, parent, fmt.Sprintf("%s inherits from %s in its turn: roles cannot inherit in a circle", parent, role))
			case from.everything:
				r.doubt(role, parent, "only admin holds everything")
			default:
				if from.ruling.Sign() != 0 {
					r.doubt(role, parent, "what admin may do with Propusk itself is not inherited, only the rest")
				}
				kept = append(kept, parent)
			}
		}
		is.parents = kept
	}
	return found.done, nil
}

// full is all that a role permits: its own, and what it inherits, which is full already.
func (r *reading) full(role string) []string {
	is := r.roles[role]
	for _, parent := range is.parents {
		is.set.Or(&is.set, &r.roles[parent].set)
	}
	is.ruling.Or(&is.ruling, &is.set)
	var set []string
	for i, p := range r.all {
		if is.ruling.Bit(i) == 1 {
			set = append(set, p.String())
		}
	}
	resolved, err := r.catalogue.Resolve(set)
	if err != nil {
		r.doubt(role, "", err.Error())
		return nil
	}
	// Who holds all that there is was meant to hold everything.
	if role == rbac.Admin && (is.everything || len(resolved) == len(r.all)) {
		return slices.Concat([]string{rbac.Everything}, texts(r.all))
	}
	return texts(resolved)
}

func texts(permissions []rbac.Permission) []string {
	list := make([]string, len(permissions))
	for i, p := range permissions {
		list[i] = p.String()
	}
	return list
}

// differing are the roles whose lists are not the policy's, by id. Where there are lists, a role of the policy that has none permits nothing; of
// admin nobody can take anything away.
func (d dialect) differing(lists map[string][]string) (roles []source.Role) {
	ids := slices.Concat(slices.Collect(maps.Keys(lists)), d.grants.Roles())
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		list, is := lists[id]
		if (is || id != rbac.Admin) && !(d.grants.Has(id) && slices.Equal(list, d.grants.Permissions(id))) {
			roles = append(roles, source.Role{ID: id, Permissions: list})
		}
	}
	return roles
}
