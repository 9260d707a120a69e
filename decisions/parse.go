package decisions

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/rbac"
)

// The words of the column answer.
const (
	allowed = "allow"
	denied  = "deny"
	failed  = "error"
)

// sections are the columns of each section.
func sections() map[string][]string {
	return map[string][]string{
		"people":    {"name", "platform", Owls, Larks, Crows, "state"},
		"roles":     {"community", "role", "kind", "permissions"},
		"keys":      {"key", "of", "permissions"},
		"decisions": {"who", "where", "may", "whose", "answer", "reason", "why"},
	}
}

// Parse reads a table. It is strict: what it does not understand is an error with the line, and so are two rows that ask the same. The
// error joins all that is wrong.
func Parse(name, text string) (Table, error) {
	p := parser{name: name, asked: map[string]int{}}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		p.line = i + 1
		p.read(line)
	}
	for section := range sections() {
		if !slices.Contains(p.seen, section) {
			p.fault("there is no section [%s]", section)
		}
	}
	if err := errors.Join(p.faults...); err != nil {
		return Table{}, err
	}
	return p.table, nil
}

type parser struct {
	name    string
	line    int
	section string
	seen    []string
	// starts are the offsets of the columns, nil until the line that names them.
	starts  []int
	chapter string
	asked   map[string]int
	table   Table
	faults  []error
}

func (p *parser) fault(format string, args ...any) {
	p.faults = append(p.faults, fmt.Errorf("%s:%d: %s", p.name, p.line, fmt.Sprintf(format, args...)))
}

func (p *parser) read(line string) {
	switch {
	case strings.ContainsAny(line, "\t\r") || strings.HasSuffix(line, " "):
		p.fault("has a tab, or a space at its end")
	case line == "":
	case strings.HasPrefix(line, "## "):
		p.chapter = line[3:]
	case line[0] == '#':
	case line[0] == '[':
		p.begin(strings.Trim(line, "[]"))
	case p.section == "":
		p.fault("is in no section")
	case p.starts == nil:
		p.header(line)
	default:
		p.row(line)
	}
}

func (p *parser) begin(section string) {
	if sections()[section] == nil || slices.Contains(p.seen, section) {
		p.fault("there is no section [%s], or a second one", section)
	}
	p.section, p.starts, p.seen = section, nil, append(p.seen, section)
}

func (p *parser) header(line string) {
	for _, column := range sections()[p.section] {
		p.starts = append(p.starts, strings.Index(line, column))
	}
	if !slices.Equal(strings.Fields(line), sections()[p.section]) || !slices.IsSorted(p.starts) {
		p.fault("must name the columns: %s", strings.Join(sections()[p.section], " "))
	}
}

// cells cuts a line where its columns begin.
func (p *parser) cells(line string) ([]string, bool) {
	last := len(p.starts) - 1
	cells := make([]string, len(p.starts))
	for i, start := range p.starts {
		end := len(line)
		if i < last {
			end = min(end, p.starts[i+1])
		}
		if start >= end {
			return nil, false
		}
		cell := strings.TrimRight(line[start:end], " ")
		if cell == "" || cell[0] == ' ' || (i < last && (strings.Contains(cell, " ") || line[end-1] != ' ')) {
			return nil, false
		}
		cells[i] = cell
	}
	return cells, true
}

func (p *parser) row(line string) {
	cells, ok := p.cells(line)
	if !ok {
		p.fault("does not keep to the columns")
		return
	}
	switch p.section {
	case "people":
		p.person(cells)
	case "roles":
		p.role(cells)
	case "keys":
		p.key(cells)
	case "decisions":
		p.decision(cells, line)
	}
}

func (p *parser) person(cells []string) {
	who := Person{
		Name: cells[0], Platform: strings.Trim(cells[1], "-"), State: State(cells[5]),
		Roles: map[string][]string{}, Former: map[string][]string{},
	}
	if !slices.Contains([]State{Active, Follower, Blocked, Deleted, Nobody}, who.State) {
		p.fault("there is no state %s", who.State)
	}
	if (who.State == Nobody) != (who.Platform == "") {
		p.fault("everybody has a role on the platform, and nobody has none")
	}
	for i, community := range Communities() {
		p.standing(&who, community, cells[2+i])
	}
	p.unique(who.Name)
	p.table.People = append(p.table.People, who)
}

func (p *parser) standing(who *Person, community, cell string) {
	roles, former := strings.CutPrefix(cell, "was:")
	list := strings.Split(roles, ",")
	switch {
	case cell == "-":
		return
	case cell == "none":
		list = []string{}
	case former:
		who.Former[community] = list
	}
	for _, role := range list {
		if !rbac.ValidRole(role) {
			p.fault("%q is no role", role)
		}
	}
	if !former {
		who.Roles[community] = list
	}
}

