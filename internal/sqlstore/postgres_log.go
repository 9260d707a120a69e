package sqlstore

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/propusk/propusk/internal/store"
)

const (
	// renewAfter and lookAgainAfter are what a server bears to be asked by each node; a poke makes both sooner.
	renewAfter     = 200 * time.Millisecond
	lookAgainAfter = 50 * time.Millisecond
)

// postgresLog is store.ChangeLog. It has connections of its own: whatever fills the pool, leases are renewed and changes are acknowledged.
type postgresLog struct {
	engine *postgresEngine
	// renewals is for News alone, acknowledgements for what may be lost in a crash of the server, lookups for Nodes, and upkeep for what is left.
	renewals, acknowledgements, lookups, upkeep *wire
	rolls                                       shared[roll]
	probes                                      shared[serverChange]
	confirmations                               shared[string]
	// unreplicated is the server of which the last reading of the registry said that commits wait for no standby there; nil after one that failed.
	unreplicated atomic.Pointer[string]
	messenger    *postgresMessenger
}

func newPostgresLog(e *postgresEngine, config *pgx.ConnConfig) *postgresLog {
	// A row that a crash takes away, while its owner goes on, would be waited for by nobody. One that a failover takes away may go, since leases
	// go with it; and a node must be able to join, and to be marked, while no standby is there.
	durable := map[string]string{"synchronous_commit": "local"}
	fleeting := map[string]string{"synchronous_commit": "off"}
	return &postgresLog{
		engine: e, renewals: newWire(e, config, durable), acknowledgements: newWire(e, config, fleeting),
		lookups: newWire(e, config, durable), upkeep: newWire(e, config, durable),
		messenger: &postgresMessenger{out: newWire(e, config, fleeting), config: inSession(config)},
	}
}

func (l *postgresLog) close() {
	for _, w := range []*wire{l.renewals, l.acknowledgements, l.lookups, l.upkeep, l.messenger.out} {
		w.close()
	}
}

// Messenger implements store.ChangeLog.
func (l *postgresLog) Messenger() store.Messenger { return l.messenger }

