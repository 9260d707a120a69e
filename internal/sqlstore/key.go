package sqlstore

import (
	"database/sql"

	"github.com/propusk/propusk/internal/store"
)

// SigningKeys implements store.KeyReader.
func (r reader) SigningKeys() ([]store.SigningKey, error) {
	return many(r, func(rows *sql.Rows) (k store.SigningKey, err error) {
		err = rows.Scan(&k.KeyID, &k.Private, unixTime{&k.CreatedAt})
		return k, err
	}, `SELECT key_id, private_key, created_at FROM signing_key ORDER BY created_at, id`)
}

// InsertSigningKey implements store.KeyWriter.
func (t tx) InsertSigningKey(k store.SigningKey) error {
	_, err := t.exec(`INSERT INTO signing_key (key_id, private_key, created_at) VALUES ($1, $2, $3)`,
		k.KeyID, k.Private, k.CreatedAt.Unix())
	return err
}
