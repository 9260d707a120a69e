package password

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

const (
	bcryptPrefix = "$2"

	// sha256HexPrefix stands before a bcrypt hash of the lower-case hexadecimal SHA-256 of a password, as Discours
	// stores it. The bcrypt hash alone does not show what it was made over.
	sha256HexPrefix = "$bcrypt-sha256-hex"

	// bcryptLimit is how many bytes of a password bcrypt looks at.
	bcryptLimit = 72
)

// bcryptForm is stricter than the library, which reads $2x$, the variant made by a defective crypt_blowfish, as if it
// were $2b$, ignores what follows the hash and accepts costs up to 31: days of work for one login.
var bcryptForm = regexp.MustCompile(`^\$2[aby]\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}$`)

// MarkSHA256Hex returns the form in which a bcrypt hash ("$2b$10$…") of the lower-case hexadecimal SHA-256 of a password
// is to be stored, for [Hasher.Verify] to know it by. The error is [ErrUnreadable] when hash is no bcrypt hash.
func MarkSHA256Hex(hash string) (string, error) {
	if _, err := parseBcrypt(hash); err != nil {
		return "", err
	}
	return sha256HexPrefix + hash, nil
}

// plainBcrypt is a hash that another program made of the password itself.
type plainBcrypt string

// verify looks at the first 72 bytes of a longer password only, as the programs did that made such hashes: whoever has
// a long password must still get in. The bytes behind were then not verified, so such a hash is never renewed: that
// would turn a slip of the finger in them into the password. Guessing the 72 bytes is no option for an attacker.
func (b plainBcrypt) verify(password string, _ *Hasher) Result {
	ok := matchesBcrypt(string(b), password)
	return Result{OK: ok, Rehash: ok && len(password) <= bcryptLimit}
}

// sha256HexBcrypt is a bcrypt hash of the hexadecimal SHA-256 of the password, 64 bytes whatever its length.
type sha256HexBcrypt string

func (b sha256HexBcrypt) verify(password string, _ *Hasher) Result {
	sum := sha256.Sum256([]byte(password))
	ok := matchesBcrypt(string(b), hex.EncodeToString(sum[:]))
	return Result{OK: ok, Rehash: ok}
}

// matchesBcrypt compares in constant time.
func matchesBcrypt(hash, password string) bool {
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
}

func parseBcrypt(encoded string) (scheme, error) {
	if !bcryptForm.MatchString(encoded) {
		return nil, unreadable("not a bcrypt hash of 60 characters with a cost of 04 to 15")
	}
	return plainBcrypt(encoded), nil
}

func parseSHA256HexBcrypt(encoded string) (scheme, error) {
	hash := strings.TrimPrefix(encoded, sha256HexPrefix)
	if _, err := parseBcrypt(hash); err != nil {
		return nil, err
	}
	return sha256HexBcrypt(hash), nil
}
