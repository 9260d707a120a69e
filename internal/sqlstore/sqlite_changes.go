package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/propusk/propusk/internal/store"
)

const (
	// renewEvery and rereadEvery may be short: to ask a file takes microseconds.
	renewEvery  = 20 * time.Millisecond
	rereadEvery = 5 * time.Millisecond
	// lookPatience is how long a renewal waits for the writer to tell the version of the file. A long transaction keeps it busy; then the log is
	// read instead, with own changes in it, which are then acknowledged like others: a slow disk alone must not lead to that.
	lookPatience = 250 * time.Millisecond
	// readAnyway is how long a renewal may go without reading the log. Without it a node that is alone would never have seen its own changes,
	// and the log could not be pruned behind it.
	readAnyway = 10 * time.Second
)

// fileVersion changes with every commit of another connection to the file, be it of another process or of this one. The zero value says that
// nobody knows.
type fileVersion struct {
	// conn tells connections apart: each counts for itself.
	conn, data int64
}

// look tells the version of the file. Nobody may be in a transaction on the connection: inside one the version stands still.
func (w *writer) look() fileVersion {
	var v fileVersion
	err := w.query(context.Background(), func(row *sql.Rows) error { return row.Scan(&v.data) }, "PRAGMA data_version")
	if err != nil {
		w.drop()
		return fileVersion{}
	}
	v.conn = w.made
	return v
}

// version is what look tells, once the writer has time.
func (w *writer) version(ctx context.Context) fileVersion {
	patience := time.NewTimer(lookPatience)
	defer patience.Stop()
	answer := make(chan fileVersion, 1)
	select {
	case w.looks <- answer:
		return <-answer
	case <-patience.C:
	case <-ctx.Done():
	case <-w.closing:
	}
	return fileVersion{}
}

// lastLogged is the last row of the log of changes.
func lastLogged(h *handle) (last int64, err error) {
	err = h.query(context.Background(), func(row *sql.Rows) error { return row.Scan(&last) }, `SELECT coalesce(max(id), 0) FROM cache_change`)
	return last, err
}

// filePosition is a store.Position of a file.
type filePosition struct {
	// id is the last row of the log up to there.
	id int64
	// version is that of the file before the log was read, and read is when; they are told by News only.
	version fileVersion
	read    time.Time
}

// idOf is the row of the log that a position stands for, and NULL for none.
func idOf(at store.Position) (sql.NullInt64, error) {
	if at == nil {
		return sql.NullInt64{}, nil
	}
	position, ok := at.(filePosition)
	if !ok {
		return sql.NullInt64{}, fmt.Errorf("sqlstore: %T is no position of a file", at)
	}
	return sql.NullInt64{Int64: position.id, Valid: true}, nil
}

// server implements dialect.
func (*sqliteEngine) server(tx) string { return "" }

// changes implements dialect. When nobody asks, what an Update logged is told to the next one of its group: nobody asks about some and not
// about others.
func (e *sqliteEngine) changes(t tx) ([]store.Change, store.Position, error) {
	made, last, err := changesAfter(t.reader, e.writer.logged)
	if err != nil || len(made) == 0 {
		return nil, nil, err
	}
	e.writer.logged = last
	return made, filePosition{id: last}, nil
}

// changesAfter reads the log behind a row, and says which is the last.
func changesAfter(r reader, after int64) (changes []store.Change, last int64, err error) {
	last = after
	changes, err = many(r, func(rows *sql.Rows) (c store.Change, err error) {
		err = rows.Scan(&last, &c.Kind, &c.A, &c.B)
		return c, err
	}, `SELECT id, kind, a, b FROM cache_change WHERE id > $1 ORDER BY id LIMIT $2`, after, maxNews+1)
	if len(changes) <= maxNews || err != nil {
		return changes, last, err
	}
	last, err = one(r, value[int64], `SELECT max(id) FROM cache_change`)
	return []store.Change{{Kind: store.ChangedAll}}, last, err
}

// quietly implements dialect.
func (*sqliteEngine) quietly(t tx, logged []store.Change, change func() error) error {
	if _, err := t.exec(`UPDATE cache_state SET quiet = 1`); err != nil {
		return err
	}
	for _, c := range logged {
		if _, err := t.exec(`INSERT INTO cache_change (kind, a) VALUES ($1, $2)`, c.Kind, c.A); err != nil {
			return err
		}
	}
	err := change()
	if _, loud := t.exec(`UPDATE cache_state SET quiet = 0`); err == nil {
		err = loud
	}
	return err
}

// changeLog implements engine.
func (e *sqliteEngine) changeLog(s *Store) store.ChangeLog { return sqliteLog{s, e.writer} }

// sqliteLog is store.ChangeLog. What it writes shares the commits of everybody.
type sqliteLog struct {
	s *Store
	w *writer
}

// Timing implements store.ChangeLog.
func (l sqliteLog) Timing(ctx context.Context) (store.Timing, error) {
	return one(l.s.reader(ctx, l.s.engine), func(rows *sql.Rows) (store.Timing, error) {
		var hold, wait int64
		err := rows.Scan(&hold, &wait)
		return store.Timing{
			Hold: time.Duration(hold) * time.Millisecond, Wait: time.Duration(wait) * time.Millisecond, Renew: renewEvery, Reread: rereadEvery,
		}, err
	}, `SELECT hold_ms, wait_ms FROM cache_state`)
}

