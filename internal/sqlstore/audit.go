package sqlstore

import (
	"database/sql"

	"github.com/propusk/propusk/internal/store"
)

// AuditEvents implements store.AuditReader.
func (r reader) AuditEvents(f store.AuditFilter) ([]store.AuditEvent, int, error) {
	var where conditions
	where.andIf(f.Actor != "", `actor = $?`, f.Actor)
	where.andIf(f.Target != "", `target = $?`, f.Target)
	where.andIf(f.Action != "", `action = $?`, f.Action)
	total, err := one(r, value[int], `SELECT count(*) FROM audit_event`+where.text, where.args...)
	if err != nil {
		return nil, 0, err
	}
	events, err := many(r, func(rows *sql.Rows) (e store.AuditEvent, err error) {
		err = rows.Scan(&e.ID, unixTime{&e.At}, &e.Actor, &e.Action, &e.Target, &e.Address, &e.RequestID, &e.Before, &e.After)
		return e, err
	}, `SELECT id, at, actor, action, target, address, request_id, before, after FROM audit_event`+
		where.text+where.page(`id DESC`),
		append(where.args, f.Limit, f.Offset)...)
	return events, total, err
}

// InsertAuditEvent implements store.AuditWriter.
func (t tx) InsertAuditEvent(e store.AuditEvent) error {
	_, err := t.exec(`
		INSERT INTO audit_event (at, actor, action, target, address, request_id, before, after)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		e.At.Unix(), e.Actor, e.Action, e.Target, e.Address, e.RequestID, e.Before, e.After)
	return err
}
