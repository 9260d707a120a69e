package token

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

var (
	noon   = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	config = Config{Issuer: "https://id.example", Audience: "https://example", Leeway: 5 * time.Second}
	userID = uuid.MustParse("0190a5a4-3b7e-7cc1-9c3d-6f1f3a3f6b11")

	// sid is the text of a secret whose bytes are all 0x42.
	sid = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI"
)

// claimsAt are those of a token that is valid for an hour from then on.
func claimsAt(t testing.TB, then time.Time) Claims {
	t.Helper()
	secret, err := ParseSecret(sid)
	if err != nil {
		t.Fatal(err)
	}
	return Claims{UserID: userID, SessionSecret: secret, IssuedAt: then, NotBefore: then, Expires: then.Add(time.Hour)}
}

func newKey(t testing.TB) Key {
	t.Helper()
	key, err := Generate(rand.Reader, noon)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func secretKey(t testing.TB, secret string) Key {
	t.Helper()
	key, err := FromSecret([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func retired(key Key) Key {
	key.RetiredAt = noon
	return key
}

func newKeyring(t testing.TB, keys ...Key) *Keyring {
	t.Helper()
	ring, err := NewKeyring(config, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func sign(t testing.TB, ring *Keyring, claims Claims) string {
	t.Helper()
	text, err := ring.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// eachAlgorithm runs a test with a key of either algorithm.
func eachAlgorithm(t *testing.T, test func(t *testing.T, key Key)) {
	for _, key := range []Key{newKey(t), secretKey(t, strings.Repeat("s", MinSecretBytes))} {
		t.Run(key.Algorithm(), func(t *testing.T) {
			t.Parallel()
			test(t, key)
		})
	}
}

// encode is base64url without padding.
func encode(text string) string { return base64url.EncodeToString([]byte(text)) }

// forge puts a token together out of whatever header and payload, signed as a key would.
func forge(key Key, header, payload string) string {
	return seal(key, encode(header)+"."+encode(payload))
}

// issue is forge with the header that belongs to the key: what a holder of the key can do.
func issue(key Key, payload string) string {
	return seal(key, key.header()+"."+encode(payload))
}

func seal(key Key, signed string) string {
	return signed + "." + base64url.EncodeToString(key.alg.sign([]byte(signed)))
}

func zeros(n int) *bytes.Reader { return bytes.NewReader(make([]byte, n)) }
