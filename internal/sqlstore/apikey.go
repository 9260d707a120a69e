package sqlstore

import (
	"database/sql"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

const keyAndIssuer = `SELECT api_key.id, api_key.issuer_id, api_key.name, api_key.permissions, api_key.created_at, api_key.last_used,
	api_key.expires_at, ` + userColumns + ` FROM api_key JOIN author ON author.id = api_key.issuer_id`

type keyOfIssuer struct {
	key    store.APIKey
	issuer propusk.User
}

func scanKey(rows *sql.Rows) (row keyOfIssuer, err error) {
	k := &row.key
	err = rows.Scan(append([]any{
		&k.ID, &k.IssuerID, &k.Name, lineList{&k.Permissions}, unixTime{&k.CreatedAt}, unixTime{&k.LastUsed}, unixTime{&k.ExpiresAt},
	}, userFields(&row.issuer)...)...)
	return row, err
}

// APIKeyBySecret implements store.APIKeyReader.
func (r reader) APIKeyBySecret(hash store.SecretHash) (store.APIKey, propusk.User, error) {
	found, err := one(r, scanKey, keyAndIssuer+` WHERE api_key.secret_hash = $1`, hash[:])
	return found.key, found.issuer, err
}

// APIKeyByID implements store.APIKeyReader.
func (r reader) APIKeyByID(id string) (store.APIKey, propusk.User, error) {
	found, err := one(r, scanKey, keyAndIssuer+` WHERE api_key.id = $1`, id)
	return found.key, found.issuer, err
}

// APIKeys implements store.APIKeyReader.
func (r reader) APIKeys(limit int) ([]store.APIKey, []propusk.User, error) {
	found, err := many(r, scanKey, keyAndIssuer+` ORDER BY api_key.created_at DESC, api_key.id DESC LIMIT $1`, limit)
	keys, issuers := make([]store.APIKey, len(found)), make([]propusk.User, len(found))
	for i, row := range found {
		keys[i], issuers[i] = row.key, row.issuer
	}
	return keys, issuers, err
}

// InsertAPIKey implements store.APIKeyWriter.
func (t tx) InsertAPIKey(k store.APIKey, hash store.SecretHash) error {
	_, err := t.exec(`
		INSERT INTO api_key (secret_hash, id, issuer_id, name, permissions, created_at, last_used, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		hash[:], k.ID, k.IssuerID, k.Name, linesOrNull(k.Permissions), k.CreatedAt.Unix(), unixOrNull(k.LastUsed), unixOrNull(k.ExpiresAt))
	return err
}

// DeleteAPIKey implements store.APIKeyWriter.
func (t tx) DeleteAPIKey(id string) (bool, error) {
	removed, err := t.exec(`DELETE FROM api_key WHERE id = $1`, id)
	return removed > 0, err
}

// DeleteAPIKeys implements store.APIKeyWriter.
func (t tx) DeleteAPIKeys(issuerID int64) (int, error) {
	return t.exec(`DELETE FROM api_key WHERE issuer_id = $1`, issuerID)
}

// TouchAPIKey implements store.APIKeyWriter.
func (t tx) TouchAPIKey(id string, at time.Time) error {
	_, err := t.exec(`UPDATE api_key SET last_used = $2 WHERE id = $1 AND (last_used IS NULL OR last_used < $2)`, id, at.Unix())
	return err
}
