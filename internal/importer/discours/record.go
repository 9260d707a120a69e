package discours

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/internal/password"
)

// record is a row as the driver gives it. The types of columns changed with the ages of the schema, and SQLite has none, so each value is read
// for what it is.
type record struct {
	values []any
	odd    []source.Odd
}

func (r *record) doubt(part, why string) { r.odd = append(r.odd, source.Odd{Part: part, Why: why}) }

// row is what the record tells of itself, when all else was read.
func (r *record) row(table string, id int64) source.Row {
	return source.Row{Key: strconv.FormatInt(id, 10), Where: fmt.Sprintf("%s %d", table, id), Odd: r.odd}
}

func (r *record) text(i int) string {
	switch v := r.values[i].(type) {
	case nil:
		return ""
	case []byte:
		return string(v)
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// number is 0 for what is none.
func (r *record) number(i int) int64 {
	n, _ := toNumber(r.values[i])
	return n
}

func toNumber(value any) (n int64, ok bool) {
	switch v := value.(type) {
	case int64:
		return v, true
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
	case []byte:
		return toNumber(string(v))
	case string:
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		return n, err == nil
	default:
		return 0, false
	}
}

// time reads seconds since 1970; NULL and 0 are unknown.
func (r *record) time(i int, part string) time.Time {
	switch v := r.values[i].(type) {
	case nil:
		return time.Time{}
	case time.Time:
		return v
	case float64:
		return seconds(int64(v))
	}
	n, ok := toNumber(r.values[i])
	if !ok {
		r.doubt(fmt.Sprintf("%s %.100q", part, r.text(i)), "must be a number of seconds since 1970")
		return time.Time{}
	}
	return seconds(n)
}

func seconds(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

// isTrue and isFalse are both false for NULL.
func (r *record) isTrue(i int) bool {
	is, known := r.flag(i)
	return known && is
}

func (r *record) isFalse(i int) bool {
	is, known := r.flag(i)
	return known && !is
}

func (r *record) flag(i int) (is, known bool) {
	if is, known = r.values[i].(bool); known {
		return is, true
	}
	if n, ok := toNumber(r.values[i]); ok {
		return n != 0, true
	}
	is, err := strconv.ParseBool(strings.ToLower(r.text(i)))
	return is, err == nil
}

// password is the bcrypt hash that Discours made over the hexadecimal SHA-256 of the password.
func (r *record) password(i int) source.Password {
	hash := r.text(i)
	if hash == "" {
		return source.Password{}
	}
	marked, err := password.MarkSHA256Hex(hash)
	if err != nil {
		r.doubt("password", err.Error()+"; the account needs a new password")
		return source.Password{}
	}
	return source.Password{Hash: marked}
}

// settings are the roles that can be given and those that are given on joining; nil for what is not said.
func (r *record) settings(i int) (available, given []string) {
	text := r.text(i)
	if text == "" || text == "null" {
		return nil, nil
	}
	var said struct {
		Available []string `json:"available_roles"`
		Default   []string `json:"default_roles"`
	}
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		r.doubt("settings", "must be a JSON object with lists of role ids, available_roles and default_roles")
		return nil, nil
	}
	return said.Available, said.Default
}

// ref names an account or a community by its id.
func ref(id int64) source.Ref {
	if id == 0 {
		return source.Ref{}
	}
	return source.Ref{Key: strconv.FormatInt(id, 10)}
}
