package csvfile

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/email"
	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/internal/password"
	"github.com/propusk/propusk/rbac"
)

// Accounts are the rows of the file of users. Their Key is the address in the form in which Propusk compares addresses.
func (s *System) Accounts(ctx context.Context) iter.Seq2[source.Account, error] {
	return func(yield func(source.Account, error) bool) {
		if s.config.Users == "" {
			return
		}
		before := seen{}
		for row, err := range body(ctx, s.config.Users) {
			if err != nil {
				yield(source.Account{}, err)
				return
			}
			if row.fault == faultOpen {
				s.brought = before
			}
			if !yield(s.account(row, before), nil) {
				return
			}
		}
	}
}

func (s *System) account(row record, before seen) source.Account {
	a := source.Account{Row: newRow(s.config.Users, row)}
	if a.Refused = s.users.fault(row); a.Refused != "" {
		// Whom the row may have meant: a membership of that address is not given to somebody else who has it.
		if at := s.users["email"]; at < len(row.cells) {
			a.Email = strings.TrimSpace(row.cells[at])
		}
		return a
	}
	address, err := email.Parse(s.users.cell(row, "email"))
	if err != nil {
		return source.Account{Row: refuse(a.Row, "its email "+err.Error())}
	}
	if before.again(address.Key) {
		return source.Account{Row: refuse(a.Row, "an earlier line has this address: "+source.Excerpt(address.Typed))}
	}
	active, understood := parseActive(s.users.trimmed(row, "active"))
	if !understood {
		why := "whether it is active cannot be read: " + s.users.shown(row, "active") + " is none of true, false, yes, no, 1 and 0"
		return source.Account{Row: refuse(a.Row, why), Email: address.Typed}
	}
	a.Key, a.Email, a.Inactive = address.Key, address.Typed, !active
	a.Name, a.LastName, a.Slug = s.users.trimmed(row, "name"), s.users.trimmed(row, "last_name"), s.users.trimmed(row, "slug")
	a.Role = s.role(row, &a.Row)
	a.Password = s.password(row, &a.Row)
	a.CreatedAt = s.users.time(row, "created_at", &a.Row)
	return a
}

// role is "", which is user, for what is none.
func (s *System) role(row record, r *source.Row) string {
	switch role := s.users.trimmed(row, "role"); role {
	case "", "user", "moderator", "admin":
		return role
	default:
		r.Odd = append(r.Odd, source.Odd{Part: "role " + s.users.shown(row, "role"), Why: "it is none of user, moderator and admin; the account becomes a user"})
		return ""
	}
}

// password takes none where it could be the wrong one: a hash that is taken for a password is one that everybody knows who knew the hash.
func (s *System) password(row record, r *source.Row) source.Password {
	hash, plain := s.users.trimmed(row, "password_hash"), s.users.cell(row, "password")
	switch {
	case hash != "" && plain != "":
		r.Odd = append(r.Odd, source.Odd{Part: "password", Why: "the row has a password and a hash; the account comes without either"})
	case password.LooksHashed(plain):
		r.Odd = append(r.Odd, source.Odd{Part: "password", Why: "it looks like a hash; those of bcrypt and argon2id belong in the column password_hash, and no other is " +
			"understood; the account comes without one"})
	default:
		return source.Password{Hash: hash, Plain: plain}
	}
	return source.Password{}
}

// Members are the rows of the file of members. Their accounts and communities are told by Name.
func (s *System) Members(ctx context.Context) iter.Seq2[source.Member, error] {
	return func(yield func(source.Member, error) bool) {
		if s.config.Members == "" {
			return
		}
		before := seen{}
		for row, err := range body(ctx, s.config.Members) {
			if err != nil {
				yield(source.Member{}, err)
				return
			}
			if !yield(s.member(row, before), nil) {
				return
			}
		}
	}
}

// maxSlug is above what slugs of communities have, in bytes.
const maxSlug = 255

func (s *System) member(row record, before seen) source.Member {
	m := source.Member{Row: newRow(s.config.Members, row)}
	if m.Refused = s.members.fault(row); m.Refused != "" {
		return m
	}
	address, err := email.Parse(s.members.cell(row, "email"))
	if err != nil {
		return source.Member{Row: refuse(m.Row, "its email "+err.Error())}
	}
	if s.brought != nil && !s.brought.has(address.Key) {
		return source.Member{Row: refuse(m.Row, "the file of users has a cell that never ends, and this address may stand in it: "+source.Excerpt(address.Typed))}
	}
	community := s.config.Community
	if community == "" {
		community = s.members.trimmed(row, "community")
	}
	if community == "" || len(community) > maxSlug {
		return source.Member{Row: refuse(m.Row, "its community is not the slug of one")}
	}
	// An address has no space, so that no two pairs make one key.
	key := address.Key + " " + community
	if before.again(key) {
		return source.Member{Row: refuse(m.Row, fmt.Sprintf("an earlier line has %s in %s", source.Excerpt(address.Typed), source.Excerpt(community)))}
	}
	m.Key, m.Account.Name, m.Community.Name = key, address.Typed, community
	s.roles(row, &m)
	m.JoinedAt = s.members.time(row, "joined_at", &m.Row)
	return m
}

// roles of a row that says nothing are the community's default ones.
func (s *System) roles(row record, m *source.Member) {
	text := s.members.trimmed(row, "roles")
	if text == "" {
		m.Defaults = true
		return
	}
	roles, bad := rbac.ParseRoles(strings.ReplaceAll(text, ";", ","))
	m.Roles = roles
	for _, role := range bad {
		if strings.TrimSpace(role) == "" { // a comma too many
			continue
		}
		m.Odd = append(m.Odd, source.Odd{Part: "role " + source.Excerpt(strings.TrimSpace(role)), Why: "a role is a lower-case letter and up to 31 of a-z, 0-9, _ and -; " +
			"a member has at most " + strconv.Itoa(rbac.MaxRoles)})
	}
}

// shown quotes a cell that is no secret, unless the file has secrets: where a row lacks one cell and has one too many, they stand in other columns.
func (l layout) shown(row record, column string) string {
	if _, secret := l["password"]; secret {
		return "(not shown, the file has passwords)"
	}
	return source.Excerpt(l.trimmed(row, column))
}

// newRow is one without a fault. Its key stands for a row that is refused; an address, which all other keys begin with, has no space.
func newRow(file string, row record) source.Row {
	return source.Row{Key: fmt.Sprintf("line %d", row.first), Where: file + ", " + row.where()}
}

func refuse(row source.Row, why string) source.Row {
	row.Refused = why
	return row
}

// parseActive takes what says nothing for active: an account is there to be used.
func parseActive(text string) (active, understood bool) {
	switch strings.ToLower(text) {
	case "", "true", "yes", "1":
		return true, true
	case "false", "no", "0":
		return false, true
	}
	return false, false
}

// time reads RFC 3339, and seconds since 1970.
func (l layout) time(row record, column string, r *source.Row) time.Time {
	text := l.trimmed(row, column)
	if text == "" {
		return time.Time{}
	}
	at, understood := source.ParseTime(text, time.RFC3339)
	if !understood {
		r.Odd = append(r.Odd, source.Odd{Part: column + " " + l.shown(row, column), Why: "it is neither RFC 3339, such as 2024-02-29T12:00:00Z, nor seconds since 1970"})
	}
	return at
}
