package gqlgenguard

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/propusk/propusk/rbac"
)

// The names of the directives, as Schema declares them.
const (
	hasPermission     = "hasPermission"
	hasAnyPermission  = "hasAnyPermission"
	hasAllPermissions = "hasAllPermissions"
	hasRole           = "hasRole"
	adminOnly         = "adminOnly"
	authenticated     = "authenticated"
	owns              = "owns"
)

func guards() []string {
	return []string{hasPermission, hasAnyPermission, hasAllPermissions, hasRole, adminOnly, authenticated, owns}
}

// Uncovered lists the fields of queries, mutations and subscriptions that no directive of this package guards, as "Mutation.createShout"
// and in the order of the schema. also names directives of one's own that count: those that guard, and one that marks what is open to
// everybody. A test that wants the list empty finds every field that was forgotten. Fields of other types are not looked at: below an open
// root field, or one that is only @authenticated, they are as open as it is unless they have directives of their own.
func Uncovered(schema *ast.Schema, also ...string) []string {
	known := append(guards(), also...)
	var open []string
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		if root == nil {
			continue
		}
		for _, field := range root.Fields {
			covered := slices.ContainsFunc(field.Directives, func(d *ast.Directive) bool { return slices.Contains(known, d.Name) })
			if !covered && !strings.HasPrefix(field.Name, "__") {
				open = append(open, root.Name+"."+field.Name)
			}
		}
	}
	return open
}

// Validate finds mistakes in how a schema uses the directives; ask it when the program starts, as each of these denies, or guards
// nothing, at run time: permissions and roles that are none, lists without names, @owns without a Finder or with an argument that the
// field does not have, directives where gqlgen does not run them, and communities that the directive does not see because they are in an
// input object. The error joins one *gqlerror.Error with file, line and column for each.
func (d *Directives) Validate(schema *ast.Schema) error {
	v := &validation{Directives: d, schema: schema}
	names := make([]string, 0, len(schema.Types))
	for name := range schema.Types {
		names = append(names, name)
	}
	slices.Sort(names)
	v.stray("the schema", schema.SchemaDirectives)
	for _, name := range names {
		v.definition(schema.Types[name])
	}
	return errors.Join(v.faults...)
}

// validation is one run of Validate.
type validation struct {
	*Directives
	schema *ast.Schema
	faults []error
}

func (v *validation) fault(at *ast.Position, format string, args ...any) {
	if at == nil || at.Src == nil {
		v.faults = append(v.faults, gqlerror.Errorf(format, args...))
		return
	}
	v.faults = append(v.faults, gqlerror.ErrorPosf(at, format, args...))
}

func (v *validation) definition(def *ast.Definition) {
	v.stray(def.Name, def.Directives)
	for _, value := range def.EnumValues {
		v.stray(def.Name+"."+value.Name, value.Directives)
	}
	for _, field := range def.Fields {
		place := def.Name + "." + field.Name
		for _, arg := range field.Arguments {
			v.stray(fmt.Sprintf("%s(%s)", place, arg.Name), arg.Directives)
		}
		if def.Kind != ast.Object {
			v.stray(place, field.Directives)
			continue
		}
		for _, use := range field.Directives {
			if slices.Contains(guards(), use.Name) {
				v.use(place, field, use)
			}
		}
	}
}

// stray reports directives that gqlgen does not run, or not before a resolver.
func (v *validation) stray(place string, uses ast.DirectiveList) {
	for _, use := range uses {
		if slices.Contains(guards(), use.Name) {
			v.fault(use.Position, "@%s on %s guards nothing: it belongs on the fields of object types", use.Name, place)
		}
	}
}

// use looks at one directive before one field.
func (v *validation) use(place string, field *ast.FieldDefinition, use *ast.Directive) {
	complain := func(format string, args ...any) {
		v.fault(use.Position, "@%s on %s: %s", use.Name, place, fmt.Sprintf(format, args...))
	}
	switch use.Name {
	case hasPermission:
		permissions(complain, texts(use, "name"))
	case hasAnyPermission, hasAllPermissions:
		permissions(complain, texts(use, "names"))
	case hasRole:
		for _, role := range orEmpty(texts(use, "name")) {
			if !rbac.ValidRole(role) {
				complain("%q is no id of a role", role)
			}
		}
	case owns:
		v.owns(complain, field, use)
		return // the object says in which community it is
	case authenticated:
		return
	}
	v.communityOfField(complain, field)
}

func permissions(complain func(string, ...any), names []string) {
	if len(names) == 0 {
		complain("without a permission it lets nobody pass")
	}
	for _, name := range names {
		if _, err := rbac.ParsePermission(name); err != nil {
			complain("%v", err)
		}
	}
}

func (v *validation) owns(complain func(string, ...any), field *ast.FieldDefinition, use *ast.Directive) {
	names := texts(use, "permission")
	permissions(complain, names)
	for _, name := range names {
		if p, err := rbac.ParsePermission(name); err == nil && v.finders[p.Entity()] == nil {
			complain("there is no Finder for %q: add one with gqlgenguard.Objects", p.Entity())
		}
	}
	for _, arg := range orEmpty(texts(use, "arg")) {
		if field.Arguments.ForName(arg) == nil {
			complain("the field has no argument %q", arg)
		}
	}
}

// communityOfField reports a community that a client names where the directive does not look: what is checked would not be what is
// changed.
func (v *validation) communityOfField(complain func(string, ...any), field *ast.FieldDefinition) {
	name := v.arg()
	if arg := field.Arguments.ForName(name); arg != nil {
		if def := v.schema.Types[arg.Type.Name()]; arg.Type.Elem != nil || def == nil || def.Kind != ast.Scalar {
			complain("the argument %s must be one number", name)
		}
	}
	for _, arg := range field.Arguments {
		if arg.Name != name && slices.Contains([]string{"community", "communityid", "community_id"}, strings.ToLower(arg.Name)) {
			complain("the community in %s is not the one that is checked: call the argument %s, or name it with CommunityArg", arg.Name, name)
		}
		if path := v.hidden(arg.Name, arg.Type, nil); path != "" {
			complain("the community in %s is not the one that is checked: make it the argument %s of the field", path, name)
		}
	}
}

// hidden is the path of a field of an input object that names the community, "" when there is none.
func (v *validation) hidden(path string, t *ast.Type, above []string) string {
	def := v.schema.Types[t.Name()]
	if def == nil || def.Kind != ast.InputObject || slices.Contains(above, def.Name) {
		return ""
	}
	above = append(slices.Clone(above), def.Name)
	for _, field := range def.Fields {
		if field.Name == v.arg() {
			return path + "." + field.Name
		}
		if found := v.hidden(path+"."+field.Name, field.Type, above); found != "" {
			return found
		}
	}
	return ""
}

// texts is the value of an argument of a directive: one text, or those of a list.
func texts(use *ast.Directive, name string) []string {
	arg := use.Arguments.ForName(name)
	if arg == nil || arg.Value == nil {
		return nil
	}
	if arg.Value.Kind != ast.ListValue {
		return []string{arg.Value.Raw}
	}
	list := make([]string, 0, len(arg.Value.Children))
	for _, child := range arg.Value.Children {
		list = append(list, child.Value.Raw)
	}
	return list
}

// orEmpty makes a left-out text an empty one, which is then refused.
func orEmpty(list []string) []string {
	if len(list) == 0 {
		return []string{""}
	}
	return list
}
