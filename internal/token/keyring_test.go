package token

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	golangjwt "github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func TestWhatIsSignedIsVerified(t *testing.T) {
	t.Parallel()
	eachAlgorithm(t, func(t *testing.T, key Key) {
		ring := newKeyring(t, key)
		rapid.Check(t, func(t *rapid.T) {
			id := rapid.SliceOfN(rapid.Byte(), 16, 16).Filter(func(b []byte) bool { return uuid.UUID(b) != uuid.Nil })
			issued := rapid.Int64Range(1, latest-1).Draw(t, "issued")
			expires := rapid.Int64Range(issued+1, latest).Draw(t, "expires")
			secret, err := NewSecret(zeros(secretSize))
			if err != nil {
				t.Fatal(err)
			}
			want := Claims{
				UserID:        uuid.UUID(id.Draw(t, "id")),
				SessionSecret: secret,
				IssuedAt:      time.Unix(issued, 0).UTC(),
				NotBefore:     time.Unix(issued, 0).UTC(),
				Expires:       time.Unix(expires, 0).UTC(),
			}
			text, err := ring.Sign(want)
			if err != nil {
				t.Fatal(err)
			}
			want.KeyID = key.ID()
			got, err := ring.Verify(text, time.Unix(issued, 0))
			if err != nil || !cmp.Equal(got, want) {
				t.Errorf("got %+v and %v, want %+v", got, err, want)
			}
		})
	})
}

