-- Between the ages: community_author has roles already, and the older tables are still there.
CREATE TABLE author (id INTEGER PRIMARY KEY, slug TEXT, name TEXT, email TEXT, password TEXT, created_at INTEGER);
INSERT INTO author VALUES (1, 'anna', 'Anna', 'anna@example.org', '$2a$04$7lQLMDqqHnjQ4Rgq4f5JBu9QDnD4.3s7obq/W1QdL420fn9Oevvi2', 1600000100), (2, 'boris', 'Boris', 'boris@example.org', NULL, 1600000200);
CREATE TABLE community (id INTEGER PRIMARY KEY, name TEXT, slug TEXT, "desc" TEXT, created_at INTEGER, created_by INTEGER, settings JSON);
INSERT INTO community VALUES (1, 'Discours', 'discours', '', 1600001000, 1, NULL), (2, 'Second', 'second', '', 1600002000, 1, '{"available_roles": ["reader", "admin"]}');
CREATE TABLE community_author (id INTEGER PRIMARY KEY, community_id INTEGER, author_id INTEGER, roles TEXT, joined_at INTEGER);
INSERT INTO community_author VALUES
    (1, 1, 1, 'admin', 1600000401), (2, 1, 2, NULL, 1600000402), (3, 1, 3, '', 1600000403), (4, 1, 4, 'reader', 1600000404), (5, 1, 4, 'editor,reader', 1600000405);
CREATE TABLE author_role (community INTEGER, author INTEGER, role TEXT, PRIMARY KEY (community, author, role));
CREATE TABLE role (id TEXT PRIMARY KEY, name TEXT);
CREATE TABLE permission (id INTEGER PRIMARY KEY, resource TEXT, operation TEXT);
CREATE TABLE role_permission (role TEXT, permission INTEGER, PRIMARY KEY (role, permission));
INSERT INTO role VALUES ('reader', 'Reader'), ('author', 'Author'), ('keeper', 'Хранитель'), ('nobody', 'Nobody');
INSERT INTO permission VALUES (1, 'shout', 'read'), (2, 'topic', 'merge'), (3, 'shout', 'update'), (4, 'reaction', 'create:LIKE'), (5, 'shout', 'fold');
INSERT INTO role_permission VALUES ('reader', 1), ('keeper', 2), ('keeper', 3), ('keeper', 4), ('keeper', 5);
INSERT INTO author_role VALUES
    (1, 1, 'reader'), (1, 2, 'reader'), (1, 2, 'author'), (1, 5, 'author'), (2, 1, 'keeper'), (2, 2, 'nobody');
