package password

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// cheap keeps the tests fast. No server should be run with it.
var cheap = Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1}

// secret is the password that other programs hashed for the tests.
const secret = "correct horse battery staple"

func newHasher(t testing.TB, c Config) *Hasher {
	t.Helper()
	if c.Params == (Params{}) {
		c.Params = cheap
	}
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}
