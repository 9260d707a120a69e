// Package casbin reads a model and a policy of Casbin, RBAC with domains, as communities with roles of their own and people who have them.
//
// What these files mean is said by Casbin alone, so nothing near it is taken for it: another model is an error, and lines that Propusk has no words
// for are told and left out. Inheritance is expanded as far as Casbin's own role manager follows it.
package casbin

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/propusk/propusk/internal/email"
	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/rbac"
)

// Config names the files and what else has to be said.
type Config struct {
	Model, Policy string
	// Subjects is a CSV file with a line subject,email for each subject that is not an address itself; "" is none.
	Subjects string
	// Rename gives roles of the policy another id.
	Rename map[string]string
}

// System is a policy. It implements source.System.
type System struct {
	config        Config
	own, platform *rbac.Catalogue
	*policy
	// By name: who is meant, what becomes of a role, and which names that inherit are roles and nobody's.
	people   []person
	roles    []role
	roleOnly []bool
	// subjects are the others that inherit.
	subjects []name
}

// person is who a name of the policy stands for.
type person struct {
	address email.Address
	// refused, when not empty, says why nobody is known by this name.
	refused string
}

// role is what becomes of a role's name.
type role struct {
	id      string
	refused string
}

// Open reads all files.
func Open(ctx context.Context, c Config) (*System, error) {
	s := &System{config: c}
	var err error
	if s.own, s.platform, err = takenCatalogues(); err != nil {
		return nil, err
	}
	if err := reading(c.Model, func(in io.Reader) error { return checkModel(c.Model, in) }); err != nil {
		return nil, err
	}
	if err := reading(c.Policy, func(in io.Reader) error {
		s.policy, err = readPolicy(ctx, c.Policy, in)
		return err
	}); err != nil {
		return nil, err
	}
	if err := s.nameRoles(); err != nil {
		return nil, err
	}
	return s, s.namePeople()
}

func reading(file string, read func(io.Reader) error) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	return read(in)
}

// nameRoles decides which id each role has in Propusk.
func (s *System) nameRoles() error {
	s.roles = make([]role, len(s.names))
	taken := map[string]string{}
	for _, n := range only(s.isRole) {
		text := s.names[n]
		is := s.roleOf(text)
		s.roles[n] = is
		if is.refused != "" {
			continue
		}
		if other, twice := taken[is.id]; twice {
			return fmt.Errorf("the roles %s and %s of the policy would both be %s: rename one to something else", source.Excerpt(other), source.Excerpt(text), is.id)
		}
		taken[is.id] = text
	}
	for from, to := range s.config.Rename {
		switch n, known := s.index[from]; {
		case !known || !s.isRole[n]:
			return fmt.Errorf("--rename %s=%s: the policy has no role %s", from, to, source.Excerpt(from))
		case s.roles[n].refused != "":
			return fmt.Errorf("--rename %s=%s: %s", from, to, s.roles[n].refused)
		}
	}
	return nil
}

func (s *System) roleOf(text string) role {
	id, renamed := s.config.Rename[text]
	if !renamed {
		id = text
	}
	switch {
	case id == rbac.Admin:
		return role{refused: "in Propusk the role admin holds everything, whatever a policy lists; give the one of this policy a name with --rename admin=NAME"}
	case !rbac.ValidRole(id):
		return role{refused: "a role is a lower-case letter and up to 31 of a-z, 0-9, _ and -; give this one a name with --rename OLD=NEW"}
	}
	return role{id: id}
}

// namePeople decides who the subjects of lines g are. Two of one address are nobody: each has its own rights in Casbin.
func (s *System) namePeople() error {
	addresses, err := s.readSubjects()
	if err != nil {
		return err
	}
	s.people, s.roleOnly = make([]person, len(s.names)), make([]bool, len(s.names))
	sharing := map[string][]name{}
	for _, n := range s.inheriting() {
		address, known := s.addressOf(n, addresses)
		if s.isRole[n] && !known {
			s.roleOnly[n] = true
			continue
		}
		s.subjects = append(s.subjects, n)
		if s.people[n] = s.personOf(n, address, known); s.people[n].refused == "" {
			sharing[address.Key] = append(sharing[address.Key], n)
		}
	}
	for _, names := range sharing {
		for i, n := range names {
			if len(names) > 1 {
				other := names[(i+1)%len(names)]
				s.people[n] = person{refused: "the subject " + source.Excerpt(s.names[other]) + " has the same address, and another's rights"}
			}
		}
	}
	return nil
}

// addressOf is a subject's address: the file's word for it, or itself.
func (s *System) addressOf(n name, addresses map[string]email.Address) (address email.Address, known bool) {
	text := s.names[n]
	if address, known = addresses[text]; known {
		return address, true
	}
	address, err := email.Parse(text)
	return address, err == nil && address.Typed == text
}

func (s *System) personOf(n name, address email.Address, known bool) person {
	switch {
	case !known:
		return person{refused: "the subject is neither an address nor in the file of --subjects"}
	case s.isRole[n]:
		return person{refused: "the subject is a role too: others inherit from it"}
	}
	return person{address: address}
}

// inheriting are the names that lines g give a role.
func (s *System) inheriting() []name {
	is := make([]bool, len(s.names))
	for _, l := range s.links {
		is[l.from] = true
	}
	return only(is)
}

// readSubjects reads the file that says which address a subject has.
func (s *System) readSubjects() (map[string]email.Address, error) {
	addresses := map[string]email.Address{}
	file := s.config.Subjects
	if file == "" {
		return addresses, nil
	}
	err := reading(file, func(in io.Reader) error {
		lines := csv.NewReader(in)
		lines.FieldsPerRecord, lines.ReuseRecord = 2, true
		for {
			cells, err := lines.Read()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("%s: each line is subject,email: %w", file, err)
			}
			line, _ := lines.FieldPos(0)
			if err := addSubject(addresses, strings.TrimPrefix(cells[0], "\uFEFF"), cells[1]); err != nil {
				return fmt.Errorf("%s:%d: %w", file, line, err)
			}
		}
	})
	return addresses, err
}

func addSubject(addresses map[string]email.Address, subject, typed string) error {
	if subject == "subject" && typed == "email" && len(addresses) == 0 {
		return nil // a header
	}
	address, err := email.Parse(typed)
	if err != nil {
		return fmt.Errorf("the email %w", err)
	}
	if _, twice := addresses[subject]; twice {
		return fmt.Errorf("the subject %s is there twice", source.Excerpt(subject))
	}
	addresses[strings.Clone(subject)] = address
	return nil
}

// Close has nothing to do: the files were closed when they had been read.
func (*System) Close() error { return nil }

// where names a line of the policy.
func (s *System) where(line int) string { return fmt.Sprintf("%s, line %d", s.config.Policy, line) }

// badRow is the row of a line that is not understood. No domain has a * in it, so its key is nobody else's.
func (s *System) badRow(bad badLine) source.Row {
	return source.Row{Key: fmt.Sprintf("*line %d", bad.line), Where: s.where(bad.line), Refused: bad.why}
}
