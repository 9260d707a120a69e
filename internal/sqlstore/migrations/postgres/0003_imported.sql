-- +goose Up

-- What rows of other systems became, so that nothing is imported twice.
CREATE TABLE imported (
    source     text   COLLATE "C" NOT NULL, -- where the row came from
    kind       text   COLLATE "C" NOT NULL,
    foreign_id text   COLLATE "C" NOT NULL, -- what that system calls it
    number     bigint NOT NULL,             -- the id of the author or community, 1 for rows that have none
    PRIMARY KEY (source, kind, foreign_id),
    CONSTRAINT imported_source_is_not_empty CHECK (source <> ''),
    CONSTRAINT imported_kind_is_known CHECK (kind IN ('account', 'community', 'member', 'follower', 'numbers')),
    CONSTRAINT imported_foreign_id_is_not_empty CHECK (foreign_id <> ''),
    CONSTRAINT imported_number_is_positive CHECK (number > 0)
);
