package lease

import (
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

// noting is a transaction that notes whether it does something that nobody has to hear of: what is new, and what is never remembered. Who changes
// anything else, or nothing at all, makes or repeats a change.
type noting struct {
	store.Tx
	adds *bool
}

func (t noting) InsertUser(row store.UserRow) (propusk.User, error) {
	*t.adds = true
	return t.Tx.InsertUser(row)
}

func (t noting) InsertSession(row store.SessionRow) error {
	*t.adds = true
	return t.Tx.InsertSession(row)
}

func (t noting) RotateRefresh(id string, to store.Refresh) error {
	*t.adds = true
	return t.Tx.RotateRefresh(id, to)
}

func (t noting) TouchSessions(seen []store.Seen) error {
	*t.adds = true
	return t.Tx.TouchSessions(seen)
}

func (t noting) InsertSigningKey(key store.SigningKey) error {
	*t.adds = true
	return t.Tx.InsertSigningKey(key)
}

func (t noting) SetCounter(key store.CounterKey, c store.Counter) error {
	*t.adds = true
	return t.Tx.SetCounter(key, c)
}

func (t noting) DeleteCounter(key store.CounterKey) error {
	*t.adds = true
	return t.Tx.DeleteCounter(key)
}

func (t noting) DeleteOverCounters(now time.Time, limit int) (int, error) {
	*t.adds = true
	return t.Tx.DeleteOverCounters(now, limit)
}

func (t noting) InsertAPIKey(key store.APIKey, hash store.SecretHash) error {
	*t.adds = true
	return t.Tx.InsertAPIKey(key, hash)
}

func (t noting) TouchAPIKey(id string, at time.Time) error {
	*t.adds = true
	return t.Tx.TouchAPIKey(id, at)
}

func (t noting) BeginBulk(communityID int64, at time.Time) (int64, error) {
	*t.adds = true
	return t.Tx.BeginBulk(communityID, at)
}

func (t noting) AddBulkRows(bulkID int64, rows []store.BulkRow) error {
	*t.adds = true
	return t.Tx.AddBulkRows(bulkID, rows)
}

func (t noting) DropBulk(bulkID int64, limit int) (int, error) {
	*t.adds = true
	return t.Tx.DropBulk(bulkID, limit)
}

func (t noting) DeleteBulks(until time.Time, limit int) (int, error) {
	*t.adds = true
	return t.Tx.DeleteBulks(until, limit)
}

func (t noting) DeleteUnusedGrants(limit int) (int, error) {
	*t.adds = true
	return t.Tx.DeleteUnusedGrants(limit)
}

func (t noting) SetFollows(communityID, userID int64, follows bool, at time.Time) error {
	*t.adds = true
	return t.Tx.SetFollows(communityID, userID, follows, at)
}

func (t noting) InsertUsers(rows []store.UserRow) ([]int64, error) {
	*t.adds = true
	return t.Tx.InsertUsers(rows)
}

func (t noting) InsertFollowers(rows []store.FollowerRow) error {
	*t.adds = true
	return t.Tx.InsertFollowers(rows)
}

func (t noting) ReserveNumbers(kind store.ImportKind, last int64) (int64, error) {
	*t.adds = true
	return t.Tx.ReserveNumbers(kind, last)
}

func (t noting) SetImported(source string, kind store.ImportKind, keys []string, numbers []int64) error {
	*t.adds = true
	return t.Tx.SetImported(source, kind, keys, numbers)
}
