package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"

	"github.com/propusk/propusk"
)

// errClosed refuses whoever comes after Close.
var errClosed = errors.New("sqlstore: closed")

// handle is one connection with the statements that were prepared on it: a prepared look-up takes half the time. It connects when it
// is first used and after it was dropped. One goroutine uses it at a time.
type handle struct {
	db    *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	// made is how often it has connected.
	made int64
}

func (h *handle) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	if stmt, ok := h.stmts[text]; ok {
		return stmt, nil
	}
	if err := h.connect(ctx); err != nil {
		return nil, err
	}
	stmt, err := h.conn.PrepareContext(ctx, text)
	if err == nil {
		h.stmts[text] = stmt
	}
	return stmt, err
}

func (h *handle) connect(ctx context.Context) (err error) {
	if h.conn != nil {
		return nil
	}
	if h.conn, err = h.db.Conn(ctx); err != nil {
		h.conn = nil
		return err
	}
	h.stmts = map[string]*sql.Stmt{}
	h.made++
	return nil
}

// query implements querier.
func (h *handle) query(ctx context.Context, each func(*sql.Rows) error, text string, args ...any) error {
	stmt, err := h.prepare(ctx, text)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	return drain(rows, each)
}

// exec implements querier.
func (h *handle) exec(ctx context.Context, text string, args ...any) (int, error) {
	stmt, err := h.prepare(ctx, text)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	changed, err := result.RowsAffected()
	return int(changed), err
}

// drop closes the connection, and with it whatever transaction was open; the next use makes a new one.
func (h *handle) drop() {
	if h.conn == nil {
		return
	}
	// SQLite keeps a connection, and its locks, until the last statement is closed. ErrBadConn keeps database/sql from handing the
	// same connection out again. There is nothing to do about a failure of any of this.
	for _, stmt := range h.stmts {
		_ = stmt.Close()
	}
	_ = h.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = h.conn.Close()
	h.conn, h.stmts = nil, nil
}

// pool lends handles, the one used last first: its statements are prepared and its pages are in memory.
type pool struct {
	db     *sql.DB
	turns  chan struct{} // as many as there are handles in free
	closed chan struct{}

	mu   sync.Mutex
	free []*handle
}

func newPool(db *sql.DB, size int) *pool {
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	p := &pool{db: db, turns: make(chan struct{}, size), closed: make(chan struct{})}
	for range size {
		p.giveBack(&handle{db: db})
	}
	return p
}

func (p *pool) borrow() *handle {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.free) - 1
	h := p.free[last]
	p.free = p.free[:last]
	return h
}

func (p *pool) giveBack(h *handle) {
	p.mu.Lock()
	p.free = append(p.free, h)
	p.mu.Unlock()
	p.turns <- struct{}{}
}

// with lends fn a handle. A handle on which the database failed is not used again as it is.
func (p *pool) with(ctx context.Context, fn func(*handle) error) (err error) {
	select {
	case <-p.turns:
	case <-ctx.Done():
		return ctx.Err()
	case <-p.closed:
		return unavailable(errClosed)
	}
	h := p.borrow()
	sound := false
	defer func() {
		if !sound {
			h.drop()
		}
		p.giveBack(h)
	}()
	err = fn(h)
	sound = err == nil || propusk.KindOf(translateSQLite(err)) != propusk.Unavailable
	return err
}

// query implements querier: the statement runs by itself, on whatever handle is free.
func (p *pool) query(ctx context.Context, each func(*sql.Rows) error, text string, args ...any) error {
	return p.with(ctx, func(h *handle) error { return h.query(ctx, each, text, args...) })
}

// exec implements querier.
func (p *pool) exec(ctx context.Context, text string, args ...any) (changed int, err error) {
	err = p.with(ctx, func(h *handle) error {
		changed, err = h.exec(ctx, text, args...)
		return err
	})
	return changed, err
}

// close waits until all handles are back.
func (p *pool) close() error {
	close(p.closed)
	for range cap(p.turns) {
		<-p.turns
		p.borrow().drop()
	}
	return p.db.Close()
}
