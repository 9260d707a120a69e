package password

import (
	"errors"
	"fmt"
	"strings"
)

// ErrUnreadable says that a stored hash is malformed, of an unknown scheme, or asks for more work or memory than this
// package is willing to spend. The error that wraps it names the fault and never repeats the hash.
var ErrUnreadable = errors.New("password: stored hash cannot be read")

// maxEncoded is above the longest hash any scheme can have, in bytes.
const maxEncoded = 256

// scheme is a stored hash that was read and found affordable.
type scheme interface {
	// verify spends the scheme's work on password, whether or not it is the right one.
	verify(password string, h *Hasher) Result
}

// Readable says whether [Hasher.Verify] can read a stored hash, without verifying anything. The error is
// [ErrUnreadable]. An import calls it before it takes over somebody else's hashes.
func Readable(encoded string) error {
	_, err := parse(encoded)
	return err
}

func parse(encoded string) (scheme, error) {
	switch {
	case len(encoded) > maxEncoded:
		return nil, unreadable(fmt.Sprintf("longer than %d bytes", maxEncoded))
	case strings.HasPrefix(encoded, argon2idPrefix):
		return parseArgon2id(encoded)
	case strings.HasPrefix(encoded, sha256HexPrefix):
		return parseSHA256HexBcrypt(encoded)
	case strings.HasPrefix(encoded, bcryptPrefix):
		return parseBcrypt(encoded)
	}
	return nil, unreadable("unknown scheme; argon2id and bcrypt are known")
}

func unreadable(fault string) error {
	return fmt.Errorf("%w: %s", ErrUnreadable, fault)
}
