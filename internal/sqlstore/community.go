package sqlstore

import (
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

const communityColumns = `community.id, community.slug, community.name, community.description, community.joining, community.created_by,
	community.available_roles, community.default_roles, community.grants_hash, community_total.members, community.created_at,
	community.updated_at`

// joinTotal completes a community.
const joinTotal = ` JOIN community_total ON community_total.community_id = community.id`

// communityFields are the places for communityColumns.
func communityFields(c *propusk.Community) []any {
	return []any{
		&c.ID, &c.Slug, &c.Name, &c.Description, &c.Joining, &c.CreatorID, roleList{&c.AvailableRoles, nil}, roleList{&c.DefaultRoles, nil},
		sha256{&c.Grants}, &c.MemberCount, unixTime{&c.CreatedAt}, unixTime{&c.UpdatedAt},
	}
}

func scanCommunity(rows *sql.Rows) (c propusk.Community, err error) {
	err = rows.Scan(communityFields(&c)...)
	return c, err
}

// roleList scans a column of roles: good are those that are role ids, and bad, where somebody wants to know, the other tokens.
type roleList struct{ good, bad *[]string }

// Scan implements sql.Scanner.
func (l roleList) Scan(column any) error {
	var text sql.NullString
	if err := text.Scan(column); err != nil {
		return err
	}
	good, bad := rbac.ParseRoles(text.String)
	*l.good = good
	if l.bad != nil {
		*l.bad = bad
	}
	return nil
}

// rolesOrNull is the argument for a column of roles.
func rolesOrNull(roles []string) (*string, error) {
	text, err := rbac.FormatRoles(roles)
	if err != nil || text == "" {
		return nil, err
	}
	return &text, nil
}

// memberRoles is the argument for the roles of a member, which stand in an index: PostgreSQL takes no longer ones there, and what one engine
// refuses all do.
func memberRoles(roles []string) (*string, error) {
	list, err := rolesOrNull(roles)
	if err == nil && list != nil && len(*list) > rbac.MaxRolesLen {
		return nil, fmt.Errorf("sqlstore: the roles of a member take more than %d bytes", rbac.MaxRolesLen)
	}
	return list, err
}

// countedAs is how the table of counts calls a column of roles.
func countedAs(roles *string) string {
	if roles == nil {
		return ""
	}
	return *roles
}

// lineList scans a column of texts that are parted by lines; NULL is nil.
type lineList struct{ list *[]string }

// Scan implements sql.Scanner.
func (l lineList) Scan(column any) error {
	var text sql.NullString
	if err := text.Scan(column); err != nil {
		return err
	}
	switch {
	case !text.Valid:
		*l.list = nil
	case text.String == "":
		*l.list = []string{}
	default:
		*l.list = strings.Split(text.String, "\n")
	}
	return nil
}

// linesOrNull is the argument for a column that lineList scans.
func linesOrNull(list []string) any {
	if list == nil {
		return nil
	}
	return strings.Join(list, "\n")
}

// sha256 scans a column of hashes.
type sha256 struct{ to *[32]byte }

// Scan implements sql.Scanner.
func (h sha256) Scan(column any) error {
	bytes, ok := column.([]byte)
	if !ok || len(bytes) != len(h.to) {
		return fmt.Errorf("sqlstore: a hash is stored as %T of %d bytes", column, len(bytes))
	}
	*h.to = [32]byte(bytes)
	return nil
}

// Community implements store.CommunityReader.
func (r reader) Community(id int64) (propusk.Community, error) {
	return one(r, scanCommunity, `SELECT `+communityColumns+` FROM community`+joinTotal+` WHERE community.id = $1 AND community.deleted_at IS NULL`, id)
}

const (
	placeColumns = communityColumns + `, community_author.id IS NOT NULL, community_author.roles`
	// fromPlace is followed by the id of the account.
	fromPlace = ` FROM community` + joinTotal + ` LEFT JOIN community_author
		ON community_author.community_id = community.id AND community_author.author_id = `
)

func scanPlace(rows *sql.Rows) (p store.Place, err error) {
	err = rows.Scan(append(communityFields(&p.Community), &p.Member, roleList{&p.Roles, &p.Odd})...)
	return p, err
}

// Place implements store.CommunityReader.
func (r reader) Place(communityID, userID int64) (store.Place, error) {
	return one(r, scanPlace, `SELECT `+placeColumns+fromPlace+`$2 WHERE community.id = $1 AND community.deleted_at IS NULL`,
		communityID, userID)
}

// Communities implements store.CommunityReader.
func (r reader) Communities(f store.CommunityFilter) ([]store.Place, int, error) {
	where := conditions{text: ` WHERE community.deleted_at IS NULL`, args: []any{}}
	where.andIf(f.Search != "", `community.search LIKE $? ESCAPE '\'`, containing(f.Search))
	total, err := one(r, value[int], `SELECT count(*) FROM community`+where.text, where.args...)
	if err != nil {
		return nil, 0, err
	}
	args := append(where.args, f.Limit, f.Offset, f.UserID)
	found, err := many(r, scanPlace, `SELECT `+placeColumns+fromPlace+placeholder(len(args))+where.text+where.page(`community.id`), args...)
	return found, total, err
}

// CommunitySlugExists implements store.CommunityReader.
func (r reader) CommunitySlugExists(slug string) (bool, error) {
	return one(r, value[bool], `SELECT EXISTS (SELECT 1 FROM community WHERE slug = $1)`, slug)
}

// Grants implements store.CommunityReader.
func (r reader) Grants(hash store.GrantsHash) ([]byte, error) {
	return one(r, value[[]byte], `SELECT lists FROM grants WHERE hash = $1`, hash[:])
}

// GrantsRefs implements store.CommunityReader.
func (r reader) GrantsRefs(after int64, limit int) ([]store.GrantsRef, error) {
	return many(r, func(rows *sql.Rows) (ref store.GrantsRef, err error) {
		err = rows.Scan(&ref.CommunityID, sha256{&ref.Hash}, &ref.Deleted)
		return ref, err
	}, `SELECT id, grants_hash, deleted_at IS NOT NULL FROM community WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}

// CommunityRoles implements store.CommunityReader.
func (r reader) CommunityRoles(communityID int64) ([]store.RoleRow, error) {
	return many(r, func(rows *sql.Rows) (role store.RoleRow, err error) {
		err = rows.Scan(&role.ID, &role.Name, &role.Description, &role.Icon, &role.Custom, lineList{&role.Permissions})
		return role, err
	}, `SELECT id, name, description, icon, custom, permissions FROM community_role WHERE community_id = $1 ORDER BY id`, communityID)
}

// communityArgs are slug, name, description, joining, available_roles, default_roles, grants_hash, search and updated_at.
func communityArgs(c propusk.Community) ([]any, error) {
	available, err := rbac.FormatRoles(c.AvailableRoles)
	if err != nil {
		return nil, err
	}
	byDefault, err := rolesOrNull(c.DefaultRoles)
	return []any{
		c.Slug, c.Name, c.Description, string(c.Joining), available, byDefault, c.Grants[:], fold(c.Name + "\n" + c.Slug), c.UpdatedAt.Unix(),
	}, err
}

// insertedCommunity are the columns of a new community but its id: those of communityArgs, and two more.
const insertedCommunity = `slug, name, description, joining, available_roles, default_roles, grants_hash, search, updated_at,
	created_by, created_at`

// InsertCommunity implements store.CommunityWriter.
func (t tx) InsertCommunity(c propusk.Community) (propusk.Community, error) {
	args, err := communityArgs(c)
	if err != nil {
		return propusk.Community{}, t.spoil(err)
	}
	id, err := one(t.reader, value[int64], `
		INSERT INTO community (`+insertedCommunity+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		RETURNING id`, append(args, c.CreatorID, c.CreatedAt.Unix())...)
	if err != nil {
		return propusk.Community{}, err
	}
	c.ID, c.MemberCount = id, 0
	return c, t.insertTotal(id)
}

// insertTotal begins to count the members of a community.
func (t tx) insertTotal(communityID int64) error {
	_, err := t.exec(`INSERT INTO community_total (community_id, members, changes) VALUES ($1, 0, 0)`, communityID)
	return err
}

// UpdateCommunity implements store.CommunityWriter.
func (t tx) UpdateCommunity(c propusk.Community) error {
	args, err := communityArgs(c)
	if err != nil {
		return t.spoil(err)
	}
	err = t.change(`
		UPDATE community SET slug = $1, name = $2, description = $3, joining = $4, available_roles = $5, default_roles = $6,
			grants_hash = $7, search = $8, updated_at = $9
		WHERE id = $10 AND deleted_at IS NULL`, append(args, c.ID)...)
	if err != nil {
		return err
	}
	return t.moveCommunity(c.ID, 0)
}

// DeleteCommunity implements store.CommunityWriter.
func (t tx) DeleteCommunity(id int64, at time.Time) error {
	// Whoever waits for the row of totals is to see it deleted.
	if err := t.touchCommunity(id, 0); err != nil {
		return err
	}
	return t.change(`UPDATE community SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL`, id, at.Unix())
}

// TouchCommunity implements store.CommunityWriter.
func (t tx) TouchCommunity(id int64) error {
	return t.touchCommunity(id, 0)
}

// touchCommunity changes the totals of a community.
func (t tx) touchCommunity(id int64, more int) error {
	return t.change(`
		UPDATE community_total SET members = members + $2, changes = changes + 1
		WHERE community_id = $1 AND EXISTS (SELECT 1 FROM community WHERE id = $1 AND deleted_at IS NULL)`, id, more)
}

// KeepGrants implements store.CommunityWriter.
func (t tx) KeepGrants(hash store.GrantsHash, lists []byte) error {
	_, err := t.exec(`INSERT INTO grants (hash, lists) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING`, hash[:], string(lists))
	return err
}

// DeleteUnusedGrants implements store.CommunityWriter.
func (t tx) DeleteUnusedGrants(limit int) (int, error) {
	return t.exec(`
		DELETE FROM grants WHERE hash IN (
			SELECT hash FROM grants AS kept WHERE NOT EXISTS (SELECT 1 FROM community WHERE grants_hash = kept.hash) LIMIT $1)`, limit)
}

// SetCommunityRole implements store.CommunityWriter.
func (t tx) SetCommunityRole(communityID int64, role store.RoleRow) error {
	if _, err := rbac.FormatRoles([]string{role.ID}); err != nil {
		return t.spoil(err)
	}
	_, err := t.exec(`
		INSERT INTO community_role (community_id, id, name, description, icon, custom, permissions) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (community_id, id) DO UPDATE SET name = excluded.name, description = excluded.description, icon = excluded.icon,
			custom = excluded.custom, permissions = excluded.permissions`,
		communityID, role.ID, role.Name, role.Description, role.Icon, role.Custom, linesOrNull(role.Permissions))
	if err != nil {
		return err
	}
	return t.spoil(t.TouchCommunity(communityID))
}

// DeleteCommunityRole implements store.CommunityWriter.
func (t tx) DeleteCommunityRole(communityID int64, role string) error {
	if _, err := t.exec(`DELETE FROM community_role WHERE community_id = $1 AND id = $2`, communityID, role); err != nil {
		return err
	}
	return t.spoil(t.TouchCommunity(communityID))
}
