package casbin

import (
	"bufio"
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/propusk/propusk/internal/importer/source"
)

// name is the place of a text in policy.names. Texts are kept once, so that a million lines take 16 MB and their names.
type name uint32

// link is a line g: from has the role to, or inherits it, in a domain.
type link struct {
	domain, from, to name
	line             uint32
}

// rule is a line p.
type rule struct {
	domain, subject, object, action name
	line                            uint32
}

// badLine is one that is not understood.
type badLine struct {
	// member tells a line g from others.
	member bool
	line   int
	why    string
}

// policy is a policy file. Lines that say the same again are left out, as Casbin leaves them out.
type policy struct {
	names  []string
	index  map[string]name
	links  []link // by domain, from, to
	rules  []rule // by domain, subject, object, action
	bad    []badLine
	isRole []bool // by name: somebody has it, or inherits it
}

func readPolicy(ctx context.Context, file string, in io.Reader) (*policy, error) {
	p := &policy{index: map[string]name{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	number := 0
	for lines.Scan() {
		number++
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		text := lines.Text()
		if number == 1 {
			text = strings.TrimPrefix(text, "\uFEFF")
		}
		p.read(number, strings.TrimSpace(text))
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", file, number+1, err)
	}
	p.finish()
	return p, nil
}

// read takes in a line as Casbin's adapter for files does: each is CSV for itself, and no space is cut off at the end of a cell.
func (p *policy) read(number int, text string) {
	if text == "" || strings.HasPrefix(text, "#") {
		return
	}
	cells, understood := split(text)
	if !understood {
		p.fail(strings.HasPrefix(text, "g"), number, "it is no CSV: a quotation mark is out of place")
		return
	}
	kind, cells := cells[0], cells[1:]
	if why := fault(kind, cells); why != "" {
		p.fail(strings.HasPrefix(kind, "g"), number, why)
		return
	}
	named := make([]name, len(cells))
	for i, cell := range cells {
		named[i] = p.name(cell)
	}
	if kind == "g" {
		p.links = append(p.links, link{domain: named[2], from: named[0], to: named[1], line: uint32(number)})
		return
	}
	p.rules = append(p.rules, rule{domain: named[1], subject: named[0], object: named[2], action: named[3], line: uint32(number)})
}

// split is the cells of a line. Most lines have no quotation mark, and a reader of its own for each would take most of the time.
func split(text string) (cells []string, understood bool) {
	if strings.Contains(text, `"`) {
		r := csv.NewReader(strings.NewReader(text))
		r.TrimLeadingSpace = true
		cells, err := r.Read()
		return cells, err == nil
	}
	cells = strings.Split(text, ",")
	for i, cell := range cells {
		cells[i] = strings.TrimLeftFunc(cell, unicode.IsSpace)
	}
	return cells, true
}

func (p *policy) fail(member bool, line int, why string) {
	p.bad = append(p.bad, badLine{member: member, line: line, why: why})
}

// cellsOf says what lines of a kind hold.
var cellsOf = map[string][]string{"p": {"subject", "domain", "object", "action"}, "g": {"user", "role", "domain"}}

// maxName bounds names, in bytes.
const maxName = 255

func fault(kind string, cells []string) string {
	want, known := cellsOf[kind]
	switch {
	case !known:
		return "it begins with " + source.Excerpt(kind) + "; understood are p and g"
	case len(cells) != len(want):
		return fmt.Sprintf("it has %d values behind the %s; understood are %d: %s", len(cells), kind, len(want), strings.Join(want, ", "))
	}
	for i, cell := range cells {
		if cell == "" || len(cell) > maxName || !utf8.ValidString(cell) || strings.ContainsFunc(cell, unicode.IsControl) {
			return fmt.Sprintf("its %s is empty, longer than %d bytes, or no text", want[i], maxName)
		}
	}
	if domain := cells[slices.Index(want, "domain")]; strings.Contains(domain, "*") {
		return "its domain " + source.Excerpt(domain) + " is a pattern where the program around Casbin made it one, which these files do not tell"
	}
	return ""
}

func (p *policy) name(text string) name {
	n, known := p.index[text]
	if !known {
		text = strings.Clone(text) // not the whole line
		n = name(len(p.names))
		p.names, p.index[text] = append(p.names, text), n
	}
	return n
}

// finish sorts the lines by their texts, so that their order in the file does not matter, and leaves out repeated ones.
func (p *policy) finish() {
	p.sortNames()
	slices.SortFunc(p.links, func(a, b link) int {
		return cmp.Or(cmp.Compare(a.domain, b.domain), cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.line, b.line))
	})
	p.links = slices.CompactFunc(p.links, func(a, b link) bool { return a.domain == b.domain && a.from == b.from && a.to == b.to })
	slices.SortFunc(p.rules, func(a, b rule) int {
		return cmp.Or(cmp.Compare(a.domain, b.domain), cmp.Compare(a.subject, b.subject), cmp.Compare(a.object, b.object),
			cmp.Compare(a.action, b.action), cmp.Compare(a.line, b.line))
	})
	p.rules = slices.CompactFunc(p.rules, func(a, b rule) bool {
		return a.domain == b.domain && a.subject == b.subject && a.object == b.object && a.action == b.action
	})
	p.isRole = make([]bool, len(p.names))
	for _, l := range p.links {
		p.isRole[l.to] = true
	}
}

// sortNames numbers the names in their order.
func (p *policy) sortNames() {
	sorted := slices.Sorted(slices.Values(p.names))
	for i, text := range sorted {
		p.index[text] = name(i)
	}
	for i, l := range p.links {
		p.links[i].domain, p.links[i].from, p.links[i].to = p.renumber(l.domain), p.renumber(l.from), p.renumber(l.to)
	}
	for i, r := range p.rules {
		p.rules[i].domain, p.rules[i].subject = p.renumber(r.domain), p.renumber(r.subject)
		p.rules[i].object, p.rules[i].action = p.renumber(r.object), p.renumber(r.action)
	}
	p.names = sorted
}

// renumber finds a name by the number it had when it was read.
func (p *policy) renumber(n name) name { return p.index[p.names[n]] }

// linksIn are the lines g of a domain.
func (p *policy) linksIn(domain name) []link {
	low, _ := slices.BinarySearchFunc(p.links, domain, func(l link, d name) int { return cmp.Compare(l.domain, d) })
	high, _ := slices.BinarySearchFunc(p.links, domain+1, func(l link, d name) int { return cmp.Compare(l.domain, d) })
	return p.links[low:high]
}

// rulesIn are the lines p of a domain.
func (p *policy) rulesIn(domain name) []rule {
	low, _ := slices.BinarySearchFunc(p.rules, domain, func(r rule, d name) int { return cmp.Compare(r.domain, d) })
	high, _ := slices.BinarySearchFunc(p.rules, domain+1, func(r rule, d name) int { return cmp.Compare(r.domain, d) })
	return p.rules[low:high]
}

// domains are those that lines name.
func (p *policy) domains() []name {
	is := make([]bool, len(p.names))
	for _, l := range p.links {
		is[l.domain] = true
	}
	for _, r := range p.rules {
		is[r.domain] = true
	}
	return only(is)
}

// only are the names for which is says so.
func only(is []bool) []name {
	var list []name
	for n, yes := range is {
		if yes {
			list = append(list, name(n))
		}
	}
	return list
}
