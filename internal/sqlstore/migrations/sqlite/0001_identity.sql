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
    CONSTRAINT signing_key_key_id_unique UNIQUE (key_id)
) STRICT;
