package token

import (
	"errors"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
)

// latest is the last second of the year 9999, the end of what RFC 3339 can write.
const latest = 253402300799

// Claims is what a token says, besides who issued it for whom. Times have a resolution of one second.
type Claims struct {
	UserID        uuid.UUID // "sub"
	SessionSecret Secret    // "sid": opens the session's row in the database
	IssuedAt      time.Time // "iat"
	NotBefore     time.Time // "nbf"
	Expires       time.Time // "exp": valid before this instant

	// KeyID is the key that a verified token was signed with; signing ignores it.
	KeyID string
}

// payload is the second part of a token.
type payload struct {
	Issuer    string `json:"iss"`
	Audience  string `json:"aud"`
	Subject   string `json:"sub"`
	Session   string `json:"sid"`
	IssuedAt  int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
}

func (c Config) payload(claims Claims) payload {
	return payload{
		Issuer:    c.Issuer,
		Audience:  c.Audience,
		Subject:   claims.UserID.String(),
		Session:   claims.SessionSecret.Encode(),
		IssuedAt:  claims.IssuedAt.Unix(),
		NotBefore: claims.NotBefore.Unix(),
		Expires:   claims.Expires.Unix(),
	}
}

var errClaims = errors.New("token: claims need a user, a session secret, and times that end after they begin")

// claims reads a payload without regard to the present time. A claim that is missing has the zero value, which is never
// valid.
func (c Config) claims(p payload) (Claims, error) {
	user, err := uuid.Parse(p.Subject)
	if err != nil || user == uuid.Nil || user.String() != p.Subject { // Parse knows other spellings
		return Claims{}, errClaims
	}
	secret, err := ParseSecret(p.Session)
	if err != nil {
		return Claims{}, errClaims
	}
	if p.Issuer != c.Issuer || p.Audience != c.Audience || !p.inOrder() {
		return Claims{}, errClaims
	}
	return Claims{
		UserID:        user,
		SessionSecret: secret,
		IssuedAt:      time.Unix(p.IssuedAt, 0).UTC(),
		NotBefore:     time.Unix(p.NotBefore, 0).UTC(),
		Expires:       time.Unix(p.Expires, 0).UTC(),
	}, nil
}

func (p payload) inOrder() bool {
	return 0 < p.IssuedAt && 0 < p.NotBefore &&
		max(p.IssuedAt, p.NotBefore) < p.Expires && p.Expires <= latest
}

// decode is strict: members that differ in case are other members, duplicates and fractions are errors. It never sees
// what somebody else than the holder of a key has written. Unknown members are left alone, so that a later version may
// add some while nodes of both versions run.
func decode(text string) (payload, error) {
	raw, err := base64url.DecodeString(text)
	if err != nil {
		return payload{}, err
	}
	var p payload
	err = json.Unmarshal(raw, &p)
	return p, err
}
