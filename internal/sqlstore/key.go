package sqlstore

import (
	"database/sql"
	"time"

	"github.com/propusk/propusk/internal/store"
)

// SigningKeys implements store.KeyReader.
func (r reader) SigningKeys() ([]store.SigningKey, error) {
	return many(r, func(rows *sql.Rows) (k store.SigningKey, err error) {
		err = rows.Scan(&k.KeyID, &k.Private, unixTime{&k.CreatedAt}, unixTime{&k.RetiredAt})
		return k, err
	}, `SELECT key_id, private_key, created_at, retired_at FROM signing_key ORDER BY created_at, id`)
}

// InsertSigningKey implements store.KeyWriter.
func (t tx) InsertSigningKey(k store.SigningKey) error {
	_, err := t.exec(`INSERT INTO signing_key (key_id, private_key, created_at, retired_at) VALUES ($1, $2, $3, $4)`,
		k.KeyID, k.Private, k.CreatedAt.Unix(), unixOrNull(k.RetiredAt))
	return err
}

// RetireSigningKeys implements store.KeyWriter.
func (t tx) RetireSigningKeys(at time.Time) error {
	_, err := t.exec(`UPDATE signing_key SET retired_at = $1 WHERE retired_at IS NULL`, at.Unix())
	return err
}

// DeleteRetiredKeys implements store.KeyWriter.
func (t tx) DeleteRetiredKeys(until time.Time) (int, error) {
	return t.exec(`DELETE FROM signing_key WHERE retired_at <= $1`, until.Unix())
}
