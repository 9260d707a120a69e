package token

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretsComeFromTheSource(t *testing.T) {
	t.Parallel()
	secret, err := NewSecret(strings.NewReader(strings.Repeat("B", 33)))
	if err != nil || secret.Encode() != sid {
		t.Errorf("got %q, %v", secret.Encode(), err)
	}
	if want := sha256.Sum256(bytes.Repeat([]byte("B"), 32)); secret.Hash() != want {
		t.Errorf("hash is %x, want %x", secret.Hash(), want)
	}
	if secret, err := NewSecret(zeros(31)); !errors.Is(err, io.ErrUnexpectedEOF) || !secret.IsZero() {
		t.Errorf("a byte short: %v", err)
	}
}

func TestSecretsAreReadBack(t *testing.T) {
	t.Parallel()
	secret, err1 := NewSecret(rand.Reader)
	another, err2 := NewSecret(rand.Reader)
	again, err3 := ParseSecret(secret.Encode())
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if len(secret.Encode()) != 43 || !secret.Equal(again) || secret.Hash() != again.Hash() {
		t.Error("the same text is another secret")
	}
	if secret.Equal(another) || secret.Hash() == another.Hash() {
		t.Error("two secrets are the same")
	}
}

func TestTextsThatAreNoSecret(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", sid[:42], sid + "A", sid + "=", " " + sid, sid + "\n", "\n" + sid[1:], sid[:41] + "\n" + "I",
		"\n" + strings.Repeat("A", 42), // 31 bytes to a decoder that skips line breaks
		sid[:42] + "J",                 // the same bytes with an unused bit set
		"+" + sid[1:], "/" + sid[1:], "[redacted]", strings.Repeat("A", 1<<20),
	} {
		secret, err := ParseSecret(text)
		if err == nil || !secret.IsZero() {
			t.Errorf("%.50q was read", text)
		}
		if err != nil && text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("the error repeats %.50q", text)
		}
	}
}

func TestTheZeroSecretOpensNothing(t *testing.T) {
	t.Parallel()
	var zero Secret
	zeroBytes, err := NewSecret(zeros(32))
	if err != nil {
		t.Fatal(err)
	}
	if zero.Encode() != "" || zero.Hash() != [32]byte{} || !zero.IsZero() || !zero.Equal(Secret{}) {
		t.Error("the zero value is something")
	}
	if zero.Equal(zeroBytes) || zeroBytes.Equal(zero) || zero.Hash() == zeroBytes.Hash() {
		t.Error("the zero value equals a secret")
	}
}

// Somebody will log a secret, or a struct that holds one where package fmt cannot call its methods.
func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	secret, err := ParseSecret(sid)
	if err != nil {
		t.Fatal(err)
	}
	type holder struct{ hidden Secret }
	type shower struct{ Shown Secret }
	for _, value := range []any{
		secret, &secret, holder{secret}, &holder{secret}, shower{secret}, []Secret{secret},
		map[string]Secret{"k": secret}, claimsAt(t, noon),
	} {
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("", "value", value)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("", "value", value)
		asJSON, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		printed := fmt.Sprintf("%v %+v %#v %s %q %x %X %d %t", value, value, value, value, value, value, value, value, value) +
			fmt.Sprint(value) + log.String() + string(asJSON)
		for _, leak := range []string{sid, "BBBB", "66 66 66", "0x42, 0x42", "424242"} {
			if strings.Contains(printed, leak) {
				t.Errorf("%T shows %q: %s", value, leak, printed)
			}
		}
	}

	asXML, err := xml.Marshal(shower{secret})
	if want := "<shower><Shown>[redacted]</Shown></shower>"; string(asXML) != want || err != nil {
		t.Errorf("XML: %s, %v", asXML, err)
	}
	asJSON, err := json.Marshal(secret)
	if string(asJSON) != `"[redacted]"` || err != nil {
		t.Errorf("JSON: %s, %v", asJSON, err)
	}
	if secret.String() != "[redacted]" || secret.LogValue().String() != "[redacted]" || fmt.Sprintf("%x", secret) != "[redacted]" {
		t.Error("not redacted")
	}
}
