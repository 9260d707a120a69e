package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const (
	secretSize = 32 // bytes
	secretText = 43 // characters of base64url that those make
	redacted   = "[redacted]"
)

// base64url is the encoding of RFC 7515: no padding, and no two spellings of the same bytes.
var base64url = base64.RawURLEncoding.Strict()

var (
	errNoSecret = errors.New("token: not a secret of 43 base64url characters")
	errLength   = errors.New("token: wrong length")
)

// Secret is 256 random bits that open something: a session, a renewal. Whatever prints, logs or marshals it writes
// "[redacted]"; only [Secret.Encode] gives it away. The zero value is no secret and opens nothing.
type Secret struct {
	// A closure, for package fmt calls no methods on a Secret in somebody's unexported field. Of an array, and with some
	// verbs of a pointer to one, it would print the bytes.
	reveal func() [secretSize]byte
}

// NewSecret makes a secret of 32 bytes from random, a cryptographically secure source. The error is the source's.
func NewSecret(random io.Reader) (Secret, error) {
	var raw [secretSize]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return Secret{}, fmt.Errorf("token: source of randomness: %w", err)
	}
	return hide(raw), nil
}

// ParseSecret reads what [Secret.Encode] wrote, and nothing else. The error does not repeat text.
func ParseSecret(text string) (Secret, error) {
	raw, err := decodeExactly(text, secretSize)
	if err != nil {
		return Secret{}, errNoSecret
	}
	return hide([secretSize]byte(raw)), nil
}

func hide(raw [secretSize]byte) Secret {
	return Secret{func() [secretSize]byte { return raw }}
}

// Encode returns the secret as 43 characters of base64url, for its owner alone; "" for the zero value.
func (s Secret) Encode() string {
	if s.IsZero() {
		return ""
	}
	raw := s.reveal()
	return base64url.EncodeToString(raw[:])
}

// Hash returns the SHA-256 of the 32 bytes, which is what a database keeps: it finds the row of a secret that is shown,
// and does not give the secret to who reads the row. No salt or stretching is needed with 256 random bits. Of the zero
// value it is all zeros, the hash of nothing.
func (s Secret) Hash() [sha256.Size]byte {
	if s.IsZero() {
		return [sha256.Size]byte{}
	}
	raw := s.reveal()
	return sha256.Sum256(raw[:])
}

// Derive returns another secret that only who has this one can know, and that does not give this one away. Different purposes give
// unrelated secrets (HMAC-SHA256 as a key derivation function, NIST SP 800-108). Of the zero value it is the zero value.
func (s Secret) Derive(purpose string) Secret {
	if s.IsZero() {
		return Secret{}
	}
	raw := s.reveal()
	mac := hmac.New(sha256.New, raw[:])
	mac.Write([]byte(purpose))
	return hide([secretSize]byte(mac.Sum(nil)))
}

// IsZero says whether this is the zero value.
func (s Secret) IsZero() bool { return s.reveal == nil }

// Equal compares in constant time. The zero value equals nothing but itself.
func (s Secret) Equal(other Secret) bool {
	if s.IsZero() || other.IsZero() {
		return s.IsZero() && other.IsZero()
	}
	mine, theirs := s.reveal(), other.reveal()
	return subtle.ConstantTimeCompare(mine[:], theirs[:]) == 1
}

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// Format implements fmt.Formatter, for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, which JSON, XML and YAML encoders use.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// decodeExactly decodes base64url text of size bytes.
func decodeExactly(text string, size int) ([]byte, error) {
	// The decoder skips line breaks, so the length of the text is checked too.
	if len(text) != base64url.EncodedLen(size) {
		return nil, errLength
	}
	raw, err := base64url.DecodeString(text)
	if err == nil && len(raw) != size {
		err = errLength
	}
	return raw, err
}
