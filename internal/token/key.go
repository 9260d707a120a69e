package token

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"
)

// MinSecretBytes is the least length of the secret of an HS256 key: that of its hash (RFC 7518, section 3.2).
const MinSecretBytes = 32

// Key signs tokens, or, once retired, only verifies those it signed before. It does one algorithm. Its secret part is
// never printed. The zero value is no key.
type Key struct {
	CreatedAt time.Time
	RetiredAt time.Time // when it stopped signing; zero: it signs

	id  string
	alg *algorithm
}

// Generate makes a new Ed25519 key (EdDSA, RFC 8037) from random, a cryptographically secure source. The error is the
// source's.
func Generate(random io.Reader, now time.Time) (Key, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return Key{}, fmt.Errorf("token: source of randomness: %w", err)
	}
	key := fromPrivate(ed25519.NewKeyFromSeed(seed))
	key.CreatedAt = now
	return key, nil
}

// ParsePKCS8 reads what [Key.PKCS8] wrote. The times are kept beside it and are for the caller to set.
func ParsePKCS8(der []byte) (Key, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	private, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return Key{}, errors.New("token: stored key is not an Ed25519 private key in PKCS #8")
	}
	return fromPrivate(private), nil
}

// FromSecret makes an HS256 key of a configured secret of at least [MinSecretBytes] bytes.
func FromSecret(secret []byte) (Key, error) {
	if len(secret) < MinSecretBytes {
		return Key{}, fmt.Errorf("token: the signing secret has %d bytes, at least %d are needed", len(secret), MinSecretBytes)
	}
	// The prefix keeps this hash apart from whatever else is made of the same secret.
	sum := sha256.Sum256(append([]byte("propusk token key id of an HS256 secret\x00"), secret...))
	return Key{id: base64url.EncodeToString(sum[:]), alg: hs256(bytes.Clone(secret))}, nil
}

func fromPrivate(private ed25519.PrivateKey) Key {
	alg := eddsa(private)
	// RFC 7638: the required members only, in this order, without spaces.
	jwk := fmt.Appendf(nil, `{"crv":"Ed25519","kty":"OKP","x":%q}`, base64url.EncodeToString(alg.public))
	thumbprint := sha256.Sum256(jwk)
	return Key{id: base64url.EncodeToString(thumbprint[:]), alg: alg}
}

// ID is the key's "kid", 43 characters of base64url that give nothing away: the thumbprint of an Ed25519 key's public
// part (RFC 7638), or a hash of an HS256 key's secret. It is empty for the zero value.
func (k Key) ID() string { return k.id }

// Algorithm is the key's "alg", "EdDSA" or "HS256", and empty for the zero value.
func (k Key) Algorithm() string {
	if k.alg == nil {
		return ""
	}
	return k.alg.name
}

// PKCS8 returns the private key as PKCS #8 DER (RFC 5958), for keeping. It is as secret as the power to log in as
// anybody whose session secret is known. The error says that the key is not an Ed25519 key: a configured secret is kept
// where it is configured.
func (k Key) PKCS8() ([]byte, error) {
	if k.alg == nil || k.alg.pkcs8 == nil {
		return nil, errors.New("token: only Ed25519 keys have a PKCS #8 form here")
	}
	return k.alg.pkcs8()
}

// header is the first part of every token this key signs, and the only one it accepts.
func (k Key) header() string { return k.headerNaming(k.id) }

func (k Key) headerNaming(id string) string {
	return base64url.EncodeToString(fmt.Appendf(nil, `{"alg":%q,"kid":%q,"typ":%q}`, k.alg.name, id, mediaType))
}

// likeHeader says whether header is what this key's would be under another id.
func (k Key) likeHeader(header string) bool {
	if len(header) != len(k.header()) {
		return false
	}
	raw, err := base64url.DecodeString(header)
	start := len(`{"alg":"","kid":"`) + len(k.alg.name)
	if err != nil || len(raw) < start+secretText {
		return false
	}
	id := string(raw[start : start+secretText])
	_, err = decodeExactly(id, secretSize)
	return err == nil && k.headerNaming(id) == header
}
