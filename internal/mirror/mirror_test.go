package mirror

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/propusk/propusk/internal/busytest"
	"github.com/propusk/propusk/internal/redistest"
	"github.com/propusk/propusk/internal/store"
)

func TestWhatChangesIsShownAndWhatIsDeletedVanishes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var sql book
	sql.set(5, list("old"))
	m, _ := opened(t, server.URL(), &sql)
	shows(t, m, 5, list("old"))

	// The key and its text are what other programs look up.
	if got := server.Do(t, "GET", "community:roles:5"); got != string(list("old")) {
		t.Errorf("community:roles:5 is %v", got)
	}

	old, fresh := sha256.Sum256(list("old")), sql.set(5, list("new"))
	if m.Read(t.Context(), 5, fresh) != nil {
		t.Error("what SQL says now was found before it was written")
	}
	m.Changed(5)
	shows(t, m, 5, list("new"))
	if m.Read(t.Context(), 5, old) != nil {
		t.Error("what SQL said before is still found")
	}

	sql.set(6, list("new"))
	m.Changed(6)
	shows(t, m, 6, list("new"))
	sql.delete(5)
	m.Changed(5)
	eventually(t, "the key of the deleted community is gone", func() bool { return server.Do(t, "EXISTS", "community:roles:5") == int64(0) })
	eventually(t, "all that is counted", func() bool {
		got := m.Stats()
		return got.Connected && got.Hits >= 3 && got.Reads >= got.Hits && got.Writes >= 4
	})
}

// Twelve hundred communities, every third with lists of its own, are all written at the start, and those lists that are the same are read from
// SQL once.
func TestEverythingIsWrittenAtTheStart(t *testing.T) {
	t.Parallel()
	const n = 1200
	server := redistest.Start(t)
	var sql book
	for id := int64(1); id <= n; id++ {
		switch id % 3 {
		case 0:
			sql.set(id*7, list(fmt.Sprint("own", id)))
		case 1:
			sql.set(id*7, list("shared"))
		default:
			sql.delete(id * 7)
			server.Do(t, "SET", key(id*7), "left over")
		}
	}
	m, _ := opened(t, server.URL(), &sql)
	eventually(t, "all keys are there", func() bool { return server.Do(t, "DBSIZE") == int64(n*2/3) })
	eventually(t, "all lists are right", func() bool {
		for id := int64(1); id <= n; id++ {
			want := map[int64]any{0: string(list(fmt.Sprint("own", id))), 1: string(list("shared")), 2: nil}[id%3]
			if server.Do(t, "GET", key(id*7)) != want {
				return false
			}
		}
		return true
	})
	sql.mu.Lock()
	defer sql.mu.Unlock()
	// A pass that Redis was too slow for is begun again, and asks again.
	if want := n/3 + 1; sql.asked < want || sql.asked > want && m.Stats().Failures == 0 {
		t.Errorf("SQL was asked for %d lists, want %d", sql.asked, want)
	}
}

// Whatever ends Redis, all keys are back when it is, without anybody asking for them.
func TestAfterARestartAllKeysComeBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var sql book
	for id := int64(1); id <= 20; id++ {
		sql.set(id, list(fmt.Sprint(id)))
	}
	m, said := opened(t, server.URL(), &sql)
	complete := func() bool {
		n, err := server.Try("DBSIZE")
		return err == nil && n == int64(20)
	}
	eventually(t, "all keys are there", complete)

	server.Kill(t)
	took := busytest.Took(func() {
		if m.Read(t.Context(), 1, sha256.Sum256(list("1"))) != nil {
			t.Error("it was found in a Redis that is gone")
		}
	})
	if took > 250*time.Millisecond {
		t.Errorf("finding nothing took %v", took)
	}
	sql.set(2, list("changed meanwhile"))
	m.Changed(2)
	eventually(t, "the log says that Redis is away", func() bool { return said.has("Redis is away") && said.has("connection refused") })
	server.Restart(t)
	eventually(t, "all keys are back", complete)
	shows(t, m, 2, list("changed meanwhile"))
	eventually(t, "the log says that all is well", func() bool { return said.has("up to date again") })

	// So quick a restart that nobody tried anything meanwhile.
	server.Kill(t)
	server.Restart(t)
	eventually(t, "all keys are back again", complete)
	if said.has(server.Password()) {
		t.Error("the log holds the password")
	}
}

