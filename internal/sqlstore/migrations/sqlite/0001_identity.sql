-- +goose Up
CREATE TABLE author (
    -- AUTOINCREMENT: an id is never given out twice, not even that of a row that an operator removed by hand.
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id          TEXT    NOT NULL,
    name             TEXT    NOT NULL,
    last_name        TEXT    NOT NULL,
    slug             TEXT    NOT NULL,
    email            TEXT    NOT NULL, -- as typed
    email_key        TEXT    NOT NULL, -- as compared
    password         TEXT    NOT NULL, -- the encoded hash
    role             TEXT    NOT NULL,
    is_active        INTEGER NOT NULL,
    deleted_by_owner INTEGER NOT NULL,
    created_at       INTEGER NOT NULL, -- times are Unix seconds
    updated_at       INTEGER NOT NULL,
    last_seen        INTEGER,
    search           TEXT    NOT NULL, -- lower-cased name, last name, slug and address: LIKE folds only ASCII
    CONSTRAINT author_email_unique UNIQUE (email_key),
    CONSTRAINT author_slug_unique UNIQUE (slug),
    CONSTRAINT author_user_id_unique UNIQUE (user_id),
    CONSTRAINT author_id_fits_graphql_int CHECK (id BETWEEN 1 AND 2147483647),
    CONSTRAINT author_user_id_is_uuid CHECK (
        user_id GLOB '????????-????-????-????-????????????' AND user_id NOT GLOB '*[^0-9a-f-]*'),
    CONSTRAINT author_role_is_name CHECK (
        role GLOB '[a-z]*' AND role NOT GLOB '*[^a-z0-9_-]*' AND length(role) <= 32),
    CONSTRAINT author_is_active_is_bool CHECK (is_active IN (0, 1)),
    CONSTRAINT author_deleted_by_owner_is_bool CHECK (deleted_by_owner IN (0, 1))
) STRICT;

CREATE INDEX author_role ON author (role);

-- Keyed by the hash of the secret and without a rowid, so that the look-up of every request walks one tree, not two.
CREATE TABLE session (
    secret_hash BLOB    NOT NULL PRIMARY KEY,
    id          TEXT    NOT NULL,
    author_id   INTEGER NOT NULL,
    device      TEXT    NOT NULL,
    address     TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    refresh_hash BLOB   NOT NULL, -- of the secret that renews the session
    superseded  BLOB    NOT NULL, -- the ones replaced a moment ago: Unix milliseconds in 8 bytes and the hash, each
    CONSTRAINT session_id_unique UNIQUE (id),
    CONSTRAINT session_author_exists FOREIGN KEY (author_id) REFERENCES author (id),
    CONSTRAINT session_secret_hash_is_sha256 CHECK (length(secret_hash) = 32),
    CONSTRAINT session_id_is_not_empty CHECK (id <> '')
) STRICT, WITHOUT ROWID;

CREATE INDEX session_author_id ON session (author_id);
CREATE INDEX session_expires_at ON session (expires_at);
CREATE INDEX session_last_seen ON session (last_seen);

CREATE TABLE signing_key (
    id          INTEGER PRIMARY KEY AUTOINCREMENT, -- tells keys of one second apart
    key_id      TEXT    NOT NULL,
    private_key BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    retired_at  INTEGER,          -- NULL: it signs
    CONSTRAINT signing_key_key_id_unique UNIQUE (key_id)
) STRICT;

-- Attempts at something, such as failed logins, by the hash of what they are counted for.
CREATE TABLE counter (
    key        BLOB    NOT NULL PRIMARY KEY,
    count      INTEGER NOT NULL,
    counted_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    CONSTRAINT counter_key_is_sha256 CHECK (length(key) = 32)
) STRICT, WITHOUT ROWID;

CREATE INDEX counter_expires_at ON counter (expires_at);

-- Who did what to whom. Actor and target are texts, not references: the audit outlives what it speaks of.
CREATE TABLE audit_event (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    actor      TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    before     TEXT    NOT NULL, -- JSON objects
    after      TEXT    NOT NULL
) STRICT;

CREATE INDEX audit_event_actor ON audit_event (actor, id);
CREATE INDEX audit_event_target ON audit_event (target, id);
CREATE INDEX audit_event_action ON audit_event (action, id);
