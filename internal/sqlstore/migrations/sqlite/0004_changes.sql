-- +goose Up

-- What changed, for those who remember what they read. Every row is written in the transaction of the change, by triggers. Whoever writes is
-- alone, so the order of ids is the order of commits; AUTOINCREMENT, because an id that came twice would not be noticed.
CREATE TABLE cache_change (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL, -- 1 user a, 2 member b of community a, 3 all members of community a, 4 community a, 5 everything, 6 nothing
    a    INTEGER NOT NULL DEFAULT 0,
    b    INTEGER NOT NULL DEFAULT 0,
    at   INTEGER NOT NULL DEFAULT (unixepoch()),
    CONSTRAINT cache_change_kind_is_known CHECK (kind BETWEEN 1 AND 6)
) STRICT;

-- Who remembers: one row for each life of a node.
CREATE TABLE cache_node (
    id        TEXT    NOT NULL PRIMARY KEY, -- 128 random bits
    name      TEXT    NOT NULL,
    joined_at INTEGER NOT NULL DEFAULT (unixepoch()),
    seen      INTEGER,                      -- the last id that it has applied; NULL: it has just begun
    expelled  INTEGER NOT NULL DEFAULT 0,   -- somebody took it for dead
    CONSTRAINT cache_node_expelled_is_bool CHECK (expelled IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE cache_state (
    one     INTEGER PRIMARY KEY,
    floor   INTEGER NOT NULL, -- the last id that was removed from the log
    hold_ms INTEGER NOT NULL, -- change these two while nobody uses the file
    wait_ms INTEGER NOT NULL,
    quiet   INTEGER NOT NULL DEFAULT 0, -- not every membership is logged, but all of a community at once: never set outside a transaction
    CONSTRAINT cache_state_is_one_row CHECK (one = 1),
    CONSTRAINT cache_state_quiet_is_bool CHECK (quiet IN (0, 1))
) STRICT;

INSERT INTO cache_state (one, floor, hold_ms, wait_ms) VALUES (1, 0, 700, 1000);

-- An UPDATE that changes nothing is logged like any other: who makes a change for the second time waits as who made it first.
-- +goose StatementBegin
CREATE TRIGGER author_change_updated
AFTER UPDATE OF id, user_id, name, last_name, slug, email, role, is_active, deleted_by_owner, created_at, updated_at ON author BEGIN
    INSERT INTO cache_change (kind, a) VALUES (1, old.id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER author_change_deleted AFTER DELETE ON author BEGIN
    INSERT INTO cache_change (kind, a) VALUES (1, old.id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER session_change_updated
AFTER UPDATE OF secret_hash, id, author_id, device, address, created_at, expires_at ON session BEGIN
    INSERT INTO cache_change (kind, a) VALUES (1, old.author_id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER session_change_deleted AFTER DELETE ON session BEGIN
    INSERT INTO cache_change (kind, a) VALUES (1, old.author_id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER api_key_change_updated
AFTER UPDATE OF secret_hash, id, issuer_id, name, permissions, created_at, expires_at ON api_key BEGIN
    INSERT INTO cache_change (kind, a) VALUES (1, old.issuer_id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER api_key_change_deleted AFTER DELETE ON api_key BEGIN
    INSERT INTO cache_change (kind, a) VALUES (1, old.issuer_id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER signing_key_change_updated AFTER UPDATE ON signing_key BEGIN
    INSERT INTO cache_change (kind) VALUES (5);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER signing_key_change_deleted AFTER DELETE ON signing_key BEGIN
    INSERT INTO cache_change (kind) VALUES (5);
END;
-- +goose StatementEnd

-- Somebody may remember that there was no membership.
-- +goose StatementBegin
CREATE TRIGGER community_author_change_inserted AFTER INSERT ON community_author
WHEN NOT (SELECT quiet FROM cache_state) BEGIN
    INSERT INTO cache_change (kind, a, b) VALUES (2, new.community_id, new.author_id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER community_author_change_updated AFTER UPDATE ON community_author
WHEN NOT (SELECT quiet FROM cache_state) BEGIN
    INSERT INTO cache_change (kind, a, b) VALUES (2, new.community_id, new.author_id);
END;
-- +goose StatementEnd

-- Only by hand.
-- +goose StatementBegin
CREATE TRIGGER community_author_change_moved AFTER UPDATE OF community_id, author_id ON community_author
WHEN old.community_id <> new.community_id OR old.author_id <> new.author_id BEGIN
    INSERT INTO cache_change (kind, a, b) VALUES (2, old.community_id, old.author_id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER community_author_change_deleted AFTER DELETE ON community_author
WHEN NOT (SELECT quiet FROM cache_state) BEGIN
    INSERT INTO cache_change (kind, a, b) VALUES (2, old.community_id, old.author_id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER community_change_updated AFTER UPDATE ON community BEGIN
    INSERT INTO cache_change (kind, a) VALUES (4, old.id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER community_change_deleted AFTER DELETE ON community BEGIN
    INSERT INTO cache_change (kind, a) VALUES (4, old.id);
END;
-- +goose StatementEnd
