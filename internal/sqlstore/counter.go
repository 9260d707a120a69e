package sqlstore

import (
	"database/sql"
	"errors"
	"time"

	"github.com/propusk/propusk/internal/store"
)

// Counter implements store.CounterReader.
func (r reader) Counter(key store.CounterKey) (store.Counter, error) {
	c, err := one(r, func(rows *sql.Rows) (c store.Counter, err error) {
		err = rows.Scan(&c.Count, unixTime{&c.At}, unixTime{&c.ExpiresAt})
		return c, err
	}, `SELECT count, counted_at, expires_at FROM counter WHERE key = $1`, key[:])
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return c, err
}

// SetCounter implements store.CounterWriter.
func (t tx) SetCounter(key store.CounterKey, c store.Counter) error {
	_, err := t.exec(`
		INSERT INTO counter (key, count, counted_at, expires_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (key) DO UPDATE SET count = excluded.count, counted_at = excluded.counted_at, expires_at = excluded.expires_at`,
		key[:], c.Count, c.At.Unix(), c.ExpiresAt.Unix())
	return err
}

// DeleteCounter implements store.CounterWriter.
func (t tx) DeleteCounter(key store.CounterKey) error {
	_, err := t.exec(`DELETE FROM counter WHERE key = $1`, key[:])
	return err
}

// DeleteOverCounters implements store.CounterWriter.
func (t tx) DeleteOverCounters(now time.Time, limit int) (int, error) {
	return t.exec(`DELETE FROM counter WHERE key IN (SELECT key FROM counter WHERE expires_at <= $1 LIMIT $2)`, now.Unix(), limit)
}