// Timing implements store.ChangeLog. It belongs to the start of a program, which may have to wait for its first connection.
func (l *postgresLog) Timing(ctx context.Context) (store.Timing, error) {
	var hold, wait int64
	err := l.upkeep.useWithin(ctx, startPatience, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT hold_ms, wait_ms FROM cache_state`).Scan(&hold, &wait)
	})
	return store.Timing{
		Hold: time.Duration(hold) * time.Millisecond, Wait: time.Duration(wait) * time.Millisecond, Renew: renewAfter, Reread: lookAgainAfter,
	}, err
}

// Which life of which server a statement speaks to: one start of its processes, one database there, and one time between crashes. A server
// that is a standby cannot read the table, and so answers none of the questions with this in it.
const (
	server     = `(SELECT oid FROM pg_database WHERE datname = current_database()), extract(epoch FROM pg_postmaster_start_time())`
	serverLife = `concat_ws('/', ` + server + `, life.tableoid, life.life)`
	fromState  = ` FROM cache_state AS state LEFT JOIN cache_life AS life ON true`
)

// newsText is what of the log is not visible in a snapshot: what had no number then, or was running. That is sought by number, so a transaction
// that runs for hours does not make everything since its beginning be read again and again.
var newsText = `
	SELECT pg_current_snapshot()::text, ` + serverLife + `, coalesce(NOT node.expelled AND life.one, false),
		coalesce(state.floor >= pg_snapshot_xmin($2::text::pg_snapshot) OR pg_snapshot_xmax(pg_current_snapshot()) < pg_snapshot_xmax($2::text::pg_snapshot), false),
		(SELECT count(*) || ':' || coalesce(string_agg(kind || ' ' || a || ' ' || b || ';', '' ORDER BY id), '') FROM (
			SELECT id, kind, a, b FROM cache_change WHERE txid >= pg_snapshot_xmax($2::text::pg_snapshot)
			UNION ALL
			SELECT id, kind, a, b FROM cache_change WHERE txid = ANY (ARRAY(SELECT pg_snapshot_xip($2::text::pg_snapshot)))
			LIMIT ` + strconv.Itoa(maxNews+1) + `) AS news)` +
	fromState + ` LEFT JOIN cache_node AS node ON node.id = $1`

// News implements store.Registrant: one statement, one snapshot.
func (l *postgresLog) News(ctx context.Context, id string, since store.Position) (store.News, error) {
	was, err := momentText(since)
	if err != nil {
		return store.News{}, err
	}
	var news store.News
	var now, changes string
	err = l.renewals.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, newsText, id, was).Scan(&now, &news.Server, &news.Live, &news.Gap, &changes)
	})
	if err != nil {
		return store.News{}, err
	}
	if news.Changes, err = toldChanges(changes); err != nil {
		return store.News{}, err
	}
	at, err := parseMoment(now)
	news.At = at
	return news, err
}

// toldChanges reads changes with their number in front.
func toldChanges(text string) ([]store.Change, error) {
	number, list, _ := strings.Cut(text, ":")
	n, err := strconv.Atoi(number)
	if err != nil || n > maxNews {
		return []store.Change{{Kind: store.ChangedAll}}, err
	}
	return parseChanges(list)
}

// Join implements store.Registrant. The first to join after a crash of the server gives its life a name. The first in a database that came out of
// a dump finds numbers of another server, which ours may reach in years: every renewal would be told of them, or that something is missing. What
// was remembered there nobody remembers here, so that log goes. The nodes of it are marked, and not removed: whoever put a dump under running
// nodes has live ones.
func (l *postgresLog) Join(ctx context.Context, id, name string) error {
	return l.change(ctx, l.upkeep, `
		WITH now AS (SELECT pg_snapshot_xmax(pg_current_snapshot()) AS next),
		strange AS (
			SELECT FROM now, cache_state WHERE floor >= next
				OR EXISTS (SELECT FROM cache_change WHERE txid >= next)
				OR EXISTS (SELECT FROM cache_node WHERE pg_snapshot_xmax(seen) > next)
		),
		log AS (DELETE FROM cache_change WHERE EXISTS (SELECT FROM strange)),
		state AS (UPDATE cache_state SET floor = '0' WHERE EXISTS (SELECT FROM strange)),
		nodes AS (UPDATE cache_node SET expelled = true, seen = NULL WHERE EXISTS (SELECT FROM strange)),
		named AS (INSERT INTO cache_life (one) VALUES (true) ON CONFLICT (one) DO NOTHING)
		INSERT INTO cache_node (id, name) VALUES ($1, $2)`, id, name)
}

// Seen implements store.Registrant. If it is lost in a crash, others wait a little longer.
func (l *postgresLog) Seen(ctx context.Context, id string, at store.Position) error {
	seen, err := momentText(at)
	if err != nil {
		return err
	}
	return l.change(ctx, l.acknowledgements, `UPDATE cache_node SET seen = $2::text::pg_snapshot WHERE id = $1`, id, seen)
}

// Leave implements store.Registrant.
func (l *postgresLog) Leave(ctx context.Context, id string) error {
	return l.change(ctx, l.upkeep, `DELETE FROM cache_node WHERE id = $1`, id)
}

// change runs one statement that changes something.
func (l *postgresLog) change(ctx context.Context, w *wire, text string, args ...any) error {
	return w.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, text, args...)
		return err
	})
}

// roll is the registry at a moment, for whoever asks about whatever.
type roll struct {
	from    string // as serverOf tells it
	server  string
	settled bool
	// replicated says that commits wait for standbys, if there are any.
	replicated bool
	entries    []entry
}

// alone is the server if a reading that gave this or that error says that commits wait for nobody there, or else nil.
func (r *roll) alone(err error) *string {
	if err != nil || r.replicated {
		return nil
	}
	return &r.from
}

type entry struct {
	id, name string
	marked   bool
	// seen is nil for one that has seen nothing, and level says that nothing in the log was newer.
	seen  *serverMoment
	level bool
}

// rollText does not conclude from what is left of the log that there was no more.
const rollText = `
	SELECT ` + serverLife + `, coalesce(life.settled = ` + serverLife + `, false), current_setting('synchronous_standby_names') <> '', node.id, node.name, node.expelled, node.seen::text,
		coalesce(state.floor < pg_snapshot_xmin(node.seen), false)
		AND NOT EXISTS (SELECT FROM cache_change WHERE txid >= pg_snapshot_xmax(node.seen))
		AND NOT EXISTS (SELECT FROM cache_change WHERE txid = ANY (ARRAY(SELECT pg_snapshot_xip(node.seen))))` +
	fromState + ` LEFT JOIN cache_node AS node ON true ORDER BY node.id`

// Nodes implements store.Registry. Of many changes that wait for the same nodes not each asks.
func (l *postgresLog) Nodes(ctx context.Context, at store.Position) (store.Census, error) {
	r, err := l.rolls.get(ctx, l.readRoll)
	l.unreplicated.Store(r.alone(err))
	if err != nil {
		return store.Census{}, err
	}
	c := store.Census{Server: r.server, Settled: r.settled}
	for _, e := range r.entries {
		n := store.Registered{ID: e.id, Name: e.name, Marked: e.marked, Seen: e.level}
		if change, ok := at.(serverChange); ok {
			n.Seen = e.seen != nil && e.seen.saw(change)
		}
		c.Nodes = append(c.Nodes, n)
	}
	return c, nil
}

// errNoRegistry says that cache_state is empty, so that nothing was read of the registry either. Nodes may be there all the same.
var errNoRegistry = errors.New("sqlstore: the table cache_state has lost its row")

func (l *postgresLog) readRoll() (r roll, err error) {
	err = l.lookups.use(context.Background(), func(ctx context.Context, conn *pgx.Conn) error {
		r = roll{from: serverOf(conn)}
		rows, err := conn.Query(ctx, rollText)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := r.add(rows); err != nil {
				return err
			}
		}
		if err := rows.Err(); err != nil || r.server != "" {
			return err
		}
		return errNoRegistry
	})
	return r, err
}

// add reads a row. Where nobody is registered there is one without a node.
func (r *roll) add(row pgx.Rows) error {
	var id, name, seen *string
	var marked *bool
	var e entry
	if err := row.Scan(&r.server, &r.settled, &r.replicated, &id, &name, &marked, &seen, &e.level); err != nil || id == nil {
		return err
	}
	e.id, e.name, e.marked = *id, *name, *marked
	if seen != nil {
		m, err := parseMoment(*seen)
		if err != nil {
			return err
		}
		e.seen = &m
	}
	r.entries = append(r.entries, e)
	return nil
}

// Settle implements store.Registry. A life that has no name, since no node has joined in it yet, is given one: each command would have to find out
// for itself. Who does so has known that life for as long as one with a name.
func (l *postgresLog) Settle(ctx context.Context, known string) error {
	return l.change(ctx, l.acknowledgements, `
		WITH told AS (UPDATE cache_life AS life SET settled = `+serverLife+` WHERE `+serverLife+` = $1)
		INSERT INTO cache_life (life, settled)
		SELECT id, concat_ws('/', `+server+`, 'cache_life'::regclass::oid, id) FROM gen_random_uuid() AS id
		WHERE concat_ws('/', `+server+`) = $1 ON CONFLICT (one) DO NOTHING`, known)
}

// Mark implements store.Registry.
func (l *postgresLog) Mark(ctx context.Context, ids []string) error {
	return l.change(ctx, l.upkeep, `UPDATE cache_node SET expelled = true WHERE NOT expelled AND id = ANY ($1::text[])`, ids)
}

// Delete implements store.Registry.
func (l *postgresLog) Delete(ctx context.Context, ids []string) error {
	return l.change(ctx, l.upkeep, `DELETE FROM cache_node WHERE expelled AND id = ANY ($1::text[])`, ids)
}

// confirmPatience is how long one confirmation may wait for a standby, whoever asked for it.
const confirmPatience = 5 * time.Second

// errAnotherServer says that a server has gone before a standby was known to have what was found there.
var errAnotherServer = errors.New("sqlstore: another server has taken over, or this one has begun anew")

// Confirm implements store.Registry: a commit that waits for standbys, as those of the pool do, waits for all that was written before it. It is
// a record of its own in the stream to them, of which nobody takes notice. Of those who ask at a time not each makes one.
func (l *postgresLog) Confirm(ctx context.Context, server string) error {
	if alone := l.unreplicated.Load(); alone != nil && *alone == server {
		return nil
	}
	confirmed, err := l.confirmations.get(ctx, l.confirm)
	if err == nil && confirmed != server {
		return unavailable(errAnotherServer)
	}
	return err
}

// confirm makes such a commit, and tells where.
func (l *postgresLog) confirm() (server string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), confirmPatience)
	defer cancel()
	err = l.engine.attempts(ctx, aside, aside, func(ctx context.Context, q querier) error {
		server = q.(*link).server()
		_, err := q.exec(ctx, `SELECT pg_logical_emit_message(true, 'propusk', '')`)
		return err
	})
	return server, err
}

// Probe implements store.Registry. All who ask for one at a time share it.
func (l *postgresLog) Probe(ctx context.Context) (store.Position, error) {
	at, err := l.probes.get(ctx, func() (at serverChange, err error) {
		var number string
		err = l.upkeep.use(context.Background(), func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, `INSERT INTO cache_change (kind) VALUES ($1) RETURNING txid::text`, int(store.ChangedNothing)).Scan(&number)
		})
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseUint(number, 10, 64)
		return serverChange(n), err
	})
	if err != nil {
		return nil, err
	}
	return at, nil
}

// pruneRows is how many rows are removed from the log by one statement.
const pruneRows = 20_000

// Prune implements store.Registry. What somebody may not see yet stays, however old it is: a floor above the beginning of a transaction that
// still runs would make every node begin anew again and again.
func (l *postgresLog) Prune(ctx context.Context, until time.Time) error {
	for removed := pruneRows; removed == pruneRows; {
		err := l.upkeep.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, `
				WITH old AS (
					SELECT txid, id FROM cache_change WHERE at <= $1 AND txid < pg_snapshot_xmin(pg_current_snapshot())
					ORDER BY txid, id LIMIT $2
				), gone AS (
					DELETE FROM cache_change USING old WHERE cache_change.txid = old.txid AND cache_change.id = old.id RETURNING old.txid
				), last AS (
					SELECT txid FROM gone ORDER BY txid DESC LIMIT 1
				), raised AS (
					UPDATE cache_state SET floor = last.txid FROM last WHERE cache_state.floor < last.txid
				)
				SELECT count(*) FROM gone`, until, pruneRows).Scan(&removed)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
