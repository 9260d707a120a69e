package rbac

// Source is one way a role comes to hold a permission.
type Source struct {
	// Path leads from the role asked about to the one whose own list gives
	// the permission; it has one element when that is the same role.
	Path []string
	// Pattern is the line of that list.
	Pattern string
	// Implied is set when the line gives "x_any" and "x_own" follows from it.
	Implied bool
}

// Explain returns every way in which role holds p under this policy, nearest
// first, and nil when it does not hold it or the catalogue is broken. The
// question is literal: it knows nothing of owners. Lines that are no patterns
// are passed over.
func (p Policy) Explain(role string, perm Permission) []Source {
	catalogue, err := NewCatalogue(p.Content, p.Reserved)
	if err != nil {
		return nil
	}
	var sources []Source
	for _, a := range p.ancestry(role) {
		for _, line := range a.role.Permissions {
			if gives, implied := catalogue.gives(line, perm); gives {
				sources = append(sources, Source{Path: a.path, Pattern: line, Implied: implied})
			}
		}
	}
	return sources
}

// gives reports whether a line of a role's own list gives p, and whether only
// as the own form of what it matches.
func (c *Catalogue) gives(line string, p Permission) (gives, implied bool) {
	pattern, err := ParsePattern(line)
	if err != nil {
		return false, false
	}
	if pattern.Matches(p, c.Class(p)) {
		return true, false
	}
	stem, own := p.stem(suffixOwn)
	wider := Permission{stem + suffixAny}
	implied = own && c.Has(p) && pattern.Matches(wider, c.Class(wider))
	return implied, implied
}
