package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

// dumper is what of moving everything differs between databases.
type dumper interface {
	// unhurried lets statements of the transaction, and the pauses between them, take as long as they like.
	unhurried(r reader) error
	// loading makes the transaction the only one that changes anything, and ready for many rows. When they are there, loaded ends that.
	loading(t tx) (loaded func() error, err error)
	// lastGiven is the last id that a table gave out, and 0 if it gave none.
	lastGiven(r reader, table string) (int64, error)
	// setLastGiven makes the next id of a table the one after last.
	setLastGiven(t tx, table string, last int64) error
}

// dumped is how a table of store.DumpTables is kept here. The columns have the names that they have there.
type dumped struct {
	store.DumpTable
	table string
	// key is how many columns, from the first, are the key.
	key int
	// largest is the last id that the table can give out, 0 if it gives out none. The key is that id.
	largest int64
}

// dumpedTables are the tables of store.DumpTables but the last.
func dumpedTables() []dumped {
	kept := map[string]dumped{
		"account":          {table: "author", key: 1, largest: math.MaxInt32},
		"session":          {table: "session", key: 1},
		"signing_key":      {table: "signing_key", key: 1, largest: math.MaxInt64},
		"counter":          {table: "counter", key: 1},
		"permission_lists": {table: "grants", key: 1},
		"community":        {table: "community", key: 1, largest: math.MaxInt32},
		"member":           {table: "community_author", key: 1, largest: math.MaxInt32},
		"follower":         {table: "community_follower", key: 2},
		"barred":           {table: "community_barred", key: 2},
		"community_role":   {table: "community_role", key: 2},
		"bulk":             {table: "bulk", key: 1, largest: math.MaxInt64},
		"bulk_row":         {table: "bulk_row", key: 2},
		"audit_event":      {table: "audit_event", key: 1, largest: math.MaxInt64},
		"api_key":          {table: "api_key", key: 1},
		"imported":         {table: "imported", key: 3},
	}
	all := store.DumpTables()
	tables := make([]dumped, len(all)-1)
	for i := range tables {
		tables[i] = kept[all[i].Name]
		tables[i].DumpTable = all[i]
	}
	return tables
}

// list are the first n columns.
func (d dumped) list(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = d.Columns[i].Name
	}
	return strings.Join(names, ", ")
}

