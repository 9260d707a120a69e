package policyfile

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"

	"github.com/propusk/propusk/rbac"
)

// reader turns a document into a policy. It notes what is wrong, and on which
// line everything stands, under the paths rbac uses in its errors.
type reader struct {
	lines map[string]int
	errs  []*Error
}

func (r *reader) read(data []byte) (p rbac.Policy) {
	root, err := load(data)
	if err != nil {
		r.errs = append(r.errs, err)
		return p
	}
	versioned := false
	r.mapping("", root, func(key, path string, value ast.Node) {
		switch key {
		case "version":
			versioned = true
			r.version(value)
		case "scope":
			p.Scope = rbac.Scope(r.text(value))
		case "available_roles":
			p.AvailableRoles = r.texts(path, value)
		case "default_roles":
			p.DefaultRoles = r.texts(path, value)
		case "creator_role":
			p.CreatorRole = r.text(value)
		case "catalogue":
			p.Content, p.Reserved = r.catalogue(path, value)
		case "roles":
			p.Roles = r.roles(path, value)
		default:
			r.unknownKey(path, "version, scope, available_roles, default_roles, creator_role, catalogue, roles")
		}
	})
	if !versioned {
		r.fail(1, `version is missing, write "version: 1"`)
	}
	return p
}

func (r *reader) version(node ast.Node) {
	if node.GetToken().Value != "1" || node.Type() != ast.IntegerType {
		r.fail(lineOf(node), "version must be 1")
	}
}

func (r *reader) catalogue(path string, node ast.Node) (content, reserved []string) {
	r.mapping(path, node, func(key, path string, value ast.Node) {
		switch key {
		case "content":
			content = r.entities(path, value)
		case "reserved":
			reserved = r.entities(path, value)
		default:
			r.unknownKey(path, "content, reserved")
		}
	})
	return content, reserved
}

// entities flattens entity: [action], and entity: {QUALIFIER: [action]}.
func (r *reader) entities(path string, node ast.Node) (permissions []string) {
	add := func(prefix string, actions ast.Node) {
		r.each(actions, func(_ int, action ast.Node) {
			line := lineOf(action)
			r.lines[fmt.Sprintf("%s[%d]", path, len(permissions))] = line
			permissions = append(permissions, prefix+":"+r.segment(line, r.text(action)))
		})
	}
	r.mapping(path, node, func(entity, inner string, value ast.Node) {
		r.segment(r.lines[inner], entity)
		if _, qualified := value.(ast.MapNode); !qualified {
			add(entity, value)
			return
		}
		r.mapping(inner, value, func(qualifier, inner string, actions ast.Node) {
			r.segment(r.lines[inner], qualifier)
			add(entity+":"+qualifier, actions)
		})
	})
	return permissions
}

func (r *reader) roles(path string, node ast.Node) (roles []rbac.Role) {
	r.mapping(path, node, func(id, path string, value ast.Node) {
		r.lines[fmt.Sprintf("roles[%d]", len(roles))] = r.lines[path]
		roles = append(roles, r.role(id, path, value))
	})
	return roles
}

func (r *reader) role(id, path string, node ast.Node) rbac.Role {
	role := rbac.Role{ID: id}
	r.mapping(path, node, func(key, path string, value ast.Node) {
		switch key {
		case "name":
			role.Name = r.text(value)
		case "description":
			role.Description = r.text(value)
		case "inherits":
			role.Inherits = r.texts(path, value)
		case "permissions":
			role.Permissions = r.texts(path, value)
		default:
			r.unknownKey(path, "name, description, inherits, permissions")
		}
	})
	return role
}
