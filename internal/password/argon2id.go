package password

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
)

const (
	argon2idPrefix = "$argon2id$"
	argon2Version  = "v=19" // Argon2 1.3, the version of RFC 9106

	// What new hashes get, and what stored ones may have, in bytes.
	saltSize, minSaltSize, maxSaltSize = 16, 8, 64
	tagSize, minTagSize, maxTagSize    = 32, 16, 64
)

// phcBase64 is the B64 of the PHC string format: no padding, and no two spellings of the same bytes.
var phcBase64 = base64.RawStdEncoding.Strict()

// argon2id is a stored hash of this package's own scheme.
type argon2id struct {
	params Params
	salt   []byte
	tag    []byte
}

func (a argon2id) String() string {
	return argon2idPrefix + argon2Version + "$" + a.params.phc() +
		"$" + phcBase64.EncodeToString(a.salt) + "$" + phcBase64.EncodeToString(a.tag)
}

func (a argon2id) verify(password string, h *Hasher) Result {
	tag := h.derive(password, a.salt, a.params, len(a.tag))
	ok := subtle.ConstantTimeCompare(tag, a.tag) == 1
	current := a.params == h.params && len(a.salt) == saltSize && len(a.tag) == tagSize
	return Result{OK: ok, Rehash: ok && !current}
}

func parseArgon2id(encoded string) (scheme, error) {
	field := strings.Split(strings.TrimPrefix(encoded, argon2idPrefix), "$")
	if len(field) != 4 || field[0] != argon2Version {
		return nil, unreadable("not of the form $argon2id$v=19$parameters$salt$hash")
	}
	params, err := parsePHC(field[1])
	if err != nil {
		return nil, err
	}
	salt, err := decode("salt", field[2], minSaltSize, maxSaltSize)
	if err != nil {
		return nil, err
	}
	tag, err := decode("hash", field[3], minTagSize, maxTagSize)
	if err != nil {
		return nil, err
	}
	return argon2id{params: params, salt: salt, tag: tag}, nil
}

func decode(name, text string, least, most int) ([]byte, error) {
	raw, err := phcBase64.DecodeString(text)
	// The decoder skips line breaks, so the length of the text is checked too.
	if err != nil || phcBase64.EncodedLen(len(raw)) != len(text) {
		return nil, unreadable(name + " is not unpadded base64")
	}
	if len(raw) < least || len(raw) > most {
		return nil, unreadable(fmt.Sprintf("%s has %d bytes, allowed are %d to %d", name, len(raw), least, most))
	}
	return raw, nil
}
