package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

// querier runs one statement. The text is the same for every engine: placeholders are $1, $2, …, in which both number their
// arguments.
type querier interface {
	// query calls each with every row in turn. No row outlives the call, so statements never overlap on a connection.
	query(ctx context.Context, each func(*sql.Rows) error, text string, args ...any) error
	// exec says how many rows the statement changed.
	exec(ctx context.Context, text string, args ...any) (int, error)
}

// reader is store.Reader over a querier.
type reader struct {
	ctx context.Context
	db  querier
	dialect
	// failed, when set, keeps the first failure of a transaction. From then on nothing more is sent.
	failed *error
}

// tx is store.Tx.
type tx struct{ reader }

// spoil makes a failure that is none of the database's the transaction's own: what was written is not to be committed.
func (t tx) spoil(err error) error {
	if err != nil && *t.failed == nil {
		*t.failed = err
	}
	return err
}

// errOver answers statements sent after the closure that owned the transaction returned.
var errOver = errors.New("sqlstore: the transaction is over")

// run sends one statement through send and translates what went wrong. After a failure a transaction sends nothing more: SQLite
// may have rolled everything back and would run the next statement by itself, outside any transaction.
func (r reader) run(send func() error) error {
	if r.failed != nil && *r.failed != nil {
		return *r.failed
	}
	err := send()
	if err == nil {
		return nil
	}
	if err = r.translate(err); r.ctx.Err() != nil {
		err = r.ctx.Err()
	}
	if r.failed != nil {
		*r.failed = err
	}
	return err
}

// exec runs a statement that returns no rows and says how many it changed.
func (r reader) exec(text string, args ...any) (changed int, err error) {
	err = r.run(func() error {
		if err = checkTexts(args); err == nil {
			changed, err = r.db.exec(r.ctx, text, args...)
		}
		return err
	})
	return changed, err
}

// checkTexts refuses what PostgreSQL cannot keep as a text and SQLite can, on every engine: a client is to see no difference.
func checkTexts(args []any) error {
	for _, arg := range args {
		texts, _ := arg.([]string)
		switch arg := arg.(type) {
		case string:
			texts = []string{arg}
		case []any:
			if err := checkTexts(arg); err != nil {
				return err
			}
		}
		if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, "\x00") || !utf8.ValidString(text) }) {
			return &propusk.Error{
				Kind: propusk.Invalid, Code: "invalid_input", Message: "the input holds a text that is not UTF-8, or a zero byte in it",
			}
		}
	}
	return nil
}

// change runs a statement that is about exactly one row: ErrNotFound when there is none.
func (r reader) change(text string, args ...any) error {
	changed, err := r.exec(text, args...)
	if err == nil && changed == 0 {
		return store.ErrNotFound
	}
	return err
}

// many reads every row of the answer.
func many[T any](r reader, scan func(*sql.Rows) (T, error), text string, args ...any) (found []T, err error) {
	err = r.run(func() error {
		if err := checkTexts(args); err != nil {
			return err
		}
		return r.db.query(r.ctx, func(rows *sql.Rows) error {
			row, err := scan(rows)
			found = append(found, row)
			return err
		}, text, args...)
	})
	return found, err
}

// one reads the only row of the answer: ErrNotFound when there is none.
func one[T any](r reader, scan func(*sql.Rows) (T, error), text string, args ...any) (T, error) {
	found, err := many(r, scan, text, args...)
	if err == nil && len(found) == 1 {
		return found[0], nil
	}
	var none T
	if err == nil && len(found) == 0 {
		err = store.ErrNotFound
	} else if err == nil {
		err = fmt.Errorf("sqlstore: %d rows where there can be only one: %s", len(found), text)
	}
	return none, err
}

// value scans a row of one column.
func value[T any](rows *sql.Rows) (v T, err error) {
	err = rows.Scan(&v)
	return v, err
}

// drain hands every row to each and closes rows.
func drain(rows *sql.Rows, each func(*sql.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// unixTime scans a column of Unix seconds; NULL is the zero time.
type unixTime struct{ *time.Time }

// Scan implements sql.Scanner.
func (t unixTime) Scan(column any) error {
	switch seconds := column.(type) {
	case nil:
		*t.Time = time.Time{}
	case int64:
		*t.Time = time.Unix(seconds, 0).UTC()
	default:
		return fmt.Errorf("sqlstore: a time is stored as %T", column)
	}
	return nil
}

// unixOrNull is the argument for a column of Unix seconds that may be empty.
func unixOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Unix()
}

// conditions builds the WHERE of a filter. A filter of n fields has only 2ⁿ texts, so each stays prepared. A text to begin with wants
// args that are not nil.
type conditions struct {
	text string
	args []any
}

// andIf adds a condition; $? in it stands for the argument.
func (c *conditions) andIf(wanted bool, condition string, arg any) {
	if !wanted {
		return
	}
	word := ` AND `
	if c.args == nil {
		word = ` WHERE `
	}
	c.args = append(c.args, arg)
	c.text += word + strings.ReplaceAll(condition, `$?`, placeholder(len(c.args)))
}

// page orders and cuts; the limit and the offset follow the arguments.
func (c *conditions) page(order string) string {
	return ` ORDER BY ` + order + ` LIMIT ` + placeholder(len(c.args)+1) + ` OFFSET ` + placeholder(len(c.args)+2)
}

// placeholder stands for the n-th argument.
func placeholder(n int) string { return `$` + strconv.Itoa(n) }
