-- +goose Up

-- Compiled lists of permissions, shared by all communities in which the same ones hold.
CREATE TABLE grants (
    hash  BLOB NOT NULL PRIMARY KEY,
    lists TEXT NOT NULL,
    CONSTRAINT grants_hash_is_sha256 CHECK (length(hash) = 32)
) STRICT;

CREATE TABLE community (
    -- AUTOINCREMENT: an id is never given out twice, not even that of a row that an operator removed by hand.
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    slug            TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    description     TEXT    NOT NULL,
    joining         TEXT    NOT NULL,
    created_by      INTEGER NOT NULL,
    available_roles TEXT    NOT NULL, -- reader,author,…
    default_roles   TEXT,             -- NULL: none
    grants_hash     BLOB    NOT NULL,
    search          TEXT    NOT NULL, -- lower-cased name and slug
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    deleted_at      INTEGER,
    CONSTRAINT community_slug_unique UNIQUE (slug),
    CONSTRAINT community_creator_exists FOREIGN KEY (created_by) REFERENCES author (id),
    CONSTRAINT community_grants_exist FOREIGN KEY (grants_hash) REFERENCES grants (hash),
    CONSTRAINT community_id_fits_graphql_int CHECK (id BETWEEN 1 AND 2147483647),
    CONSTRAINT community_slug_is_not_empty CHECK (slug <> ''),
    CONSTRAINT community_joining_is_known CHECK (joining IN ('open', 'closed')),
    CONSTRAINT community_available_roles_are_names CHECK (available_roles <> '' AND available_roles NOT GLOB '*[^a-z0-9_,-]*'),
    CONSTRAINT community_default_roles_are_names CHECK (default_roles <> '' AND default_roles NOT GLOB '*[^a-z0-9_,-]*')
) STRICT;

-- What moves with every change of a community or of its members, who wait for each other here.
CREATE TABLE community_total (
    community_id INTEGER PRIMARY KEY,
    members      INTEGER NOT NULL,
    changes      INTEGER NOT NULL,
    CONSTRAINT community_total_community_exists FOREIGN KEY (community_id) REFERENCES community (id)
) STRICT;

-- Who is in which community, with which roles. The columns are those of other programs that read and write this table.
CREATE TABLE community_author (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    community_id INTEGER NOT NULL,
    author_id    INTEGER NOT NULL,
    roles        TEXT,             -- reader,author,expert; NULL: none
    joined_at    INTEGER NOT NULL,
    CONSTRAINT uq_community_author UNIQUE (community_id, author_id),
    CONSTRAINT community_author_community_exists FOREIGN KEY (community_id) REFERENCES community (id),
    CONSTRAINT community_author_author_exists FOREIGN KEY (author_id) REFERENCES author (id),
    CONSTRAINT community_author_id_fits_graphql_int CHECK (id BETWEEN 1 AND 2147483647),
    CONSTRAINT community_author_roles_are_names CHECK (roles <> '' AND roles NOT GLOB '*[^a-z0-9_,-]*')
) STRICT;

-- An index of SQLite ends with the id by itself.
CREATE INDEX community_grants ON community (grants_hash);

CREATE INDEX idx_community_author_community ON community_author (community_id);
CREATE INDEX idx_community_author_author ON community_author (author_id);
CREATE INDEX idx_community_author_roles ON community_author (community_id, roles);

