// Package password hashes and verifies passwords, and decides which new ones are good enough.
//
// New hashes are Argon2id in the PHC string format. Hashes that other programs made with bcrypt are verified too, and
// reported for renewal, so that imported users keep their passwords.
//
// A password is the bytes its owner sent: it is never trimmed, truncated, normalised or otherwise changed before it is
// hashed. Unicode normalisation would make keyboards that compose letters differently agree, but imported hashes were
// made without it, and the tables change between versions of Unicode: an upgrade must not lock people out.
package password

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"runtime"
	"time"

	"golang.org/x/crypto/argon2"
)

// DefaultQueuePerSlot is how many callers may wait for each slot unless configured otherwise: less than a second of
// waiting with the default parameters.
const DefaultQueuePerSlot = 32

// Config is what a [Hasher] is made of. The zero value is the default of every setting.
type Config struct {
	Params       Params           // cost of new hashes; zero: DefaultParams
	Slots        int              // hashes that may run at once; 0: one less than there are cores, at least one
	QueuePerSlot int              // callers that may wait for each slot; 0: DefaultQueuePerSlot
	Rand         io.Reader        // source of salts, safe for concurrent use; nil: crypto/rand
	Now          func() time.Time // clock that times one hash at the start; nil: time.Now
}

// Check reports the first setting that is out of range, with its name and that range.
func (c Config) Check() error {
	switch {
	case c.Slots < 0:
		return fmt.Errorf("password: Slots is %d, allowed are 1 and more, or 0 for the default", c.Slots)
	case c.QueuePerSlot < 0:
		return fmt.Errorf("password: QueuePerSlot is %d, allowed are 1 and more, or 0 for the default", c.QueuePerSlot)
	}
	return c.withDefaults().Params.Check()
}

func (c Config) withDefaults() Config {
	if c.Params == (Params{}) {
		c.Params = DefaultParams()
	}
	if c.Slots == 0 {
		c.Slots = max(1, runtime.GOMAXPROCS(0)-1)
	}
	if c.QueuePerSlot == 0 {
		c.QueuePerSlot = DefaultQueuePerSlot
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Result is the answer to "is this the password?". The zero value is no.
type Result struct {
	OK     bool // it is the password
	Rehash bool // it is, and its hash should be replaced by a new one: another scheme, or not the current parameters
}

// Hasher hashes and verifies passwords in a bounded number of slots, so that a flood of logins costs waiting and
// refusals and neither memory (each hash takes Params.MemoryKiB) nor every core. It is safe for concurrent use.
//
// Its methods that hash return an error of kind Unavailable (busy) when too many callers wait already, and the error of the context when that
// ends before a slot is free; a hash once begun runs to its end. In both cases nothing was hashed.
type Hasher struct {
	params Params
	rand   io.Reader
	pool   *pool
	dummy  string // hash of a password nobody knows

	idKey func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte
}

// New makes a Hasher and hashes once, to have something for [Hasher.VerifyDummy] and to learn how long a hash takes.
// The error is that of [Config.Check], or of the source of randomness.
func New(c Config) (*Hasher, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	h := &Hasher{
		params: c.Params,
		rand:   c.Rand,
		pool:   newPool(c.Slots, c.QueuePerSlot),
		idKey:  argon2.IDKey,
	}
	nobodys, err := h.random(32)
	if err != nil {
		return nil, err
	}
	start := c.Now()
	if h.dummy, err = h.Hash(context.Background(), string(nobodys)); err != nil {
		return nil, err
	}
	drain := c.Now().Sub(start) * time.Duration(c.QueuePerSlot+1)
	h.pool.retryAfter = max(time.Second, (drain + time.Second - 1).Truncate(time.Second))
	return h, nil
}

// Hash returns a new Argon2id hash of password under a fresh salt, as a PHC string of printable ASCII. It takes any
// password up to [MaxBytes], beyond which the error is a [RuleError]; whether it is good enough is for [Policy] to say.
// It may use half of the queue, so that there is always room for those who log in.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if len(password) > MaxBytes {
		return "", tooLong()
	}
	salt, err := h.random(saltSize)
	if err != nil {
		return "", err
	}
	if err := h.pool.enterNew(ctx); err != nil {
		return "", err
	}
	defer h.pool.leave()
	return argon2id{
		params: h.params,
		salt:   salt,
		tag:    h.derive(password, salt, h.params, tagSize),
	}.String(), nil
}

// Verify says whether encoded, a stored hash, is that of password. Passwords longer than [MaxBytes] are never right.
//
// The error is [ErrUnreadable] when the stored hash is damaged or too costly. The work of a dummy is done all the same,
// and if that is refused, its error is the one returned. Whoever answers a login should answer ErrUnreadable as a wrong
// password and log it, for anything else would tell that the account exists.
//
// Verifying an imported bcrypt hash takes as long as its cost asks for, which differs from [Hasher.VerifyDummy] until the
// account's first login replaces the hash.
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (Result, error) {
	stored, err := parse(encoded)
	if err != nil {
		return Result{}, cmp.Or(h.VerifyDummy(ctx, password), err)
	}
	if len(password) > MaxBytes {
		return Result{}, nil
	}
	if err := h.pool.enter(ctx); err != nil {
		return Result{}, err
	}
	defer h.pool.leave()
	return stored.verify(password, h), nil
}

// VerifyDummy does what [Hasher.Verify] does for a hash with the current parameters, and finds nothing. A login calls it
// where there is no hash to verify (no such account, or one that may not log in), so that neither the time it takes nor
// a refusal for being busy tells such accounts from others. Nil means only that the work was done.
func (h *Hasher) VerifyDummy(ctx context.Context, password string) error {
	_, err := h.Verify(ctx, h.dummy, password)
	return err
}

// Full is the refusal that a method which hashes would return now because too many callers wait already, nil otherwise. Asking first
// spares whatever else a doomed call would cost.
func (h *Hasher) Full() error { return h.pool.full() }

// Stats returns the state of the slots and of the queue.
func (h *Hasher) Stats() Stats {
	return h.pool.stats()
}

func (h *Hasher) derive(password string, salt []byte, p Params, size int) []byte {
	return h.idKey([]byte(password), salt, p.Iterations, p.MemoryKiB, p.Parallelism, uint32(size))
}

func (h *Hasher) random(size int) ([]byte, error) {
	b := make([]byte, size)
	if _, err := io.ReadFull(h.rand, b); err != nil {
		return nil, fmt.Errorf("password: source of randomness: %w", err)
	}
	return b, nil
}
