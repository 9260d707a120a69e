package password

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"
	"pgregory.net/rapid"

	"github.com/propusk/propusk"
)

func TestHashesAreVerifiedByTheirPasswordOnly(t *testing.T) {
	t.Parallel()
	h := newHasher(t, Config{})
	rapid.Check(t, func(t *rapid.T) {
		password := rapid.StringN(0, -1, MaxBytes).Draw(t, "password")
		other := rapid.OneOf(
			rapid.Just(password+" "), rapid.Just(" "+password), rapid.Just(password+"\x00"), rapid.String(),
		).Filter(func(s string) bool { return s != password }).Draw(t, "other")

		encoded, err := h.Hash(t.Context(), password)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := h.Verify(t.Context(), encoded, password); err != nil || got != (Result{OK: true}) {
			t.Errorf("right password: %+v, %v", got, err)
		}
		if got, err := h.Verify(t.Context(), encoded, other); err != nil || got != (Result{}) {
			t.Errorf("wrong password: %+v, %v", got, err)
		}
	})
}

func TestTwoHashesOfOnePasswordDiffer(t *testing.T) {
	t.Parallel()
	h := newHasher(t, Config{})
	first, err1 := h.Hash(t.Context(), secret)
	second, err2 := h.Hash(t.Context(), secret)
	if err1 != nil || err2 != nil || first == second {
		t.Errorf("%q, %v, %q, %v", first, err1, second, err2)
	}
}

func TestTheSaltComesFromTheSource(t *testing.T) {
	t.Parallel()
	source := io.MultiReader(
		bytes.NewReader(make([]byte, 32+saltSize)), // the dummy
		strings.NewReader("somesalt16bytes!"),
	)
	h := newHasher(t, Config{Rand: source})
	const want = "$argon2id$v=19$m=64,t=1,p=1$" + goodSalt + "$" + goodTag // made by another program
	if got, err := h.Hash(t.Context(), secret); got != want || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := h.Hash(t.Context(), secret); got != "" || !errors.Is(err, io.EOF) {
		t.Errorf("with the source exhausted: %q, %v", got, err)
	}
	if _, err := New(Config{Params: cheap, Rand: iotest.ErrReader(io.ErrClosedPipe)}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("with a failing source: %v", err)
	}
	if _, err := New(Config{Params: cheap, Rand: bytes.NewReader(make([]byte, 32))}); !errors.Is(err, io.EOF) {
		t.Errorf("with no salt for the dummy: %v", err)
	}
}

func TestChangedParametersRenewHashes(t *testing.T) {
	t.Parallel()
	before := newHasher(t, Config{})
	encoded, err := before.Hash(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, changed := range []Params{{128, 1, 1}, {32, 1, 1}, {64, 2, 1}, {64, 1, 2}} {
		after := newHasher(t, Config{Params: changed})
		if got, err := after.Verify(t.Context(), encoded, secret); got != (Result{OK: true, Rehash: true}) || err != nil {
			t.Errorf("%+v: %+v, %v", changed, got, err)
		}
	}
}

func TestOverlongPasswords(t *testing.T) {
	t.Parallel()
	h := newHasher(t, Config{})
	longest := strings.Repeat("x", MaxBytes)
	encoded, err := h.Hash(t.Context(), longest)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := h.Verify(t.Context(), encoded, longest); !got.OK || err != nil {
		t.Errorf("the longest: %+v, %v", got, err)
	}
	if got, err := h.Verify(t.Context(), encoded, longest+"x"); got.OK || err != nil {
		t.Errorf("longer: %+v, %v", got, err)
	}
	if err := h.VerifyDummy(t.Context(), longest+"x"); err != nil {
		t.Errorf("longer, with the dummy: %v", err)
	}
	var broken RuleError
	if _, err := h.Hash(t.Context(), longest+"x"); !errors.As(err, &broken) || broken.Rule != RuleTooLong {
		t.Errorf("hashing a longer one: %v", err)
	}
}

// What a login does for an unknown address must not differ from what it does for a known one, or addresses can be
// tried out with a stopwatch.
func TestADummyIsAsMuchWorkAsARealHash(t *testing.T) {
	t.Parallel()
	h := newHasher(t, Config{})
	encoded, err := h.Hash(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}

	type work struct {
		password, salt, tag uint32
		params              Params
	}
	var done []work
	h.idKey = func(p, s []byte, time, memory uint32, threads uint8, size uint32) []byte {
		done = append(done, work{uint32(len(p)), uint32(len(s)), size, Params{memory, time, threads}})
		return argon2.IDKey(p, s, time, memory, threads, size)
	}
	guesses := map[string]string{"right": secret, "wrong": "wrong", "empty": "", "overlong": strings.Repeat("x", MaxBytes+1)}
	for name, guess := range guesses {
		done = nil
		if _, err := h.Verify(t.Context(), encoded, guess); err != nil {
			t.Fatal(err)
		}
		known := done
		done = nil
		if err := h.VerifyDummy(t.Context(), guess); err != nil {
			t.Fatal(err)
		}
		if len(known) != len(done) || len(known) == 1 && known[0] != done[0] {
			t.Errorf("%s password: %+v for a known account, %+v for an unknown one", name, known, done)
		}
		if overlong := name == "overlong"; overlong && len(done) != 0 || !overlong && len(done) != 1 {
			t.Errorf("%s password: hashed %d times", name, len(done))
		}
	}
}

func TestConfigCheck(t *testing.T) {
	t.Parallel()
	if err := (Config{}).Check(); err != nil {
		t.Errorf("the zero configuration: %v", err)
	}
	for _, test := range []struct {
		config Config
		want   string
	}{
		{Config{Slots: -1}, "Slots is -1"},
		{Config{QueuePerSlot: -1}, "QueuePerSlot is -1"},
		{Config{Params: Params{MemoryKiB: 64}}, "Parallelism is 0"},
	} {
		if h, err := New(test.config); h != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %s", test.config, err, test.want)
		}
	}
}

