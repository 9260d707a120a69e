package sqlstore

import (
	"bytes"
	digest "crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// lastTime is the last second of the year 9999, in Unix seconds: what comes after cannot be written as other programs read times.
const lastTime = 253402300799

// holdsTime reports whether a column is a time.
func holdsTime(c store.DumpColumn) bool {
	return c.Kind == store.DumpInteger && (c.Name == "at" || strings.HasSuffix(c.Name, "_at") || c.Name == "last_seen" || c.Name == "last_used")
}

// check finds in a row what no database could have told, as far as constraints leave it alone.
func (d dumped) check(values []any) error {
	for i, column := range d.Columns {
		if at, is := values[i].(int64); is && holdsTime(column) && (at < 0 || at > lastTime) {
			return fmt.Errorf("%s is no time between the years 1970 and 9999", column.Name)
		}
	}
	switch d.Name {
	case "account":
		if role := d.text(values, "role"); !rbac.ValidRole(role) {
			return fmt.Errorf("%q is no role", clipped(role))
		}
	case "permission_lists":
		return checkLists(values[0].([]byte), d.text(values, "lists"))
	case "community":
		return checkRoles(d.text(values, "available_roles"), d.text(values, "default_roles"))
	}
	return nil
}

// text is the text in a column, "" if it holds none.
func (d dumped) text(values []any, column string) string {
	text, _ := values[slices.IndexFunc(d.Columns, func(c store.DumpColumn) bool { return c.Name == column })].(string)
	return text
}

// checkLists makes sure that lists of permissions are those of which the communities have the hash: all decisions rest on them.
func checkLists(hash []byte, lists string) error {
	if sum := digest.Sum256([]byte(lists)); !bytes.Equal(hash, sum[:]) {
		return errors.New("the hash is not that of the lists")
	}
	_, err := rbac.DecodeGrants([]byte(lists))
	return err
}

// checkRoles makes sure that nobody becomes an admin by joining, and that somebody can be one.
func checkRoles(available, byDefault string) error {
	offered, odd := rbac.ParseRoles(available)
	given, odder := rbac.ParseRoles(byDefault)
	if odd = append(odd, odder...); odd != nil {
		return fmt.Errorf("%q is no role", clipped(odd[0]))
	}
	if !slices.Contains(offered, rbac.Admin) {
		return fmt.Errorf("%s is not among the available roles", rbac.Admin)
	}
	for _, role := range given {
		switch {
		case role == rbac.Admin:
			return fmt.Errorf("%s is among the default roles", rbac.Admin)
		case !slices.Contains(offered, role):
			return fmt.Errorf("the default role %q is not among the available ones", role)
		}
	}
	return nil
}

// clipped is a text that somebody else wrote, short enough for a message.
func clipped(text string) string {
	const most = 40
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// notOurs ends what a Load says of rows that no database told.
const notOurs = "the file was not written by propusk export, or changed since"

// invalid is that what is to be loaded was never dumped. It is about the row that was added last.
func (l *load) invalid(message string, args ...any) error {
	return l.spoil(&propusk.Error{Kind: propusk.Invalid, Code: "invalid_dump", Message: fmt.Sprintf(message, args...) + ": " + notOurs})
}

// refused says in words that rows broke a constraint, and leaves every other failure as it is.
func refused(where string, err error) error {
	broken := errors.Is(err, store.ErrEmailTaken) || errors.Is(err, store.ErrSlugTaken) || sqliteCode(err) == sqlite3.SQLITE_CONSTRAINT ||
		strings.HasPrefix(postgresCode(err), "23") // integrity_constraint_violation
	if !broken {
		return err
	}
	return &propusk.Error{Kind: propusk.Invalid, Code: "invalid_dump_rows", Message: fmt.Sprintf("%s: %v: %s", where, err, notOurs)}
}
