package discours

import (
	"crypto/sha256"
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
	doubts
	// refused is why the row as a whole cannot be understood; the first reason counts.
	refused string
}

func (r *record) refuse(why string) {
	if r.refused == "" {
		r.refused = why
	}
}

// refuseLong refuses the row where a cell was left out because of its length; the text tells which.
func (r *record) refuseLong(i int) {
	if column := r.text(i); column != "" {
		r.refuse(fmt.Sprintf("its %s is longer than %d bytes", column, maxCell))
	}
}

// row is what the record tells of itself, when all else was read.
func (r *record) row(table string, id ident) source.Row {
	if id.number == 0 {
		r.refuse(fmt.Sprintf("its id %s is none: it must be a whole number above 0", id))
	}
	return source.Row{Key: id.String(), Where: fmt.Sprintf("%s %s", table, id), Refused: r.refused, Odd: r.odd()}
}

// ident is what a row is called by: a number above 0, or a text that is none and names nothing.
type ident struct {
	number int64
	text   string
}

func (i ident) String() string {
	if i.number != 0 {
		return strconv.FormatInt(i.number, 10)
	}
	return i.text
}

// maxIdent bounds how much of an id that is none is shown.
const maxIdent = 60

// ident reads an id. What is none is quoted, so that two that differ are told apart.
func (r *record) ident(i int) ident {
	if n, ok := toNumber(r.values[i]); ok && n > 0 {
		return ident{number: n}
	}
	if r.values[i] == nil {
		return ident{text: "?"}
	}
	text := r.text(i)
	if len(text) <= maxIdent {
		return ident{text: "?" + strconv.QuoteToASCII(text)}
	}
	return ident{text: fmt.Sprintf("?%+q…%x", text[:maxIdent], sha256.Sum256([]byte(text)))}
}

// keys are those of the rows of a table, of which rows with the same key follow each other.
type keys struct {
	last  string
	times int
}

// once gives a row whose key the one before it had another one, and refuses it.
func (k *keys) once(row *source.Row) {
	if row.Key != k.last {
		k.last, k.times = row.Key, 1
		return
	}
	k.times++
	if row.Refused == "" {
		row.Refused = fmt.Sprintf("another row before it is %s too", row.Key)
	}
	row.Key = fmt.Sprintf("?%s#%d", strings.TrimPrefix(row.Key, "?"), k.times)
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

// toNumber reads whole numbers, in the one way of writing them: what is nearly one is another's number, or nobody's.
func toNumber(value any) (n int64, ok bool) {
	switch v := value.(type) {
	case int64:
		return v, true
	case float64:
		if v != math.Trunc(v) || math.Abs(v) >= 1<<53 {
			return 0, false
		}
		return int64(v), true
	case []byte:
		return toNumber(string(v))
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != v {
			return 0, false
		}
		return n, true
	default:
		return 0, false
	}
}

// time reads seconds since 1970, and times in UTC written out; NULL and 0 are unknown.
func (r *record) time(i int, part string) time.Time {
	at, _ := r.moment(i, part)
	return at
}

// ended is since when a row is deleted, if it is. Who wrote something there meant that it is, whether the time can be read or not.
func (r *record) ended(i int, part string) (at time.Time, is bool) {
	at, known := r.moment(i, part)
	return at, !known || !at.IsZero()
}

const faultTime = "must be a time from 1970 to 9999, as a number of seconds since 1970 or as YYYY-MM-DD hh:mm:ss in UTC"

// moment is zero and known for NULL and 0.
func (r *record) moment(i int, part string) (at time.Time, known bool) {
	at, known = toTime(r.values[i])
	if !known || !at.IsZero() && (at.Unix() < 0 || at.UTC().Year() > 9999) {
		r.doubt(fmt.Sprintf("%s %.100q", part, r.text(i)), faultTime)
		return time.Time{}, false
	}
	return at, true
}

func toTime(value any) (at time.Time, known bool) {
	switch v := value.(type) {
	case nil:
		return time.Time{}, true
	case time.Time:
		return v, !v.IsZero()
	case bool:
		return time.Time{}, !v
	case float64:
		if whole := math.Trunc(v); v != 0 && whole != 0 {
			value = whole
		}
	}
	if n, ok := toNumber(value); ok {
		return seconds(n), true
	}
	text, isText := value.(string)
	if bytes, is := value.([]byte); is {
		text, isText = string(bytes), true
	}
	for _, layout := range []string{time.DateTime, time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00"} {
		if at, err := time.Parse(layout, text); isText && err == nil {
			return at.UTC(), !at.IsZero()
		}
	}
	return time.Time{}, false
}

func seconds(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

// flag is what a column says, or otherwise where it says nothing. A row with a flag that cannot be read is refused: whichever way it is guessed,
// somebody may do what they may not.
func (r *record) flag(i int, part string, otherwise bool) bool {
	switch v := r.values[i].(type) {
	case nil:
		return otherwise
	case bool:
		return v
	}
	switch text := r.text(i); strings.ToLower(text) {
	case "1", "true", "t":
		return true
	case "0", "false", "f":
		return false
	default:
		r.refuse(fmt.Sprintf("%s is %.100q: it must be true or false, or 1 or 0", part, text))
		return otherwise
	}
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

// settings are the roles that can be given and those that are given on joining; nil for what is not said. A row whose settings cannot be read is
// refused: they may have kept roles from being given.
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
		r.refuse("its settings cannot be read: they must be a JSON object, in it lists of role ids, available_roles and default_roles")
		return nil, nil
	}
	return said.Available, said.Default
}

// ref names an account or a community by its id.
func ref(id ident) source.Ref {
	if id.number == 0 {
		return source.Ref{}
	}
	return source.Ref{Key: id.String()}
}
