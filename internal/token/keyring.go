// Package token signs and verifies access tokens, and makes the secrets that sessions hang on.
//
// A token is a JWT (RFC 7519) in the compact form of RFC 7515, of type at+jwt (RFC 9068, of which it takes the type that
// keeps access tokens apart from other JWTs). It says which user and which session; what they may do is looked up.
//
// Only Propusk issues these tokens, so every key knows, byte by byte, the one header that its tokens have. A token with
// any other header is refused before anything is decoded, and its claims are read only after the signature has been
// found right. The known attacks on JWT (alg none, a public key taken for a secret, keys embedded or referred to, crit,
// duplicate members, hostile JSON) live in what a library has to read before that.
package token

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
)

const (
	// MaxBytes is the length of the longest token that is looked at. Propusk's own have about 500 bytes.
	MaxBytes = 2048

	// DefaultLeeway is meant for [Config.Leeway].
	DefaultLeeway = 5 * time.Second

	// MaxLeeway is the largest Config.Leeway.
	MaxLeeway = 30 * time.Second

	maxNameBytes = 255
	mediaType    = "at+jwt"
)

var (
	// ErrInvalid says that a token must not be believed. It never says why: only an attacker would learn from it.
	ErrInvalid = errors.New("token: invalid")

	// ErrExpired is an [ErrInvalid] for a token that was good until it expired.
	ErrExpired = fmt.Errorf("%w: expired", ErrInvalid)

	// ErrUnknownKey is an [ErrInvalid] for a token that names a key which is not on the ring, and may be one of ours that is newer
	// than the ring. Nothing of the token has been verified.
	ErrUnknownKey = fmt.Errorf("%w: unknown key", ErrInvalid)
)

// Config is what all tokens of an installation have in common.
type Config struct {
	Issuer   string        // "iss", 1 to 255 printable ASCII characters, usually the server's address
	Audience string        // "aud", the same
	Leeway   time.Duration // by how much clocks may disagree, 0 to MaxLeeway
}

// Check reports the first setting that is out of range, with its name and that range.
func (c Config) Check() error {
	if err := checkName("Issuer", c.Issuer); err != nil {
		return err
	}
	if err := checkName("Audience", c.Audience); err != nil {
		return err
	}
	if c.Leeway < 0 || c.Leeway > MaxLeeway {
		return fmt.Errorf("token: Leeway is %v, allowed are 0s to %v", c.Leeway, MaxLeeway)
	}
	return nil
}

func checkName(field, name string) error {
	unprintable := func(r rune) bool { return r <= ' ' || r > '~' }
	if name == "" || len(name) > maxNameBytes || strings.ContainsFunc(name, unprintable) {
		return fmt.Errorf("token: %s must have 1 to %d printable ASCII characters without spaces", field, maxNameBytes)
	}
	return nil
}

// Keyring is an immutable set of keys, one of which signs. Rotating keys means to make another Keyring and to swap it in
// atomically. It is safe for concurrent use.
type Keyring struct {
	config   Config
	keys     []Key // the signing one first
	byHeader map[string]Key
}

// NewKeyring makes a Keyring of exactly one key that signs (its RetiredAt is zero) and any number that still verify.
// Whoever calls it leaves out the keys whose last tokens have expired.
func NewKeyring(config Config, keys ...Key) (*Keyring, error) {
	if err := config.Check(); err != nil {
		return nil, err
	}
	r := &Keyring{config: config, byHeader: make(map[string]Key, len(keys))}
	signing := 0
	for _, key := range keys {
		if key.alg == nil {
			return nil, errors.New("token: a key is empty")
		}
		if _, twice := r.byHeader[key.header()]; twice {
			return nil, fmt.Errorf("token: key %s is there twice", key.id)
		}
		r.byHeader[key.header()] = key
		if key.RetiredAt.IsZero() {
			signing++
			r.keys = append([]Key{key}, r.keys...)
		} else {
			r.keys = append(r.keys, key)
		}
	}
	if signing != 1 {
		return nil, fmt.Errorf("token: %d keys sign, it must be exactly one", signing)
	}
	return r, nil
}

// SigningKey returns the key that signs.
func (r *Keyring) SigningKey() Key { return r.keys[0] }

// Sign returns a token. Fractions of a second are cut off. The error says that [Keyring.Verify] could never accept such
// claims: no user, no secret, a time before 1970, after 9999 or missing, or an end that is not after the beginning.
func (r *Keyring) Sign(claims Claims) (string, error) {
	p := r.config.payload(claims)
	if _, err := r.config.claims(p); err != nil {
		return "", err
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	key := r.SigningKey()
	signed := key.header() + "." + base64url.EncodeToString(raw)
	return signed + "." + base64url.EncodeToString(key.alg.sign([]byte(signed))), nil
}

// Verify returns the claims of a token that one of the keys signed, for this issuer and audience, and that is valid at
// now. The error is [ErrInvalid], or [ErrExpired] when all but the time is right, or [ErrUnknownKey]. Whether the session
// still stands is another question.
func (r *Keyring) Verify(token string, now time.Time) (Claims, error) {
	if len(token) > MaxBytes {
		return Claims{}, ErrInvalid
	}
	signature := token[strings.LastIndexByte(token, '.')+1:]
	signed := strings.TrimSuffix(token[:len(token)-len(signature)], ".")
	header, body, _ := strings.Cut(signed, ".")

	key, known := r.byHeader[header]
	if !known && r.SigningKey().likeHeader(header) {
		return Claims{}, ErrUnknownKey
	}
	if !known || !authentic(key.alg, signed, signature) {
		return Claims{}, ErrInvalid
	}
	p, err := decode(body)
	if err != nil {
		return Claims{}, ErrInvalid
	}
	claims, err := r.config.claims(p)
	if err != nil {
		return Claims{}, ErrInvalid
	}
	if err := r.config.checkTime(claims, now); err != nil {
		return Claims{}, err
	}
	claims.KeyID = key.id
	return claims, nil
}

func authentic(alg *algorithm, signed, signature string) bool {
	raw, err := decodeExactly(signature, alg.signatureSize)
	return err == nil && alg.verify([]byte(signed), raw)
}

func (c Config) checkTime(claims Claims, now time.Time) error {
	early, late := now.Add(-c.Leeway), now.Add(c.Leeway)
	switch {
	case claims.IssuedAt.After(late), claims.NotBefore.After(late):
		return ErrInvalid
	case !early.Before(claims.Expires):
		return ErrExpired
	}
	return nil
}

// JWKS returns the public keys as a JWK set (RFC 7517), the signing one first, for other programs to verify tokens with.
// Keys that are secrets have no public part; of those alone the set is empty.
func (r *Keyring) JWKS() ([]byte, error) {
	var set jose.JSONWebKeySet
	for _, key := range r.keys {
		if key.alg.public != nil {
			set.Keys = append(set.Keys, jose.JSONWebKey{
				Key: key.alg.public, KeyID: key.id, Algorithm: key.alg.name, Use: "sig",
			})
		}
	}
	return json.Marshal(set)
}
