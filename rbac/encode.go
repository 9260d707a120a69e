package rbac

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// MarshalJSON returns {"reader":["shout:read",…],…}, roles and permissions
// sorted by bytes, without white space. Equal Grants give equal bytes.
func (g *Grants) MarshalJSON() ([]byte, error) {
	return bytes.Clone(g.bytes()), nil
}

// Hash returns the SHA-256 of the bytes MarshalJSON returns.
func (g *Grants) Hash() [sha256.Size]byte {
	return sha256.Sum256(g.bytes())
}

func (g *Grants) bytes() []byte {
	if g == nil || g.canonical == nil {
		return []byte("{}")
	}
	return g.canonical
}

// DecodeGrants reads what MarshalJSON wrote. Order and white space may differ;
// refused are a repeated role, malformed or repeated permissions, "*" in any
// role but [Admin], an admin without it, more than [MaxRoles] or
// [MaxPermissions], and anything before or after the one object.
func DecodeGrants(data []byte) (*Grants, error) {
	d := grantsDecoder{json.NewDecoder(bytes.NewReader(data))}
	lists, err := d.object()
	if err != nil {
		return nil, fmt.Errorf("grants: %w", err)
	}
	return newGrants(lists), nil
}

// grantsDecoder reads token by token: json.Unmarshal into a map would let the
// last of two keys win.
type grantsDecoder struct {
	json *json.Decoder
}

func (d grantsDecoder) object() (map[string][]string, error) {
	if err := d.delimiter('{'); err != nil {
		return nil, err
	}
	lists := make(map[string][]string)
	for d.json.More() {
		if err := d.role(lists); err != nil {
			return nil, err
		}
	}
	if err := d.delimiter('}'); err != nil {
		return nil, err
	}
	if _, err := d.json.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the object")
	}
	return lists, nil
}

func (d grantsDecoder) role(lists map[string][]string) error {
	role, err := d.text()
	if err != nil {
		return err
	}
	if err := checkRole(role); err != nil {
		return err
	}
	if _, taken := lists[role]; taken {
		return fmt.Errorf("role %s is there twice", role)
	}
	if lists[role], err = d.list(role); err != nil {
		return fmt.Errorf("role %s: %w", role, err)
	}
	return checkLimits(role, lists)
}

func (d grantsDecoder) list(role string) ([]string, error) {
	if err := d.delimiter('['); err != nil {
		return nil, err
	}
	list := []string{}
	for d.json.More() {
		text, err := d.text()
		if err != nil {
			return nil, err
		}
		if err := checkHeld(role, text); err != nil {
			return nil, err
		}
		list = append(list, text)
	}
	if err := d.delimiter(']'); err != nil {
		return nil, err
	}
	return sorted(role, list)
}

func checkHeld(role, text string) error {
	if text == Everything && role == Admin {
		return nil
	}
	_, err := ParsePermission(text)
	return err
}

// sorted sorts list and checks it as a whole.
func sorted(role string, list []string) ([]string, error) {
	slices.Sort(list)
	for i, text := range list {
		if i > 0 && text == list[i-1] {
			return nil, fmt.Errorf("%s is there twice", text)
		}
	}
	if role == Admin && !slices.Contains(list, Everything) {
		return nil, errors.New(`must hold "*"`)
	}
	return list, nil
}

func (d grantsDecoder) delimiter(want json.Delim) error {
	token, err := d.json.Token()
	if err != nil {
		return fmt.Errorf("not valid JSON: %w", err)
	}
	if token != want {
		return fmt.Errorf("must be an object of lists of texts, %v is missing", want)
	}
	return nil
}

func (d grantsDecoder) text() (string, error) {
	token, err := d.json.Token()
	if err != nil {
		return "", fmt.Errorf("not valid JSON: %w", err)
	}
	text, ok := token.(string)
	if !ok {
		return "", errors.New("must be an object of lists of texts, a text is missing")
	}
	return text, nil
}