func TestTheDefaultsLeaveACoreFree(t *testing.T) {
	t.Parallel()
	c := Config{}.withDefaults()
	if want := max(1, runtime.GOMAXPROCS(0)-1); c.Slots != want || c.QueuePerSlot != 32 || c.Params != DefaultParams() {
		t.Errorf("got %+v, want %d slots", c, want)
	}
}

// blocked returns a hasher whose every hash waits until a value is received from the channel, for use in a bubble.
func blocked(t *testing.T, c Config) (*Hasher, chan struct{}) {
	h := newHasher(t, c)
	proceed := make(chan struct{})
	h.idKey = func(_, _ []byte, _, _ uint32, _ uint8, size uint32) []byte {
		<-proceed
		return make([]byte, size)
	}
	return h, proceed
}

func TestAFloodIsQueuedAndThenRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, proceed := blocked(t, Config{Slots: 2, QueuePerSlot: 3})
		var served sync.WaitGroup
		for range 8 {
			served.Go(func() {
				if err := h.VerifyDummy(t.Context(), secret); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if got, want := h.Stats(), (Stats{Slots: 2, Busy: 2, Waiting: 6}); got != want {
			t.Errorf("full: got %+v, want %+v", got, want)
		}

		// Known and unknown accounts are refused alike, and so are new passwords.
		var busy *propusk.Error
		if _, err := h.Verify(t.Context(), h.dummy, secret); !errors.As(err, &busy) || busy.RetryAfter != time.Second {
			t.Errorf("Verify: %v", err)
		}
		if err := h.VerifyDummy(t.Context(), secret); !errors.As(err, &busy) {
			t.Errorf("VerifyDummy: %v", err)
		}
		if _, err := h.Hash(t.Context(), secret); !errors.As(err, &busy) {
			t.Errorf("Hash: %v", err)
		}
		if _, err := h.Verify(t.Context(), "damaged", secret); !errors.As(err, &busy) || errors.Is(err, ErrUnreadable) {
			t.Errorf("Verify of a damaged hash: %v", err)
		}

		proceed <- struct{}{}
		synctest.Wait()
		if got, want := h.Stats(), (Stats{Slots: 2, Busy: 2, Waiting: 5, Refused: 4}); got != want {
			t.Errorf("after one hash: got %+v, want %+v", got, want)
		}
		close(proceed)
		served.Wait()
		if got, want := h.Stats(), (Stats{Slots: 2, Refused: 4}); got != want {
			t.Errorf("after the flood: got %+v, want %+v", got, want)
		}
	})
}

func TestACallerWhoGivesUpFreesThePlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, proceed := blocked(t, Config{Slots: 1, QueuePerSlot: 1})
		var served sync.WaitGroup
		verify := func(ctx context.Context, want error) {
			served.Go(func() {
				if err := h.VerifyDummy(ctx, secret); !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
			})
			synctest.Wait()
		}
		impatient, giveUp := context.WithCancel(t.Context())
		deadline, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()

		verify(t.Context(), nil)
		verify(impatient, context.Canceled)
		giveUp()
		synctest.Wait()
		verify(deadline, context.DeadlineExceeded) // has found the place free, and will wait for a minute
		time.Sleep(time.Minute)
		synctest.Wait()
		verify(t.Context(), nil)
		verify(impatient, context.Canceled) // is not even looked at: the queue is full, but this is no refusal
		if got, want := h.Stats(), (Stats{Slots: 1, Busy: 1, Waiting: 1}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		close(proceed)
		served.Wait()
	})
}

func TestTheQueueIsServedInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPool(1, 16)
		var order []int
		var served sync.WaitGroup
		if err := p.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 16 {
			served.Go(func() {
				if err := p.enter(t.Context()); err != nil {
					t.Error(err)
				}
				order = append(order, i)
				p.leave()
			})
			synctest.Wait()
		}
		p.leave()
		served.Wait()
		for i, who := range order {
			if i != who {
				t.Fatalf("served in the order %v", order)
			}
		}
	})
}

// However many log in at once, no more than the slots hash at the same time, so that memory has a bound.
func TestNoMoreHashesThanSlots(t *testing.T) {
	t.Parallel()
	const slots, callers = 3, 60
	h := newHasher(t, Config{Slots: slots, QueuePerSlot: callers})
	inside := make(chan struct{}, slots)
	h.idKey = func(p, s []byte, time, memory uint32, threads uint8, size uint32) []byte {
		select {
		case inside <- struct{}{}:
		default:
			t.Error("more hashes at once than slots")
			return make([]byte, size)
		}
		defer func() { <-inside }()
		return argon2.IDKey(p, s, time, memory, threads, size)
	}
	var served sync.WaitGroup
	for i := range callers {
		served.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%4 == 0 {
				go cancel() // some give up at an arbitrary moment
			}
			encoded, err := h.Hash(ctx, secret)
			if err == nil {
				_, err = h.Verify(ctx, encoded, secret)
			}
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	served.Wait()
	if got, want := h.Stats(), (Stats{Slots: slots}); got != want {
		t.Errorf("afterwards: got %+v, want %+v", got, want)
	}
}

// A hash that panics, say for want of memory, must not take its slot with it.
func TestAPanicFreesTheSlot(t *testing.T) {
	t.Parallel()
	h := newHasher(t, Config{Slots: 1})
	h.idKey = func([]byte, []byte, uint32, uint32, uint8, uint32) []byte { panic("broken") }
	func() {
		defer func() { _ = recover() }()
		_ = h.VerifyDummy(t.Context(), secret)
	}()
	if got, want := h.Stats(), (Stats{Slots: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestRetryAfterIsHowLongAFullQueueTakes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		oneHash   time.Duration
		queue     int
		wantRetry time.Duration
	}{
		{25 * time.Millisecond, 32, time.Second},
		{100 * time.Millisecond, 32, 4 * time.Second},
		{100 * time.Millisecond, 19, 2 * time.Second},
		{100 * time.Millisecond, 20, 3 * time.Second},
		{0, 32, time.Second},
	} {
		instants := []time.Time{time.Unix(0, 0), time.Unix(0, 0).Add(test.oneHash)}
		clock := func() time.Time {
			now := instants[0]
			instants = instants[1:]
			return now
		}
		h := newHasher(t, Config{QueuePerSlot: test.queue, Now: clock})
		if h.pool.retryAfter != test.wantRetry {
			t.Errorf("%v for one, %d waiting: got %v, want %v", test.oneHash, test.queue, h.pool.retryAfter, test.wantRetry)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	h := newHasher(b, Config{Params: DefaultParams()})
	b.ReportAllocs()
	for b.Loop() {
		if err := h.VerifyDummy(b.Context(), secret); err != nil {
			b.Fatal(err)
		}
	}
}

// Somebody who registers one account after the other must not fill the queue before those who log in.
func TestNewHashesLeaveRoomForLogins(t *testing.T) {
	t.Parallel()
	p := newPool(1, 4)
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := p.enterNew(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // as two that wait
		p.admitted <- struct{}{}
	}
	var refused *propusk.Error
	if err := p.enterNew(t.Context()); !errors.As(err, &refused) || refused.Code != "busy" {
		t.Errorf("a new hash in a queue that is half full: %v", err)
	}
	if err := p.full(); err != nil {
		t.Errorf("a login in a queue that is half full: %v", err)
	}
	if err := p.enter(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("somebody who has gone: %v", err)
	}
}
