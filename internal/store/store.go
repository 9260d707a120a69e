// Package store is the port to SQL: what Propusk keeps, said without a word of SQL. The adapter is internal/sqlstore; every
// adapter passes the suite in internal/store/storetest.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/propusk/propusk"
)

// Errors that services decide upon. Everything else that an adapter returns is either a *propusk.Error of kind Unavailable (the
// database cannot be reached, is busy or full) or a fault.
var (
	// ErrNotFound means that no row has the key that was asked for.
	ErrNotFound = errors.New("store: not found")
	// ErrEmailTaken and ErrSlugTaken mean that the row would break the unique constraint of that name.
	ErrEmailTaken = errors.New("store: email taken")
	ErrSlugTaken  = errors.New("store: slug taken")
	// ErrChanged means that what a large change was made for is no longer so: look again.
	ErrChanged = errors.New("store: changed meanwhile")
)

// Store is the database. All methods may be called concurrently.
type Store interface {
	// Now returns a Reader whose every call is a statement of its own, sent when it is called, and sees all that was committed
	// before that.
	Now(ctx context.Context) Reader
	// View runs fn in one read-only snapshot.
	View(ctx context.Context, fn func(Reader) error) error
	// Update runs fn in one transaction that behaves as if no other ran beside it. When Update returns nil, all that fn wrote is
	// durable; when it returns an error, nothing of it is there. fn may run more than once and so must have no effects but on tx
	// and on variables that it sets anew each time; it must not call the Store again. A ctx that ends before fn begins stops
	// it; once fn has run, Update waits for the outcome, but not past the deadline of ctx, and only for a moment when ctx is cancelled or the
	// Store is closed.
	//
	// A statement of tx that failed, with anything but ErrNotFound, spoils the transaction: tx runs nothing more, and Update
	// returns that error even if fn returns nil. An error of kind Unavailable is the one that may come from a commit whose outcome
	// nobody knows: then all that fn wrote is there or nothing of it.
	Update(ctx context.Context, fn func(Tx) error) error
	// UpdateBeside is Update for a change that takes long, seconds perhaps, and keeps nobody waiting but those who change the same rows.
	// What fn reads may change until it commits, except in rows that it wrote itself: it must first write, then TouchCommunity what it
	// decides about, and only then read what it decides upon.
	UpdateBeside(ctx context.Context, fn func(Tx) error) error
	// ChangeLog is nil where the database keeps none. What is read from such a database must not be remembered.
	ChangeLog() ChangeLog
	// Ready reports whether the database answers now.
	Ready(ctx context.Context) error
	// Dumper moves everything into another database.
	Dumper
	// Close waits for what is running and releases the database.
	Close() error
}

// Reader reads. It belongs to the call that gave it and must not be kept.
type Reader interface {
	UserReader
	SessionReader
	KeyReader
	CounterReader
	AuditReader
	CommunityReader
	MemberReader
	BulkReader
	APIKeyReader
	ImportReader
}

// Tx reads and writes inside one Update.
type Tx interface {
	Reader
	ChangeReader
	UserWriter
	SessionWriter
	KeyWriter
	CounterWriter
	AuditWriter
	CommunityWriter
	MemberWriter
	BulkWriter
	APIKeyWriter
	ImportWriter
}

// UserReader finds accounts, active or not.
type UserReader interface {
	// UserByUserID finds the account with that UUID (lower-case text).
	UserByUserID(userID string) (propusk.User, error)
	// Credentials finds the account by the key of its address (see UserRow), with its encoded password hash, in one statement.
	Credentials(emailKey string) (propusk.User, string, error)
	// PasswordHash is the encoded hash of the account's password.
	PasswordHash(id int64) (string, error)
	// Users lists the accounts that match, by id, and counts all that match. These are two statements: where page and count must
	// agree, call it in a View.
	Users(UserFilter) (users []propusk.User, total int, err error)
	// UserExists reports whether any account exists at all.
	UserExists() (bool, error)
	// SlugExists reports whether an account has that slug.
	SlugExists(slug string) (bool, error)
	// CountActive counts active accounts with that platform role, but never beyond limit.
	CountActive(role string, limit int) (int, error)
}

// UserFilter selects accounts; zero fields select everything.
type UserFilter struct {
	// Search is matched without regard to case anywhere in name, last name, both with a space between, address or slug. No
	// character in it has a special meaning.
	Search string
	Role   string
	// Active, when set, selects by IsActive.
	Active *bool
	// Offset and Limit cut the page; Limit is at least 1.
	Offset, Limit int
}

// UserRow is a new account. ID is given by the database and ignored here.
type UserRow struct {
	propusk.User
	// EmailKey is the address in the form in which addresses are compared; unique.
	EmailKey string
	// PasswordHash is the encoded hash.
	PasswordHash string
}

// UserWriter changes accounts.
type UserWriter interface {
	// InsertUser adds the account and returns it with its ID. ErrEmailTaken, ErrSlugTaken.
	InsertUser(UserRow) (propusk.User, error)
	// UpdateUser writes Name, LastName, Slug, Role, IsActive, DeletedByOwner and UpdatedAt of the account with u.ID. ErrNotFound, ErrSlugTaken.
	UpdateUser(u propusk.User) error
	// SetPasswordHash replaces the hash. ErrNotFound.
	SetPasswordHash(id int64, hash string) error
}

// SecretHash is the SHA-256 of a secret; only this is kept.
type SecretHash = [32]byte

