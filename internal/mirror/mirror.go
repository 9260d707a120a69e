// Package mirror keeps a copy in Redis of which permissions each role has in each community, under the keys community:roles:{id}, for
// Propusk's nodes and for other programs that look roles up there.
//
// SQL is the truth. Nothing that Redis holds is believed unless its SHA-256 is the one that SQL names, so a Redis that is lost, slow,
// flushed, frozen or written by somebody else may cost time and never changes a decision.
package mirror

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/propusk/propusk/internal/store"
)

const (
	// maxSize is how many bytes lists may have under a key. Larger ones are neither read nor written.
	maxSize = 4 << 20
	// repairEvery is the default of RepairEvery.
	repairEvery = 30 * time.Second
	// pingEvery is how often Redis is asked whether it is there when there is nothing else to ask: a restart, after which it may have
	// forgotten everything, is noticed by the connection that broke.
	pingEvery = time.Second
)

// Source is what the mirror shows. The methods are those of store.CommunityReader, each a statement of its own.
type Source interface {
	GrantsRefs(ctx context.Context, after int64, limit int) ([]store.GrantsRef, error)
	Grants(ctx context.Context, hash store.GrantsHash) ([]byte, error)
}

// Mirror is the copy in Redis. All methods may be called concurrently.
type Mirror struct {
	// RepairEvery is how often all keys are compared with SQL, 30 s unless set before Run. When that takes long it is done less often, so
	// that it takes a tenth of the time at most.
	RepairEvery time.Duration

	endpoint endpoint
	log      *slog.Logger
	link     atomic.Pointer[link] // nil while there is no connection
	breaker  breaker
	pending  pending

	running sync.Mutex
	life    context.Context
	end     context.CancelFunc

	reads, hits, failures, writes atomic.Uint64
}

// Stats counts since Open.
type Stats struct {
	// Reads are calls of Read, and Hits those that found what they wanted. Failures are questions that Redis did not answer, or not in time, or
	// refused. Writes are keys that were set or removed.
	Reads, Hits, Failures, Writes uint64
	// Connected tells whether there is a connection now.
	Connected bool
}

// Open checks a URL such as redis://:secret@localhost:6379/0; see endpoint for its forms. It connects to nothing, Run does: whether Redis is
// there makes no difference to whoever starts. No error repeats any part of the URL, and nothing that is logged holds a password.
func Open(url string, log *slog.Logger) (*Mirror, error) {
	e, err := parse(url)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	return &Mirror{
		RepairEvery: repairEvery, endpoint: e, log: log.With("redis", Redact(url)), life: life, end: end,
		pending: pending{signal: make(chan struct{}, 1)},
	}, nil
}

// Close ends Run and waits for it. After that Read finds nothing.
func (m *Mirror) Close() {
	m.end()
	m.running.Lock()
	defer m.running.Unlock()
}

// Stats tells how it went so far.
func (m *Mirror) Stats() Stats {
	return Stats{
		Reads: m.reads.Load(), Hits: m.hits.Load(), Failures: m.failures.Load(), Writes: m.writes.Load(), Connected: m.link.Load() != nil,
	}
}

// key is where the lists of a community are. Other programs rely on it.
func key(communityID int64) string { return "community:roles:" + strconv.FormatInt(communityID, 10) }

// Read returns the JSON that Redis holds for a community if its SHA-256 is want, and otherwise nil: then ask SQL. It waits 15 ms at most, and
// while Redis is known not to answer, or Run is not running, not at all. Something else under the key is soon replaced by what SQL says.
func (m *Mirror) Read(ctx context.Context, communityID int64, want store.GrantsHash) []byte {
	m.reads.Add(1)
	l := m.link.Load()
	if l == nil {
		return nil
	}
	as := m.breaker.enter()
	if as == refused {
		return nil
	}
	value, err := l.get(ctx, key(communityID))
	fared := m.judge(ctx, err)
	m.breaker.leave(as, fared)
	switch {
	case fared == unknown:
		return nil
	case err != nil || len(value) == 0 || len(value) > maxSize || sha256.Sum256(value) != want:
		// Also when there was no answer in time: somebody may have put something there that takes too long to read.
		m.Changed(communityID)
		return nil
	}
	m.hits.Add(1)
	return value
}

// judge says what the outcome of a read tells about Redis.
func (m *Mirror) judge(ctx context.Context, err error) result {
	switch {
	case err == nil || isWrongType(err):
		return worked
	case errors.Is(ctx.Err(), context.Canceled):
		return unknown
	}
	m.failures.Add(1)
	return failed
}

// Changed says that which lists hold in a community has changed, or that the community is gone. Call it after the change is committed. It
// never blocks, and what it says about one community again and again is done once.
func (m *Mirror) Changed(communityID int64) { m.pending.add(communityID) }

// Run connects, writes what has changed and repairs what is missing or wrong, until ctx ends or Close is called. It looks at every key when
// it has connected, again or for the first time, and then every RepairEvery. When it returns nothing of it is left.
func (m *Mirror) Run(ctx context.Context, source Source) {
	m.running.Lock()
	defer m.running.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.life, cancel)()
	var pause growing
	w := worker{mirror: m, source: source, pause: &pause}
	for ctx.Err() == nil {
		if err := w.connected(ctx); err != nil && ctx.Err() == nil {
			w.report(err)
		}
		select {
		case <-time.After(pause.next()):
		case <-ctx.Done():
		}
	}
}

// growing is a time to wait that doubles from 100 ms to 5 s while there is no success.
type growing struct{ last time.Duration }

func (g *growing) next() time.Duration {
	g.last = min(max(2*g.last, 100*time.Millisecond), 5*time.Second)
	return g.last
}

func (g *growing) reset() { g.last = 0 }