// unique refuses a second one of the same name.
func (p *parser) unique(name string) {
	if p.known(name) || strings.Contains(name, "/") {
		p.fault("there is a %s already, or it cannot be a name", name)
	}
}

func (p *parser) known(name string) bool {
	_, person := p.table.Person(name)
	_, key := p.table.Key(name)
	return person || key
}

func (p *parser) role(cells []string) {
	if !slices.Contains(Communities(), cells[0]) || !rbac.ValidRole(cells[1]) || (cells[2] != "own" && cells[2] != "edited") {
		p.fault("there is no such community, role or kind (own, edited)")
	}
	p.table.Roles = append(p.table.Roles, Role{
		Community: cells[0], ID: cells[1], Edited: cells[2] == "edited", Permissions: p.permissions(cells[3]),
	})
}

func (p *parser) key(cells []string) {
	if _, known := p.table.Person(cells[1]); !known {
		p.fault("there is nobody called %s", cells[1])
	}
	p.unique(cells[0])
	p.table.Keys = append(p.table.Keys, Key{Name: cells[0], Issuer: cells[1], Permissions: p.permissions(cells[2])})
}

func (p *parser) permissions(cell string) []string {
	list := strings.Fields(cell)
	for _, text := range list {
		if _, err := rbac.ParsePermission(text); err != nil && cell != rbac.Everything {
			p.fault("%v", err)
		}
	}
	return list
}

func (p *parser) decision(cells []string, line string) {
	r := Row{Line: p.line, Chapter: p.chapter, Where: cells[1], Permission: permission(cells[2]), Why: cells[6], text: line}
	asker, who, byName := strings.Cut(cells[0], "/")
	if r.Asker, r.Who, r.ByName = asker, asker, byName; byName {
		r.Who = who
	}
	if !p.known(r.Asker) || !p.known(r.Who) {
		p.fault("there is nobody called %s", cells[0])
	}
	if !slices.Contains(append(Communities(), Unknown, NoWhere, Default), r.Where) {
		p.fault("there is no community %s", r.Where)
	}
	p.whose(&r, cells[3])
	p.outcome(&r, cells[4], cells[5])
	if _, err := rbac.ParsePermission(r.Permission); err != nil && !r.Fails {
		p.fault("%v", err)
	}
	question := strings.Join(cells[:4], " ")
	if first := p.asked[question]; first != 0 {
		p.fault("asks what line %d asks", first)
	}
	p.asked[question] = p.line
	p.table.Rows = append(p.table.Rows, r)
}

// permission gives texts that fit in no column.
func permission(cell string) string {
	switch cell {
	case "<empty>":
		return ""
	case "<128-bytes>":
		return strings.Repeat("a", rbac.MaxPermissionLen-len(":read")) + ":read"
	case "<129-bytes>":
		return strings.Repeat("a", rbac.MaxPermissionLen+1-len(":read")) + ":read"
	}
	return cell
}

func (p *parser) whose(r *Row, cell string) {
	switch cell {
	case "none":
		r.Owner = rbac.OwnerUnknown
	case "self":
		r.Owner = rbac.OwnerSelf
	case "other":
		r.Owner = rbac.OwnerOther
	default:
		p.fault("an object is nobody's %s", cell)
	}
}

// Reasons are those of decisions: first those that allow.
func Reasons() (allow, deny []rbac.Reason) {
	return []rbac.Reason{rbac.ReasonRole, rbac.ReasonOwn, rbac.ReasonPlatformAdmin},
		[]rbac.Reason{rbac.ReasonMissingPermission, rbac.ReasonNotOwner, rbac.ReasonNotMember, rbac.ReasonCommunityRequired, rbac.ReasonInactive}
}

func (p *parser) outcome(r *Row, answer, reason string) {
	allow, deny := Reasons()
	kinds := map[string]propusk.Kind{"invalid": propusk.Invalid, "forbidden": propusk.Forbidden}
	kind, known := kinds[reason]
	switch {
	case answer == allowed && slices.Contains(allow, rbac.Reason(reason)):
		r.Want = rbac.Decision{Allowed: true, Reason: rbac.Reason(reason)}
	case answer == denied && slices.Contains(deny, rbac.Reason(reason)):
		r.Want = rbac.Decision{Reason: rbac.Reason(reason)}
	case answer == failed && known:
		r.Fails, r.Refusal = true, kind
	default:
		p.fault("%s is no reason to %s", reason, answer)
	}
}
