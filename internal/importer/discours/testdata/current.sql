-- Discours as it was last: roles as CSV, settings as JSON, soft deletes.
CREATE TABLE author (
    id INTEGER PRIMARY KEY, slug TEXT, name TEXT, email TEXT, password TEXT, is_active BOOLEAN DEFAULT TRUE, muted BOOLEAN,
    pic TEXT, bio TEXT, about TEXT, links TEXT, oauth TEXT, failed_login_attempts INTEGER, account_locked_until INTEGER,
    created_at INTEGER, updated_at INTEGER, last_seen INTEGER, deleted_at INTEGER
);
INSERT INTO author (id, slug, name, email, password, is_active, muted, account_locked_until, created_at, updated_at, last_seen, deleted_at) VALUES
    (30, 'boris', 'Борис', 'boris@example.org', NULL, TRUE, FALSE, NULL, 1600000300, 1600000301, NULL, NULL),
    (1, 'anna', 'Anna', 'anna@example.org', '$2a$04$7lQLMDqqHnjQ4Rgq4f5JBu9QDnD4.3s7obq/W1QdL420fn9Oevvi2', TRUE, FALSE, 1700000000, 1600000100, 1600000101, 1600000102, NULL),
    (2, 'gleb', NULL, NULL, 'md5:5f4dcc3b5aa765d61d8327deb882cf99', NULL, TRUE, NULL, 1600000200, NULL, 0, NULL),
    (31, 'vera', 'Vera', 'vera@example.org', '', FALSE, NULL, NULL, 1600000310, 1600000310, 1600000310, NULL),
    (32, 'dima', 'Dima', 'dima@example.org', '', TRUE, NULL, NULL, 1600000320, 1600000320, 1600000320, 1600000321);
CREATE TABLE community (
    id INTEGER PRIMARY KEY, name TEXT, slug TEXT, "desc" TEXT, pic TEXT, created_at INTEGER, created_by INTEGER, settings JSON,
    updated_at INTEGER, deleted_at INTEGER, private BOOLEAN
);
INSERT INTO community VALUES
    (1, 'Дискурс', 'discours', 'Открытый журнал', '/logo.svg', 1600001000, 1, '{"available_roles": ["reader", "author", "admin"], "default_roles": ["reader"], "theme": 3}', 1600001001, NULL, FALSE),
    (2, 'Closed', 'closed', NULL, '', 1600002000, NULL, '[1, 2]', NULL, NULL, TRUE),
    (3, 'Gone', 'gone', '', '', 1600003000, 30, NULL, NULL, 1600003003, NULL);
CREATE TABLE community_author (
    id INTEGER PRIMARY KEY, community_id INTEGER, author_id INTEGER, roles TEXT, joined_at INTEGER NOT NULL,
    CONSTRAINT uq_community_author UNIQUE (community_id, author_id)
);
INSERT INTO community_author VALUES
    (1, 1, 30, 'reader, author,expert', 1600000400), (2, 1, 1, 'admin', 1600000401), (3, 1, 2, NULL, 1600000402), (4, 2, 1, '', 1600000403),
    (5, 2, 30, 'reader,Author,,reader', 1600000404), (6, 3, 1, 'admin', 0), (7, NULL, 1, 'admin', 1600000405);
CREATE TABLE community_follower (community INTEGER, follower INTEGER, created_at INTEGER, PRIMARY KEY (community, follower));
INSERT INTO community_follower VALUES (2, 1, 1600000500), (1, 30, 1600000501), (1, 1, 1600000502);
