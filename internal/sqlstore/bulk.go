package sqlstore

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// bulkRowColumns are all NULL where there is no row.
const bulkRowColumns = `bulk_row.author_id, author.user_id, bulk_row.member, bulk_row.before_roles, bulk_row.after_roles, bulk_row.bar,
	bulk_row.admit`

// nullBulkRow is a row that may not be there.
type nullBulkRow struct {
	accountID          sql.NullInt64
	userID             sql.NullString
	member, bar, admit sql.NullBool
	before, after      []string
}

// fields are the places for bulkRowColumns.
func (n *nullBulkRow) fields() []any {
	return []any{
		&n.accountID, &n.userID, &n.member, roleList{&n.before, nil}, roleList{&n.after, nil}, &n.bar, &n.admit,
	}
}

func (n *nullBulkRow) row() store.BulkRow {
	return store.BulkRow{
		AccountID: n.accountID.Int64, UserID: n.userID.String, Member: n.member.Bool, Before: n.before, After: n.after,
		Bar: n.bar.Bool, Admit: n.admit.Bool,
	}
}

// bulkLists are the columns of the lists of a row.
func bulkLists(row store.BulkRow) (before, after *string, err error) {
	if before, err = rolesOrNull(row.Before); err != nil {
		return nil, nil, err
	}
	after, err = memberRoles(row.After)
	return before, after, err
}

// Accounts implements store.BulkReader.
func (r reader) Accounts(communityID int64, userIDs []string) ([]store.Account, error) {
	if err := checkTexts([]any{userIDs}); err != nil {
		return nil, err
	}
	return r.accounts(communityID, userIDs, "text", "author.user_id")
}

// AccountsByID implements store.BulkReader.
func (r reader) AccountsByID(communityID int64, ids []int64) ([]store.Account, error) {
	return r.accounts(communityID, ids, "bigint", "author.id")
}

// accounts finds those that a list of that type names by that column, in the order of the list.
func (r reader) accounts(communityID int64, named any, kind, column string) ([]store.Account, error) {
	list, err := r.list(named)
	if err != nil {
		return nil, err
	}
	return many(r, func(rows *sql.Rows) (a store.Account, err error) {
		var id sql.NullInt64
		var userID sql.NullString
		err = rows.Scan(&id, &userID, &a.Member, roleList{&a.Roles, nil})
		a.ID, a.UserID = id.Int64, userID.String
		return a, err
	}, `
		SELECT author.id, author.user_id, community_author.id IS NOT NULL, community_author.roles
		FROM `+r.elements(`$2`, kind)+` AS named
			LEFT JOIN author ON `+column+` = named.v
			LEFT JOIN community_author ON community_author.community_id = $1 AND community_author.author_id = author.id
		ORDER BY named.n`, communityID, list)
}

// BulkRows implements store.BulkReader.
func (r reader) BulkRows(bulkID int64, offset, limit int) ([]store.BulkRow, int, error) {
	total, err := one(r, value[int], `
		SELECT count(*) FROM bulk_row WHERE bulk_id = $1 AND EXISTS (SELECT 1 FROM audit_event WHERE bulk_id = $1)`, bulkID)
	if err != nil || total == 0 {
		return nil, 0, err
	}
	rows, err := many(r, func(rows *sql.Rows) (store.BulkRow, error) {
		var row nullBulkRow
		err := rows.Scan(row.fields()...)
		return row.row(), err
	}, `
		WITH page AS MATERIALIZED (SELECT * FROM bulk_row WHERE bulk_id = $1 ORDER BY bulk_id, author_id LIMIT $2 OFFSET $3)
		SELECT `+bulkRowColumns+` FROM page AS bulk_row JOIN author ON author.id = bulk_row.author_id ORDER BY bulk_row.author_id`,
		bulkID, limit, offset)
	return rows, total, err
}

// BeginBulk implements store.BulkWriter.
func (t tx) BeginBulk(communityID int64, at time.Time) (int64, error) {
	return one(t.reader, value[int64], `INSERT INTO bulk (community_id, began_at) VALUES ($1, $2) RETURNING id`, communityID, at.Unix())
}

// AddBulkRows implements store.BulkWriter.
func (t tx) AddBulkRows(bulkID int64, rows []store.BulkRow) error {
	return t.addBulkRows(t, bulkID, rows)
}

