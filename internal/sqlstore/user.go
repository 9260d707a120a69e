package sqlstore

import (
	"database/sql"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

const userColumns = `author.id, author.user_id, author.name, author.last_name, author.slug, author.email, author.role,
	author.is_active, author.deleted_by_owner, author.created_at, author.updated_at, author.last_seen`

// userFields are the places for userColumns.
func userFields(u *propusk.User) []any {
	return []any{
		&u.ID, &u.UserID, &u.Name, &u.LastName, &u.Slug, &u.Email, &u.Role,
		&u.IsActive, &u.DeletedByOwner, unixTime{&u.CreatedAt}, unixTime{&u.UpdatedAt}, unixTime{&u.LastSeen},
	}
}

func scanUser(rows *sql.Rows) (u propusk.User, err error) {
	err = rows.Scan(userFields(&u)...)
	return u, err
}

// UserByUserID implements store.UserReader.
func (r reader) UserByUserID(userID string) (propusk.User, error) {
	return one(r, scanUser, `SELECT `+userColumns+` FROM author WHERE user_id = $1`, userID)
}

// Credentials implements store.UserReader.
func (r reader) Credentials(emailKey string) (propusk.User, string, error) {
	type credentials struct {
		user propusk.User
		hash string
	}
	found, err := one(r, func(rows *sql.Rows) (c credentials, err error) {
		err = rows.Scan(append(userFields(&c.user), &c.hash)...)
		return c, err
	}, `SELECT `+userColumns+`, author.password FROM author WHERE email_key = $1`, emailKey)
	return found.user, found.hash, err
}

// PasswordHash implements store.UserReader.
func (r reader) PasswordHash(id int64) (string, error) {
	return one(r, value[string], `SELECT password FROM author WHERE id = $1`, id)
}

// Users implements store.UserReader.
func (r reader) Users(f store.UserFilter) ([]propusk.User, int, error) {
	var where conditions
	where.andIf(f.Role != "", `role = $?`, f.Role)
	where.andIf(f.Active != nil, `is_active = $?`, f.Active)
	where.andIf(f.Search != "", `search LIKE $? ESCAPE '\'`, containing(f.Search))
	total, err := one(r, value[int], `SELECT count(*) FROM author`+where.text, where.args...)
	if err != nil {
		return nil, 0, err
	}
	users, err := many(r, scanUser, `SELECT `+userColumns+` FROM author`+where.text+where.page(`author.id`),
		append(where.args, f.Limit, f.Offset)...)
	return users, total, err
}

// containing is the LIKE pattern for texts that hold s as it is: what LIKE takes for a wildcard stands for itself.
func containing(s string) string {
	return `%` + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(fold(s)) + `%`
}

// fold is the form in which texts are searched. It is made here because SQLite folds only ASCII by itself.
func fold(s string) string { return strings.ToLower(norm.NFC.String(s)) }

// searchText is what a search looks through, but for the key of the address, which the statement appends: UpdateUser does not know
// it. Name and last name stand side by side so that a full name is found; nobody can type the line breaks that part the rest.
func searchText(u propusk.User) string {
	return namesText(u) + "\n"
}

// namesText is the part of it that everybody may look through.
func namesText(u propusk.User) string { return fold(u.Name + " " + u.LastName + "\n" + u.Slug) }

// UserExists implements store.UserReader.
func (r reader) UserExists() (bool, error) {
	return one(r, value[bool], `SELECT EXISTS (SELECT 1 FROM author)`)
}

// SlugExists implements store.UserReader.
func (r reader) SlugExists(slug string) (bool, error) {
	return one(r, value[bool], `SELECT EXISTS (SELECT 1 FROM author WHERE slug = $1)`, slug)
}

// CountActive implements store.UserReader.
func (r reader) CountActive(role string, limit int) (int, error) {
	return one(r, value[int],
		`SELECT count(*) FROM (SELECT 1 FROM author WHERE role = $1 AND is_active = TRUE LIMIT $2) AS found`, role, limit)
}

// insertedUser are the columns of a new account but its id.
const insertedUser = `user_id, name, last_name, slug, email, email_key, password, role, is_active, deleted_by_owner,
	created_at, updated_at, last_seen, search`

// insertedUserArgs are the arguments for insertedUser.
func insertedUserArgs(row store.UserRow) []any {
	return []any{
		row.UserID, row.Name, row.LastName, row.Slug, row.Email, row.EmailKey, row.PasswordHash, row.Role, row.IsActive, row.DeletedByOwner,
		row.CreatedAt.Unix(), row.UpdatedAt.Unix(), unixOrNull(row.LastSeen), searchText(row.User) + row.EmailKey,
	}
}

// InsertUser implements store.UserWriter.
func (t tx) InsertUser(row store.UserRow) (propusk.User, error) {
	id, err := one(t.reader, value[int64], `
		INSERT INTO author (`+insertedUser+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		RETURNING id`, insertedUserArgs(row)...)
	if err != nil {
		return propusk.User{}, err
	}
	_, err = t.exec(`INSERT INTO author_text (author_id, names, address) VALUES ($1, $2, $3)`,
		id, markWords(namesText(row.User)), markWords(row.EmailKey))
	if err != nil {
		return propusk.User{}, err
	}
	row.User.ID = id
	return row.User, nil
}

// UpdateUser implements store.UserWriter.
func (t tx) UpdateUser(u propusk.User) error {
	err := t.change(`
		UPDATE author SET name = $2, last_name = $3, slug = $4, role = $5, is_active = $6, deleted_by_owner = $7,
			updated_at = $8, search = $9 || email_key
		WHERE id = $1`,
		u.ID, u.Name, u.LastName, u.Slug, u.Role, u.IsActive, u.DeletedByOwner, u.UpdatedAt.Unix(), searchText(u))
	if err != nil {
		return err
	}
	_, err = t.exec(`UPDATE author_text SET names = $2 WHERE author_id = $1 AND names <> $2`, u.ID, markWords(namesText(u)))
	return err
}

// SetPasswordHash implements store.UserWriter.
func (t tx) SetPasswordHash(id int64, hash string) error {
	return t.change(`UPDATE author SET password = $2 WHERE id = $1`, id, hash)
}
