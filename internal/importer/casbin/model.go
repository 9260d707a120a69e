package casbin

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/propusk/propusk/internal/importer/source"
)

// definition is one line of a model that is understood, without its spaces.
type definition struct{ section, key, value string }

// The one model that is understood is RBAC with domains, as Casbin documents it.
var (
	documentedLines = []definition{
		{"request_definition", "r", "sub,dom,obj,act"},
		{"policy_definition", "p", "sub,dom,obj,act"},
		{"role_definition", "g", "_,_,_"},
		{"policy_effect", "e", "some(where(p.eft==allow))"},
		{"matchers", "m", "g(r.sub,p.sub,r.dom)&&r.dom==p.dom&&r.obj==p.obj&&r.act==p.act"},
	}
	spaces = strings.NewReplacer(" ", "", "\t", "")
)

const documented = `understood is RBAC with domains, as Casbin documents it:

    [request_definition]
    r = sub, dom, obj, act
    [policy_definition]
    p = sub, dom, obj, act
    [role_definition]
    g = _, _, _
    [policy_effect]
    e = some(where (p.eft == allow))
    [matchers]
    m = g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act`

// maxLine is the longest line of a model or policy, in bytes; Casbin reads no longer ones either.
const maxLine = 64 << 10

// checkModel wants exactly the model that is understood. Anything beside it could change what every line of the policy means.
func checkModel(file string, in io.Reader) error {
	m := model{file: file, found: map[definition]bool{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		m.line++
		if err := m.read(strings.TrimSpace(lines.Text())); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s:%d: %w", file, m.line+1, err)
	}
	if err := m.finish(); err != nil {
		return err
	}
	for _, d := range documentedLines {
		if !m.found[d] {
			return fmt.Errorf("%s: there is no line %s = … under [%s]; %s", file, d.key, d.section, documented)
		}
	}
	return nil
}

// model is a file on its way through checkModel.
type model struct {
	file, section string
	line          int
	// text is a definition that goes on in the next line, and begun the line where it began.
	text  string
	begun int
	found map[definition]bool
}

func (m *model) read(line string) error {
	line = strings.TrimPrefix(line, "\uFEFF")
	switch {
	case line == "" || line[0] == '#' || line[0] == ';':
		return m.finish()
	case line[0] == '[' && line[len(line)-1] == ']':
		if err := m.finish(); err != nil {
			return err
		}
		m.section = strings.TrimSpace(line[1 : len(line)-1])
		return nil
	}
	if m.text == "" {
		m.begun = m.line
	}
	part, goesOn := strings.CutSuffix(line, `\`)
	if comment := strings.IndexAny(part, "#;"); comment >= 0 {
		part = part[:comment]
	}
	if m.text += part + " "; goesOn {
		return nil
	}
	return m.finish()
}

// finish takes in the definition that was read.
func (m *model) finish() error {
	text := strings.TrimSpace(m.text)
	if m.text = ""; text == "" {
		return nil
	}
	key, value, _ := strings.Cut(text, "=")
	d := definition{m.section, strings.TrimSpace(key), spaces.Replace(value)}
	if i := slices.IndexFunc(documentedLines, d.same); i >= 0 {
		if m.found[documentedLines[i]] {
			return fmt.Errorf("%s:%d: %s is defined twice", m.file, m.begun, d.key)
		}
		m.found[documentedLines[i]] = true
		return nil
	}
	return fmt.Errorf("%s:%d: %s under [%s] is not understood: nothing is guessed about other models; %s", m.file, m.begun, source.Excerpt(text), m.section, documented)
}

// same tells whether two lines mean the same, in whatever order the conjuncts of a matcher stand.
func (d definition) same(as definition) bool {
	return d.section == as.section && d.key == as.key && (d.value == as.value || d.key == "m" && sortConjuncts(d.value) == sortConjuncts(as.value))
}

// sortConjuncts makes one text of all orders.
func sortConjuncts(matcher string) string {
	parts := strings.Split(matcher, "&&")
	slices.Sort(parts)
	return strings.Join(parts, "&&")
}
