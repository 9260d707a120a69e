package mirror

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/propusk/propusk/internal/busytest"
	"github.com/propusk/propusk/internal/store"
)

func TestMain(m *testing.M) {
	// The client of a Cluster that was closed may sleep for a second, or five, before it sees that.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient)._refresh.func2"))
}

// book is what SQL would say.
type book struct {
	mu    sync.Mutex
	refs  []store.GrantsRef // by id
	lists map[store.GrantsHash][]byte
	err   error
	asked int // how often for lists
}

// list is what a role file of that flavour compiles to.
func list(flavour string) []byte {
	return fmt.Appendf(nil, `{"admin":["*","shout:create_%[1]s","shout:read"],"reader":["shout:read","%[1]s:read"]}`, flavour)
}

// set makes a list hold in a community.
func (b *book) set(id int64, list []byte) store.GrantsHash {
	b.mu.Lock()
	defer b.mu.Unlock()
	hash := sha256.Sum256(list)
	if b.lists == nil {
		b.lists = make(map[store.GrantsHash][]byte)
	}
	b.lists[hash] = list
	b.put(store.GrantsRef{CommunityID: id, Hash: hash})
	return hash
}

func (b *book) delete(id int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.put(store.GrantsRef{CommunityID: id, Deleted: true})
}

func (b *book) put(ref store.GrantsRef) {
	i, found := b.find(ref.CommunityID)
	if !found {
		b.refs = slices.Insert(b.refs, i, ref)
	}
	b.refs[i] = ref
}

func (b *book) find(id int64) (int, bool) {
	return slices.BinarySearchFunc(b.refs, id, func(r store.GrantsRef, id int64) int { return cmp.Compare(r.CommunityID, id) })
}

func (b *book) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *book) GrantsRefs(_ context.Context, after int64, limit int) ([]store.GrantsRef, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, _ := b.find(after + 1)
	return slices.Clone(b.refs[i:min(i+limit, len(b.refs))]), b.err
}

func (b *book) Grants(_ context.Context, hash store.GrantsHash) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	if list, ok := b.lists[hash]; ok {
		return list, b.err
	}
	return nil, errors.Join(b.err, store.ErrNotFound)
}

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) has(text string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Contains(j.text.String(), text)
}

// opened is a mirror of source that runs until the test ends.
func opened(t testing.TB, url string, source Source) (*Mirror, *journal) {
	t.Helper()
	var said journal
	m, err := Open(url, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan struct{})
	go func() {
		m.Run(context.Background(), source)
		close(ran)
	}()
	t.Cleanup(func() {
		took := busytest.Took(func() {
			m.Close()
			<-ran
		})
		if took > 2*time.Second {
			t.Errorf("closing took %v", took)
		}
	})
	return m, &said
}

// eventually waits until something is so, for long enough on a machine that is busy with others.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !so(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain awaited: %s", what)
		}
	}
}

// shows waits until the mirror has that list for a community.
func shows(t testing.TB, m *Mirror, id int64, list []byte) {
	t.Helper()
	eventually(t, fmt.Sprintf("community %d has %s", id, list), func() bool {
		return bytes.Equal(m.Read(t.Context(), id, sha256.Sum256(list)), list)
	})
}
