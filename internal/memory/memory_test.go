package memory_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/propusk/propusk/internal/memory"
)

type table = memory.Table[int64, int]

func newTable(m *memory.Memory, bytes int) *table {
	return memory.NewTable[int64, int](m, bytes, memory.HashBy[int64]())
}

// load asks for key, which depends on user 1 and community 2, and reads the value if need be.
func load(t *testing.T, of *table, key int64, value int) (got int, read bool) {
	t.Helper()
	found, err := of.Load(t.Context(), key, func(context.Context) (memory.Read[int], error) {
		read = true
		return memory.Read[int]{Value: value, Of: memory.Things{memory.User(1), memory.Community(2)}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return *found, read
}

func TestWhatWasReadIsRemembered(t *testing.T) {
	of := newTable(&memory.Memory{}, 1<<20)
	if of.Get(7) != nil {
		t.Error("it remembers what nobody has read")
	}
	if got, read := load(t, of, 7, 70); got != 70 || !read {
		t.Errorf("first: %d, read %v", got, read)
	}
	if got := of.Get(7); got == nil || *got != 70 {
		t.Errorf("then: %v", got)
	}
	if got, read := load(t, of, 7, 71); got != 70 || read {
		t.Errorf("again: %d, read %v", got, read)
	}
}

func TestWhatHasChangedIsForgotten(t *testing.T) {
	for name, change := range map[string]func(*memory.Memory){
		"the user": func(m *memory.Memory) { m.Drop(memory.User(1)) }, "the community": func(m *memory.Memory) { m.Drop(memory.Community(2)) },
		"both": func(m *memory.Memory) { m.Drop(memory.User(1), memory.Community(2)) }, "everything": (*memory.Memory).DropAll,
	} {
		m := &memory.Memory{}
		of := newTable(m, 1<<20)
		load(t, of, 7, 70)
		change(m)
		if of.Get(7) != nil {
			t.Errorf("%s changed, and it is still remembered", name)
		}
		if got, read := load(t, of, 7, 71); got != 71 || !read {
			t.Errorf("%s changed: %d, read %v", name, got, read)
		}
	}
}

func TestWhatHasNotChangedIsKept(t *testing.T) {
	m := &memory.Memory{}
	of := newTable(m, 1<<20)
	load(t, of, 7, 70)
	for id := range int64(100) {
		m.Drop(memory.User(1000+id), memory.Community(1000+id), memory.Member(2, 1000+id), memory.CommunityMembers(1000+id))
	}
	if of.Get(7) == nil {
		t.Error("somebody else changed, and it is forgotten")
	}
}

// Things of different kinds and numbers that share a stamp would be forgotten together: right, and slow.
func TestThingsAreSpread(t *testing.T) {
	seen := map[memory.Thing]int{}
	const each = 4000
	for id := range int64(each) {
		for _, thing := range []memory.Thing{
			memory.User(id), memory.Community(id), memory.Member(1, id), memory.Member(id, 1), memory.CommunityMembers(id),
		} {
			seen[thing]++
		}
	}
	if len(seen) < 11_200 { // 20,000 thrown at random into 16,384 places leave about 11,550 taken
		t.Errorf("%d things have %d stamps", 5*each, len(seen))
	}
}

func TestAReadThatBeganBeforeAChangeIsNotKept(t *testing.T) {
	m := &memory.Memory{}
	of := newTable(m, 1<<20)
	got, err := of.Load(t.Context(), 7, func(context.Context) (memory.Read[int], error) {
		m.Drop(memory.User(1))
		return memory.Read[int]{Value: 70, Of: memory.Things{memory.User(1)}}, nil
	})
	if err != nil || *got != 70 {
		t.Errorf("whoever began before the change may have it: %v %v", got, err)
	}
	if of.Get(7) != nil {
		t.Error("it is kept")
	}
}

func TestAnErrorIsNotKept(t *testing.T) {
	of := newTable(&memory.Memory{}, 1<<20)
	broken := errors.New("broken")
	if _, err := of.Load(t.Context(), 7, func(context.Context) (memory.Read[int], error) { return memory.Read[int]{}, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if got, read := load(t, of, 7, 70); got != 70 || !read {
		t.Errorf("%d, read %v", got, read)
	}
}

// crowd lets many ask for the same at once, while the one who reads waits for release.
func crowd(t *testing.T, of *table, release chan struct{}) (reads *atomic.Int32, wait func()) {
	reads = new(atomic.Int32)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			got, err := of.Load(t.Context(), 7, func(context.Context) (memory.Read[int], error) {
				reads.Add(1)
				<-release
				return memory.Read[int]{Value: 70, Of: memory.Things{memory.User(1)}}, nil
			})
			if err != nil || *got != 70 {
				t.Error(got, err)
			}
		})
	}
	return reads, all.Wait
}

func TestOfManyOneReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		reads, wait := crowd(t, newTable(&memory.Memory{}, 1<<20), release)
		synctest.Wait()
		close(release)
		wait()
		if reads.Load() != 1 {
			t.Errorf("%d have read", reads.Load())
		}
	})
}

