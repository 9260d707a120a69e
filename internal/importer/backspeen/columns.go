package backspeen

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// meaning is what a column can tell of an account.
type meaning struct {
	name string
	// spellings are the names under which the column is known.
	spellings []string
	// needed ones must be there, or said to be missing: without role and is_active administrators would become users, and those who
	// were deleted could log in.
	needed bool
}

func meanings() []meaning {
	return []meaning{
		{"id", []string{"id", "user_id"}, true},
		{"email", []string{"email", "e_mail", "mail", "login"}, true},
		{"password", []string{"password", "hashed_password", "password_hash"}, true},
		{"role", []string{"role", "user_role"}, true},
		{"is_active", []string{"is_active", "active"}, true},
		{"name", []string{"name", "first_name", "username"}, false},
		{"last_name", []string{"last_name", "surname"}, false},
		{"created_at", []string{"created_at"}, false},
		{"updated_at", []string{"updated_at", "modified_at"}, false},
	}
}

// table is one of the database.
type table struct {
	name    string
	columns []string
	// meant is the column for each meaning that has one.
	meant map[string]string
}

// describe names the table with its columns.
func (t table) describe() string {
	return fmt.Sprintf("%s (%s)", t.name, strings.Join(t.columns, ", "))
}

// find is the one table that can be that of users.
func find(tables []table, name string, said map[string]string) (table, error) {
	if err := checkSaid(said); err != nil {
		return table{}, err
	}
	var fit []table
	var found []string
	for _, t := range tables {
		if name != "" && t.name != name {
			continue
		}
		var err error
		if t.meant, err = resolve(t, said); err != nil {
			found = append(found, t.describe()+": "+err.Error())
			continue
		}
		fit = append(fit, t)
	}
	switch {
	case len(fit) == 1:
		return fit[0], nil
	case len(fit) > 1:
		var names []string
		for _, t := range fit {
			names = append(names, t.name)
		}
		return table{}, fmt.Errorf("several tables could be that of users: %s; say which with --table", strings.Join(names, ", "))
	case len(found) == 0 && name != "":
		return table{}, fmt.Errorf("there is no table %s", name)
	case len(found) == 0:
		return table{}, errors.New("there is no table in it")
	}
	return table{}, fmt.Errorf("no table is understood as that of users. Looked for:\n%s\nFound:\n  %s\nIf one of them is it, say so with --columns",
		wanted(), strings.Join(found, "\n  "))
}

// wanted is what is looked for.
func wanted() string {
	var lines []string
	for _, m := range meanings() {
		line := "  " + m.name + ", called " + strings.Join(m.spellings, " or ")
		if !m.needed {
			line += " (may be missing)"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// checkSaid refuses what would not be asked for.
func checkSaid(said map[string]string) error {
	var known []string
	for _, m := range meanings() {
		known = append(known, m.name)
	}
	for name, column := range said {
		if !slices.Contains(known, name) {
			return fmt.Errorf("--columns %s=%s: what a column can be is %s", name, column, strings.Join(known, ", "))
		}
		if column == "" && slices.Contains(known[:3], name) {
			return fmt.Errorf("--columns %s=: no account comes over without", name)
		}
	}
	return nil
}

// resolve finds the column for each meaning.
func resolve(t table, said map[string]string) (map[string]string, error) {
	meant, taken := map[string]string{}, map[string]string{}
	var faults []error
	for _, m := range meanings() {
		column, err := m.in(t, said)
		if err != nil {
			faults = append(faults, err)
		}
		if column == "" {
			continue
		}
		// A password that is a name too would be shown as one.
		if other, twice := taken[column]; twice {
			faults = append(faults, fmt.Errorf("%s cannot be %s and %s", column, other, m.name))
		}
		meant[m.name], taken[column] = column, m.name
	}
	if len(faults) > 0 {
		var texts []string
		for _, fault := range faults {
			texts = append(texts, fault.Error())
		}
		return nil, errors.New(strings.Join(texts, "; "))
	}
	return meant, nil
}

// in is the column of t that has the meaning, "" for none.
func (m meaning) in(t table, said map[string]string) (string, error) {
	if column, is := said[m.name]; is {
		if column != "" && !slices.Contains(t.columns, column) {
			return "", fmt.Errorf("has no column %s", column)
		}
		return column, nil
	}
	var found []string
	for _, column := range t.columns {
		if slices.Contains(m.spellings, strings.ToLower(column)) {
			found = append(found, column)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return "", fmt.Errorf("%s could each be the %s: say --columns %s=%s, or another", strings.Join(found, " and "), m.name, m.name, found[0])
	case m.needed:
		return "", fmt.Errorf("no %s", m.name)
	}
	return "", nil
}

// quote makes a name of SQL.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
