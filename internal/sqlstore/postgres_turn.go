package sqlstore

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"
)

// turn is how an Update runs beside others.
//
// Updates are serializable transactions, so no closure has to know which of the rows that it read, or did not find, another may be
// changing. PostgreSQL does not make them wait for each other: it fails those that cannot have run one after the other, and some that
// could, since it remembers what was read by page of an index. On a small or busy table it may fail nearly all of them, again and
// again. So an Update first runs together with others; if it fails because of them, it runs once more alone, while the others wait,
// and nothing can be in its way. Many that fight over one row cost two attempts each, and not more the more they are.
//
// Alone it need not be serializable, and must not be: it sees all that others have committed, and none begins before it has ended. The server
// however lets go of the lock of a transaction before it forgets what that one has read, and on a busy machine some time may pass in between;
// it would take those for running still, and fail the one that is alone because of them, time after time.
type turn struct {
	// begin locks a table that is there for nothing else, because LOCK TABLE is the one way to wait that does not settle what the
	// transaction will see: an advisory lock would be waited for in a statement that has its snapshot already.
	begin  string
	alone  bool
	beside bool
}

var (
	together = turn{begin: "BEGIN ISOLATION LEVEL SERIALIZABLE; LOCK TABLE update_turn IN ROW SHARE MODE"}
	alone    = turn{begin: "BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE update_turn IN EXCLUSIVE MODE", alone: true}
)

// beside is how a change runs that takes long. It is not serializable and takes no turn: the others would fail because of all that it has
// read, or wait until it is over. What it relies on it locks by itself. It may run for minutes where other statements may not.
var beside = turn{begin: "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = '5min'", beside: true}

// aside is how a transaction runs that is in nobody's way.
var aside = turn{begin: "BEGIN ISOLATION LEVEL READ COMMITTED"}

// obstructed reports whether a transaction failed because of others. One of several that run together may learn that a unique key is
// taken and not see the row that took it; only to one that runs alone is that an answer. For a membership it is never one: who takes no
// turn makes those too.
func (t turn) obstructed(failure error) bool {
	switch postgresCode(failure) {
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return true
	case "23505": // unique_violation
		return (!t.alone && !t.beside) || postgresConstraint(failure) == "uq_community_author"
	}
	return false
}

// turns are the queue of this process: its Updates line up here, first come, first served, and not in the database, where each would
// hold a connection meanwhile and take longer to wake.
type turns struct {
	free  *semaphore.Weighted
	width int64
	// beside is for who takes no turn. Only one does at a time: each has a connection for long.
	beside *semaphore.Weighted
}

// besidePatience is how long somebody who takes no turn waits for another.
const besidePatience = time.Minute

func newTurns(width int) turns {
	return turns{semaphore.NewWeighted(int64(width)), int64(width), semaphore.NewWeighted(1)}
}

// take waits for a turn and returns how to end it.
func (t turns) take(ctx context.Context, how turn) (end func(), err error) {
	queue, width, patience := t.free, int64(1), writerPatience
	switch {
	case how.alone:
		width = t.width
	case how.beside:
		queue, patience = t.beside, besidePatience
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	switch err := queue.Acquire(waiting, width); {
	case err == nil:
		return func() { queue.Release(width) }, nil
	case ctx.Err() != nil:
		return nil, ended(ctx)
	default:
		return nil, unavailable(errBusy)
	}
}