func TestNobodyJoinsAReadThatBeganBeforeAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory.Memory{}
		of := newTable(m, 1<<20)
		release := make(chan struct{})
		_, wait := crowd(t, of, release)
		synctest.Wait()
		m.Drop(memory.User(1))
		if got, read := load(t, of, 7, 71); got != 71 || !read { // it would wait for ever
			t.Errorf("%d, read %v", got, read)
		}
		close(release)
		wait()
		if got := of.Get(7); got == nil || *got != 71 {
			t.Errorf("kept is %v", got)
		}
	})
}

func TestWhoWaitsReadsWhenTheOtherFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		of := newTable(&memory.Memory{}, 1<<20)
		release := make(chan struct{})
		go func() {
			_, _ = of.Load(t.Context(), 7, func(context.Context) (memory.Read[int], error) {
				<-release
				return memory.Read[int]{}, errors.New("its deadline")
			})
		}()
		synctest.Wait()
		go close(release)
		if got, read := load(t, of, 7, 70); got != 70 || !read {
			t.Errorf("%d, read %v", got, read)
		}
	})
}

func TestWhoWaitsGoesWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		of := newTable(&memory.Memory{}, 1<<20)
		release := make(chan struct{})
		_, wait := crowd(t, of, release)
		synctest.Wait()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := of.Load(gone, 7, func(context.Context) (memory.Read[int], error) { panic("it reads") })
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(release)
		wait()
	})
}

// TestItStaysWithinItsBound keeps a hundred times as much as there is room for. What is asked for all the time stays.
func TestItStaysWithinItsBound(t *testing.T) {
	const bytes, size = 1 << 20, 100
	of := newTable(&memory.Memory{}, bytes)
	keep := func(key int64) (read bool) {
		_, err := of.Load(t.Context(), key, func(context.Context) (memory.Read[int], error) {
			read = true
			return memory.Read[int]{Value: 1, Of: memory.Things{memory.User(key)}, Size: size}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return read
	}
	most, again := 0, 0
	for key := range int64(50_000) {
		keep(key)
		most = max(most, of.Len())
		if key%100 == 0 && keep(-1) {
			again++
		}
	}
	if limit := bytes / size; most > limit || most < limit/10 {
		t.Errorf("%d values of %d bytes and more in %d bytes", most, size, bytes)
	}
	if again != 1 {
		t.Errorf("what is asked for all the time was read %d times", again)
	}
}

// A value that was written, and whose change was answered, before somebody asks, is what he gets: whatever happens at the same time.
func TestNobodySeesWhatWasBeforeAnAnswer(t *testing.T) {
	m := &memory.Memory{}
	of := newTable(m, 1<<16) // small, so that things come and go
	const keys = 64
	var database, answered [keys]atomic.Int64
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for range 20_000 {
				key := rand.Int64N(keys)
				now := database[key].Add(1)
				if rand.IntN(50) == 0 {
					m.DropAll()
				} else {
					m.Drop(memory.User(key))
				}
				for { // the latest that anybody was told of
					told := answered[key].Load()
					if told >= now || answered[key].CompareAndSwap(told, now) {
						break
					}
				}
			}
		})
	}
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				key := rand.Int64N(keys)
				least := answered[key].Load()
				got, err := of.Load(t.Context(), key, func(context.Context) (memory.Read[int], error) {
					return memory.Read[int]{Value: int(database[key].Load()), Of: memory.Things{memory.User(key), memory.Community(1)}}, nil
				})
				if err != nil || int64(*got) < least {
					t.Errorf("key %d: got %d after %d was answered, %v", key, *got, least, err)
					return
				}
			}
		})
	}
	all.Wait()
	close(stop)
	readers.Wait()
}

func BenchmarkGet(b *testing.B) {
	for _, n := range []int64{1_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := &memory.Memory{}
			of := newTable(m, int(n)*1000)
			bare := make(map[int64]*int, n)
			for key := range n {
				_, _ = of.Load(b.Context(), key, func(context.Context) (memory.Read[int], error) {
					return memory.Read[int]{Value: 1, Of: memory.Things{memory.User(key), memory.Community(1)}}, nil
				})
				bare[key] = new(int)
			}
			b.Run("table", func(b *testing.B) {
				b.ReportAllocs()
				for i := int64(0); b.Loop(); i++ {
					if of.Get(i*7919%n) == nil {
						b.Fatal("forgotten")
					}
				}
			})
			b.Run("map", func(b *testing.B) {
				for i := int64(0); b.Loop(); i++ {
					if bare[i*7919%n] == nil {
						b.Fatal("forgotten")
					}
				}
			})
			b.Run("table, parallel", func(b *testing.B) {
				b.RunParallel(func(pb *testing.PB) {
					for i := rand.Int64N(n); pb.Next(); i++ {
						if of.Get(i*7919%n) == nil {
							b.Fail()
						}
					}
				})
			})
		})
	}
}
