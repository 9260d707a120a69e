package sqlstore

import (
	"database/sql"

	"github.com/propusk/propusk/internal/store"
)

// AuditEvents implements store.AuditReader.
func (r reader) AuditEvents(f store.AuditFilter) ([]store.AuditEvent, int, error) {
	var where conditions
	where.andIf(f.Actor != "", `actor = $?`, f.Actor)
	where.andIf(f.Target != "", concerning, f.Target)
	where.andIf(f.Action != "", `action = $?`, f.Action)
	total, err := one(r, value[int], `SELECT count(*) FROM audit_event`+where.text, where.args...)
	if err != nil {
		return nil, 0, err
	}
	events, err := many(r, scanEvent, `
		WITH page AS (SELECT * FROM audit_event`+where.text+where.page(`id DESC`)+`)
		SELECT page.id, page.at, page.actor, page.action, page.target, page.address, page.request_id, page.before, page.after, page.bulk_id,
			`+bulkRowColumns+`
		FROM page LEFT JOIN author ON author.user_id = `+placeholder(len(where.args)+3)+`
			LEFT JOIN bulk_row ON bulk_row.bulk_id = page.bulk_id AND bulk_row.author_id = author.id
		ORDER BY page.id DESC`, append(where.args, f.Limit, f.Offset, f.Target)...)
	return events, total, err
}

// concerning is that an event is about somebody, by itself or by a row of its bulk.
const concerning = `id IN (
	SELECT id FROM audit_event WHERE target = $?
	UNION
	SELECT audit_event.id FROM author JOIN bulk_row ON bulk_row.author_id = author.id JOIN audit_event ON audit_event.bulk_id = bulk_row.bulk_id
	WHERE author.user_id = $?)`

func scanEvent(rows *sql.Rows) (e store.AuditEvent, err error) {
	var bulkID sql.NullInt64
	var row nullBulkRow
	err = rows.Scan(append([]any{&e.ID, unixTime{&e.At}, &e.Actor, &e.Action, &e.Target, &e.Address, &e.RequestID, &e.Before, &e.After,
		&bulkID}, row.fields()...)...)
	e.BulkID = bulkID.Int64
	if row.accountID.Valid {
		e.Row = new(row.row())
	}
	return e, err
}

// InsertAuditEvent implements store.AuditWriter.
func (t tx) InsertAuditEvent(e store.AuditEvent) error {
	_, err := t.exec(`
		INSERT INTO audit_event (at, actor, action, target, address, request_id, before, after, bulk_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		e.At.Unix(), e.Actor, e.Action, e.Target, e.Address, e.RequestID, e.Before, e.After,
		sql.NullInt64{Int64: e.BulkID, Valid: e.BulkID != 0})
	return err
}
