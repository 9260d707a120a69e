package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"math/bits"
	"sync"
	"time"
)

// Bounds of a group: whoever comes first waits for the last of it.
const (
	maxGroup     = 256
	maxGroupTime = 10 * time.Millisecond
)

// writerPatience is how long an Update waits for its turn before it is refused. Tests of something else than this time have more of it.
var writerPatience = usualWriterPatience

const usualWriterPatience = 5 * time.Second

// groupSizeBuckets is enough for maxGroup = 2^8.
const groupSizeBuckets = 9

// errBusy refuses whoever waited for writerPatience.
var errBusy = errors.New("sqlstore: another writer has held the database for too long")

// writer commits in groups: the Updates that came while the disk was busy with the last commit share the next one. Each keeps its
// own savepoint, so that it can fail alone.
//
// Its goroutine owns the connection and lends it, as a turn, to one caller after the other. A caller runs its closure on its own
// goroutine, where a panic or Goexit of the closure belongs, then waits for the commit of the group.
type writer struct {
	handle
	log     writeAheadLog
	turns   chan *group           // who receives has the turn
	back    chan struct{}         // who has the turn sends
	looks   chan chan fileVersion // who sends is told the version of the file, while no transaction runs
	closing chan struct{}
	closed  chan struct{}
	// logged is the last row of the log of changes that is not this transaction's, as far as it is known. It belongs to whoever has the turn.
	logged int64

	mu    sync.Mutex
	count Stats
}

// group is one transaction. Its fields belong to whoever has the turn; err may be read when done is closed.
type group struct {
	size   int       // how many had a turn since BEGIN
	began  time.Time // when BEGIN returned
	broken error     // why the transaction cannot be committed
	done   chan struct{}
	err    error
}

func newWriter(db *sql.DB, log writeAheadLog) *writer {
	db.SetMaxOpenConns(1)
	w := &writer{
		handle: handle{db: db}, log: log,
		turns: make(chan *group), back: make(chan struct{}), looks: make(chan chan fileVersion),
		closing: make(chan struct{}), closed: make(chan struct{}),
	}
	go w.run()
	return w
}

func (w *writer) run() {
	defer close(w.closed)
	for {
		g := &group{done: make(chan struct{})}
		select {
		case w.turns <- g:
			<-w.back
		case answer := <-w.looks:
			answer <- w.look()
			continue
		case <-w.closing:
			w.drop()
			return
		}
		w.gather(g)
		g.err = w.commit(g)
		close(g.done)
		w.log.shrink(&w.handle)
	}
}

// gather gives turns to those who are waiting.
func (w *writer) gather(g *group) {
	for g.size > 0 && g.broken == nil && g.size < maxGroup && time.Since(g.began) < maxGroupTime {
		select {
		case w.turns <- g:
			<-w.back
		default:
			return
		}
	}
}

// commit ends the transaction. The fate of one that the database failed to commit is not known until the connection is closed, which
// rolls it back.
func (w *writer) commit(g *group) error {
	if g.size == 0 {
		return nil
	}
	if g.broken == nil {
		_, g.broken = w.exec(context.Background(), "COMMIT")
	}
	if g.broken != nil {
		w.drop()
		return unavailable(g.broken)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count.Commits++
	w.count.Updates += uint64(g.size)
	w.count.GroupSizes[bits.Len(uint(g.size-1))]++
	return nil
}

func (w *writer) counted() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

// update runs fn in a savepoint of the next group and returns when that is committed. Failures wait for the commit too: what fn saw
// may have been written by another of the group.
func (w *writer) update(ctx context.Context, fn func(context.Context, querier) error) error {
	waiting, cancel := context.WithTimeoutCause(ctx, writerPatience, errBusy)
	defer cancel()
	select {
	case g := <-w.turns:
		err := w.turn(waiting, g, fn)
		<-g.done
		if g.err != nil {
			return g.err
		}
		return err
	case <-waiting.Done():
		return gaveUp(waiting)
	case <-w.closing:
		return unavailable(errClosed)
	}
}

// gaveUp says why a wait that has ended was in vain.
func gaveUp(waiting context.Context) error {
	if cause := context.Cause(waiting); cause != errBusy {
		return cause
	}
	return unavailable(errBusy)
}

// turn runs fn and hands the turn back, whatever becomes of fn.
func (w *writer) turn(waiting context.Context, g *group, fn func(context.Context, querier) error) error {
	defer func() { w.back <- struct{}{} }()
	if waiting.Err() != nil {
		return gaveUp(waiting)
	}
	if g.size == 0 {
		if err := w.begin(waiting); err != nil {
			return err
		}
		g.began = time.Now()
	}
	g.size++
	return w.savepoint(g, fn)
}

// begin takes the write lock of the file. Another process that writes is waited for.
func (w *writer) begin(waiting context.Context) error {
	err := whileBusy(waiting, func() error {
		_, err := w.exec(context.Background(), "BEGIN IMMEDIATE")
		return err
	})
	if isBusy(err) {
		return gaveUp(waiting)
	}
	if err == nil {
		w.logged, err = lastLogged(&w.handle)
	}
	if err == nil {
		return nil
	}
	w.drop()
	return unavailable(err)
}

// savepoint runs fn so that it can be undone without its neighbours. When SQLite itself has rolled back the transaction, as it does
// when the disk is full, the savepoint is gone and the whole group fails.
func (w *writer) savepoint(g *group, fn func(context.Context, querier) error) (err error) {
	always := context.Background()
	if _, g.broken = w.exec(always, "SAVEPOINT turn"); g.broken != nil {
		return g.broken
	}
	kept, logged := false, w.logged
	defer func() {
		if !kept {
			w.logged = logged
		}
		if !kept && g.broken == nil {
			if _, g.broken = w.exec(always, "ROLLBACK TO turn"); g.broken == nil {
				_, g.broken = w.exec(always, "RELEASE turn")
			}
		}
	}()
	if err := fn(always, &w.handle); err != nil {
		return err
	}
	_, g.broken = w.exec(always, "RELEASE turn")
	kept = g.broken == nil
	return g.broken
}

// close lets the group that is under way finish.
func (w *writer) close() error {
	close(w.closing)
	<-w.closed
	return w.db.Close()
}
