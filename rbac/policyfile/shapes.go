package policyfile

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// maxErrors keeps the answer to a hostile file short.
const maxErrors = 100

func (r *reader) fail(line int, format string, args ...any) {
	if len(r.errs) < maxErrors {
		r.errs = append(r.errs, fault(line, format, args...))
	}
}

func (r *reader) unknownKey(path, allowed string) {
	r.fail(r.lines[path], "unknown key %.100q, allowed are %s", path, allowed)
}

// mapping calls visit with every key of node and the path that leads there.
func (r *reader) mapping(path string, node ast.Node, visit func(key, path string, value ast.Node)) {
	m, ok := node.(ast.MapNode)
	if !ok {
		r.fail(lineOf(node), "%s must be a mapping of keys to values", subject(path))
		return
	}
	first := make(map[string]int)
	for pair := m.MapRange(); pair.Next(); {
		line := lineOf(pair.Key())
		key := r.text(pair.Key())
		if before, taken := first[key]; taken {
			r.fail(line, "key %.100q is there twice, first on line %d", key, before)
			continue
		}
		first[key] = line
		inner := strings.TrimPrefix(path+"."+key, ".")
		r.lines[inner] = line
		visit(key, inner, pair.Value())
	}
}

// subject names a place at the beginning of an error.
func subject(path string) string {
	if path == "" {
		return "the file"
	}
	return fmt.Sprintf("%.100q", path)
}

// each calls visit with every item of a list.
func (r *reader) each(node ast.Node, visit func(i int, item ast.Node)) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		r.fail(lineOf(node), "must be a list, such as [a, b]")
		return
	}
	for i, item := range list.Values {
		visit(i, item)
	}
}

func (r *reader) texts(path string, node ast.Node) []string {
	texts := []string{}
	r.each(node, func(i int, item ast.Node) {
		r.lines[fmt.Sprintf("%s[%d]", path, i)] = lineOf(item)
		texts = append(texts, r.text(item))
	})
	return texts
}

func (r *reader) text(node ast.Node) string {
	text, ok := node.(*ast.StringNode)
	if !ok {
		r.fail(lineOf(node), "must be text, put it in quotes if it is")
		return ""
	}
	return text.Value
}

// segment reads one segment of a permission: a colon in it would be two.
func (r *reader) segment(line int, text string) string {
	if strings.Contains(text, ":") {
		r.fail(line, "%.50q must be one segment of a permission, without a colon", text)
	}
	return text
}

func lineOf(node ast.Node) int { return node.GetToken().Position.Line }
