package password

import (
	"strings"
	"testing"
)

func TestWhatLooksLikeAHash(t *testing.T) {
	t.Parallel()
	const bcrypt = "$2b$04$abcdefghijklmnopqrstuuN0n0n0n0n0n0n0n0n0n0n0n0n0n0n0n"
	for _, text := range []string{
		bcrypt, " " + bcrypt + "\n", "b'" + bcrypt + "'", strings.Replace(bcrypt, "$2b$04", "$2x$31", 1), "$bcrypt-sha256-hex" + bcrypt,
		"$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA", "$6$salt$hash", "$1$salt$hash", "$P$BTN1ZFg3rTzXpRzDyM6XrJ9JyJ5mBf1",
		"pbkdf2_sha256$600000$salt$hash=", "pbkdf2:sha256:600000$salt$0a0b", "scrypt:32768:8:1$salt$0a0b", "sha1$salt$5baa61e4c9b93f3f",
		"{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "5f4dcc3b5aa765d61d8327deb882cf99", "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8",
		"salt:5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8", "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8:salt",
		"XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg=",
	} {
		if !LooksHashed(text) {
			t.Errorf("%q passes for a password", text)
		}
	}
	for _, text := range []string{
		"", "an ordinary sentence", "correct:horse:battery", " spaces stay ", "pa$$word", "costs $5", "5f4dcc3b5aa765d61d8327deb882cf9", // 31 digits
	} {
		if LooksHashed(text) {
			t.Errorf("%q is taken for a hash", text)
		}
	}
}