// Dump implements store.Dumper.
func (s *Store) Dump(ctx context.Context, begin func(rows int) error, each func(store.DumpRow) error) error {
	return s.view(ctx, func(ctx context.Context, q querier) error {
		d := dump{s.reader(ctx, q), s.engine.(dumper), dumpedTables(), each}
		if err := d.engine.unhurried(d.reader); err != nil {
			return err
		}
		numbers, err := d.numbers()
		if err != nil {
			return err
		}
		rows, err := d.count()
		if err != nil {
			return err
		}
		if err := begin(rows + len(numbers)); err != nil {
			return err
		}
		for i, table := range d.tables {
			if err := d.tell(i, table); err != nil {
				return err
			}
		}
		for _, row := range numbers {
			if err := each(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// dump is a Dump on its way.
type dump struct {
	reader
	engine dumper
	tables []dumped
	each   func(store.DumpRow) error
}

// count is how many rows there are.
func (d dump) count() (total int, err error) {
	for _, table := range d.tables {
		rows, err := one(d.reader, value[int], `SELECT count(*) FROM `+table.table)
		if err != nil {
			return 0, err
		}
		total += rows
	}
	return total, nil
}

// numbers are the rows of the last numbers. A sequence of PostgreSQL is no part of a snapshot, and may be ahead of it: that harms nobody.
func (d dump) numbers() (rows []store.DumpRow, err error) {
	for _, table := range d.tables {
		if table.largest == 0 {
			continue
		}
		last, err := d.engine.lastGiven(d.reader, table.table)
		if err != nil {
			return nil, err
		}
		rows = append(rows, store.DumpRow{Table: len(d.tables), Values: []any{table.Name, last}})
	}
	return rows, nil
}

// dumpPage is how many rows one statement reads: few enough that no statement takes long however slowly the rows are taken.
const dumpPage = 5_000

// tell tells the rows of a table page by page.
func (d dump) tell(index int, table dumped) error {
	row := newDumpScan(table.Columns)
	page := `SELECT ` + table.list(len(table.Columns)) + ` FROM ` + table.table + `%s ORDER BY ` + table.list(table.key) +
		` LIMIT ` + strconv.Itoa(dumpPage)
	text, after := fmt.Sprintf(page, ``), []any(nil)
	for {
		read := 0
		err := d.run(func() error {
			return d.db.query(d.ctx, func(rows *sql.Rows) error {
				read++
				values, err := row.scan(rows)
				if err != nil {
					return fmt.Errorf("sqlstore: table %s: %w", table.table, err)
				}
				return d.each(store.DumpRow{Table: index, Values: values})
			}, text, after...)
		})
		if err != nil || read < dumpPage {
			return err
		}
		text, after = fmt.Sprintf(page, table.behind()), slices.Clone(row.values[:table.key])
	}
}

// behind is the condition that a row comes after the one whose key is given.
func (d dumped) behind() string {
	places := make([]string, d.key)
	for i := range places {
		places[i] = placeholder(i + 1)
	}
	return ` WHERE (` + d.list(d.key) + `) > (` + strings.Join(places, ", ") + `)`
}

// dumpScan scans rows into the same memory.
type dumpScan struct {
	columns []store.DumpColumn
	fields  []any
	values  []any
}

func newDumpScan(columns []store.DumpColumn) *dumpScan {
	s := &dumpScan{columns: columns, values: make([]any, len(columns))}
	for _, column := range columns {
		switch column.Kind {
		case store.DumpInteger:
			s.fields = append(s.fields, new(sql.NullInt64))
		case store.DumpText:
			s.fields = append(s.fields, new(sql.NullString))
		case store.DumpBool:
			s.fields = append(s.fields, new(sql.NullBool))
		case store.DumpBytes:
			s.fields = append(s.fields, new([]byte))
		}
	}
	return s
}

func (s *dumpScan) scan(rows *sql.Rows) ([]any, error) {
	err := rows.Scan(s.fields...)
	for i, column := range s.columns {
		s.values[i] = nil
		switch field := s.fields[i].(type) {
		case *sql.NullInt64:
			if field.Valid {
				s.values[i] = field.Int64
			}
		case *sql.NullString:
			if field.Valid {
				s.values[i] = field.String
			}
		case *sql.NullBool:
			if field.Valid {
				s.values[i] = field.Bool
			}
		case *[]byte:
			if !column.Nullable || *field != nil {
				s.values[i] = append([]byte{}, *field...) // the driver of SQLite gives nil for an empty one
			}
		}
	}
	return s.values, err
}

// Empty implements store.Dumper.
func (s *Store) Empty(ctx context.Context) (empty bool, err error) {
	err = s.View(ctx, func(r store.Reader) error {
		empty, err = r.(reader).empty()
		return err
	})
	return empty, err
}

func (r reader) empty() (bool, error) {
	for _, table := range dumpedTables() {
		if some, err := one(r, value[bool], `SELECT EXISTS (SELECT 1 FROM `+table.table+`)`); err != nil || some {
			return false, err
		}
	}
	return true, nil
}

// errOnce is a Load that lost its connection: what it was given cannot be given again.
var errOnce = errors.New("sqlstore: the rows were read already")

// Load implements store.Dumper.
func (s *Store) Load(ctx context.Context, rows func(add func(store.DumpRow) error) error) error {
	begun := false
	var verdict error // on rows that were read, and that another try would not change
	return s.UpdateBeside(ctx, func(opened store.Tx) error {
		if begun {
			return cmp.Or(verdict, error(unavailable(errOnce)))
		}
		l := load{tx: opened.(tx), caller: ctx, engine: s.engine.(dumper), tables: dumpedTables()}
		loaded, err := l.engine.loading(l.tx)
		if err != nil {
			return err
		}
		switch empty, err := l.empty(); {
		case err != nil:
			return err
		case !empty:
			return l.spoil(store.ErrNotEmpty)
		}
		begun = true
		err = l.quietly(l.tx, []store.Change{{Kind: store.ChangedAll}}, func() error {
			if err := rows(l.add); err != nil {
				return err
			}
			return l.finish()
		})
		if err != nil {
			if propusk.KindOf(err) == propusk.Invalid {
				verdict = err
			}
			return err
		}
		return loaded()
	})
}

// Rows are written so many at a time, or fewer if they are large.
const (
	loadRows  = 2_000
	loadBytes = 1 << 20
)

// load is a Load on its way. Rows wait in it until there are enough for a statement.
type load struct {
	tx
	caller  context.Context
	engine  dumper
	tables  []dumped
	current int
	waiting [][]any
	size    int
	// numbered are the tables that know the last number that they gave out.
	numbered []string
}

// add is what the rows are given to.
func (l *load) add(row store.DumpRow) error {
	if row.Table == len(l.tables) {
		return l.setNumber(row.Values)
	}
	if err := l.tables[row.Table].check(row.Values); err != nil {
		return l.invalid("table %q: %v", l.tables[row.Table].Name, err)
	}
	if row.Table != l.current || len(l.waiting) == loadRows || l.size >= loadBytes {
		if err := l.flush(); err != nil {
			return err
		}
		l.current = row.Table
	}
	l.waiting = append(l.waiting, row.Values)
	for _, v := range row.Values {
		switch v := v.(type) {
		case string:
			l.size += len(v)
		case []byte:
			l.size += len(v)
		}
	}
	return nil
}

// setNumber is the row of a last number. One below the ids that are there would be given out again.
func (l *load) setNumber(values []any) error {
	name, last := values[0].(string), values[1].(int64)
	i := slices.IndexFunc(l.tables, func(t dumped) bool { return t.largest > 0 && t.Name == name })
	switch {
	case i < 0:
		return l.invalid("%q gives out no numbers", name)
	case slices.Contains(l.numbered, name):
		return l.invalid("the last number of %q is there twice", name)
	}
	if err := l.flush(); err != nil {
		return err
	}
	table := l.tables[i]
	least, err := one(l.reader, value[int64], `SELECT coalesce(max(id), 0) FROM `+table.table)
	if err != nil {
		return err
	}
	if last < least || last > table.largest {
		return l.invalid("the last number of %q is not between %d and %d", name, least, table.largest)
	}
	l.numbered = append(l.numbered, name)
	return l.engine.setLastGiven(l.tx, table.table, last)
}

// flush writes what waits. A caller that has gone ends it here.
func (l *load) flush() error {
	if err := l.caller.Err(); err != nil {
		return l.spoil(err)
	}
	if len(l.waiting) == 0 {
		return nil
	}
	rows, table := l.waiting, l.tables[l.current]
	l.waiting, l.size = l.waiting[:0], 0
	return refused(fmt.Sprintf("rows of the table %q", table.Name), l.insert(table, rows))
}

// insert writes rows, and what is searched in them.
func (l *load) insert(table dumped, rows [][]any) error {
	into, kinds := table.list(len(table.Columns)), dumpKinds(table.Columns)
	switch table.Name {
	case "account":
		if err := l.insertRows(l.tx, withSearch(table.table, into, kinds), withValue(rows, accountSearch)); err != nil {
			return err
		}
		return l.insertTexts(rows)
	case "community":
		return l.insertRows(l.tx, withSearch(table.table, into, kinds), withValue(rows, communitySearch))
	}
	return l.insertRows(l.tx, insertion{into: table.table + ` (` + into + `)`, kinds: kinds}, rows)
}

func dumpKinds(columns []store.DumpColumn) []string {
	kinds := make([]string, len(columns))
	for i, column := range columns {
		kinds[i] = map[store.DumpKind]string{
			store.DumpInteger: `bigint`, store.DumpText: `text`, store.DumpBool: `boolean`, store.DumpBytes: `bytea`,
		}[column.Kind]
	}
	return kinds
}

// withSearch is the insertion of rows that have a text to search through, after what a dump tells of them.
func withSearch(table, columns string, kinds []string) insertion {
	return insertion{into: table + ` (` + columns + `, search)`, kinds: append(kinds, `text`)}
}

func withValue(rows [][]any, made func([]any) string) [][]any {
	longer := make([][]any, len(rows))
	for i, row := range rows {
		longer[i] = append(slices.Clone(row), made(row))
	}
	return longer
}

// loadedUser is what a dump tells of an account, as far as searches are concerned, with the key of its address.
func loadedUser(row []any) (propusk.User, string) {
	return propusk.User{Name: row[2].(string), LastName: row[3].(string), Slug: row[4].(string)}, row[6].(string)
}

func accountSearch(row []any) string {
	user, emailKey := loadedUser(row)
	return searchText(user) + emailKey
}

func communitySearch(row []any) string {
	return fold(row[2].(string) + "\n" + row[1].(string))
}

// insertTexts adds what a search among members looks through.
func (l *load) insertTexts(accounts [][]any) error {
	texts := make([][]any, len(accounts))
	for i, row := range accounts {
		user, emailKey := loadedUser(row)
		texts[i] = []any{row[0], markWords(namesText(user)), markWords(emailKey)}
	}
	return l.insertRows(l.tx, insertion{into: `author_text (author_id, names, address)`, kinds: []string{`bigint`, `text`, `text`}}, texts)
}

// derivedCounts makes the counts as the changes that led here would have made them.
var derivedCounts = []string{
	`INSERT INTO community_total (community_id, members, changes)
		SELECT community.id, count(m.id), 0 FROM community LEFT JOIN community_author AS m ON m.community_id = community.id
		GROUP BY community.id`,
	`INSERT INTO community_author_count (community_id, roles, members)
		SELECT community_id, coalesce(roles, ''), count(*) FROM community_author GROUP BY community_id, roles`,
	`INSERT INTO bulk_count (bulk_id, roles, members)
		SELECT bulk_id, list, sum(change) FROM (
			SELECT bulk_id, coalesce(after_roles, '') AS list, 1 AS change FROM bulk_row
			UNION ALL
			SELECT bulk_id, coalesce(before_roles, ''), -1 FROM bulk_row WHERE member = TRUE
		) AS moves GROUP BY bulk_id, list HAVING sum(change) <> 0`,
}

// finish writes the last rows and makes what a dump leaves out.
func (l *load) finish() error {
	if err := l.flush(); err != nil {
		return err
	}
	for _, table := range l.tables {
		if table.largest > 0 && !slices.Contains(l.numbered, table.Name) {
			return l.invalid("the last number of %q is missing", table.Name)
		}
	}
	for _, statement := range derivedCounts {
		if _, err := l.exec(statement); err != nil {
			return refused("rows that refer to others", err)
		}
	}
	return nil
}