func TestRedisMayComeLater(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Stop(t)
	var sql book
	hash := sql.set(1, list("a"))
	var m *Mirror
	took := busytest.Took(func() {
		m, _ = opened(t, server.URL(), &sql)
		for range 100 {
			if m.Read(t.Context(), 1, hash) != nil {
				t.Fatal("found")
			}
		}
	})
	if took > 250*time.Millisecond {
		t.Errorf("without Redis, opening and a hundred reads took %v", took)
	}
	server.Restart(t)
	shows(t, m, 1, list("a"))
}

// Readers see what is right or nothing while somebody flushes Redis all the time.
func TestFlushedAllTheTime(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var sql book
	want := list("a")
	hash := sql.set(1, want)
	m, _ := opened(t, server.URL(), &sql)
	shows(t, m, 1, want)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all sync.WaitGroup
	var found, missed atomic.Int64
	all.Go(func() { // some time, and until both have happened
		for begun := time.Now(); ctx.Err() == nil; time.Sleep(time.Millisecond) {
			if found.Load() > 0 && missed.Load() > 0 && time.Since(begun) > 700*time.Millisecond {
				cancel()
			}
		}
	})
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				switch got := m.Read(t.Context(), 1, hash); {
				case got == nil:
					missed.Add(1)
				case bytes.Equal(got, want):
					found.Add(1)
				default:
					t.Errorf("found %q", got)
				}
			}
		})
	}
	all.Go(func() {
		for tick := time.NewTicker(3 * time.Millisecond); ctx.Err() == nil; <-tick.C {
			if _, err := server.Try("FLUSHALL"); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	t.Logf("found %d times, missed %d times", found.Load(), missed.Load())
	if found.Load() == 0 || missed.Load() == 0 {
		t.Error("both must happen")
	}
	shows(t, m, 1, want)
}

// An intruder who can write to Redis gains nothing: what he puts there is not found, and soon replaced.
func TestForgedListsAreNotBelieved(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var sql book
	want := list("a")
	hash := sql.set(1, want)
	m, _ := opened(t, server.URL(), &sql)
	shows(t, m, 1, want)
	k := key(1)
	for name, forge := range map[string][]string{
		"more permissions":      {"SET", k, `{"admin":["*"],"reader":["*","shout:read"]}`},
		"another order":         {"SET", k, `{"reader":["shout:read","a:read"],"admin":["*","shout:create_a","shout:read"]}`},
		"a space more":          {"SET", k, string(want) + " "},
		"a byte less":           {"SET", k, string(want[:len(want)-1])},
		"no JSON":               {"SET", k, "\x00\xff"},
		"nothing":               {"SET", k, ""},
		"a list":                {"RPUSH", k, string(want)},
		"a hash":                {"HSET", k, "reader", "*"},
		"a stream":              {"XADD", k, "*", "reader", "*"},
		"ten megabytes":         {"SETRANGE", k, fmt.Sprint(10 << 20), "x"},
		"right, and then zeros": {"SETRANGE", k, fmt.Sprint(maxSize + 1), "x"},
	} {
		t.Run(name, func(t *testing.T) {
			// In one step: between two, the mirror repairs what it misses, and there is another key again.
			script := "return redis.call(unpack(ARGV))"
			if !strings.HasPrefix(name, "right") {
				script = "redis.call('DEL', KEYS[1]) " + script
			}
			server.Do(t, append([]string{"EVAL", script, "1", k}, forge...)...)
			if got := m.Read(t.Context(), 1, hash); got != nil && !bytes.Equal(got, want) {
				t.Fatalf("found %.100q", got)
			}
			begin := time.Now()
			shows(t, m, 1, want)
			t.Logf("repaired after %v", time.Since(begin).Round(time.Microsecond))
		})
	}
}

// Nobody reads, and still what somebody else wrote does not stay: other programs look roles up there.
func TestEverythingIsComparedNowAndThen(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var sql book
	sql.set(1, list("a"))
	sql.set(2, list("b"))
	sql.delete(3)
	m, err := Open(server.URL(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	m.RepairEvery = 20 * time.Millisecond
	go m.Run(t.Context(), &sql)
	defer m.Close()
	for _, forge := range [][]string{
		{"FLUSHALL"}, {"SET", key(1), string(list("b"))}, {"DEL", key(2)}, {"SET", key(3), string(list("a"))}, {"RPUSH", key(3), "x"},
		{"MSET", key(1), strings.Repeat("x", 3<<20), key(2), strings.Repeat("y", 3<<20)},
	} {
		server.Do(t, forge...)
		begin := time.Now()
		eventually(t, fmt.Sprintf("all is as before %.40q", forge), func() bool {
			got := fmt.Sprint(server.Do(t, "MGET", key(1), key(2)), server.Do(t, "EXISTS", key(3)))
			return got == fmt.Sprintf("[%s %s] 0", list("a"), list("b"))
		})
		t.Logf("%.40q: %v", forge, time.Since(begin))
	}
	// What is right is not written again.
	server.Do(t, "CONFIG", "RESETSTAT")
	server.Do(t, "SET", key(1), "x")
	eventually(t, "it is repaired", func() bool { return server.Do(t, "GET", key(1)) == string(list("a")) })
	if got := fmt.Sprint(server.Do(t, "INFO", "commandstats")); !strings.Contains(got, "cmdstat_set:calls=2,") {
		t.Errorf("for one key that was wrong: %s", got)
	}
}

// A Redis that is stopped in its tracks takes connections and questions and answers nothing.
func TestFrozenCostsOneReaderFifteenMilliseconds(t *testing.T) {
	server := redistest.Start(t)
	var sql book
	hash := sql.set(1, list("a"))
	m, said := opened(t, server.URL(), &sql)
	shows(t, m, 1, list("a"))
	server.Freeze(t)

	read := func() {
		if m.Read(t.Context(), 1, hash) != nil {
			t.Error("found")
		}
	}
	first := busytest.Took(read)
	thousand := busytest.Took(func() {
		for range 1000 {
			read()
		}
	})
	t.Logf("frozen, the first read took %v and the next thousand together %v", first, thousand)
	if first > 250*time.Millisecond || thousand > 250*time.Millisecond {
		t.Error("that is too long")
	}

	// Over two seconds, hardly anything is lost.
	var longest, total time.Duration
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		took := busytest.Took(read)
		longest, total = max(longest, took), total+took
	}
	t.Logf("over two seconds the longest read took %v, all together %v", longest, total)
	if longest > 250*time.Millisecond || total > 600*time.Millisecond {
		t.Error("that is too long")
	}
	eventually(t, "the log says so", func() bool { return said.has("Redis is away") })
	sql.set(1, list("b"))
	m.Changed(1)
	server.Thaw(t)
	begin := time.Now()
	shows(t, m, 1, list("b"))
	t.Logf("thawed, it works after %v", time.Since(begin))
}

func TestManyReadersOfAFrozenRedis(t *testing.T) {
	server := redistest.Start(t)
	var sql book
	hash := sql.set(1, list("a"))
	m, _ := opened(t, server.URL(), &sql)
	shows(t, m, 1, list("a"))
	server.Freeze(t)
	var all sync.WaitGroup
	var longest atomic.Int64
	for range 200 {
		all.Go(func() {
			for took, before := int64(busytest.Took(func() { m.Read(t.Context(), 1, hash) })), longest.Load(); took > before; before = longest.Load() {
				longest.CompareAndSwap(before, took)
			}
		})
	}
	all.Wait()
	t.Logf("of two hundred at once the slowest took %v", time.Duration(longest.Load()))
	if longest.Load() > int64(400*time.Millisecond) {
		t.Error("that is too long")
	}
	// Closing does not wait for it either: see opened.
}

// Whatever is under the key, Read returns nothing or bytes with the wanted hash.
func TestOnlyWhatHasTheHashIsFound(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var sql book
	m, _ := opened(t, server.URL(), &sql)
	eventually(t, "it is connected", func() bool { return m.Stats().Connected })
	rapid.Check(t, func(rt *rapid.T) {
		value := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(rt, "value")
		wanted := rapid.OneOf(rapid.Just(value), rapid.SliceOfN(rapid.Byte(), 0, 200)).Draw(rt, "wanted")
		id := rapid.Int64Range(-3, 1<<31).Draw(rt, "id")
		hash := sha256.Sum256(wanted)
		if _, err := server.Try("SET", key(id), string(value)); err != nil {
			rt.Fatal(err)
		}
		if got := m.Read(context.Background(), id, hash); got != nil && sha256.Sum256(got) != hash {
			rt.Fatalf("found %q", got)
		}
	})
	if m.Stats().Hits == 0 {
		t.Error("nothing was found at all")
	}
}

// Two nodes write the same key, and the slower one, which read SQL first, writes last.
func TestASlowWriterDoesNotLeaveWhatIsOld(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	slow := &slowBook{answered: make(chan struct{}), proceed: make(chan struct{})}
	slow.set(1, list("old"))
	m, _ := opened(t, server.URL(), slow)
	<-slow.answered // it knows the old list and is about to write it
	slow.set(1, list("new"))
	server.Do(t, "SET", key(1), string(list("new"))) // the other node is done
	close(slow.proceed)
	eventually(t, "it was overwritten and written again", func() bool { return m.Stats().Writes == 2 })
	if got := server.Do(t, "GET", key(1)); got != string(list("new")) {
		t.Errorf("left is %v", got)
	}
}

// slowBook halts after its first answer.
type slowBook struct {
	book
	once              sync.Once
	answered, proceed chan struct{}
}

func (b *slowBook) Grants(ctx context.Context, hash store.GrantsHash) ([]byte, error) {
	list, err := b.book.Grants(ctx, hash)
	b.once.Do(func() {
		close(b.answered)
		<-b.proceed
	})
	return list, err
}

// While SQL is away Redis is left as it is; damage in one place does not stop the rest.
func TestTroubleInSQL(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var sql book
	sql.set(1, list("a"))
	m, said := opened(t, server.URL(), &sql)
	shows(t, m, 1, list("a"))
	sql.set(1, list("b"))
	sql.fail(errors.New("the disk is full"))
	m.Changed(1)
	eventually(t, "the log says so", func() bool { return said.has("the disk is full") })
	if !m.Stats().Connected {
		t.Error("the connection to Redis was given up")
	}
	shows(t, m, 1, list("a"))
	sql.fail(nil)
	shows(t, m, 1, list("b"))

	damaged := sql.set(2, list("c"))
	sql.mu.Lock()
	sql.lists[damaged] = list("forged in SQL")
	sql.mu.Unlock()
	sql.set(3, list("d"))
	m.Changed(2)
	m.Changed(3)
	shows(t, m, 3, list("d"))
	eventually(t, "the log names the community", func() bool { return said.has("damaged") && said.has("community=2") })
	if got := server.Do(t, "GET", key(2)); got != nil {
		t.Errorf("written was %v", got)
	}
}

// A full Redis refuses writes and is read from all the same. When there is room again everything is made good.
func TestFullRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var sql book
	sql.set(1, list("a"))
	m, said := opened(t, server.URL(), &sql)
	shows(t, m, 1, list("a"))
	server.Do(t, "CONFIG", "SET", "maxmemory", "1")
	sql.set(2, list("b"))
	m.Changed(2)
	eventually(t, "the log says so", func() bool { return said.has("OOM") })
	shows(t, m, 1, list("a"))
	server.Do(t, "CONFIG", "SET", "maxmemory", "0")
	shows(t, m, 2, list("b"))
}

// So many changes at once are not remembered one by one, and none is forgotten.
func TestMoreChangesThanCanBeTold(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	slow := &slowBook{answered: make(chan struct{}), proceed: make(chan struct{})}
	slow.set(1, list("a"))
	m, _ := opened(t, server.URL(), slow)
	<-slow.answered // all communities that there are have been counted
	slow.set(7, list("b"))
	m.Changed(7)
	for id := range int64(maxPending) {
		m.Changed(id + 1_000_000)
	}
	if m.pending.ids != nil || !m.pending.all {
		t.Error("they are remembered one by one")
	}
	close(slow.proceed)
	shows(t, m, 7, list("b"))
}

// Something else listens there than Redis, or a Redis that an intruder has taken over: nothing is found, and the process lives on.
func TestNoRedisAtAll(t *testing.T) {
	t.Parallel()
	hello := "%2\r\n+proto\r\n:3\r\n+version\r\n+7.0.0\r\n"
	for name, does := range map[string]struct {
		first string   // what it says when somebody connects
		then  []string // what it answers, the last again and again
	}{
		"silence":                  {first: ""},
		"HTTP":                     {first: "HTTP/1.1 400 Bad Request\r\n\r\n"},
		"unasked answers":          {first: strings.Repeat("+OK\r\n", 1000)},
		"too many answers":         {then: []string{hello + strings.Repeat("+OK\r\n", 100)}},
		"events":                   {then: []string{hello + ">2\r\n+invalidate\r\n*-1\r\n>0\r\n"}},
		"an endless list":          {then: []string{"*999999999\r\n"}},
		"an endless map":           {then: []string{"%999999999\r\n"}},
		"lists in lists":           {then: []string{strings.Repeat("*1\r\n", 1_000_000)}},
		"a huge text":              {then: []string{"$99999999999\r\n"}},
		"a text in parts":          {then: []string{"$?\r\n;-5\r\n"}},
		"less than nothing":        {then: []string{"$-7\r\n", "*-9\r\n"}},
		"attributes":               {then: []string{"|999999999\r\n"}},
		"noise":                    {then: []string{"\x00\x01\r\n%-1\r\n"}},
		"numbers":                  {then: []string{":1\r\n"}},
		"nothing":                  {then: []string{"_\r\n", "*-1\r\n", "$-1\r\n"}},
		"short lists":              {then: []string{hello, "*1\r\n*3\r\n:0\r\n:16383\r\n*0\r\n"}},
		"odd slots":                {then: []string{hello, "*1\r\n*3\r\n:-99\r\n:99999999\r\n*2\r\n+127.0.0.1\r\n:1\r\n", ":1\r\n"}},
		"always elsewhere":         {then: []string{hello, "-MOVED 5 127.0.0.1:1\r\n"}},
		"wrong password":           {then: []string{"-WRONGPASS no\r\n"}},
		"no Cluster, then numbers": {then: []string{hello, "-ERR cluster support disabled\r\n", ":7\r\n"}},
		"no Cluster, then lists":   {then: []string{hello, "-ERR cluster support disabled\r\n", "*1\r\n+OK\r\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := impostor(t, does.first, does.then)
			var sql book
			hash := sql.set(1, list("a"))
			m, _ := opened(t, "redis://"+address, &sql)
			for end := time.Now().Add(400 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
				if got := m.Read(t.Context(), 1, hash); got != nil {
					t.Fatalf("found %q", got)
				}
			}
		})
	}
}

// impostor listens until the test ends.
func impostor(t *testing.T, first string, then []string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	t.Cleanup(served.Wait)
	t.Cleanup(func() { _ = listener.Close() })
	converse := func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		_, err := io.WriteString(conn, first)
		question := make([]byte, 64<<10)
		for i := 0; err == nil; i++ {
			if _, err = conn.Read(question); err == nil && len(then) > 0 {
				_, err = io.WriteString(conn, then[min(i, len(then)-1)])
			}
		}
	}
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() { converse(conn) })
		}
	})
	return listener.Addr().String()
}
