package sqlstore

import (
	"database/sql"
	"encoding/binary"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

const (
	sessionAndUserColumns = `session.id, session.device, session.address, session.created_at, session.last_seen,
	session.expires_at, ` + userColumns + ` FROM session JOIN author ON author.id = session.author_id`
	sessionAndUser = `SELECT ` + sessionAndUserColumns
)

type sessionOfUser struct {
	session propusk.Session
	user    propusk.User
}

// fields are the places for sessionAndUserColumns.
func (row *sessionOfUser) fields() []any {
	s := &row.session
	return append([]any{
		&s.ID, &s.Device, &s.Address, unixTime{&s.CreatedAt}, unixTime{&s.LastSeen}, unixTime{&s.ExpiresAt},
	}, userFields(&row.user)...)
}

func scanSession(rows *sql.Rows) (row sessionOfUser, err error) {
	err = rows.Scan(row.fields()...)
	return row, err
}

// SessionBySecret implements store.SessionReader.
func (r reader) SessionBySecret(hash store.SecretHash, keyID string) (propusk.Session, propusk.User, error) {
	found, err := one(r, scanSession, sessionAndUser+` WHERE session.secret_hash = $1
		AND ($2 = '' OR EXISTS (SELECT 1 FROM signing_key WHERE key_id = $2))`, hash[:], keyID)
	return found.session, found.user, err
}

// Refreshable implements store.SessionReader.
func (r reader) Refreshable(hash store.SecretHash) (propusk.Session, propusk.User, store.Refresh, error) {
	var refresh store.Refresh
	found, err := one(r, func(rows *sql.Rows) (row sessionOfUser, err error) {
		var current, superseded []byte
		err = rows.Scan(append([]any{&current, &superseded}, row.fields()...)...)
		copy(refresh.Current[:], current)
		refresh.Superseded = decodeSuperseded(superseded)
		return row, err
	}, `SELECT session.refresh_hash, session.superseded, `+sessionAndUserColumns+
		` WHERE session.secret_hash = $1`, hash[:])
	return found.session, found.user, refresh, err
}

// SessionsOf implements store.SessionReader.
func (r reader) SessionsOf(userID int64, limit int) ([]propusk.Session, error) {
	found, err := many(r, scanSession, sessionAndUser+`
		WHERE session.author_id = $1 ORDER BY session.last_seen DESC, session.id LIMIT $2`, userID, limit)
	sessions := make([]propusk.Session, len(found))
	for i, row := range found {
		sessions[i] = row.session
	}
	return sessions, err
}

// CountSessions implements store.SessionReader.
func (r reader) CountSessions() (int, error) {
	return one(r, value[int], `SELECT count(*) FROM session`)
}

// SessionByID implements store.SessionReader.
func (r reader) SessionByID(id string) (propusk.Session, propusk.User, error) {
	found, err := one(r, scanSession, sessionAndUser+` WHERE session.id = $1`, id)
	return found.session, found.user, err
}

// InsertSession implements store.SessionWriter.
func (t tx) InsertSession(row store.SessionRow) error {
	_, err := t.exec(`
		INSERT INTO session (secret_hash, id, author_id, device, address, created_at, last_seen, expires_at,
			refresh_hash, superseded)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		row.SecretHash[:], row.ID, row.UserID, row.Device, row.Address,
		row.CreatedAt.Unix(), row.LastSeen.Unix(), row.ExpiresAt.Unix(),
		row.Refresh.Current[:], encodeSuperseded(row.Refresh.Superseded))
	return err
}

// RotateRefresh implements store.SessionWriter.
func (t tx) RotateRefresh(id string, to store.Refresh) error {
	return t.change(`UPDATE session SET refresh_hash = $2, superseded = $3 WHERE id = $1`,
		id, to.Current[:], encodeSuperseded(to.Superseded))
}

// supersededSize is one entry of the column: eight bytes of Unix milliseconds, big-endian, and the hash.
const supersededSize = 8 + len(store.SecretHash{})

func encodeSuperseded(list []store.Superseded) []byte {
	column := make([]byte, 0, len(list)*supersededSize)
	for _, s := range list {
		column = binary.BigEndian.AppendUint64(column, uint64(s.At.UnixMilli()))
		column = append(column, s.Hash[:]...)
	}
	return column
}

func decodeSuperseded(column []byte) (list []store.Superseded) {
	for ; len(column) >= supersededSize; column = column[supersededSize:] {
		list = append(list, store.Superseded{
			At:   time.UnixMilli(int64(binary.BigEndian.Uint64(column))).UTC(),
			Hash: store.SecretHash(column[8:supersededSize]),
		})
	}
	return list
}

// DeleteSession implements store.SessionWriter.
func (t tx) DeleteSession(id string) (bool, error) {
	ended, err := t.exec(`DELETE FROM session WHERE id = $1`, id)
	return ended > 0, err
}

// DeleteSessions implements store.SessionWriter.
func (t tx) DeleteSessions(userID int64, except string) (int, error) {
	return t.exec(`DELETE FROM session WHERE author_id = $1 AND id <> $2`, userID, except)
}

// TouchSessions implements store.SessionWriter.
func (t tx) TouchSessions(seen []store.Seen) error {
	for _, s := range seen {
		_, err := t.exec(`UPDATE session SET last_seen = $2 WHERE id = $1 AND last_seen < $2`, s.SessionID, s.At.Unix())
		if err != nil {
			return err
		}
		_, err = t.exec(`
			UPDATE author SET last_seen = $2
			WHERE id = (SELECT author_id FROM session WHERE id = $1) AND (last_seen IS NULL OR last_seen < $2)`,
			s.SessionID, s.At.Unix())
		if err != nil {
			return err
		}
	}
	return nil
}

// DeleteOverSessions implements store.SessionWriter.
func (t tx) DeleteOverSessions(now, idleSince time.Time, limit int) (int, error) {
	return t.exec(`
		DELETE FROM session WHERE id IN (SELECT id FROM session WHERE expires_at <= $1 OR last_seen <= $2 LIMIT $3)`,
		now.Unix(), idleSince.Unix(), limit)
}
