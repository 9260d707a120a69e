package backspeen

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/internal/password"
)

// pageSize is how many rows are read at once. Between pages nothing is locked, however long the reader of the rows takes.
const pageSize = 500

// Accounts are the rows of the table of users. Their Key is the id.
func (s *System) Accounts(ctx context.Context) iter.Seq2[source.Account, error] {
	return func(yield func(source.Account, error) bool) {
		for after := any(nil); ; {
			page, err := s.page(ctx, after)
			if err != nil {
				yield(source.Account{}, err)
				return
			}
			for _, row := range page {
				if !yield(s.account(row), nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
			if after, err = s.after(page[len(page)-1]); err != nil {
				yield(source.Account{}, err)
				return
			}
		}
	}
}

// after is the id of a row, of the type that it has in the database: SQLite orders by type first.
func (s *System) after(r row) (any, error) {
	if s.numbered {
		n, err := strconv.ParseInt(r["id"].String, 10, 64)
		if err != nil {
			return nil, errors.New("a row came while they were read whose id is no number, as the others are")
		}
		return n, nil
	}
	return r["id"].String, nil
}

// row is the texts of one, by meaning.
type row map[string]sql.NullString

// page reads what comes after an id, or the first rows: no id is before all others, for a text may be empty. All is asked for as text: the driver makes times and truth values of columns that are declared so, and would
// fail where something else stands in them.
func (s *System) page(ctx context.Context, after any) (page []row, err error) {
	var names, columns []string
	for _, m := range meanings() {
		if column, has := s.meant[m.name]; has {
			names, columns = append(names, m.name), append(columns, "CAST("+quote(column)+" AS TEXT)")
		}
	}
	id, behind, args := quote(s.meant["id"]), "", []any{pageSize}
	if after != nil {
		behind, args = ` WHERE `+id+` > ?`, []any{after, pageSize}
	}
	rows, err := s.db.QueryContext(ctx, `SELECT `+strings.Join(columns, ", ")+` FROM `+quote(s.name)+behind+` ORDER BY `+id+` LIMIT ?`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		values, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		read := row{}
		for i, name := range names {
			read[name] = values[i]
		}
		page = append(page, read)
	}
	return page, rows.Err()
}

func (s *System) account(r row) source.Account {
	id := r["id"].String
	a := source.Account{Row: source.Row{Key: id, Where: s.name + " " + source.Excerpt(id)}}
	if s.numbered {
		a.Where = s.name + " " + id
		n, _ := strconv.ParseInt(id, 10, 64) // where it fails, 0 is right
		a.Number = max(0, n)
	}
	active, understood := s.active(r)
	if !understood {
		a.Refused = "whether it is active cannot be read: " + s.meant["is_active"] + " is none of 1, 0, true and false"
		return a
	}
	a.Email = strings.TrimSpace(r["email"].String)
	a.Name, a.LastName = strings.TrimSpace(r["name"].String), strings.TrimSpace(r["last_name"].String)
	// is_active=False is how these programs delete.
	a.Inactive, a.Deleted = !active, !active
	a.Role = roleOf(r["role"].String, &a.Row)
	a.Password = passwordOf(r["password"].String, &a.Row)
	a.CreatedAt = timeOf("created_at", r["created_at"].String, &a.Row)
	a.UpdatedAt = timeOf("updated_at", r["updated_at"].String, &a.Row)
	return a
}

func (s *System) active(r row) (active, understood bool) {
	if s.meant["is_active"] == "" {
		return true, true
	}
	switch strings.ToLower(r["is_active"].String) {
	case "1", "true":
		return true, true
	case "0", "false":
		return false, true
	}
	return false, false
}

// roleOf is "", which is user, for what is none.
func roleOf(text string, to *source.Row) string {
	switch text {
	case "", "user", "moderator", "admin":
		return text
	}
	to.Odd = append(to.Odd, source.Odd{Part: "role " + source.Excerpt(text), Why: "it is none of user, moderator and admin; the account becomes a user"})
	return ""
}

// passwordOf never shows the password. A hash that was taken for a password would be one, for everybody who has seen the hash.
func passwordOf(text string, to *source.Row) source.Password {
	switch {
	case text == "":
		return source.Password{}
	case password.Readable(text) == nil:
		return source.Password{Hash: text}
	case password.LooksHashed(text):
		to.Odd = append(to.Odd, source.Odd{Part: "password", Why: "it looks like a hash that is neither bcrypt nor argon2id, and is not taken for a password; " +
			"the account comes without one"})
		return source.Password{}
	}
	return source.Password{Plain: text}
}

// timeOf reads what Tortoise ORM writes, and seconds since 1970. A text without a zone is UTC.
func timeOf(name, text string, to *source.Row) time.Time {
	if text == "" {
		return time.Time{}
	}
	at, understood := source.ParseTime(text, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02T15:04:05")
	if !understood {
		to.Odd = append(to.Odd, source.Odd{Part: name + " " + source.Excerpt(text), Why: "it is neither a date with a time nor seconds since 1970"})
	}
	return at
}