// ApplyBulk implements store.BulkWriter. Where others may write meanwhile, the first statement keeps them from the members that it finds
// as they were, and the insertion from those it adds; both in the order of accounts, so that of two bulks one waits.
func (t tx) ApplyBulk(bulkID int64, at time.Time) (int, error) {
	communityID, err := one(t.reader, value[int64], `SELECT community_id FROM bulk WHERE id = $1`, bulkID)
	if err != nil {
		return 0, err
	}
	rows, err := one(t.reader, scanBulkSize, `SELECT count(*), coalesce(sum(CASE WHEN member THEN 1 ELSE 0 END), 0) FROM bulk_row WHERE bulk_id = $1`,
		bulkID)
	if err != nil {
		return 0, err
	}
	if err := t.expect(rows.members)(one(t.reader, value[int], `
		SELECT count(*) FROM (
			SELECT m.id FROM bulk_row CROSS JOIN community_author AS m
			WHERE bulk_row.bulk_id = $1 AND bulk_row.member = TRUE AND m.community_id = $2 AND m.author_id = bulk_row.author_id AND m.roles IS NOT DISTINCT FROM bulk_row.before_roles
			ORDER BY m.author_id`+t.locking("m")+`
		) AS unchanged`, bulkID, communityID)); err != nil {
		return 0, err
	}
	_, err = t.exec(`
		UPDATE community_author SET roles = bulk_row.after_roles FROM bulk_row
		WHERE bulk_row.bulk_id = $1 AND bulk_row.member = TRUE AND bulk_row.after_roles IS DISTINCT FROM bulk_row.before_roles
			AND community_author.community_id = $2 AND community_author.author_id = bulk_row.author_id`, bulkID, communityID)
	if err != nil {
		return 0, err
	}
	if err := t.expect(rows.all - rows.members)(t.exec(`
		INSERT INTO community_author (community_id, author_id, roles, joined_at)
		SELECT $2, author_id, after_roles, $3 FROM bulk_row WHERE bulk_id = $1 AND member = FALSE ORDER BY author_id
		ON CONFLICT (community_id, author_id) DO NOTHING`, bulkID, communityID, at.Unix())); err != nil {
		return 0, err
	}
	// Whoever deletes an account meanwhile has looked at the communities in which it was an admin. No row is listed by this pattern.
	const admin = `',' || coalesce(%s, '') || ',' LIKE '%%,` + rbac.Admin + `,%%'`
	_, err = t.exec(`
		UPDATE author SET is_active = is_active WHERE id IN (
			SELECT author_id FROM bulk_row WHERE bulk_id = $1 AND `+fmt.Sprintf(admin, "after_roles")+` AND NOT `+fmt.Sprintf(admin, "before_roles")+`)`,
		bulkID)
	if err != nil {
		return 0, err
	}
	_, err = t.exec(`
		INSERT INTO community_barred (community_id, author_id)
		SELECT $2, author_id FROM bulk_row WHERE bulk_id = $1 AND bar = TRUE ORDER BY author_id
		ON CONFLICT (community_id, author_id) DO NOTHING`, bulkID, communityID)
	if err != nil {
		return 0, err
	}
	_, err = t.exec(`
		DELETE FROM community_barred WHERE community_id = $2
			AND author_id IN (SELECT author_id FROM bulk_row WHERE bulk_id = $1 AND admit = TRUE)`, bulkID, communityID)
	return rows.all, err
}

type bulkSize struct{ all, members int }

func scanBulkSize(rows *sql.Rows) (s bulkSize, err error) {
	err = rows.Scan(&s.all, &s.members)
	return s, err
}

// expect makes it ErrChanged that a statement was about other than so many rows.
func (t tx) expect(want int) func(int, error) error {
	return func(got int, err error) error {
		if err == nil && got != want {
			err = t.spoil(store.ErrChanged)
		}
		return err
	}
}

// CountBulk implements store.BulkWriter.
func (t tx) CountBulk(bulkID int64) error {
	communityID, err := one(t.reader, value[int64], `SELECT community_id FROM bulk WHERE id = $1`, bulkID)
	if err != nil {
		return err
	}
	joined, err := one(t.reader, value[int], `SELECT count(*) FROM bulk_row WHERE bulk_id = $1 AND member = FALSE`, bulkID)
	if err != nil {
		return err
	}
	if err := t.moveCommunity(communityID, joined); err != nil {
		return err
	}
	_, err = t.exec(`
		INSERT INTO community_author_count (community_id, roles, members)
		SELECT $2, coalesce(list, ''), sum(more) FROM (
			SELECT before_roles AS list, -1 AS more FROM bulk_row WHERE bulk_id = $1 AND member = TRUE
			UNION ALL
			SELECT after_roles, 1 FROM bulk_row WHERE bulk_id = $1
		) AS moved GROUP BY list HAVING sum(more) <> 0
		ON CONFLICT (community_id, roles) DO UPDATE SET members = community_author_count.members + excluded.members`, bulkID, communityID)
	if err != nil {
		return err
	}
	_, err = t.exec(`DELETE FROM community_author_count WHERE community_id = $1 AND members <= 0`, communityID)
	return err
}

// DropBulk implements store.BulkWriter.
func (t tx) DropBulk(bulkID int64, limit int) (int, error) {
	const never = `NOT EXISTS (SELECT 1 FROM audit_event WHERE bulk_id = $1)`
	removed, err := t.exec(`
		DELETE FROM bulk_row WHERE bulk_id = $1 AND `+never+` AND author_id IN (SELECT author_id FROM bulk_row WHERE bulk_id = $1 LIMIT $2)`,
		bulkID, limit)
	if err != nil {
		return 0, err
	}
	_, err = t.exec(`DELETE FROM bulk WHERE id = $1 AND `+never+` AND NOT EXISTS (SELECT 1 FROM bulk_row WHERE bulk_id = $1)`, bulkID)
	return removed, err
}

// DeleteBulks implements store.BulkWriter.
func (t tx) DeleteBulks(until time.Time, limit int) (int, error) {
	const over = `began_at <= $1 AND NOT EXISTS (SELECT 1 FROM audit_event WHERE audit_event.bulk_id = bulk.id)`
	removed, err := t.exec(`
		DELETE FROM bulk_row WHERE (bulk_id, author_id) IN (
			SELECT bulk_row.bulk_id, bulk_row.author_id FROM bulk JOIN bulk_row ON bulk_row.bulk_id = bulk.id WHERE `+over+` LIMIT $2)`,
		until.Unix(), limit)
	if err != nil {
		return 0, err
	}
	_, err = t.exec(`
		DELETE FROM bulk WHERE `+over+` AND NOT EXISTS (SELECT 1 FROM bulk_row WHERE bulk_row.bulk_id = bulk.id)`, until.Unix())
	return removed, err
}
