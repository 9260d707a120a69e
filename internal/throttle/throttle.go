// Package throttle limits failed logins, so that nobody guesses a password and nobody is locked out for good (OWASP Authentication
// Cheat Sheet). The counters live in the database: one count for all doors and nodes, which a restart does not forget and which
// nobody can push out by trying a million other names.
package throttle

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

const (
	// accountFree is how many failures an account has before each further attempt has to wait: firstDelay, then twice as long each
	// time, up to maxDelay. Over a day that is fewer than 110 guesses.
	accountFree = 10
	firstDelay  = time.Minute
	maxDelay    = 15 * time.Minute
	// accountMemory is how long after the last attempt an account's count is forgotten.
	accountMemory = 24 * time.Hour
	// addressFree is how many failures one address has in each addressWindow.
	addressFree   = 30
	addressWindow = time.Minute
	// knownFor is how long an address from which the owner logged in is remembered as theirs.
	knownFor = 90 * 24 * time.Hour
	// sweepBatch is how many counters one transaction removes.
	sweepBatch = 1000
)

// Limiter decides whether a password may be tried.
type Limiter struct {
	Store store.Store
	Now   func() time.Time
	// Off lets everything through, for load tests.
	Off bool
}

// Attempt is one try that was let through. It counts as failed until it is told otherwise.
type Attempt struct {
	limiter *Limiter
	name    string // of the account
	network string
	// account is counted where everybody tries, or where only the owner does.
	account, address store.CounterKey
	// before and after are the two counts as they were and as this attempt left them.
	before, after [2]store.Counter
}

// Begin counts an attempt on an account, named by the key of its e-mail address whether it exists or not, from a network address,
// before the password is looked at: of many at once none is missed. It does so in a transaction of its own, which no later failure
// undoes. An attempt that is refused is not counted, so that hammering does not prolong the wait. RateLimited.
//
// From where the owner has logged in before, the account has a count of its own: strangers who use up the common one do not keep the
// owner out. Which addresses those are is bound to the password's hash: with another password nobody is known any more.
func (l *Limiter) Begin(ctx context.Context, account, hash, address string) (*Attempt, error) {
	a := &Attempt{limiter: l, name: account, network: networkOf(address)}
	if l.Off {
		return a, nil
	}
	a.address = key("address", a.network)
	// Most refusals are found without a transaction, so that a flood does not stand in the way of those who write.
	if err := a.decide(l.Store.Now(ctx), hash); err != nil {
		return nil, err
	}
	err := l.Store.Update(ctx, func(tx store.Tx) error {
		if err := a.decide(tx, hash); err != nil {
			return err
		}
		return a.count(tx)
	})
	return a, err
}

// decide chooses the count and reads it, or refuses.
func (a *Attempt) decide(r store.Reader, hash string) error {
	known, err := r.Counter(knownKey(a.name, hash, a.network))
	if err != nil {
		return err
	}
	a.account = key("account", a.name)
	if known.ExpiresAt.After(a.limiter.Now()) {
		a.account = key("account", a.name, a.network)
	}
	a.before, err = a.limiter.allowed(r, a.account, a.address)
	return err
}

func knownKey(account, hash, network string) store.CounterKey {
	return key("known", account, hash, network)
}

// allowed reads both counts, or refuses.
func (l *Limiter) allowed(r store.Reader, account, address store.CounterKey) (counts [2]store.Counter, err error) {
	now := l.Now()
	for i, of := range []struct {
		key  store.CounterKey
		wait func(store.Counter) time.Duration
	}{{account, accountWait}, {address, addressWait}} {
		c, err := r.Counter(of.key)
		if err != nil {
			return counts, err
		}
		// What was counted in the future was counted by a clock that was wrong.
		if !c.ExpiresAt.After(now) || c.At.After(now.Add(maxDelay)) {
			c = store.Counter{}
		}
		if wait := c.At.Add(of.wait(c)).Sub(now); c.Count > 0 && wait > 0 {
			return counts, tooMany(wait)
		}
		counts[i] = c
	}
	return counts, nil
}

// accountWait is how long after the last attempt the next one is looked at.
func accountWait(c store.Counter) time.Duration {
	if c.Count < accountFree {
		return 0
	}
	return min(firstDelay<<min(c.Count-accountFree, 8), maxDelay)
}