// write runs one statement in a transaction.
func (l sqliteLog) write(ctx context.Context, text string, args ...any) error {
	return l.s.Update(ctx, func(t store.Tx) error {
		_, err := t.(tx).exec(text, args...)
		return err
	})
}

// Join implements store.Registrant.
func (l sqliteLog) Join(ctx context.Context, id, name string) error {
	return l.write(ctx, `INSERT INTO cache_node (id, name) VALUES ($1, $2)`, id, name)
}

// News implements store.Registrant. The version is asked for before the log is read: whoever commits in between is told twice, not never.
func (l sqliteLog) News(ctx context.Context, id string, since store.Position) (store.News, error) {
	now := filePosition{version: l.w.version(ctx), read: time.Now()}
	was, known := since.(filePosition)
	if known && now.version != (fileVersion{}) && now.version == was.version && now.read.Sub(was.read) < readAnyway {
		return store.News{Live: true, At: was}, ctx.Err()
	}
	var news store.News
	err := l.s.View(ctx, func(r store.Reader) error {
		var marked sql.NullBool
		var floor, last int64
		rd := r.(reader)
		_, err := one(rd, func(rows *sql.Rows) (struct{}, error) { return struct{}{}, rows.Scan(&marked, &floor, &last) }, `
			SELECT (SELECT expelled FROM cache_node WHERE id = $1), floor, `+logEnd+` FROM cache_state`, id)
		if err != nil {
			return err
		}
		now.id = last
		news = store.News{Live: marked.Valid && !marked.Bool, Gap: known && floor > was.id, At: now}
		if known {
			news.Changes, _, err = changesAfter(rd, was.id)
		}
		return err
	})
	return news, err
}

// logEnd is the last id of the log, that of a row which was removed included.
const logEnd = `max(cache_state.floor, (SELECT coalesce(max(id), 0) FROM cache_change))`

// Seen implements store.Registrant.
func (l sqliteLog) Seen(ctx context.Context, id string, at store.Position) error {
	last, err := idOf(at)
	if err != nil {
		return err
	}
	return l.write(ctx, `UPDATE cache_node SET seen = $2 WHERE id = $1`, id, last)
}

// Leave implements store.Registrant.
func (l sqliteLog) Leave(ctx context.Context, id string) error {
	return l.write(ctx, `DELETE FROM cache_node WHERE id = $1`, id)
}

// Messenger implements store.ChangeLog.
func (sqliteLog) Messenger() store.Messenger { return nil }

// Nodes implements store.Registry. There is no server. Where cache_state has lost its row no node has seen the end of the log, but all are listed.
func (l sqliteLog) Nodes(ctx context.Context, at store.Position) (store.Census, error) {
	last, err := idOf(at)
	if err != nil {
		return store.Census{}, err
	}
	nodes, err := many(l.s.reader(ctx, l.s.engine), func(rows *sql.Rows) (n store.Registered, err error) {
		err = rows.Scan(&n.ID, &n.Name, &n.Marked, &n.Seen)
		return n, err
	}, `
		SELECT id, name, expelled, coalesce(coalesce(seen, -1) >= coalesce($1, (SELECT `+logEnd+` FROM cache_state)), 0) FROM cache_node ORDER BY id`, last)
	return store.Census{Nodes: nodes, Settled: true}, err
}

// Settle implements store.Registry.
func (sqliteLog) Settle(context.Context, string) error { return nil }

// Mark implements store.Registry.
func (l sqliteLog) Mark(ctx context.Context, ids []string) error {
	return l.about(ctx, ids, `UPDATE cache_node SET expelled = 1 WHERE expelled = 0 AND `)
}

// Delete implements store.Registry.
func (l sqliteLog) Delete(ctx context.Context, ids []string) error {
	return l.about(ctx, ids, `DELETE FROM cache_node WHERE expelled = 1 AND `)
}

// about runs a statement about those rows of the registry.
func (l sqliteLog) about(ctx context.Context, ids []string, text string) error {
	list, err := l.s.list(ids)
	if err != nil {
		return err
	}
	return l.write(ctx, text+l.s.oneOf("id", "$1", "text"), list)
}

// Confirm implements store.Registry. What others can see is on the disk.
func (sqliteLog) Confirm(context.Context, string) error { return nil }

// Probe implements store.Registry.
func (l sqliteLog) Probe(ctx context.Context) (at store.Position, err error) {
	err = l.s.Update(ctx, func(t store.Tx) error {
		if _, err := t.(tx).exec(`INSERT INTO cache_change (kind) VALUES ($1)`, store.ChangedNothing); err != nil {
			return err
		}
		_, at, err = t.Changes()
		return err
	})
	return at, err
}

// Prune implements store.Registry.
func (l sqliteLog) Prune(ctx context.Context, until time.Time) error {
	return l.s.Update(ctx, func(t store.Tx) error {
		last, err := one(t.(tx).reader, value[sql.NullInt64], `SELECT max(id) FROM cache_change WHERE at <= $1`, until.Unix())
		if err != nil || !last.Valid {
			return err
		}
		_, err = t.(tx).exec(`UPDATE cache_state SET floor = $1`, last.Int64)
		if err != nil {
			return err
		}
		_, err = t.(tx).exec(`DELETE FROM cache_change WHERE id <= $1`, last.Int64)
		return err
	})
}
