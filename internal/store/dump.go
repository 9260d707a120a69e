package store

import (
	"context"
	"errors"
)

// ErrNotEmpty means that a database holds something, and so cannot take over what another held.
var ErrNotEmpty = errors.New("store: not empty")

// Dumper moves all that a database holds into another one, of whatever engine. What can be made from the rest, such as counts and texts to
// search through, is left out and made anew.
type Dumper interface {
	// Dump tells everything that one snapshot holds: the rows of the tables of DumpTables one table after the other, each in the order of
	// its key, texts by their bytes. First it calls begin with the number of all rows. Equal databases are told equally on all engines. A row
	// must not be kept. An error of begin or each ends it and is returned.
	Dump(ctx context.Context, begin func(rows int) error, each func(DumpRow) error) error
	// Load fills an empty database, all in one transaction: rows is called once, and calls add with what a Dump told, in that order. The row
	// belongs to Load then; add may refuse an earlier one than it was given. When rows or Load returns an error, nothing of it is there.
	// ErrNotEmpty.
	Load(ctx context.Context, rows func(add func(DumpRow) error) error) error
	// Empty reports whether the database holds nothing of what Dump would tell. What numbers it gave to rows that are gone does not matter.
	Empty(ctx context.Context) (bool, error)
}

// DumpRow is a row of one of the tables.
type DumpRow struct {
	// Table is an index of DumpTables.
	Table int
	// Values are those of the columns: an int64, string, bool or []byte, as the kind of the column says, or nil.
	Values []any
}

// DumpTable is a table in words that people understand.
type DumpTable struct {
	Name    string
	Columns []DumpColumn
}

// DumpColumn is a column of it.
type DumpColumn struct {
	Name string
	Kind DumpKind
	// Nullable columns may hold nil.
	Nullable bool
}

// DumpKind is what a column holds.
type DumpKind int

// The kinds. Times are DumpIntegers: Unix seconds, as they are kept.
const (
	DumpInteger DumpKind = iota
	DumpText
	DumpBool
	DumpBytes
)

// The table of the last numbers that other tables gave out, which is the last one: whoever gets a new number gets one above it.
const (
	DumpNumbers = "last_number"
	// DumpNumbersOf is its column that names the other table, DumpNumbersLast that of the number, which is 0 where none was given.
	DumpNumbersOf, DumpNumbersLast = "of", "last"
)

// DumpTables are all tables, each after those that it refers to. A change here is a new format of the file that people keep.
func DumpTables() []DumpTable {
	whole, text, yes, bytes := kindOf(DumpInteger), kindOf(DumpText), kindOf(DumpBool), kindOf(DumpBytes)
	return []DumpTable{
		{"account", columns(
			whole("id"), text("user_id", "name", "last_name", "slug", "email", "email_key", "password", "role"), yes("is_active", "deleted_by_owner"),
			whole("created_at", "updated_at"), orNull(whole("last_seen")))},
		{"session", columns(
			bytes("secret_hash"), text("id"), whole("author_id"), text("device", "address"), whole("created_at", "last_seen", "expires_at"),
			bytes("refresh_hash", "superseded"))},
		{"signing_key", columns(whole("id"), text("key_id"), bytes("private_key"), whole("created_at"), orNull(whole("retired_at")))},
		{"counter", columns(bytes("key"), whole("count", "counted_at", "expires_at"))},
		{"permission_lists", columns(bytes("hash"), text("lists"))},
		{"community", columns(
			whole("id"), text("slug", "name", "description", "joining"), whole("created_by"), text("available_roles"), orNull(text("default_roles")),
			bytes("grants_hash"), whole("created_at", "updated_at"), orNull(whole("deleted_at")))},
		{"member", columns(whole("id", "community_id", "author_id"), orNull(text("roles")), whole("joined_at"))},
		{"follower", columns(whole("community_id", "author_id", "followed_at"))},
		{"barred", columns(whole("community_id", "author_id"))},
		{"community_role", columns(
			whole("community_id"), text("id", "name", "description", "icon"), yes("custom"), orNull(text("permissions")))},
		{"bulk", columns(whole("id", "community_id", "began_at", "all_rows", "members", "admins", "bars", "admits"))},
		{"bulk_row", columns(
			whole("bulk_id", "author_id"), yes("member"), orNull(text("before_roles", "after_roles")), yes("bar", "admit"))},
		{"audit_event", columns(
			whole("id", "at"), text("actor", "action", "target", "address", "request_id", "before", "after"), orNull(whole("bulk_id")))},
		{"api_key", columns(
			bytes("secret_hash"), text("id"), whole("issuer_id"), text("name"), orNull(text("permissions")), whole("created_at"),
			orNull(whole("last_used", "expires_at")))},
		{"imported", columns(text("source", "kind", "foreign_id"), whole("number"))},
		{DumpNumbers, columns(text(DumpNumbersOf), whole(DumpNumbersLast))},
	}
}

func kindOf(kind DumpKind) func(names ...string) []DumpColumn {
	return func(names ...string) []DumpColumn {
		all := make([]DumpColumn, len(names))
		for i, name := range names {
			all[i] = DumpColumn{Name: name, Kind: kind}
		}
		return all
	}
}

func orNull(all []DumpColumn) []DumpColumn {
	for i := range all {
		all[i].Nullable = true
	}
	return all
}

func columns(lists ...[]DumpColumn) (all []DumpColumn) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}
