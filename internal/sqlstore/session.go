package sqlstore

import (
	"database/sql"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

const sessionAndUser = `SELECT session.id, session.device, session.address, session.created_at, session.last_seen,
	session.expires_at, ` + userColumns + ` FROM session JOIN author ON author.id = session.author_id`

type sessionOfUser struct {
	session propusk.Session
	user    propusk.User
}

func scanSession(rows *sql.Rows) (row sessionOfUser, err error) {
	s := &row.session
	err = rows.Scan(append([]any{
		&s.ID, &s.Device, &s.Address, unixTime{&s.CreatedAt}, unixTime{&s.LastSeen}, unixTime{&s.ExpiresAt},
	}, userFields(&row.user)...)...)
	return row, err
}

// SessionBySecret implements store.SessionReader.
func (r reader) SessionBySecret(hash store.SecretHash) (propusk.Session, propusk.User, error) {
	found, err := one(r, scanSession, sessionAndUser+` WHERE session.secret_hash = $1`, hash[:])
	return found.session, found.user, err
}

// SessionByID implements store.SessionReader.
func (r reader) SessionByID(id string) (propusk.Session, propusk.User, error) {
	found, err := one(r, scanSession, sessionAndUser+` WHERE session.id = $1`, id)
	return found.session, found.user, err
}

// InsertSession implements store.SessionWriter.
func (t tx) InsertSession(row store.SessionRow) error {
	_, err := t.exec(`
		INSERT INTO session (secret_hash, id, author_id, device, address, created_at, last_seen, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		row.SecretHash[:], row.ID, row.UserID, row.Device, row.Address,
		row.CreatedAt.Unix(), row.LastSeen.Unix(), row.ExpiresAt.Unix())
	return err
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
