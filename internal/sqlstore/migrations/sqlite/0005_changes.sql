-- +goose Up

-- The log of changes has been here since number 4. The number is that of PostgreSQL's log.
SELECT 1;