-- How many members of a community have exactly that list of roles; '' stands for none. Nobody has a list that has no row.
CREATE TABLE community_author_count (
    community_id INTEGER NOT NULL,
    roles        TEXT    NOT NULL,
    members      INTEGER NOT NULL,
    PRIMARY KEY (community_id, roles),
    CONSTRAINT community_author_count_community_exists FOREIGN KEY (community_id) REFERENCES community (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE community_follower (
    community_id INTEGER NOT NULL,
    author_id    INTEGER NOT NULL,
    followed_at  INTEGER NOT NULL,
    PRIMARY KEY (community_id, author_id),
    CONSTRAINT community_follower_community_exists FOREIGN KEY (community_id) REFERENCES community (id),
    CONSTRAINT community_follower_author_exists FOREIGN KEY (author_id) REFERENCES author (id)
) STRICT, WITHOUT ROWID;

-- Who may come in only by being admitted.
CREATE TABLE community_barred (
    community_id INTEGER NOT NULL,
    author_id    INTEGER NOT NULL,
    PRIMARY KEY (community_id, author_id),
    CONSTRAINT community_barred_community_exists FOREIGN KEY (community_id) REFERENCES community (id),
    CONSTRAINT community_barred_author_exists FOREIGN KEY (author_id) REFERENCES author (id)
) STRICT, WITHOUT ROWID;

-- Roles of a community that its policy does not have, or has otherwise.
CREATE TABLE community_role (
    community_id INTEGER NOT NULL,
    id           TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    description  TEXT    NOT NULL,
    icon         TEXT    NOT NULL,
    custom       INTEGER NOT NULL,
    permissions  TEXT,             -- one per line; NULL: those of the policy
    PRIMARY KEY (community_id, id),
    CONSTRAINT community_role_community_exists FOREIGN KEY (community_id) REFERENCES community (id),
    CONSTRAINT community_role_id_is_name CHECK (id GLOB '[a-z]*' AND id NOT GLOB '*[^a-z0-9_-]*' AND length(id) <= 32),
    CONSTRAINT community_role_custom_is_bool CHECK (custom IN (0, 1))
) STRICT, WITHOUT ROWID;

-- A large change of memberships: written down row by row, then made true at once.
CREATE TABLE bulk (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    community_id INTEGER NOT NULL,
    began_at     INTEGER NOT NULL,
    all_rows     INTEGER NOT NULL DEFAULT 0, -- how many rows there are, and how many of each kind
    members      INTEGER NOT NULL DEFAULT 0,
    admins       INTEGER NOT NULL DEFAULT 0, -- who become one
    bars         INTEGER NOT NULL DEFAULT 0,
    admits       INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT bulk_community_exists FOREIGN KEY (community_id) REFERENCES community (id)
) STRICT;

-- By how many a bulk changes those who have a list of roles, as in community_author_count.
CREATE TABLE bulk_count (
    bulk_id INTEGER NOT NULL,
    roles   TEXT    NOT NULL,
    members INTEGER NOT NULL,
    PRIMARY KEY (bulk_id, roles),
    CONSTRAINT bulk_count_bulk_exists FOREIGN KEY (bulk_id) REFERENCES bulk (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE bulk_row (
    bulk_id      INTEGER NOT NULL,
    author_id    INTEGER NOT NULL,
    member       INTEGER NOT NULL, -- whether it was one
    before_roles TEXT,             -- NULL: none
    after_roles  TEXT,
    bar          INTEGER NOT NULL,
    admit        INTEGER NOT NULL,
    PRIMARY KEY (bulk_id, author_id),
    CONSTRAINT bulk_row_bulk_exists FOREIGN KEY (bulk_id) REFERENCES bulk (id),
    CONSTRAINT bulk_row_author_exists FOREIGN KEY (author_id) REFERENCES author (id),
    CONSTRAINT bulk_row_member_is_bool CHECK (member IN (0, 1)),
    CONSTRAINT bulk_row_bar_is_bool CHECK (bar IN (0, 1)),
    CONSTRAINT bulk_row_admit_is_bool CHECK (admit IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE INDEX bulk_row_author ON bulk_row (author_id);

ALTER TABLE audit_event ADD COLUMN bulk_id INTEGER CONSTRAINT audit_event_bulk_exists REFERENCES bulk (id);
CREATE INDEX audit_event_bulk ON audit_event (bulk_id, id) WHERE bulk_id IS NOT NULL;

-- Keys for services. Keyed as sessions are.
CREATE TABLE api_key (
    secret_hash BLOB    NOT NULL PRIMARY KEY,
    id          TEXT    NOT NULL,
    issuer_id   INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    permissions TEXT,             -- one per line; NULL: all that the issuer may
    created_at  INTEGER NOT NULL,
    last_used   INTEGER,
    expires_at  INTEGER,
    CONSTRAINT api_key_id_unique UNIQUE (id),
    CONSTRAINT api_key_issuer_exists FOREIGN KEY (issuer_id) REFERENCES author (id),
    CONSTRAINT api_key_secret_hash_is_sha256 CHECK (length(secret_hash) = 32),
    CONSTRAINT api_key_id_is_not_empty CHECK (id <> '')
) STRICT, WITHOUT ROWID;

CREATE INDEX api_key_issuer ON api_key (issuer_id);

-- What a search among members looks through: lower-cased, and with two characters 31 before each word, so that the beginning of a word,
-- however short, is a text of three characters anywhere. Apart from author, whose rows change all the time.
CREATE TABLE author_text (
    author_id INTEGER PRIMARY KEY,
    names     TEXT NOT NULL, -- name, last name and slug
    address   TEXT NOT NULL, -- as compared
    CONSTRAINT author_text_author_exists FOREIGN KEY (author_id) REFERENCES author (id)
) STRICT;

INSERT INTO author_text (author_id, names, address)
SELECT id, char(31, 31) || padded, char(31, 31) || padded_address FROM (
    SELECT id,
        replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(
            substr(search, 1, length(search) - length(email_key) - 1),
            char(31), ' '), char(10), char(10, 31, 31)), ' ', ' ' || char(31, 31)), '-', '-' || char(31, 31)),
            '.', '.' || char(31, 31)), '_', '_' || char(31, 31)), '@', '@' || char(31, 31)), '+', '+' || char(31, 31)),
            '/', '/' || char(31, 31)), '(', '(' || char(31, 31)), '"', '"' || char(31, 31)), '''', '''' || char(31, 31)) AS padded,
        replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(
            email_key,
            char(31), ' '), char(10), char(10, 31, 31)), ' ', ' ' || char(31, 31)), '-', '-' || char(31, 31)),
            '.', '.' || char(31, 31)), '_', '_' || char(31, 31)), '@', '@' || char(31, 31)), '+', '+' || char(31, 31)),
            '/', '/' || char(31, 31)), '(', '(' || char(31, 31)), '"', '"' || char(31, 31)), '''', '''' || char(31, 31)) AS padded_address
    FROM author);