// addressWait is how long after its beginning a window is closed.
func addressWait(c store.Counter) time.Duration {
	if c.Count < addressFree {
		return 0
	}
	return addressWindow
}

func (a *Attempt) count(tx store.Tx) error {
	now := a.limiter.Now().Truncate(time.Second)
	a.after[0] = store.Counter{Count: a.before[0].Count + 1, At: now, ExpiresAt: now.Add(accountMemory)}
	a.after[1] = a.before[1]
	if a.after[1].Count == 0 {
		a.after[1].At, a.after[1].ExpiresAt = now, now.Add(addressWindow)
	}
	a.after[1].Count++
	if err := tx.SetCounter(a.account, a.after[0]); err != nil {
		return err
	}
	return tx.SetCounter(a.address, a.after[1])
}

// Succeeded forgets the failures of the account and takes back the attempt of the address, in the transaction that lets the owner in,
// and remembers the address as theirs. The hash is the password's as it is kept from now on.
func (a *Attempt) Succeeded(tx store.Tx, hash string) error {
	if a.limiter.Off {
		return nil
	}
	if err := tx.DeleteCounter(a.account); err != nil {
		return err
	}
	if err := takeBackAddress(tx, a.address, a.after[1]); err != nil {
		return err
	}
	return a.limiter.remember(tx, a.name, hash, a.network)
}

// Remember takes the address from which an account was made for its owner's.
func (l *Limiter) Remember(tx store.Tx, account, hash, address string) error {
	if l.Off {
		return nil
	}
	return l.remember(tx, account, hash, networkOf(address))
}

func (l *Limiter) remember(tx store.Tx, account, hash, network string) error {
	now := l.Now()
	return tx.SetCounter(knownKey(account, hash, network), store.Counter{Count: 1, At: now, ExpiresAt: now.Add(knownFor)})
}

// Withdraw takes the attempt back: the password was never looked at.
func (a *Attempt) Withdraw(ctx context.Context) error {
	if a.limiter.Off {
		return nil
	}
	return a.limiter.Store.Update(ctx, func(tx store.Tx) error {
		if err := takeBack(tx, a.account, a.before[0], a.after[0]); err != nil {
			return err
		}
		return takeBackAddress(tx, a.address, a.after[1])
	})
}

// takeBack undoes one count of an account: as it was, if nobody has counted since, and else one less.
func takeBack(tx store.Tx, key store.CounterKey, before, after store.Counter) error {
	c, err := tx.Counter(key)
	switch {
	case err != nil || c.Count == 0:
		return err
	case c.Count == after.Count && c.At.Equal(after.At):
		return tx.SetCounter(key, before)
	default:
		c.Count--
		return tx.SetCounter(key, c)
	}
}

// takeBackAddress undoes one count of an address, in the window in which it was counted and in no other.
func takeBackAddress(tx store.Tx, key store.CounterKey, after store.Counter) error {
	c, err := tx.Counter(key)
	if err != nil || c.Count == 0 || !c.At.Equal(after.At) {
		return err
	}
	c.Count--
	return tx.SetCounter(key, c)
}

// Sweep removes counters that no longer matter.
func (l *Limiter) Sweep(ctx context.Context) error {
	for removed := sweepBatch; removed == sweepBatch; {
		err := l.Store.Update(ctx, func(tx store.Tx) (err error) {
			removed, err = tx.DeleteOverCounters(l.Now(), sweepBatch)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func tooMany(wait time.Duration) error {
	return &propusk.Error{
		Kind: propusk.RateLimited, Code: "too_many_attempts", RetryAfter: wait,
		Message: fmt.Sprintf("too many failed logins: try again in %v", wait.Round(time.Second)),
	}
}

// key hashes what is counted, each part behind its length, so that no two lists of parts are the same.
func key(parts ...string) store.CounterKey {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return store.CounterKey(h.Sum(nil))
}

// networkOf is what one client cannot leave cheaply: an IPv4 address, or the /64 of an IPv6 address.
func networkOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown"
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.Prefix(64)
	if err != nil {
		return "unknown"
	}
	return prefix.String()
}
