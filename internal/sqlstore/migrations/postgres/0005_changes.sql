-- +goose Up

-- Servers may run meanwhile, older ones too. Triggers want writers to pause, and a writer that holds one of the tables may wait for the next:
-- so all are locked at once, after those who take turns, or none. Nobody waits for a large change behind this for more than half a second.
-- +goose StatementBegin
DO $$
BEGIN
    SET LOCAL lock_timeout = '500ms';
    FOR attempt IN 1..1200 LOOP
        BEGIN
            LOCK TABLE update_turn IN EXCLUSIVE MODE;
            LOCK TABLE author, session, api_key, signing_key, community, community_author IN SHARE ROW EXCLUSIVE MODE;
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM pg_sleep(0.2 + random() / 5);
        END;
    END LOOP;
    RAISE EXCEPTION 'the tables of Propusk have been locked for too long by other transactions';
END $$;
-- +goose StatementEnd

-- What changed, for those who remember what they read. Every row is written in the transaction of the change, by triggers. Ids are drawn before
-- the commit, so the order of what is visible is that of snapshots; the id only orders what was found.
CREATE TABLE cache_change (
    txid xid8     NOT NULL DEFAULT pg_current_xact_id(), -- of the whole transaction, also inside a savepoint
    id   bigint   GENERATED ALWAYS AS IDENTITY,
    kind smallint NOT NULL, -- 1 user a, 2 member b of community a, 3 all members of community a, 4 community a, 5 everything, 6 nothing
    a    bigint   NOT NULL DEFAULT 0,
    b    bigint   NOT NULL DEFAULT 0,
    at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (txid, id),
    CONSTRAINT cache_change_kind_is_known CHECK (kind BETWEEN 1 AND 6)
);

-- Who remembers: one row for each life of a node. With room for versions on each page.
CREATE TABLE cache_node (
    id        text        COLLATE "C" PRIMARY KEY, -- 128 random bits
    name      text        COLLATE "C" NOT NULL,
    joined_at timestamptz NOT NULL DEFAULT now(),
    seen      pg_snapshot,                    -- what is visible in it has been applied; NULL: it has just begun
    expelled  boolean     NOT NULL DEFAULT false -- somebody took it for dead
) WITH (fillfactor = 50);

CREATE TABLE cache_state (
    one     boolean PRIMARY KEY DEFAULT true,
    floor   xid8    NOT NULL, -- the largest txid that was removed from the log
    hold_ms integer NOT NULL, -- change these two while no node runs
    wait_ms integer NOT NULL,
    CONSTRAINT cache_state_is_one_row CHECK (one)
);

INSERT INTO cache_state (floor, hold_ms, wait_ms) VALUES ('0', 700, 1000);

-- Tells one life of the server from another. What an unlogged table holds is gone after every crash and every failover, also after one that the
-- postmaster outlives: and transactions that others have seen, but that were not on the disk, are gone then too, and their numbers come again.
CREATE UNLOGGED TABLE cache_life (
    one     boolean PRIMARY KEY DEFAULT true,
    life    uuid    NOT NULL DEFAULT gen_random_uuid(),
    settled text, -- the name, with this row in it, of the server that has been the one for longer than a lease of any other may hold
    CONSTRAINT cache_life_is_one_row CHECK (one)
);

-- Where there was no registry until now nobody holds a lease.
INSERT INTO cache_life DEFAULT VALUES;
UPDATE cache_life AS life SET settled = concat_ws('/', (SELECT oid FROM pg_database WHERE datname = current_database()),
    extract(epoch FROM pg_postmaster_start_time()), life.tableoid, life.life);

