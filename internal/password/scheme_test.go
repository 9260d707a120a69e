package password

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"
)

// The hashes in these tests come from other programs: argon2id from the reference implementation's command line
// (Debian argon2 20171227), bcrypt from libxcrypt's crypt(3).
func TestHashesOfOtherPrograms(t *testing.T) {
	t.Parallel()
	current := newHasher(t, Config{})
	standard := newHasher(t, Config{Params: DefaultParams()})
	lanes := newHasher(t, Config{Params: Params{MemoryKiB: 256, Iterations: 3, Parallelism: 4}})
	long := strings.Repeat("a", 80)

	for _, test := range []struct {
		story    string
		hasher   *Hasher
		encoded  string
		password string
		want     Result
	}{
		{"argon2id with the parameters in use", current,
			"$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQxNmJ5dGVzIQ$r9+xc5pIgEOouA43Uq0Ncn0mwwlbwH30VU0trOYd09w",
			secret, Result{OK: true}},
		{"argon2id with a salt of 17 bytes is renewed", standard,
			"$argon2id$v=19$m=19456,t=2,p=1$cHJvcHVzay10ZXN0LXNhbHQ$qz6V7DbeJAt3y69WO9YG/S7XrOodRQATIzQ9VMZ/CPY",
			secret, Result{OK: true, Rehash: true}},
		{"argon2id with a hash of 24 bytes is renewed", lanes,
			"$argon2id$v=19$m=256,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$vVZbFyzY7mZD/kRl/UpdajbF9MF+B/5U",
			"пароль с пробелом ", Result{OK: true, Rehash: true}},
		{"argon2id with other parameters, four lanes, 24 bytes, and a password in Cyrillic with a space behind", current,
			"$argon2id$v=19$m=256,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$vVZbFyzY7mZD/kRl/UpdajbF9MF+B/5U",
			"пароль с пробелом ", Result{OK: true, Rehash: true}},
		{"the same without that space", current,
			"$argon2id$v=19$m=256,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$vVZbFyzY7mZD/kRl/UpdajbF9MF+B/5U",
			"пароль с пробелом", Result{}},
		{"bcrypt 2a", current, "$2a$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG",
			secret, Result{OK: true, Rehash: true}},
		{"bcrypt 2b", current, "$2b$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG",
			secret, Result{OK: true, Rehash: true}},
		{"bcrypt 2y", current, "$2y$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG",
			secret, Result{OK: true, Rehash: true}},
		{"bcrypt in Cyrillic", current, "$2y$05$abcdefghijklmnopqrstuu7dulhBMXrmrDsUPlXMvkPcqt4Lk5tpO",
			"пароль с пробелом ", Result{OK: true, Rehash: true}},
		{"a wrong password is never renewed", current, "$2b$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG",
			secret + "!", Result{}},
		{"bcrypt of exactly 72 bytes", current, "$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe",
			long[:72], Result{OK: true, Rehash: true}},
		{"bcrypt of 80 bytes still lets its owner in, and stays", current,
			"$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe", long, Result{OK: true}},
		{"bcrypt of 71 bytes is not enough", current,
			"$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe", long[:71], Result{}},
		{"Discours: bcrypt over the hexadecimal SHA-256", current,
			"$bcrypt-sha256-hex$2b$04$abcdefghijklmnopqrstuuaBT8mpw5tGdD3eO40znWcQP/dT9hEVK",
			secret, Result{OK: true, Rehash: true}},
		{"Discours: the digest itself, stolen from a log, is not the password", current,
			"$bcrypt-sha256-hex$2b$04$abcdefghijklmnopqrstuuaBT8mpw5tGdD3eO40znWcQP/dT9hEVK",
			"c4bbcb1fbec99d65bf59d85c8cb62ee2db963f0fe106f483d9afa73bd4e39a8a", Result{}},
		{"Discours: the mark decides, not the hash", current,
			"$2b$04$abcdefghijklmnopqrstuuaBT8mpw5tGdD3eO40znWcQP/dT9hEVK", secret, Result{}},
	} {
		t.Run(test.story, func(t *testing.T) {
			t.Parallel()
			got, err := test.hasher.Verify(t.Context(), test.encoded, test.password)
			if err != nil || got != test.want {
				t.Errorf("got %+v and error %v, want %+v", got, err, test.want)
			}
		})
	}
}

const (
	goodSalt = "c29tZXNhbHQxNmJ5dGVzIQ"
	goodTag  = "r9+xc5pIgEOouA43Uq0Ncn0mwwlbwH30VU0trOYd09w"
	bcryptOK = "abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG"
)

