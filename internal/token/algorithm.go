package token

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
)

// algorithm is a key together with the one thing that may be done with it. There is no way to use the key of one
// algorithm with another, whatever a token asks for. What is secret lives in the closures, out of reach of package fmt,
// which would print the bytes of any field.
type algorithm struct {
	name          string // "alg" of RFC 7518 and RFC 8037
	signatureSize int    // bytes
	sign          func(message []byte) []byte
	verify        func(message, signature []byte) bool

	public ed25519.PublicKey      // nil where there is none
	pkcs8  func() ([]byte, error) // nil where the key is not for keeping
}

func eddsa(private ed25519.PrivateKey) *algorithm {
	public := private.Public().(ed25519.PublicKey)
	return &algorithm{
		name:          "EdDSA",
		signatureSize: ed25519.SignatureSize,
		sign:          func(message []byte) []byte { return ed25519.Sign(private, message) },
		verify:        func(message, signature []byte) bool { return ed25519.Verify(public, message, signature) },
		public:        public,
		pkcs8:         func() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(private) },
	}
}

func hs256(secret []byte) *algorithm {
	sign := func(message []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(message)
		return mac.Sum(nil)
	}
	return &algorithm{
		name:          "HS256",
		signatureSize: sha256.Size,
		sign:          sign,
		verify:        func(message, signature []byte) bool { return hmac.Equal(sign(message), signature) },
	}
}
