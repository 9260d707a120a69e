-- Nothing but people, communities and roles.
CREATE TABLE author (id INTEGER PRIMARY KEY, slug TEXT, name TEXT, email TEXT);
INSERT INTO author VALUES (1, 'anna', 'Anna', 'anna@example.org');
CREATE TABLE community (id INTEGER PRIMARY KEY, name TEXT, slug TEXT);
INSERT INTO community VALUES (1, 'Discours', 'discours');
CREATE TABLE author_role (id INTEGER PRIMARY KEY, community INTEGER, author INTEGER, role TEXT);
INSERT INTO author_role VALUES (3, 1, 1, 'reader'), (2, 1, 1, 'author');