var unreadableHashes = []struct{ fault, encoded string }{
	{"unknown scheme", ""},
	{"unknown scheme", "plain text"},
	{"unknown scheme", "$argon2i$v=19$m=64,t=1,p=1$" + goodSalt + "$" + goodTag},
	{"unknown scheme", "$argon2d$v=19$m=64,t=1,p=1$" + goodSalt + "$" + goodTag},
	{"unknown scheme", "$ARGON2ID$v=19$m=64,t=1,p=1$" + goodSalt + "$" + goodTag},
	{"unknown scheme", " $argon2id$v=19$m=64,t=1,p=1$" + goodSalt + "$" + goodTag},
	{"unknown scheme", "$1$salt$5f4dcc3b5aa765d61d8327deb882cf99"},
	{"longer than", "$argon2id$" + strings.Repeat("A", 1<<20)},
	{"not of the form", "$argon2id$"},
	{"not of the form", "$argon2id$m=64,t=1,p=1$" + goodSalt + "$" + goodTag},
	{"not of the form", "$argon2id$v=16$m=64,t=1,p=1$" + goodSalt + "$" + goodTag},
	{"not of the form", "$argon2id$v=19$m=64,t=1,p=1$" + goodSalt},
	{"not of the form", "$argon2id$v=19$m=64,t=1,p=1$" + goodSalt + "$" + goodTag + "$"},
	{"parameters are not", "$argon2id$v=19$$" + goodSalt + "$" + goodTag},
	{"parameters are not", "$argon2id$v=19$t=1,m=64,p=1$" + goodSalt + "$" + goodTag},
	{"parameters are not", "$argon2id$v=19$m=-64,t=1,p=1$" + goodSalt + "$" + goodTag},
	{"parameters are not", "$argon2id$v=19$m=64,t=1,p=257$" + goodSalt + "$" + goodTag},
	{"parameters are not", "$argon2id$v=19$m=4294967360,t=1,p=1$" + goodSalt + "$" + goodTag},
	{"canonical", "$argon2id$v=19$m=064,t=1,p=1$" + goodSalt + "$" + goodTag},
	{"canonical", "$argon2id$v=19$m= 64,t=1,p=1$" + goodSalt + "$" + goodTag},
	{"canonical", "$argon2id$v=19$m=64,t=1,p=1,keyid=Zm9v$" + goodSalt + "$" + goodTag},
	{"canonical", "$argon2id$v=19$m=64,t=1,p=1 $" + goodSalt + "$" + goodTag},
	{"salt is not", "$argon2id$v=19$m=64,t=1,p=1$" + goodSalt + "==$" + goodTag},
	{"salt is not", "$argon2id$v=19$m=64,t=1,p=1$" + goodSalt[:21] + "R$" + goodTag}, // another spelling of the same bytes
	{"salt is not", "$argon2id$v=19$m=64,t=1,p=1$" + goodSalt + "\n$" + goodTag},
	{"hash is not", "$argon2id$v=19$m=64,t=1,p=1$" + goodSalt + "$" + strings.ReplaceAll(goodTag, "+", "-")},
	{"salt has 0 bytes", "$argon2id$v=19$m=64,t=1,p=1$$" + goodTag},
	{"salt has 6 bytes", "$argon2id$v=19$m=64,t=1,p=1$c29tZXNh$" + goodTag},
	{"salt has 66 bytes", "$argon2id$v=19$m=64,t=1,p=1$" + strings.Repeat("AAAA", 22) + "$" + goodTag},
	{"hash has 3 bytes", "$argon2id$v=19$m=64,t=1,p=1$" + goodSalt + "$AAAA"}, // one in 16 million would match
	{"hash has 66 bytes", "$argon2id$v=19$m=64,t=1,p=1$" + goodSalt + "$" + strings.Repeat("AAAA", 22)},
	{"MemoryKiB", "$argon2id$v=19$m=4294967295,t=1,p=1$" + goodSalt + "$" + goodTag}, // 4 TiB
	{"MemoryKiB", "$argon2id$v=19$m=131073,t=1,p=1$" + goodSalt + "$" + goodTag},
	{"MemoryKiB", "$argon2id$v=19$m=31,t=1,p=4$" + goodSalt + "$" + goodTag},
	{"Iterations", "$argon2id$v=19$m=64,t=0,p=1$" + goodSalt + "$" + goodTag}, // would panic
	{"Iterations", "$argon2id$v=19$m=64,t=4294967295,p=1$" + goodSalt + "$" + goodTag},
	{"Parallelism", "$argon2id$v=19$m=64,t=1,p=0$" + goodSalt + "$" + goodTag}, // would panic
	{"Parallelism", "$argon2id$v=19$m=131072,t=1,p=17$" + goodSalt + "$" + goodTag},
	{"not a bcrypt hash", "$2$04$" + bcryptOK},
	{"not a bcrypt hash", "$2x$04$" + bcryptOK},
	{"not a bcrypt hash", "$2b$03$" + bcryptOK},
	{"not a bcrypt hash", "$2b$16$" + bcryptOK},
	{"not a bcrypt hash", "$2b$31$" + bcryptOK}, // days of work
	{"not a bcrypt hash", "$2b$4$" + bcryptOK},
	{"not a bcrypt hash", "$2b$+4$" + bcryptOK},
	{"not a bcrypt hash", "$2b$04$" + bcryptOK[1:]},
	{"not a bcrypt hash", "$2b$04$" + bcryptOK + "A"},
	{"not a bcrypt hash", "$2b$04$" + bcryptOK + "\n"},
	{"not a bcrypt hash", "$bcrypt-sha256-hex"},
	{"not a bcrypt hash", "$bcrypt-sha256-hex$2b$31$" + bcryptOK},
	{"not a bcrypt hash", "$bcrypt-sha256-hex$bcrypt-sha256-hex$2b$04$" + bcryptOK},
	{"not a bcrypt hash", "$bcrypt-sha256-hex$argon2id$v=19$m=64,t=1,p=1$" + goodSalt + "$" + goodTag},
}

