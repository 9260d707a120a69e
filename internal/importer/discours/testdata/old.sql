-- The older tables are all there is for roles; community_author only says who is a member.
CREATE TABLE author (id INTEGER PRIMARY KEY, slug TEXT, name TEXT, email TEXT, password TEXT, created_at INTEGER, updated_at INTEGER, last_seen INTEGER);
INSERT INTO author VALUES (1, 'anna', 'Anna', 'anna@example.org', '$2a$04$7lQLMDqqHnjQ4Rgq4f5JBu9QDnD4.3s7obq/W1QdL420fn9Oevvi2', 1600000100, 1600000101, 1600000102);
CREATE TABLE community (id INTEGER PRIMARY KEY, name TEXT, slug TEXT, "desc" TEXT, pic TEXT, created_at INTEGER, created_by INTEGER);
INSERT INTO community VALUES (1, 'Discours', 'discours', '', '', 1600001000, 1);
CREATE TABLE community_author (community_id INTEGER, author_id INTEGER, joined_at INTEGER, PRIMARY KEY (community_id, author_id));
INSERT INTO community_author VALUES (1, 1, 1600000401), (1, 3, 1600000403);
CREATE TABLE author_role (community INTEGER, author INTEGER, role TEXT, PRIMARY KEY (community, author, role));
CREATE TABLE role (id TEXT PRIMARY KEY, name TEXT);
CREATE TABLE permission (id INTEGER PRIMARY KEY, resource TEXT, operation TEXT);
CREATE TABLE role_permission (role TEXT, permission INTEGER, PRIMARY KEY (role, permission));
INSERT INTO role VALUES ('reader', 'Reader'), ('author', 'Author'), ('keeper', 'Хранитель'), ('nobody', 'Nobody');
INSERT INTO permission VALUES (1, 'shout', 'read'), (2, 'topic', 'merge'), (3, 'shout', 'update'), (4, 'reaction', 'create:LIKE'), (5, 'shout', 'fold');
INSERT INTO role_permission VALUES ('reader', 1), ('keeper', 2), ('keeper', 3), ('keeper', 4), ('keeper', 5);
INSERT INTO author_role VALUES (1, 1, 'reader'), (1, 1, 'keeper'), (1, 2, 'author');
CREATE TABLE community_follower (community INTEGER, follower INTEGER);
INSERT INTO community_follower VALUES (1, 1), (1, 1), (1, NULL);
