-- Another program of the kind: ids that are UUIDs, and few columns.
CREATE TABLE user (id CHAR(36) PRIMARY KEY, login TEXT, password TEXT, role TEXT, active INT, username TEXT);
INSERT INTO user VALUES
 ('b0000000-0000-0000-0000-000000000000', 'b@example.org', 'canary', 'user', 1, 'B'),
 ('a0000000-0000-0000-0000-000000000000', 'a@example.org', 'canary', 'admin', 0, 'A');