CREATE VIRTUAL TABLE author_text_index USING fts5 (
    names, address, content = 'author_text', content_rowid = 'author_id', tokenize = 'trigram case_sensitive 1', columnsize = 0);

INSERT INTO author_text_index (author_text_index) VALUES ('rebuild');

-- +goose StatementBegin
CREATE TRIGGER author_text_inserted AFTER INSERT ON author_text BEGIN
    INSERT INTO author_text_index (rowid, names, address) VALUES (new.author_id, new.names, new.address);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER author_text_deleted AFTER DELETE ON author_text BEGIN
    INSERT INTO author_text_index (author_text_index, rowid, names, address) VALUES ('delete', old.author_id, old.names, old.address);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER author_text_updated AFTER UPDATE ON author_text BEGIN
    INSERT INTO author_text_index (author_text_index, rowid, names, address) VALUES ('delete', old.author_id, old.names, old.address);
    INSERT INTO author_text_index (rowid, names, address) VALUES (new.author_id, new.names, new.address);
END;
-- +goose StatementEnd

-- An operator who removes an account by hand need not know of its text.
-- +goose StatementBegin
CREATE TRIGGER author_deleted BEFORE DELETE ON author BEGIN
    DELETE FROM author_text WHERE author_id = old.id;
END;
-- +goose StatementEnd
