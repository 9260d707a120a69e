package throttle_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/sqlstore"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/throttle"
)

// door is a limiter whose clock the test turns.
type door struct {
	*throttle.Limiter
	now  time.Time
	path string
	// hash is the one hash that all accounts here have.
	hash string
}

func newDoor(t *testing.T) *door {
	t.Helper()
	d := &door{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), path: filepath.Join(t.TempDir(), "propusk.db"), hash: "$first"}
	d.Limiter = &throttle.Limiter{Store: openStore(t, d.path), Now: func() time.Time { return d.now }}
	return d
}

func openStore(t *testing.T, path string) *sqlstore.Store {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// try knocks once and says whether the password would be looked at, or how long to wait.
func (d *door) try(t *testing.T, account, address string) (wait time.Duration) {
	t.Helper()
	_, err := d.Begin(t.Context(), account, d.hash, address)
	var limited *propusk.Error
	if errors.As(err, &limited) && limited.Kind == propusk.RateLimited {
		if limited.RetryAfter <= 0 {
			t.Errorf("refused without saying how long")
		}
		return limited.RetryAfter
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

func (d *door) succeed(t *testing.T, account, address string) {
	t.Helper()
	attempt, err := d.Begin(t.Context(), account, d.hash, address)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Store.Update(t.Context(), func(tx store.Tx) error { return attempt.Succeeded(tx, d.hash) }); err != nil {
		t.Fatal(err)
	}
}

// stranger is the n-th address of a large network.
func stranger(n int) string { return fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255) }

func TestAnAccountWaitsLongerAndLongerAndNeverForGood(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for n := range 10 {
		if wait := d.try(t, "anna", stranger(n)); wait != 0 {
			t.Fatalf("attempt %d waits %v", n+1, wait)
		}
	}
	for n, want := range []time.Duration{1, 2, 4, 8, 15, 15, 15} {
		want *= time.Minute
		if wait := d.try(t, "anna", stranger(100+n)); wait != want {
			t.Errorf("after %d failures the wait is %v, not %v", 10+n, wait, want)
		}
		d.now = d.now.Add(want)
		if wait := d.try(t, "anna", stranger(200+n)); wait != 0 {
			t.Errorf("after waiting, %v more", wait)
		}
	}
}

func TestHammeringDoesNotProlongTheWait(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for n := range 10 {
		d.try(t, "anna", stranger(n))
	}
	for n := range 500 {
		if wait := d.try(t, "anna", stranger(n)); wait != time.Minute {
			t.Fatalf("the wait has become %v", wait)
		}
	}
}

// An attacker with a thousand addresses and a day may not try more than a hundred and ten passwords.
func TestAThousandGuessesFromAThousandAddressesInADay(t *testing.T) {
	t.Parallel()
	for name, pace := range map[string]func(n int) time.Duration{
		"evenly": func(int) time.Duration { return 24 * time.Hour / 1000 },
		"a burst first": func(n int) time.Duration {
			return map[bool]time.Duration{true: 0, false: 24 * time.Hour / 900}[n < 100]
		},
		"a burst at end": func(n int) time.Duration {
			return map[bool]time.Duration{true: 24 * time.Hour / 900, false: 0}[n < 900]
		},
	} {
		d, reached := newDoor(t), 0
		for n := range 1000 {
			if d.try(t, "anna", stranger(n)) == 0 {
				reached++
			}
			d.now = d.now.Add(pace(n))
		}
		if reached > 110 {
			t.Errorf("%s: %d guesses reached the hash", name, reached)
		}
		t.Logf("%s: %d guesses reached the hash", name, reached)
	}
}

// The worst an attacker can do: come back at the very moment the wait is over, all day.
func TestTheMostPatientAttacker(t *testing.T) {
	t.Parallel()
	d, reached := newDoor(t), 0
	end := d.now.Add(24 * time.Hour)
	for n := 0; d.now.Before(end); n++ {
		wait := d.try(t, "anna", stranger(n))
		if wait == 0 {
			reached++
		}
		d.now = d.now.Add(wait)
	}
	if reached > 110 {
		t.Errorf("%d guesses in a day", reached)
	}
	t.Logf("%d guesses in a day", reached)
}

// Whoever uses up the common count must not keep out the owner, who comes from where they have been before.
func TestTheOwnerGetsInDuringAnAttack(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	const home = "192.0.2.7"
	d.succeed(t, "anna", home)
	for n := range 20 {
		d.try(t, "anna", stranger(n))
	}
	if wait := d.try(t, "anna", "198.51.100.1"); wait == 0 {
		t.Error("the attack had no effect")
	}
	if wait := d.try(t, "anna", home); wait != 0 {
		t.Errorf("the owner waits %v", wait)
	}
	if wait := d.try(t, "boris", home); wait != 0 {
		t.Errorf("another account waits %v", wait)
	}
	d.succeed(t, "anna", home)
	if wait := d.try(t, "anna", "198.51.100.1"); wait == 0 {
		t.Error("the owner's login from home gave the attacker new guesses")
	}
}

// Somebody who knew the old password could have logged in from a hundred networks. With a new one none of them is known.
func TestANewPasswordForgetsWhereTheOldOneWasUsed(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for n := range 8 {
		d.succeed(t, "anna", stranger(n))
	}
	d.hash = "$second"
	reached := 0
	for n := range 8 {
		for range 10 {
			if d.try(t, "anna", stranger(n)) == 0 {
				reached++
			}
		}
	}
	if reached != 10 {
		t.Errorf("%d guesses reached the hash", reached)
	}
}

func TestWhereAnAccountWasMadeIsItsOwners(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	err := d.Store.Update(t.Context(), func(tx store.Tx) error { return d.Remember(tx, "anna", d.hash, "192.0.2.7") })
	if err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		d.try(t, "anna", stranger(n))
	}
	if wait := d.try(t, "anna", "192.0.2.7"); wait != 0 {
		t.Errorf("the owner waits %v", wait)
	}
}

// Who was let through and then turned away because the server was busy must not wait again for that.
func TestAWithdrawnAttemptCostsNoWait(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for n := range 12 {
		d.try(t, "anna", stranger(n))
		d.now = d.now.Add(d.try(t, "anna", stranger(100+n)))
	}
	attempt, err := d.Begin(t.Context(), "anna", d.hash, "192.0.2.7")
	if err != nil {
		t.Fatal(err)
	}
	if err := attempt.Withdraw(t.Context()); err != nil {
		t.Fatal(err)
	}
	if wait := d.try(t, "anna", "192.0.2.7"); wait != 0 {
		t.Errorf("the next try waits %v", wait)
	}
}

// Thirty of one's own logins, begun in one minute and ended in the next, must not buy thirty more failures there.
func TestSuccessOfAnotherMinuteTakesNothingBack(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	var own []*throttle.Attempt
	for n := range 15 {
		attempt, err := d.Begin(t.Context(), fmt.Sprint("own", n), d.hash, "192.0.2.7")
		if err != nil {
			t.Fatal(err)
		}
		own = append(own, attempt)
	}
	d.now = d.now.Add(time.Minute)
	for n := range 30 {
		if d.try(t, fmt.Sprint("victim", n), "192.0.2.7") != 0 {
			t.Fatalf("failure %d was refused", n)
		}
	}
	for _, attempt := range own {
		if err := d.Store.Update(t.Context(), func(tx store.Tx) error { return attempt.Succeeded(tx, d.hash) }); err != nil {
			t.Fatal(err)
		}
	}
	if d.try(t, "victim", "192.0.2.7") == 0 {
		t.Error("the address has more than thirty failures in a minute")
	}
}

// A clock that was a year ahead for a moment must not lock an account for a year.
func TestAClockThatWasAheadLocksNobody(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	right := d.now
	d.now = right.Add(365 * 24 * time.Hour)
	for n := range 12 {
		d.try(t, "anna", stranger(n))
	}
	d.now = right
	if wait := d.try(t, "anna", stranger(50)); wait > 15*time.Minute {
		t.Errorf("the wait is %v", wait)
	}
}

func TestAnAddressHasThirtyFailuresAMinute(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for n := range 30 {
		if wait := d.try(t, fmt.Sprint("account", n), "2001:db8:1:2::"+fmt.Sprint(n)); wait != 0 {
			t.Fatalf("failure %d waits %v", n+1, wait)
		}
	}
	d.now = d.now.Add(20 * time.Second)
	if wait := d.try(t, "another", "2001:db8:1:2:ffff::1"); wait != 40*time.Second {
		t.Errorf("the same /64 waits %v", wait)
	}
	if wait := d.try(t, "another", "2001:db8:1:3::1"); wait != 0 {
		t.Errorf("the next /64 waits %v", wait)
	}
	d.now = d.now.Add(40 * time.Second)
	if wait := d.try(t, "another2", "2001:db8:1:2::1"); wait != 0 {
		t.Errorf("after a minute it waits %v", wait)
	}
}

func TestSuccessCountsForNobody(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for n := range 100 {
		d.succeed(t, fmt.Sprint("colleague", n), "192.0.2.7")
	}
}

func TestOfSixtyFourGuessesAtOnceTenAreLookedAt(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	var let, refused atomic.Int64
	var all sync.WaitGroup
	for n := range 64 {
		all.Go(func() {
			if d.try(t, "anna", stranger(n)) == 0 {
				let.Add(1)
			} else {
				refused.Add(1)
			}
		})
	}
	all.Wait()
	if let.Load() != 10 || refused.Load() != 54 {
		t.Errorf("%d were let through, %d refused", let.Load(), refused.Load())
	}
}

func TestARestartOrAnotherNodeForgetsNothing(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	other := &door{path: d.path, now: d.now, hash: d.hash}
	other.Limiter = &throttle.Limiter{Store: openStore(t, d.path), Now: func() time.Time { return other.now }}
	for n := range 5 {
		d.try(t, "anna", stranger(n))
		other.try(t, "anna", stranger(100+n))
	}
	if d.try(t, "anna", stranger(50)) == 0 || other.try(t, "anna", stranger(51)) == 0 {
		t.Error("two nodes count apart")
	}
}

// A million other names must not push out the one that is under attack; only time does.
func TestOtherNamesEvictNothing(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for n := range 10 {
		d.try(t, "anna", stranger(n))
	}
	for n := range 3000 {
		d.try(t, fmt.Sprint("name", n), stranger(1000+n))
	}
	if err := d.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d.try(t, "anna", stranger(11)) == 0 {
		t.Error("the count of the account is gone")
	}
	d.now = d.now.Add(25 * time.Hour)
	if err := d.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if wait := d.try(t, "anna", stranger(12)); wait != 0 {
		t.Errorf("a day later the account waits %v", wait)
	}
}

func TestAWithdrawnAttemptDoesNotCount(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for range 50 {
		attempt, err := d.Begin(t.Context(), "anna", d.hash, "192.0.2.7")
		if err != nil {
			t.Fatal(err)
		}
		if err := attempt.Withdraw(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// The count is written before the password is looked at, and by itself: what fails later does not undo it.
func TestTheCountSurvivesTheRollbackOfTheLogin(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for n := range 10 {
		attempt, err := d.Begin(t.Context(), "anna", d.hash, stranger(n))
		if err != nil {
			t.Fatal(err)
		}
		undone := errors.New("undone")
		err = d.Store.Update(t.Context(), func(tx store.Tx) error { return errors.Join(attempt.Succeeded(tx, d.hash), undone) })
		if !errors.Is(err, undone) {
			t.Fatal(err)
		}
	}
	if d.try(t, "anna", stranger(11)) == 0 {
		t.Error("ten failures left no trace")
	}
}

func TestOffLetsEverythingThrough(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.Off = true
	for range 100 {
		d.succeed(t, "anna", "192.0.2.7")
		if d.try(t, "anna", "192.0.2.7") != 0 {
			t.Fatal("limited")
		}
	}
}

func TestOddAddressesShareOneCount(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for n := range 30 {
		d.try(t, fmt.Sprint("account", n), []string{"", "@", "unix", "300.1.1.1"}[n%4])
	}
	if d.try(t, "another", "nonsense") == 0 {
		t.Error("an address that cannot be read is not limited")
	}
	if d.try(t, "x", "::ffff:192.0.2.7") != 0 || d.try(t, "x", "192.0.2.7") != 0 {
		t.Error("limited")
	}
}
