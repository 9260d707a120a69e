package password

import (
	"regexp"
	"strings"
)

// hashForms are the forms of hashes, those of this package and others: modular crypt, LDAP, Django, Werkzeug and Flask, a Python literal of bytes,
// hexadecimal digits as of MD5 to SHA-512 with or without a salt, base64 of the same.
var hashForms = regexp.MustCompile(`(?i)^(` + strings.Join([]string{
	`\$.+`,
	`_[./0-9a-z]{19}`,
	`\{[a-z0-9.-]+\}.+`,
	`b'\$.+'`, `b"\$.+"`,
	`[a-z0-9_:-]+\$[^$]+\$.+`,
	`(scrypt|pbkdf2|md5|sha1|sha224|sha256|sha384|sha512|argon2|bcrypt)[:_$].+`,
	`([^:$ ]{1,64}[:$])?([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})([:$][^:$ ]{1,64})?`,
	`[a-z0-9+/_-]{22}==`, `[a-z0-9+/_-]{27}=`, `[a-z0-9+/_-]{43}=`, `[a-z0-9+/_-]{64}`, `[a-z0-9+/_-]{86}==`,
}, "|") + `)$`)

// LooksHashed reports whether a text that is said to be a password has the form of a hash, whatever made it. An import asks before it takes one over: a
// hash that was taken for a password would be one, for everybody who has seen the hash. A password of such a form is rarer than a hash, and
// setting it anew is little trouble. Space around the text is not looked at: that is how a hash looks that was copied by hand.
func LooksHashed(text string) bool {
	text = strings.TrimSpace(text)
	return hashForms.MatchString(text) || Readable(text) == nil
}