-- Logs one change, and notes it for the transaction itself: if that read the log, serializable transactions would fail because of each other.
-- After very many only that everything changed is logged, once. The note begins with the number of the transaction: what a session has set itself,
-- or another transaction of it, is none.
-- +goose StatementBegin
CREATE FUNCTION cache_note(kind integer, a bigint, b bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    whose text := pg_current_xact_id() || ':';
    noted text := coalesce(current_setting('propusk.changed', true), '');
    logs  text := kind || ' ' || a || ' ' || b || ';';
BEGIN
    IF noted = whose || '5 0 0;' THEN
        RETURN;
    END IF;
    IF NOT starts_with(noted, whose) THEN
        noted := whose;
    END IF;
    IF kind = 5 OR length(noted) > 16000 THEN
        INSERT INTO cache_change (kind) VALUES (5);
        PERFORM set_config('propusk.changed', whose || '5 0 0;', true);
        RETURN;
    END IF;
    INSERT INTO cache_change (kind, a, b) VALUES (kind, a, b);
    PERFORM set_config('propusk.changed', noted || logs, true);
END $$;
-- +goose StatementEnd

-- An UPDATE that changes nothing is logged like any other: who makes a change for the second time waits as who made it first. Columns are
-- listed where some of a table are never remembered, or would be logged with each request.
-- +goose StatementBegin
CREATE FUNCTION cache_log_author() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM cache_note(1, old.id, 0);
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION cache_log_session() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM cache_note(1, old.author_id, 0);
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION cache_log_api_key() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM cache_note(1, old.issuer_id, 0);
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION cache_log_community() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM cache_note(4, old.id, 0);
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION cache_log_everything() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM cache_note(5, 0, 0);
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- Once for a statement, which may be about a whole community. Somebody may remember that there was no membership.
-- +goose StatementBegin
CREATE FUNCTION cache_log_added_members() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF current_setting('propusk.quiet', true) = pg_current_xact_id()::text THEN -- it is logged already that all members of a community change
        NULL;
    ELSIF (SELECT count(*) FROM (SELECT FROM added LIMIT 501) AS several) > 500 THEN
        PERFORM cache_note(3, community_id, 0) FROM (SELECT DISTINCT community_id FROM added) AS whose;
    ELSE
        PERFORM cache_note(2, community_id, author_id) FROM (SELECT community_id, author_id FROM added ORDER BY 1, 2) AS who;
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION cache_log_removed_members() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF current_setting('propusk.quiet', true) = pg_current_xact_id()::text THEN -- it is logged already that all members of a community change
        NULL;
    ELSIF (SELECT count(*) FROM (SELECT FROM removed LIMIT 501) AS several) > 500 THEN
        PERFORM cache_note(3, community_id, 0) FROM (SELECT DISTINCT community_id FROM removed) AS whose;
    ELSE
        PERFORM cache_note(2, community_id, author_id) FROM (SELECT community_id, author_id FROM removed ORDER BY 1, 2) AS who;
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- By hand a membership may become another one.
-- +goose StatementBegin
CREATE FUNCTION cache_log_changed_members() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF current_setting('propusk.quiet', true) = pg_current_xact_id()::text THEN -- it is logged already that all members of a community change
        NULL;
    ELSIF (SELECT count(*) FROM (SELECT FROM added LIMIT 501) AS several) > 500 THEN
        PERFORM cache_note(3, community_id, 0)
            FROM (SELECT community_id FROM added UNION SELECT community_id FROM removed) AS whose;
    ELSE
        PERFORM cache_note(2, community_id, author_id)
            FROM (SELECT community_id, author_id FROM added UNION SELECT community_id, author_id FROM removed ORDER BY 1, 2) AS who;
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- A subscription to another server makes changes row by row, and no statements. The triggers of statements are not for it, and these only.
-- +goose StatementBegin
CREATE FUNCTION cache_log_replicated_member() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF tg_op <> 'INSERT' THEN
        PERFORM cache_note(2, old.community_id, old.author_id);
    END IF;
    IF tg_op <> 'DELETE' THEN
        PERFORM cache_note(2, new.community_id, new.author_id);
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd

CREATE TRIGGER author_change_updated
AFTER UPDATE OF id, user_id, name, last_name, slug, email, role, is_active, deleted_by_owner, created_at, updated_at ON author
FOR EACH ROW EXECUTE FUNCTION cache_log_author();
CREATE TRIGGER author_change_deleted AFTER DELETE ON author FOR EACH ROW EXECUTE FUNCTION cache_log_author();

CREATE TRIGGER session_change_updated
AFTER UPDATE OF secret_hash, id, author_id, device, address, created_at, expires_at ON session
FOR EACH ROW EXECUTE FUNCTION cache_log_session();
CREATE TRIGGER session_change_deleted AFTER DELETE ON session FOR EACH ROW EXECUTE FUNCTION cache_log_session();

CREATE TRIGGER api_key_change_updated
AFTER UPDATE OF secret_hash, id, issuer_id, name, permissions, created_at, expires_at ON api_key
FOR EACH ROW EXECUTE FUNCTION cache_log_api_key();
CREATE TRIGGER api_key_change_deleted AFTER DELETE ON api_key FOR EACH ROW EXECUTE FUNCTION cache_log_api_key();

CREATE TRIGGER signing_key_change_updated AFTER UPDATE ON signing_key FOR EACH ROW EXECUTE FUNCTION cache_log_everything();
CREATE TRIGGER signing_key_change_deleted AFTER DELETE ON signing_key FOR EACH ROW EXECUTE FUNCTION cache_log_everything();

CREATE TRIGGER community_change_updated AFTER UPDATE ON community FOR EACH ROW EXECUTE FUNCTION cache_log_community();
CREATE TRIGGER community_change_deleted AFTER DELETE ON community FOR EACH ROW EXECUTE FUNCTION cache_log_community();

CREATE TRIGGER community_author_change_inserted AFTER INSERT ON community_author REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION cache_log_added_members();
CREATE TRIGGER community_author_change_updated AFTER UPDATE ON community_author REFERENCING NEW TABLE AS added OLD TABLE AS removed
FOR EACH STATEMENT EXECUTE FUNCTION cache_log_changed_members();
CREATE TRIGGER community_author_change_deleted AFTER DELETE ON community_author REFERENCING OLD TABLE AS removed
FOR EACH STATEMENT EXECUTE FUNCTION cache_log_removed_members();
CREATE TRIGGER community_author_change_replicated AFTER INSERT OR UPDATE OR DELETE ON community_author
FOR EACH ROW EXECUTE FUNCTION cache_log_replicated_member();

-- Whoever may write a table may have it logged, and the names in these functions are those of this schema, whatever that role has made of its
-- own. A replica's role logs as well. What TRUNCATE removes nobody lists, that of the log itself included.
-- +goose StatementBegin
DO $$
DECLARE
    target text;
    found  record;
    here   oid := (SELECT oid FROM pg_namespace WHERE nspname = current_schema());
BEGIN
    FOREACH target IN ARRAY ARRAY['author', 'session', 'api_key', 'signing_key', 'community', 'community_author', 'cache_change'] LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION cache_log_everything()',
            target || '_change_truncated', target);
    END LOOP;
    FOR found IN SELECT tgrelid::regclass AS target, tgname, proname FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
        WHERE pronamespace = here AND starts_with(proname, 'cache_log_') AND NOT proname LIKE '%\_members'
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE %s TRIGGER %I', found.target,
            CASE found.proname WHEN 'cache_log_replicated_member' THEN 'REPLICA' ELSE 'ALWAYS' END, found.tgname);
    END LOOP;
    FOR found IN SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = here AND starts_with(proname, 'cache_log_') LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', found.name, current_schema());
    END LOOP;
END $$;
-- +goose StatementEnd