func TestDamagedAndHostileHashesAreRefused(t *testing.T) {
	t.Parallel()
	for i, test := range unreadableHashes {
		t.Run(fmt.Sprintf("%d %s", i, test.fault), func(t *testing.T) {
			t.Parallel()
			err := Readable(test.encoded)
			if !errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), test.fault) {
				t.Fatalf("%q: got %v, want %q", test.encoded, err, test.fault)
			}
			if strings.Contains(err.Error(), goodTag) || strings.Contains(err.Error(), bcryptOK) {
				t.Errorf("the error repeats the hash: %v", err)
			}
		})
	}
}

// An attacker who can write one row of a database must not be able to stop the server with it.
func TestAHostileHashCostsNoMoreThanADummy(t *testing.T) {
	t.Parallel()
	h := newHasher(t, Config{})
	var asked []uint32
	h.idKey = func(p, s []byte, time, memory uint32, threads uint8, size uint32) []byte {
		asked = append(asked, memory)
		return argon2.IDKey(p, s, time, memory, threads, size)
	}
	for _, test := range unreadableHashes {
		asked = nil
		result, err := h.Verify(t.Context(), test.encoded, secret)
		if !errors.Is(err, ErrUnreadable) || result != (Result{}) {
			t.Errorf("%.80q: got %+v, %v", test.encoded, result, err)
		}
		if len(asked) != 1 || asked[0] != cheap.MemoryKiB {
			t.Errorf("%.80q: hashed with %v KiB, want one dummy of %d", test.encoded, asked, cheap.MemoryKiB)
		}
	}
}

func TestMarkSHA256Hex(t *testing.T) {
	t.Parallel()
	got, err := MarkSHA256Hex("$2b$10$" + bcryptOK)
	if want := "$bcrypt-sha256-hex$2b$10$" + bcryptOK; got != want || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if err := Readable(got); err != nil {
		t.Error(err)
	}
	for _, not := range []string{"", "$2b$31$" + bcryptOK, got} {
		if marked, err := MarkSHA256Hex(not); !errors.Is(err, ErrUnreadable) || marked != "" {
			t.Errorf("%q: got %q, %v", not, marked, err)
		}
	}
}

func TestParamsCheck(t *testing.T) {
	t.Parallel()
	for _, good := range []Params{DefaultParams(), cheap, {8, 1, 1}, {128, 16, 16}, {131072, 16, 16}} {
		if err := good.Check(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for _, test := range []struct {
		params Params
		want   string
	}{
		{Params{}, "password: Parallelism is 0, allowed are 1 to 16"},
		{Params{64, 1, 17}, "password: Parallelism is 17, allowed are 1 to 16"},
		{Params{64, 0, 1}, "password: Iterations is 0, allowed are 1 to 16"},
		{Params{64, 17, 1}, "password: Iterations is 17, allowed are 1 to 16"},
		{Params{15, 1, 2}, "password: MemoryKiB is 15, allowed are 16 to 131072"},
		{Params{131073, 1, 1}, "password: MemoryKiB is 131073, allowed are 8 to 131072"},
	} {
		if err := test.params.Check(); err == nil || err.Error() != test.want {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}

// Whatever reads as argon2id is affordable, and written in the only way this package writes it.
func FuzzParse(f *testing.F) {
	f.Add("$argon2id$v=19$m=64,t=1,p=1$" + goodSalt + "$" + goodTag)
	f.Add("$bcrypt-sha256-hex$2b$10$" + bcryptOK)
	for _, test := range unreadableHashes {
		f.Add(test.encoded)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		stored, err := parse(encoded)
		if err != nil {
			if !errors.Is(err, ErrUnreadable) || stored != nil {
				t.Fatalf("%q: %v, %v", encoded, stored, err)
			}
			return
		}
		switch hash := stored.(type) {
		case argon2id:
			if err := hash.params.Check(); err != nil {
				t.Errorf("%q: %v", encoded, err)
			}
			if hash.String() != encoded {
				t.Errorf("%q is another spelling of %q", encoded, hash)
			}
		case plainBcrypt:
			if string(hash) != encoded || len(hash) != 60 {
				t.Errorf("%q became %q", encoded, hash)
			}
		case sha256HexBcrypt:
			if sha256HexPrefix+string(hash) != encoded || len(hash) != 60 {
				t.Errorf("%q became %q", encoded, hash)
			}
		}
	})
}
