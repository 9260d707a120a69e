package token

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func goodPayload() string {
	return fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":%q,"sid":%q,"iat":%d,"nbf":%d,"exp":%d}`,
		config.Issuer, config.Audience, userID, sid, noon.Unix(), noon.Unix(), noon.Unix()+3600)
}

// header is a header with members of the attacker's choice behind the key's own.
func header(alg string, key Key, more string) string {
	return fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"at+jwt"%s}`, alg, key.ID(), more)
}

// refuse fails the test unless the token is refused with the bare sentinel, which cannot hold anything of the token.
func refuse(t *testing.T, ring *Keyring, story, text string) {
	t.Helper()
	claims, err := ring.Verify(text, noon)
	if err != ErrInvalid || !cmp.Equal(claims, Claims{}) {
		t.Errorf("%s: got %+v, %v", story, claims, err)
	}
}

// Before the attacks: what they vary is accepted as it is.
func TestTheForgersToolsWork(t *testing.T) {
	t.Parallel()
	eachAlgorithm(t, func(t *testing.T, key Key) {
		ring := newKeyring(t, key)
		for _, text := range []string{
			issue(key, goodPayload()),
			forge(key, header(key.Algorithm(), key, ""), goodPayload()),
		} {
			want := claimsAt(t, noon)
			want.KeyID = key.ID()
			if got, err := ring.Verify(text, noon); err != nil || !cmp.Equal(got, want) {
				t.Errorf("got %+v, %v", got, err)
			}
		}
	})
}

// Only a header that is ours to the letter, but for the key it names, is worth asking whether another node has made a new key.
func TestUnknownKeyIsToldFromNonsense(t *testing.T) {
	t.Parallel()
	eachAlgorithm(t, func(t *testing.T, key Key) {
		ring := newKeyring(t, key)
		other := strings.Repeat("A", secretText)
		newer := forge(key, header(key.Algorithm(), key, ""), goodPayload())
		newer = strings.Replace(newer, key.header(), key.headerNaming(other), 1)
		if _, err := ring.Verify(newer, noon); err != ErrUnknownKey {
			t.Errorf("a token of a newer key: %v", err)
		}
		for _, id := range []string{strings.Repeat("!", secretText), other[1:], other + "A", `","alg":"none","kid":"AAAAAAAAAAAAAAAAAAAAA`} {
			refuse(t, ring, id, strings.Replace(newer, key.headerNaming(other), key.headerNaming(id), 1))
		}
	})
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	eachAlgorithm(t, func(t *testing.T, key Key) {
		stranger := newKey(t)
		ring := newKeyring(t, key)
		alg := key.Algorithm()
		for story, text := range map[string]string{
			"alg none":                      forge(key, header("none", key, ""), goodPayload()),
			"alg None":                      forge(key, header("None", key, ""), goodPayload()),
			"alg empty":                     forge(key, header("", key, ""), goodPayload()),
			"alg in other case":             forge(key, header(strings.ToLower(alg), key, ""), goodPayload()),
			"alg RS256":                     forge(key, header("RS256", key, ""), goodPayload()),
			"alg HS512":                     forge(key, header("HS512", key, ""), goodPayload()),
			"alg ES256":                     forge(key, header("ES256", key, ""), goodPayload()),
			"alg is a list":                 forge(key, `{"alg":["`+alg+`"],"kid":"`+key.ID()+`","typ":"at+jwt"}`, goodPayload()),
			"no alg":                        forge(key, `{"kid":"`+key.ID()+`","typ":"at+jwt"}`, goodPayload()),
			"no kid":                        forge(key, `{"alg":"`+alg+`","typ":"at+jwt"}`, goodPayload()),
			"kid empty":                     forge(key, `{"alg":"`+alg+`","kid":"","typ":"at+jwt"}`, goodPayload()),
			"kid is a path":                 forge(key, `{"alg":"`+alg+`","kid":"../../dev/null","typ":"at+jwt"}`, goodPayload()),
			"kid is SQL":                    forge(key, `{"alg":"`+alg+`","kid":"' or 1=1 --","typ":"at+jwt"}`, goodPayload()),
			"no typ":                        forge(key, `{"alg":"`+alg+`","kid":"`+key.ID()+`"}`, goodPayload()),
			"an identity token":             forge(key, `{"alg":"`+alg+`","kid":"`+key.ID()+`","typ":"JWT"}`, goodPayload()),
			"typ spelled in full":           forge(key, `{"alg":"`+alg+`","kid":"`+key.ID()+`","typ":"application/at+jwt"}`, goodPayload()),
			"crit":                          forge(key, header(alg, key, `,"crit":["exp"]`), goodPayload()),
			"crit with b64 false":           forge(key, header(alg, key, `,"b64":false,"crit":["b64"]`), goodPayload()),
			"zipped":                        forge(key, header(alg, key, `,"zip":"DEF"`), goodPayload()),
			"address of a key":              forge(key, header(alg, key, `,"jku":"https://evil.example/jwks"`), goodPayload()),
			"certificate":                   forge(key, header(alg, key, `,"x5c":["MII"]`), goodPayload()),
			"alg twice, the last good":      forge(key, `{"alg":"none",`+header(alg, key, "")[1:], goodPayload()),
			"alg twice, the last evil":      forge(key, header(alg, key, `,"alg":"none"`), goodPayload()),
			"kid twice":                     forge(key, header(alg, key, `,"kid":"`+stranger.ID()+`"`), goodPayload()),
			"members in other case":         forge(key, header(alg, key, `,"ALG":"none"`), goodPayload()),
			"members in other order":        forge(key, `{"typ":"at+jwt","alg":"`+alg+`","kid":"`+key.ID()+`"}`, goodPayload()),
			"spaces":                        forge(key, " "+header(alg, key, ""), goodPayload()),
			"header is a list":              forge(key, `[]`, goodPayload()),
			"header is null":                forge(key, `null`, goodPayload()),
			"header is empty":               forge(key, ``, goodPayload()),
			"header is not JSON":            forge(key, `{`, goodPayload()),
			"header is deep":                forge(key, strings.Repeat("[", 900), goodPayload()),
			"signed by the stranger's hand": forge(stranger, header(alg, key, ""), goodPayload()),
		} {
			refuse(t, ring, story, text)
		}
	})
}

// The attacker knows the public key, and signs with it as if it were the shared secret of HS256.
func TestPublicKeyAsSecret(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	shared := secretKey(t, "a secret of at least thirty-two bytes")
	ring := newKeyring(t, key, retired(shared)) // HS256 is not foreign here
	public := key.alg.public
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	jwks, err := ring.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	for story, secret := range map[string][]byte{
		"raw":  public,
		"DER":  der,
		"PEM":  pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"JWKS": jwks,
	} {
		confused := Key{id: key.id, alg: hs256(secret)}
		refuse(t, ring, story+" with alg HS256 and the kid of the key", forge(confused, header("HS256", key, ""), goodPayload()))
		refuse(t, ring, story+" with alg EdDSA", forge(confused, header("EdDSA", key, ""), goodPayload()))
		refuse(t, ring, story+" with the kid of the secret", forge(confused, header("HS256", shared, ""), goodPayload()))
	}
}

// The attacker is the rightful holder of one key and names another.
func TestKidOfAnotherKey(t *testing.T) {
	t.Parallel()
	mine, yours, shared := newKey(t), newKey(t), secretKey(t, "a secret of at least thirty-two bytes")
	ring := newKeyring(t, mine, retired(yours), retired(shared))
	for _, by := range []Key{mine, yours, shared} {
		for _, as := range []Key{mine, yours, shared} {
			if by.ID() != as.ID() {
				refuse(t, ring, by.Algorithm()+" as "+as.Algorithm(), seal(by, as.header()+"."+encode(goodPayload())))
			}
		}
	}
}

func TestRealSignaturesOfForeignKinds(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	ring := newKeyring(t, key)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signed := encode(header("RS256", key, "")) + "." + encode(goodPayload())
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	refuse(t, ring, "RS256", signed+"."+base64url.EncodeToString(signature))

	stranger := newKey(t)
	embedded := fmt.Sprintf(`,"jwk":{"kty":"OKP","crv":"Ed25519","x":%q}`,
		base64url.EncodeToString(stranger.alg.public))
	refuse(t, ring, "embedded key", forge(stranger, header("EdDSA", key, embedded), goodPayload()))
	refuse(t, ring, "embedded key, under its own kid", forge(stranger, header("EdDSA", stranger, embedded), goodPayload()))
}

// A token has one spelling. Anything else would slip past whatever remembers or bans tokens by their text.
func TestSpellings(t *testing.T) {
	t.Parallel()
	eachAlgorithm(t, func(t *testing.T, key Key) {
		ring := newKeyring(t, key)
		good := issue(key, goodPayload())
		part := strings.Split(good, ".")
		admin := strings.Replace(goodPayload(), userID.String(), "0190a5a4-3b7e-7cc1-9c3d-000000000001", 1)
		last := part[2][len(part[2])-1]
		uneven := goodPayload() + strings.Repeat(" ", (4-len(goodPayload())%3)%3) // needs padding
		sibling := string(last + 1)                                               // the same bytes when unused bits are ignored
		for story, text := range map[string]string{
			"empty":                 "",
			"a dot":                 ".",
			"two dots":              "..",
			"only a header":         part[0],
			"header and dot":        part[0] + ".",
			"header and two dots":   part[0] + "..",
			"no payload":            part[0] + "." + part[2],
			"empty payload":         part[0] + ".." + part[2],
			"no signature":          part[0] + "." + part[1],
			"empty signature":       part[0] + "." + part[1] + ".",
			"swapped payload":       part[0] + "." + encode(admin) + "." + part[2],
			"signature of zeros":    part[0] + "." + part[1] + "." + strings.Repeat("A", len(part[2])),
			"half a signature":      part[0] + "." + part[1] + "." + part[2][:len(part[2])/2],
			"another last bit":      good[:len(good)-1] + sibling,
			"four parts":            good + "." + part[2],
			"a dot behind":          good + ".",
			"a dot before":          "." + good,
			"two dots inside":       part[0] + "." + part[1] + ".." + part[2],
			"leading space":         " " + good,
			"trailing space":        good + " ",
			"trailing line break":   good + "\n",
			"line break inside":     good[:len(good)-9] + "\r\n" + good[len(good)-9:],
			"line break for a byte": good[:len(good)-9] + "\n" + good[len(good)-8:],
			"NUL behind":            good + "\x00",
			"scheme before":         "Bearer " + good,
			"quotes":                `"` + good + `"`,
			"padding":               good + "=",
			"more padding":          good + "==",
			"standard alphabet":     part[0] + "." + part[1] + "." + swapAlphabet(part[2]),
			"padded payload":        seal(key, part[0]+"."+base64.URLEncoding.EncodeToString([]byte(uneven))),
			"upper case":            strings.ToUpper(good),
			"oversize":              issue(key, goodPayload()+strings.Repeat(" ", MaxBytes)),
			"huge":                  strings.Repeat("A", 1<<24),
			"huge and dots":         strings.Repeat(".", 1<<20),
			"JSON form":             `{"payload":"` + part[1] + `","protected":"` + part[0] + `","signature":"` + part[2] + `"}`,
		} {
			refuse(t, ring, story, text)
		}
	})
}

// swapAlphabet writes base64url in the other alphabet; where that makes no difference it spoils the text.
func swapAlphabet(text string) string {
	if swapped := strings.NewReplacer("-", "+", "_", "/").Replace(text); swapped != text {
		return swapped
	}
	return "+" + text[1:]
}

// The limit counts: a token that is good but for its size is refused, one byte less is not.
func TestTheSizeLimit(t *testing.T) {
	t.Parallel()
	key := secretKey(t, "a secret of at least thirty-two bytes")
	ring := newKeyring(t, key)
	pad := 0
	for len(issue(key, goodPayload()+strings.Repeat(" ", pad+1))) <= MaxBytes {
		pad++
	}
	if _, err := ring.Verify(issue(key, goodPayload()+strings.Repeat(" ", pad)), noon); err != nil {
		t.Errorf("just fits: %v", err)
	}
	refuse(t, ring, "a byte more", issue(key, goodPayload()+strings.Repeat(" ", pad+1)))
}

// Claims that only a holder of the key can make: another program with the same secret, or an older Propusk with a
// mistake in it.
func TestClaims(t *testing.T) {
	t.Parallel()
	eachAlgorithm(t, func(t *testing.T, key Key) {
		ring := newKeyring(t, key)
		good := goodPayload()
		swap := func(old, new string) string {
			if strings.Count(good, old) != 1 {
				t.Fatalf("%q occurs %d times in %s", old, strings.Count(good, old), good)
			}
			return issue(key, strings.Replace(good, old, new, 1))
		}
		iat, nbf, exp := fmt.Sprintf(`"iat":%d`, noon.Unix()), fmt.Sprintf(`"nbf":%d`, noon.Unix()), fmt.Sprintf(`"exp":%d`, noon.Unix()+3600)
		iss, aud := fmt.Sprintf(`"iss":%q`, config.Issuer), fmt.Sprintf(`"aud":%q`, config.Audience)
		sub, session := fmt.Sprintf(`"sub":%q`, userID), fmt.Sprintf(`"sid":%q`, sid)
		for story, text := range map[string]string{
			"wrong iss":                swap(iss, `"iss":"https://evil.example"`),
			"iss with a slash more":    swap(iss, `"iss":"https://id.example/"`),
			"iss is null":              swap(iss, `"iss":null`),
			"no iss":                   swap(iss, `"x":1`),
			"iss under a similar name": swap(iss, `"Iss":"https://id.example"`),
			"wrong aud":                swap(aud, `"aud":"https://id.example"`),
			"no aud":                   swap(aud, `"x":1`),
			"several aud":              swap(aud, `"aud":["https://example","https://evil.example"]`),
			"no sub":                   swap(sub, `"x":1`),
			"sub is a number":          swap(sub, `"sub":1`),
			"sub is a name":            swap(sub, `"sub":"admin"`),
			"sub is nobody":            swap(sub, `"sub":"00000000-0000-0000-0000-000000000000"`),
			"sub in capitals":          swap(sub, strings.Replace(strings.ToUpper(sub), "SUB", "sub", 1)),
			"sub in braces":            swap(sub, fmt.Sprintf(`"sub":"{%s}"`, userID)),
			"sub as a URN":             swap(sub, fmt.Sprintf(`"sub":"urn:uuid:%s"`, userID)),
			"sub without dashes":       swap(sub, fmt.Sprintf(`"sub":%q`, strings.ReplaceAll(userID.String(), "-", ""))),
			"no sid":                   swap(session, `"x":1`),
			"sid empty":                swap(session, `"sid":""`),
			"sid short":                swap(session, `"sid":"QkJC"`),
			"sid of 33 bytes":          swap(session, `"sid":"`+strings.Repeat("QkJC", 11)+`"`),
			"sid padded":               swap(session, `"sid":"`+sid+`="`),
			"no iat":                   swap(iat, `"x":1`),
			"iat in the future":        swap(iat, fmt.Sprintf(`"iat":%d`, noon.Unix()+6)),
			"iat zero":                 swap(iat, `"iat":0`),
			"iat negative":             swap(iat, `"iat":-1`),
			"no nbf":                   swap(nbf, `"x":1`),
			"nbf in the future":        swap(nbf, fmt.Sprintf(`"nbf":%d`, noon.Unix()+6)),
			"nbf negative":             swap(nbf, `"nbf":-1`),
			"no exp":                   swap(exp, `"x":1`),
			"exp is null":              swap(exp, `"exp":null`),
			"exp is a string":          swap(exp, fmt.Sprintf(`"exp":"%d"`, noon.Unix()+3600)),
			"exp is a fraction":        swap(exp, fmt.Sprintf(`"exp":%d.5`, noon.Unix()+3600)),
			"exp has an exponent":      swap(exp, `"exp":2e9`),
			"exp negative":             swap(exp, `"exp":-1`),
			"exp after the year 9999":  swap(exp, `"exp":253402300800`),
			"exp is the largest int64": swap(exp, `"exp":9223372036854775807`),
			"exp overflows":            swap(exp, `"exp":9223372036854775808`),
			"exp is astronomical":      swap(exp, `"exp":1e300`),
			"exp before iat":           swap(exp, fmt.Sprintf(`"exp":%d`, noon.Unix()-1)),
			"exp twice":                swap(exp, exp+`,"exp":253402300799`),
			"an unknown member twice":  swap(exp, exp+`,"x":1,"x":2`),
			"not UTF-8":                swap(exp, exp+`,"x":"`+"\xff"+`"`),
			"two values":               issue(key, good+good),
			"a comma too many":         swap(exp, exp+","),
			"a list":                   issue(key, "["+good+"]"),
			"null":                     issue(key, "null"),
			"nothing":                  issue(key, ""),
			"deep":                     issue(key, strings.Repeat("[", 1000)),
			"payload is not base64":    seal(key, key.header()+".{}"),
		} {
			refuse(t, ring, story, text)
		}

		for story, text := range map[string]string{
			"iat within the leeway": swap(iat, fmt.Sprintf(`"iat":%d`, noon.Unix()+5)),
			"nbf within the leeway": swap(nbf, fmt.Sprintf(`"nbf":%d`, noon.Unix()+5)),
			"a claim of tomorrow":   swap(exp, exp+`,"amr":["pwd"]`),
			"the end of time":       swap(exp, `"exp":253402300799`),
		} {
			if _, err := ring.Verify(text, noon); err != nil {
				t.Errorf("%s: %v", story, err)
			}
		}
	})
}

// Only a token that was good can be expired: "expired" must not tell a forger that the rest is right.
func TestForgeriesAreNeverJustExpired(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	ring := newKeyring(t, key)
	late := noon.AddDate(1, 0, 0)
	for story, text := range map[string]string{
		"another key": seal(newKey(t), key.header()+"."+encode(goodPayload())),
		"another iss": issue(key, strings.Replace(goodPayload(), "id.example", "evil.example", 1)),
		"another sub": issue(key, strings.Replace(goodPayload(), userID.String(), "admin", 1)),
	} {
		if _, err := ring.Verify(text, late); err != ErrInvalid {
			t.Errorf("%s: got %v", story, err)
		}
	}
	if _, err := ring.Verify(issue(key, goodPayload()), late); err != ErrExpired {
		t.Errorf("the real one: got %v", err)
	}
}

// Of all texts only the ones that were signed are accepted.
func FuzzVerify(f *testing.F) {
	key := newKey(f)
	shared := secretKey(f, "a secret of at least thirty-two bytes")
	ring := newKeyring(f, key, retired(shared))
	good := map[string]bool{issue(key, goodPayload()): true, issue(shared, goodPayload()): true}
	for text := range good {
		f.Add(text)
	}
	f.Add(forge(key, header("none", key, ""), goodPayload()))
	f.Fuzz(func(t *testing.T, text string) {
		claims, err := ring.Verify(text, noon)
		if good[text] != (err == nil) {
			t.Errorf("%q: got %+v, %v", text, claims, err)
		}
		if err != nil && (!errors.Is(err, ErrInvalid) || !cmp.Equal(claims, Claims{})) {
			t.Errorf("%q: got %+v, %v", text, claims, err)
		}
	})
}

// Whatever payload is signed and accepted says what this package itself would have signed.
func FuzzPayload(f *testing.F) {
	key := secretKey(f, "a secret of at least thirty-two bytes")
	ring := newKeyring(f, key)
	f.Add(goodPayload())
	f.Add(strings.Replace(goodPayload(), `"exp":`, `"exp":1e3,"EXP":`, 1))
	f.Fuzz(func(t *testing.T, text string) {
		claims, err := ring.Verify(issue(key, text), noon)
		if err != nil {
			return
		}
		again, err := ring.Sign(claims)
		if err != nil {
			t.Fatalf("%q was accepted and cannot be signed: %v", text, err)
		}
		if same, err := ring.Verify(again, noon); err != nil || !cmp.Equal(same, claims) {
			t.Errorf("%q: got %+v, then %+v, %v", text, claims, same, err)
		}
	})
}
