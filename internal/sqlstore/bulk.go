package sqlstore

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
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

// stagedRow is a row as it is kept.
type stagedRow struct {
	account            int64
	member, bar, admit bool
	before, after      *string
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

// AddBulkRows implements store.BulkWriter. It counts what CountBulk will need: that has less time.
func (t tx) AddBulkRows(bulkID int64, rows []store.BulkRow) error {
	staged, err := t.staged(bulkID, rows)
	if err != nil {
		return t.spoil(err)
	}
	if err := t.insertRows(t, insertion{
		into:  `bulk_row (bulk_id, author_id, member, before_roles, after_roles, bar, admit)`,
		kinds: []string{`bigint`, `bigint`, `boolean`, `text`, `text`, `boolean`, `boolean`},
	}, stagedArgs(bulkID, staged)); err != nil {
		return err
	}
	var members, admins, bars, admits int
	moves := map[string]int{}
	for i, row := range staged {
		if row.member {
			members++
			moves[countedAs(row.before)]--
		}
		moves[countedAs(row.after)]++
		admins += number(slices.Contains(rows[i].After, rbac.Admin) && !slices.Contains(rows[i].Before, rbac.Admin))
		bars += number(row.bar)
		admits += number(row.admit)
	}
	for _, list := range slices.Sorted(maps.Keys(moves)) {
		if moves[list] == 0 {
			continue
		}
		_, err := t.exec(`
			INSERT INTO bulk_count (bulk_id, roles, members) VALUES ($1, $2, $3)
			ON CONFLICT (bulk_id, roles) DO UPDATE SET members = bulk_count.members + excluded.members`, bulkID, list, moves[list])
		if err != nil {
			return err
		}
	}
	return t.change(`
		UPDATE bulk SET all_rows = all_rows + $2, members = members + $3, admins = admins + $4, bars = bars + $5, admits = admits + $6
		WHERE id = $1`, bulkID, len(rows), members, admins, bars, admits)
}

func stagedArgs(bulkID int64, staged []stagedRow) [][]any {
	rows := make([][]any, len(staged))
	for i, row := range staged {
		rows[i] = []any{bulkID, row.account, row.member, row.before, row.after, row.bar, row.admit}
	}
	return rows
}

func number(is bool) int {
	if is {
		return 1
	}
	return 0
}

// staged are rows as they are to be kept. A list in which the database has more than role ids is kept with all it has there: to the caller it
// is the same.
func (t tx) staged(bulkID int64, rows []store.BulkRow) ([]stagedRow, error) {
	ids := make([]int64, len(rows))
	for i, row := range rows {
		ids[i] = row.AccountID
	}
	list, err := t.list(ids)
	if err != nil {
		return nil, err
	}
	kept := map[int64]*string{}
	_, err = many(t.reader, func(rows *sql.Rows) (_ struct{}, err error) {
		var id int64
		var roles *string
		err = rows.Scan(&id, &roles)
		kept[id] = roles
		return struct{}{}, err
	}, `
		SELECT m.author_id, m.roles FROM `+t.elements(`$2`, `bigint`)+` AS named CROSS JOIN community_author AS m
		WHERE m.community_id = (SELECT community_id FROM bulk WHERE id = $1) AND m.author_id = named.v`, bulkID, list)
	if err != nil {
		return nil, err
	}
	staged := make([]stagedRow, len(rows))
	for i, row := range rows {
		before, err := rolesOrNull(row.Before)
		if err != nil {
			return nil, err
		}
		after, err := rolesOrNull(row.After)
		if err != nil {
			return nil, err
		}
		if is, ok := kept[row.AccountID]; ok && row.Member {
			if roles, _ := rbac.ParseRoles(countedAs(is)); slices.Equal(roles, row.Before) {
				before = is
			}
		}
		staged[i] = stagedRow{row.AccountID, row.Member, row.Bar, row.Admit, before, after}
	}
	return staged, nil
}

// ApplyBulk implements store.BulkWriter. Where others may write meanwhile, the first statement keeps them from the members that it finds
// as they were, and the insertion from those it adds; both in the order of accounts, so that of two bulks one waits.
func (t tx) ApplyBulk(bulkID int64, at time.Time) (int, error) {
	b, err := t.bulk(bulkID)
	if err != nil {
		return 0, err
	}
	if err := t.expect(b.members)(one(t.reader, value[int], `
		SELECT count(*) FROM (
			SELECT m.id FROM bulk_row CROSS JOIN community_author AS m
			WHERE bulk_row.bulk_id = $1 AND bulk_row.member = TRUE AND m.community_id = $2 AND m.author_id = bulk_row.author_id
				AND m.roles IS NOT DISTINCT FROM bulk_row.before_roles
			ORDER BY m.author_id`+t.locking("m")+`
		) AS unchanged`, bulkID, b.community)); err != nil {
		return 0, err
	}
	if err := t.changingMembers(b.all, func() error { return t.applyMembers(bulkID, b, at) }, b.community); err != nil {
		return 0, err
	}
	return b.all, t.applyRest(bulkID, b)
}

// applyMembers is what a bulk does to memberships.
func (t tx) applyMembers(bulkID int64, b bulk, at time.Time) error {
	_, err := t.exec(`
		UPDATE community_author SET roles = bulk_row.after_roles FROM bulk_row
		WHERE bulk_row.bulk_id = $1 AND bulk_row.member = TRUE AND bulk_row.after_roles IS DISTINCT FROM bulk_row.before_roles
			AND community_author.community_id = $2 AND community_author.author_id = bulk_row.author_id`, bulkID, b.community)
	if err != nil {
		return err
	}
	return t.expect(b.all - b.members)(t.exec(`
		INSERT INTO community_author (community_id, author_id, roles, joined_at)
		SELECT $2, author_id, after_roles, $3 FROM bulk_row WHERE bulk_id = $1 AND member = FALSE ORDER BY author_id
		ON CONFLICT (community_id, author_id) DO NOTHING`, bulkID, b.community, at.Unix()))
}

// applyRest is what of a bulk few accounts have.
func (t tx) applyRest(bulkID int64, b bulk) error {
	if b.admins > 0 {
		// Whoever deletes an account meanwhile has looked at the communities in which it was an admin. No row is listed by this pattern, and
		// no change of that column is logged.
		const admin = `',' || coalesce(%s, '') || ',' LIKE '%%,` + rbac.Admin + `,%%'`
		_, err := t.exec(`
			UPDATE author SET last_seen = last_seen WHERE id IN (
				SELECT author_id FROM bulk_row WHERE bulk_id = $1 AND `+fmt.Sprintf(admin, "after_roles")+` AND NOT `+fmt.Sprintf(admin, "before_roles")+`)`,
			bulkID)
		if err != nil {
			return err
		}
	}
	if b.bars > 0 {
		_, err := t.exec(`
			INSERT INTO community_barred (community_id, author_id)
			SELECT $2, author_id FROM bulk_row WHERE bulk_id = $1 AND bar = TRUE ORDER BY author_id
			ON CONFLICT (community_id, author_id) DO NOTHING`, bulkID, b.community)
		if err != nil {
			return err
		}
	}
	if b.admits == 0 {
		return nil
	}
	_, err := t.exec(`
		DELETE FROM community_barred WHERE community_id = $2
			AND author_id IN (SELECT author_id FROM bulk_row WHERE bulk_id = $1 AND admit = TRUE)`, bulkID, b.community)
	return err
}

// bulk is what is known of one without a look at its rows.
type bulk struct {
	community                          int64
	all, members, admins, bars, admits int
}

func (t tx) bulk(id int64) (bulk, error) {
	return one(t.reader, func(rows *sql.Rows) (b bulk, err error) {
		err = rows.Scan(&b.community, &b.all, &b.members, &b.admins, &b.bars, &b.admits)
		return b, err
	}, `SELECT community_id, all_rows, members, admins, bars, admits FROM bulk WHERE id = $1`, id)
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
	b, err := t.bulk(bulkID)
	if err != nil {
		return err
	}
	if err := t.moveCommunity(b.community, b.all-b.members); err != nil {
		return err
	}
	_, err = t.exec(`
		INSERT INTO community_author_count (community_id, roles, members)
		SELECT $2, roles, members FROM bulk_count WHERE bulk_id = $1 AND members <> 0 ORDER BY roles
		ON CONFLICT (community_id, roles) DO UPDATE SET members = community_author_count.members + excluded.members`, bulkID, b.community)
	if err != nil {
		return err
	}
	_, err = t.exec(`DELETE FROM community_author_count WHERE community_id = $1 AND members <= 0`, b.community)
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