// SessionReader finds sessions, live or over: limits of time are the caller's to judge.
type SessionReader interface {
	// SessionBySecret finds a session and its user, in one statement. keyID is the signing key that vouched for the secret: when that
	// key is no longer kept, nothing is found. An empty keyID stands for a key that is not kept here.
	SessionBySecret(hash SecretHash, keyID string) (propusk.Session, propusk.User, error)
	// SessionByID finds a session by its public id, with its user.
	SessionByID(id string) (propusk.Session, propusk.User, error)
	// Refreshable finds a session by its secret, with its user and what renews it.
	Refreshable(SecretHash) (propusk.Session, propusk.User, Refresh, error)
	// SessionsOf lists the sessions of an account, the last used first, at most limit.
	SessionsOf(userID int64, limit int) ([]propusk.Session, error)
	// CountSessions counts all sessions, live or over.
	CountSessions() (int, error)
}

// Refresh is what renews a session. Only hashes are kept.
type Refresh struct {
	// Current is the secret that renews.
	Current SecretHash
	// Superseded are those before it that were in force until a moment ago.
	Superseded []Superseded
}

// Superseded is a secret that another has taken the place of.
type Superseded struct {
	Hash SecretHash
	// At is when that was; the precision is a millisecond.
	At time.Time
}

// SessionRow is a new session.
type SessionRow struct {
	propusk.Session
	UserID     int64 // the account's ID
	SecretHash SecretHash
	// Refresh.Current renews the session.
	Refresh Refresh
}

// Seen is when a session was last used.
type Seen struct {
	SessionID string
	At        time.Time
}

// SessionWriter starts and ends sessions.
type SessionWriter interface {
	InsertSession(SessionRow) error
	// RotateRefresh replaces what renews a session. ErrNotFound.
	RotateRefresh(id string, to Refresh) error
	// DeleteSession ends one session by its public id and reports whether it was there.
	DeleteSession(id string) (bool, error)
	// DeleteSessions ends all sessions of an account but the one with public id except ("" spares none) and counts them.
	DeleteSessions(userID int64, except string) (int, error)
	// TouchSessions moves last_seen of sessions and of their users forward, never back; sessions that are gone are passed over.
	TouchSessions([]Seen) error
	// DeleteOverSessions removes sessions whose absolute end is not after now or that were last seen at or before idleSince, at
	// most limit of them, and counts them.
	DeleteOverSessions(now, idleSince time.Time, limit int) (int, error)
}

// SigningKey is a key that signs or signed access tokens.
type SigningKey struct {
	// KeyID is the kid of tokens.
	KeyID string
	// Private is the private key, encoded by internal/token.
	Private   []byte
	CreatedAt time.Time
	// RetiredAt is when it stopped signing; zero for the key that signs.
	RetiredAt time.Time
}

// KeyReader reads signing keys.
type KeyReader interface {
	// SigningKeys lists all keys, oldest first.
	SigningKeys() ([]SigningKey, error)
}

// KeyWriter changes signing keys.
type KeyWriter interface {
	InsertSigningKey(SigningKey) error
	// RetireSigningKeys marks every key that still signs as retired at that time.
	RetireSigningKeys(at time.Time) error
	// DeleteRetiredKeys removes the keys that were retired at or before that time and counts them.
	DeleteRetiredKeys(until time.Time) (int, error)
}

// CounterKey names a counter: a hash, so that a table full of attempts is no list of addresses.
type CounterKey = [32]byte

// Counter counts attempts at something.
type Counter struct {
	Count int
	// At is when the last one was counted, or when the window began; the precision is a second.
	At time.Time
	// ExpiresAt is when the counter no longer matters and may be removed.
	ExpiresAt time.Time
}

// CounterReader reads counters.
type CounterReader interface {
	// Counter is the counter of that name, or the zero Counter.
	Counter(CounterKey) (Counter, error)
}

// CounterWriter changes counters.
type CounterWriter interface {
	SetCounter(CounterKey, Counter) error
	DeleteCounter(CounterKey) error
	// DeleteOverCounters removes counters that expired at or before now, at most limit of them, and counts them.
	DeleteOverCounters(now time.Time, limit int) (int, error)
}

// AuditEvent is one thing that somebody did.
type AuditEvent struct {
	ID int64
	At time.Time
	// Actor is the user_id of who did it, or "operator" for the command line of the machine.
	Actor string
	// Action is what was done, such as user.block.
	Action string
	// Target is the user_id of whom it was done to, or the name of another thing; it may be empty.
	Target string
	// Address and RequestID say where the request came from.
	Address, RequestID string
	// Before and After are JSON objects of what changed; "{}" when there is nothing to tell.
	Before, After string
	// BulkID, when not 0, is the bulk whose rows this event stands for.
	BulkID int64
	// Row is told by AuditEvents when the filter's Target is the user_id of an account in a row of that bulk: that row.
	Row *BulkRow
}

// AuditFilter selects events; zero fields select everything.
type AuditFilter struct {
	// Target also selects events of a bulk that has a row of the account of that user_id.
	Actor, Target, Action string
	// Offset and Limit cut the page; Limit is at least 1.
	Offset, Limit int
}

// AuditReader reads the audit.
type AuditReader interface {
	// AuditEvents lists the events that match, the latest first, and counts all that match.
	AuditEvents(AuditFilter) (events []AuditEvent, total int, err error)
}

// AuditWriter adds to the audit. Nothing removes from it.
type AuditWriter interface {
	InsertAuditEvent(AuditEvent) error
}
