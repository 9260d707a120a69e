-- +goose Up

-- There is no log of changes here yet, and so nobody remembers what was read. The number is that of SQLite's log.
SELECT 1;
