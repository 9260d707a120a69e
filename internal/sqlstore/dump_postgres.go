package sqlstore

import (
	"database/sql"
	"slices"
)

var _ dumper = (*postgresEngine)(nil)

// unhurried implements dumper: whoever reads a dump from a pipe, or writes one, may pause.
func (*postgresEngine) unhurried(r reader) error {
	_, err := r.exec(`SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0`)
	return err
}

// loading implements dumper: with this lock it is as one that runs alone, and what another committed before is seen. Indexes and references
// are made anew in the end, all at once: to look after them row by row takes several times as long.
func (e *postgresEngine) loading(t tx) (func() error, error) {
	if err := e.unhurried(t.reader); err != nil {
		return nil, err
	}
	if _, err := t.exec(`LOCK TABLE update_turn IN EXCLUSIVE MODE`); err != nil {
		return nil, err
	}
	if empty, err := t.empty(); err != nil || !empty {
		return nil, err // and nothing is to be loaded
	}
	parts, err := t.schemaParts()
	if err != nil {
		return nil, err
	}
	for _, part := range parts {
		if _, err := t.exec(part.drop); err != nil {
			return nil, err
		}
	}
	return func() error {
		for _, part := range slices.Backward(parts) {
			if _, err := t.exec(part.make); err != nil {
				return refused("rows that refer to others", err)
			}
		}
		return nil
	}, nil
}

// schemaPart is an index or a reference, as statements.
type schemaPart struct{ drop, make string }

// schemaParts are the references of the tables that are loaded, and then their indexes, less those that keep a key or something else unique: rows
// that are there twice are noticed at once.
func (t tx) schemaParts() ([]schemaPart, error) {
	tables := []string{`author_text`}
	for _, table := range dumpedTables() {
		tables = append(tables, table.table)
	}
	return many(t.reader, func(rows *sql.Rows) (p schemaPart, err error) {
		err = rows.Scan(&p.drop, &p.make)
		return p, err
	}, `
		SELECT dropped, made FROM (
			SELECT 1 AS turn, c.conname AS name, format('ALTER TABLE %s DROP CONSTRAINT %I', c.conrelid::regclass, c.conname) AS dropped,
				format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid)) AS made
			FROM pg_constraint AS c WHERE c.contype = 'f' AND c.conrelid = ANY ($1::text[]::regclass[])
			UNION ALL
			SELECT 2, i.relname, format('DROP INDEX %s', i.oid::regclass), pg_get_indexdef(i.oid)
			FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
			WHERE NOT x.indisunique AND x.indrelid = ANY ($1::text[]::regclass[])
		) AS parts ORDER BY turn, name`, tables)
}
