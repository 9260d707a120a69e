package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"
)

// The key and the thumbprint of RFC 8037, appendices A.1 and A.3.
func TestTheKeyOfRFC8037(t *testing.T) {
	t.Parallel()
	seed, err := hex.DecodeString("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
	if err != nil {
		t.Fatal(err)
	}
	key, err := Generate(bytes.NewReader(seed), noon)
	if err != nil {
		t.Fatal(err)
	}
	if want := "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"; key.ID() != want {
		t.Errorf("kid is %s, want %s", key.ID(), want)
	}
	if key.Algorithm() != "EdDSA" || key.CreatedAt != noon || !key.RetiredAt.IsZero() {
		t.Errorf("got %+v", key)
	}
	// Appendix A.4 signs this text.
	const text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
	const want = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
	if got := base64url.EncodeToString(key.alg.sign([]byte(text))); got != want {
		t.Errorf("signature is %s, want %s", got, want)
	}
}

func TestKeysAreKept(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	der, err := key.PKCS8()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParsePKCS8(der)
	if err != nil || again.ID() != key.ID() {
		t.Fatalf("got %s, %v, want %s", again.ID(), err, key.ID())
	}
	text := sign(t, newKeyring(t, again), claimsAt(t, noon))
	if _, err := newKeyring(t, key).Verify(text, noon); err != nil {
		t.Error(err)
	}
}

func TestKeysThatCannotBeRead(t *testing.T) {
	t.Parallel()
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := x509.MarshalPKCS8PrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	for story, der := range map[string][]byte{"nothing": nil, "noise": []byte("noise"), "ECDSA": foreign} {
		if key, err := ParsePKCS8(der); err == nil || key != (Key{}) {
			t.Errorf("%s: got %v, %v", story, key, err)
		}
	}
}

func TestKeysThatCannotBeKept(t *testing.T) {
	t.Parallel()
	for _, key := range []Key{{}, secretKey(t, "a secret of at least thirty-two bytes")} {
		if der, err := key.PKCS8(); err == nil || der != nil {
			t.Errorf("%q: got %x", key.Algorithm(), der)
		}
	}
}

func TestTheZeroKey(t *testing.T) {
	t.Parallel()
	if (Key{}).ID() != "" || (Key{}).Algorithm() != "" {
		t.Error("the zero key is something")
	}
}

func TestConfiguredSecrets(t *testing.T) {
	t.Parallel()
	short := strings.Repeat("s", MinSecretBytes-1)
	_, err := FromSecret([]byte(short))
	if want := "token: the signing secret has 31 bytes, at least 32 are needed"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}

	secret := []byte(short + "s")
	key := secretKey(t, string(secret))
	same, other := secretKey(t, short+"s"), secretKey(t, short+"t")
	if key.ID() != same.ID() || key.ID() == other.ID() || len(key.ID()) != 43 || key.Algorithm() != "HS256" {
		t.Errorf("ids %s, %s, %s", key.ID(), same.ID(), other.ID())
	}

	mutable, err := FromSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	clear(secret) // the caller wipes its copy
	text := sign(t, newKeyring(t, mutable), claimsAt(t, noon))
	if _, err := newKeyring(t, key).Verify(text, noon); err != nil {
		t.Error("the key changed with the caller's slice")
	}
}

func TestGenerateFailsWithItsSource(t *testing.T) {
	t.Parallel()
	if key, err := Generate(iotest.ErrReader(io.ErrClosedPipe), noon); !errors.Is(err, io.ErrClosedPipe) || key != (Key{}) {
		t.Errorf("got %v, %v", key, err)
	}
	if _, err := Generate(zeros(ed25519.SeedSize-1), noon); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a byte short: got %v", err)
	}
}

// Somebody will log a key, or a struct that holds one.
func TestKeysAreNotPrinted(t *testing.T) {
	t.Parallel()
	const secret = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
	key := secretKey(t, secret)
	ring := newKeyring(t, key)
	type holder struct{ hidden Key }
	for _, value := range []any{key, &key, holder{key}, &holder{key}, []Key{key}, ring, *ring} {
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("", "value", value)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("", "value", value)
		printed := fmt.Sprintf("%v %+v %#v %s %q %x %d", value, value, value, value, value, value, value) + log.String()
		for _, leak := range []string{"BBBB", "66 66 66", "0x42, 0x42", "424242"} {
			if strings.Contains(printed, leak) {
				t.Errorf("%T shows %q: %s", value, leak, printed)
			}
		}
	}
}
