package rbac

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Catalogue is every permission there is in one scope. The zero value and nil
// list nothing.
type Catalogue struct {
	classes map[Permission]Class // what is listed
	sorted  []Permission         // the same, in order
	known   map[Permission]bool  // the same, and the forms it answers for
}

// NewCatalogue lists concrete permissions: content, which "*" in place of the
// entity reaches, and reserved, which it does not. Refused are malformed and
// repeated permissions, an entity under both headings, and more than
// [MaxPermissions]. The error joins [*PolicyError]s with paths such as
// "catalogue.content[3]".
func NewCatalogue(content, reserved []string) (*Catalogue, error) {
	var f faults
	checkCatalogueSize(content, reserved, &f)
	if err := f.join(); err != nil {
		return nil, err
	}
	c := newCatalogue(content, reserved, &f)
	if err := f.join(); err != nil {
		return nil, err
	}
	return c, nil
}

func checkCatalogueSize(content, reserved []string, f *faults) {
	if len(content)+len(reserved) > MaxPermissions {
		f.add("catalogue", "lists more than %d permissions", MaxPermissions)
	}
}

func newCatalogue(content, reserved []string, f *faults) *Catalogue {
	c := &Catalogue{classes: make(map[Permission]Class), known: make(map[Permission]bool)}
	entities := make(map[string]Class)
	c.list("catalogue.content", content, Content, entities, f)
	c.list("catalogue.reserved", reserved, Reserved, entities, f)
	c.sorted = slices.SortedFunc(maps.Keys(c.classes), compare)
	return c
}

func (c *Catalogue) list(path string, texts []string, class Class, entities map[string]Class, f *faults) {
	for i, text := range texts {
		at := fmt.Sprintf("%s[%d]", path, i)
		p, err := ParsePermission(text)
		if err != nil {
			f.wrap(at, err)
			continue
		}
		if c.Has(p) {
			f.add(at, "%s is listed twice", p)
		}
		if before := entities[p.Entity()]; before != Unlisted && before != class {
			f.add(at, "entity %s is both content and reserved, it must be one of them", p.Entity())
		}
		entities[p.Entity()] = class
		c.classes[p] = class
		for _, form := range p.answersFor() {
			c.known[form] = true
		}
	}
}

// Has reports whether p itself is listed.
func (c *Catalogue) Has(p Permission) bool { return c.Class(p) != Unlisted }

// Class returns the heading p is listed under.
func (c *Catalogue) Class(p Permission) Class {
	if c == nil {
		return Unlisted
	}
	return c.classes[p]
}

// Knows reports whether a check may name p in this scope: p is listed, or it
// is "x" of a listed "x_own" or "x_any", or "x_own" of a listed "x_any".
func (c *Catalogue) Knows(p Permission) bool {
	return c != nil && c.known[p]
}

// Permissions returns a copy of what is listed, sorted by bytes.
func (c *Catalogue) Permissions() []Permission {
	if c == nil {
		return nil
	}
	return slices.Clone(c.sorted)
}

// Resolve checks the list of a custom role, which holds concrete permissions
// only: each must be listed. It returns them sorted by bytes, without
// repetitions, with "x_own" added for every "x_any", ready for [Grants.With].
// The error joins [*PolicyError]s with paths such as "permissions[2]".
func (c *Catalogue) Resolve(permissions []string) ([]Permission, error) {
	var f faults
	if len(permissions) > MaxPermissions {
		f.add("permissions", "holds more than %d permissions", MaxPermissions)
		return nil, f.join()
	}
	set := make(map[Permission]bool)
	for i, text := range permissions {
		at := fmt.Sprintf("permissions[%d]", i)
		p, err := ParsePermission(text)
		switch {
		case err != nil:
			f.wrap(at, err)
		case !c.Has(p):
			f.add(at, "%s is not in the catalogue", p)
		default:
			c.include(set, p)
		}
	}
	if err := f.join(); err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Keys(set), compare), nil
}

// include adds p, and what p implies, to set.
func (c *Catalogue) include(set map[Permission]bool, p Permission) {
	set[p] = true
	if own, ok := p.impliedOwn(); ok && c.Has(own) {
		set[own] = true
	}
}

// Disjoint returns an error naming the first permission that checks may name
// in both catalogues: the catalogue decides a permission's scope, so there can
// be only one.
func Disjoint(a, b *Catalogue) error {
	if a == nil || b == nil {
		return nil
	}
	for _, p := range slices.SortedFunc(maps.Keys(a.known), compare) {
		if b.known[p] {
			return fmt.Errorf("permission %s is in both catalogues, it must be in one of them", p)
		}
	}
	return nil
}

func compare(a, b Permission) int { return cmp.Compare(a.text, b.text) }