// Two independent implementations agree with this one about what a token is.
func TestOtherLibrariesReadOurTokens(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	ring := newKeyring(t, key)
	text := sign(t, ring, claimsAt(t, noon))
	want := map[string]any{
		"iss": config.Issuer, "aud": config.Audience, "sub": userID.String(), "sid": sid,
		"iat": float64(noon.Unix()), "nbf": float64(noon.Unix()), "exp": float64(noon.Add(time.Hour).Unix()),
	}

	parsed, err := golangjwt.Parse(text, func(*golangjwt.Token) (any, error) { return key.alg.public, nil },
		golangjwt.WithValidMethods([]string{"EdDSA"}), golangjwt.WithIssuer(config.Issuer),
		golangjwt.WithAudience(config.Audience), golangjwt.WithIssuedAt(), golangjwt.WithExpirationRequired(),
		golangjwt.WithTimeFunc(func() time.Time { return noon }))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, map[string]any(parsed.Claims.(golangjwt.MapClaims))); diff != "" {
		t.Errorf("golang-jwt (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{"alg": "EdDSA", "typ": "at+jwt", "kid": key.ID()}, parsed.Header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}

	published, err := ring.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(published, &set); err != nil {
		t.Fatal(err)
	}
	signed, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := signed.Claims(set, &got); err != nil { // finds the key by its kid
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("go-jose with the published keys (-want +got):\n%s", diff)
	}
}

func TestTokensOfOtherLibrariesWithOurHeader(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	theirs := golangjwt.NewWithClaims(golangjwt.SigningMethodEdDSA, golangjwt.MapClaims{
		"iss": config.Issuer, "aud": config.Audience, "sub": userID.String(), "sid": sid,
		"iat": noon.Unix(), "nbf": noon.Unix(), "exp": noon.Add(time.Hour).Unix(),
	})
	theirs.Header = map[string]any{"typ": "at+jwt", "kid": key.ID(), "alg": "EdDSA"}
	der, err := key.PKCS8()
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	text, err := theirs.SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	got, err := newKeyring(t, key).Verify(text, noon)
	want := claimsAt(t, noon)
	want.KeyID = key.ID()
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestATokenHasItsHour(t *testing.T) {
	t.Parallel()
	eachAlgorithm(t, func(t *testing.T, key Key) {
		ring := newKeyring(t, key)
		text := sign(t, ring, claimsAt(t, noon))
		end := noon.Add(time.Hour)
		for _, test := range []struct {
			story string
			now   time.Time
			want  error
		}{
			{"at once", noon, nil},
			{"on a node whose clock is 5 s behind", noon.Add(-5 * time.Second), nil},
			{"on a node whose clock is more behind", noon.Add(-5*time.Second - 1), ErrInvalid},
			{"at the last moment", end.Add(-1), nil},
			{"a little late, within the leeway", end.Add(5*time.Second - 1), nil},
			{"when the leeway is over", end.Add(5 * time.Second), ErrExpired},
			{"a year later", end.AddDate(1, 0, 0), ErrExpired},
		} {
			got, err := ring.Verify(text, test.now)
			if err != test.want || (err == nil) == cmp.Equal(got, Claims{}) {
				t.Errorf("%s: got %+v, %v", test.story, got, err)
			}
		}
	})
}

func TestExpiredIsAKindOfInvalid(t *testing.T) {
	t.Parallel()
	if !errors.Is(ErrExpired, ErrInvalid) || errors.Is(ErrInvalid, ErrExpired) {
		t.Error("callers that ask for ErrInvalid would miss, or only get, expired tokens")
	}
}

// Sessions outlive a change of keys; keys that were dropped verify nothing any more.
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	first, second, configured := newKey(t), newKey(t), secretKey(t, "a secret of at least thirty-two bytes")
	before := newKeyring(t, first)
	during := newKeyring(t, retired(first), second, retired(configured))
	after := newKeyring(t, second)

	old := sign(t, before, claimsAt(t, noon))
	fresh := sign(t, during, claimsAt(t, noon))
	shared := sign(t, newKeyring(t, configured), claimsAt(t, noon))

	for _, test := range []struct {
		story string
		ring  *Keyring
		text  string
		want  error
	}{
		{"an old token during the change", during, old, nil},
		{"a new token during the change", during, fresh, nil},
		{"a token of the configured secret that was used before", during, shared, nil},
		{"a new token on a node that has not heard", before, fresh, ErrUnknownKey},
		{"an old token when its key is dropped", after, old, ErrUnknownKey},
		{"a token of the secret when that is dropped", after, shared, ErrInvalid},
		{"a new token afterwards", after, fresh, nil},
	} {
		if _, err := test.ring.Verify(test.text, noon); err != test.want {
			t.Errorf("%s: got %v, want %v", test.story, err, test.want)
		}
	}
	if during.SigningKey().ID() != second.ID() {
		t.Error("a retired key signs")
	}
}

func TestPublishedKeys(t *testing.T) {
	t.Parallel()
	first, second := newKey(t), newKey(t)
	secret := secretKey(t, "a secret of at least thirty-two bytes")

	got, err := newKeyring(t, retired(first), retired(secret), second).JWKS()
	entry := `{"use":"sig","kty":"OKP","kid":%q,"crv":"Ed25519","alg":"EdDSA","x":%q}`
	public := func(k Key) string { return base64.RawURLEncoding.EncodeToString(k.alg.public) }
	want := fmt.Sprintf(`{"keys":[`+entry+","+entry+`]}`, second.ID(), public(second), first.ID(), public(first))
	if string(got) != want || err != nil {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}

	got, err = newKeyring(t, secret).JWKS()
	if want := `{"keys":[]}`; string(got) != want || err != nil {
		t.Errorf("of a secret: got %s, %v", got, err)
	}
}

func TestKeyringsThatCannotBe(t *testing.T) {
	t.Parallel()
	key, other := newKey(t), newKey(t)
	long := strings.Repeat("x", maxNameBytes+1)
	for _, test := range []struct {
		want   string
		config Config
		keys   []Key
	}{
		{"0 keys sign", config, nil},
		{"0 keys sign", config, []Key{retired(key)}},
		{"2 keys sign", config, []Key{key, other}},
		{"is there twice", config, []Key{key, retired(key)}},
		{"a key is empty", config, []Key{key, {}}},
		{"Issuer must", Config{Audience: "a"}, []Key{key}},
		{"Issuer must", Config{Issuer: long, Audience: "a"}, []Key{key}},
		{"Issuer must", Config{Issuer: "привет", Audience: "a"}, []Key{key}},
		{"Audience must", Config{Issuer: "i"}, []Key{key}},
		{"Audience must", Config{Issuer: "i", Audience: "a b"}, []Key{key}},
		{"Leeway is -1ns", Config{Issuer: "i", Audience: "a", Leeway: -1}, []Key{key}},
		{"Leeway is 30.000000001s", Config{Issuer: "i", Audience: "a", Leeway: MaxLeeway + 1}, []Key{key}},
	} {
		ring, err := NewKeyring(test.config, test.keys...)
		if ring != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}

// However long the configured names are, the server accepts its own tokens.
func TestTheLongestTokenFits(t *testing.T) {
	t.Parallel()
	quotes := strings.Repeat(`"`, maxNameBytes) // JSON doubles them
	ring, err := NewKeyring(Config{Issuer: quotes, Audience: quotes}, newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	text := sign(t, ring, claimsAt(t, noon))
	if _, err := ring.Verify(text, noon); err != nil {
		t.Errorf("%d bytes: %v", len(text), err)
	}
}

func TestClaimsThatNobodySigns(t *testing.T) {
	t.Parallel()
	ring := newKeyring(t, newKey(t))
	for story, spoil := range map[string]func(*Claims){
		"nothing set":           func(c *Claims) { *c = Claims{} },
		"no user":               func(c *Claims) { c.UserID = uuid.Nil },
		"no secret":             func(c *Claims) { c.SessionSecret = Secret{} },
		"no issue time":         func(c *Claims) { c.IssuedAt = time.Time{} },
		"no beginning":          func(c *Claims) { c.NotBefore = time.Time{} },
		"no end":                func(c *Claims) { c.Expires = time.Time{} },
		"issued in 1970":        func(c *Claims) { c.IssuedAt = time.Unix(0, 0) },
		"expired when issued":   func(c *Claims) { c.Expires = c.IssuedAt },
		"expired before begun":  func(c *Claims) { c.NotBefore = c.Expires },
		"expired before issued": func(c *Claims) { c.NotBefore, c.Expires = c.IssuedAt.Add(-2*time.Hour), c.IssuedAt.Add(-time.Hour) },
		"less than a second":    func(c *Claims) { c.Expires = c.IssuedAt.Add(time.Second - 1) },
		"until the year 10,000": func(c *Claims) { c.Expires = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		claims := claimsAt(t, noon)
		spoil(&claims)
		if text, err := ring.Sign(claims); text != "" || err == nil {
			t.Errorf("%s: signed %q", story, text)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	for _, key := range []Key{newKey(b), secretKey(b, "a secret of at least thirty-two bytes")} {
		b.Run(key.Algorithm(), func(b *testing.B) {
			ring, claims := newKeyring(b, key), claimsAt(b, noon)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ring.Sign(claims); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, key := range []Key{newKey(b), secretKey(b, "a secret of at least thirty-two bytes")} {
		ring := newKeyring(b, key)
		text := sign(b, ring, claimsAt(b, noon))
		for name, text := range map[string]string{"good": text, "foreign": "x" + text} {
			b.Run(key.Algorithm()+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := ring.Verify(text, noon); (err == nil) != (name == "good") {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
