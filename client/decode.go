package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"
)

// maxDepth is deeper than any answer.
const maxDepth = 16

// decode reads an answer as strictly as the server reads requests, for an answer that two programs read in two ways allows in one of
// them. It refuses keys that are given twice, in another case or not at all, null where there must be something, and more than one value.
// Keys that nobody knows are of a newer server. A field may be left out when its tag says omitempty, and be null when it is a pointer.
func decode(raw []byte, into any) error {
	if !utf8.Valid(raw) {
		return errors.New("the answer is not UTF-8")
	}
	w := walker{json: json.NewDecoder(bytes.NewReader(raw)), fields: make(map[reflect.Type]map[string]field)}
	if err := w.value(reflect.TypeOf(into).Elem(), 0); err != nil {
		return fmt.Errorf("the answer is not as it should be: %w", err)
	}
	if _, err := w.json.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after the answer")
	}
	return json.Unmarshal(raw, into)
}

// walker goes through a value beside the type that it is read into, nil for what is not read.
type walker struct {
	json   *json.Decoder
	fields map[reflect.Type]map[string]field
}

type field struct {
	kind     reflect.Type
	required bool
}

func (w walker) value(t reflect.Type, depth int) error {
	token, err := w.json.Token()
	if err != nil {
		return err
	}
	if token == nil && t != nil && t.Kind() != reflect.Pointer {
		return errors.New("null where there must be a value")
	}
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case depth > maxDepth:
		return errors.New("it is too deep")
	case token == json.Delim('{'):
		return w.object(t, depth+1)
	case token == json.Delim('['):
		return w.list(t, depth+1)
	}
	return nil
}

func (w walker) list(t reflect.Type, depth int) error {
	var elem reflect.Type
	if t != nil && t.Kind() == reflect.Slice {
		elem = t.Elem()
	}
	for w.json.More() {
		if err := w.value(elem, depth); err != nil {
			return err
		}
	}
	_, err := w.json.Token()
	return err
}

func (w walker) object(t reflect.Type, depth int) error {
	fields := w.of(t)
	seen := make(map[string]bool, len(fields))
	for w.json.More() {
		key, err := w.key()
		switch {
		case err != nil:
			return err
		case seen[key]:
			return errors.New("a key is there twice")
		}
		seen[key] = true
		if err := w.value(fields[key].kind, depth); err != nil {
			return err
		}
	}
	for name, f := range fields {
		if f.required && !seen[name] {
			return fmt.Errorf("%s is missing", name)
		}
	}
	_, err := w.json.Token()
	return err
}

// key reads a key. All keys of the API are in lower case, and encoding/json would take one in another case for the same.
func (w walker) key() (string, error) {
	token, err := w.json.Token()
	if err != nil {
		return "", err
	}
	key, _ := token.(string)
	if strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return "", errors.New("a key is not in lower case")
	}
	return key, nil
}

// of are the fields of a struct by their keys.
func (w walker) of(t reflect.Type) map[string]field {
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	if known, ok := w.fields[t]; ok {
		return known
	}
	found := make(map[string]field)
	for f := range t.Fields() {
		name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		found[name] = field{kind: f.Type, required: rest == ""}
	}
	w.fields[t] = found
	return found
}
