package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/internal/store/storetest"
	"github.com/propusk/propusk/internal/transfer"
)

// bothEngines makes an empty database of each.
var bothEngines = map[string]func(testing.TB) string{
	"SQLite":     func(tb testing.TB) string { return "sqlite:" + filepath.Join(tb.TempDir(), "propusk.db") },
	"PostgreSQL": pgtest.Database,
}

func opened(tb testing.TB, url string) *Store {
	tb.Helper()
	s, err := Open(context.Background(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// notDumped are columns that an import makes anew, tables with all of theirs as table.*.
var notDumped = []string{
	"author.search", "author_text.*", "community.search", "community_total.*", "community_author_count.*", "bulk_count.*",
	// What belongs to a file or a server, and not to Propusk.
	"cache_change.*", "cache_node.*", "cache_state.*", "cache_life.*",
	"schema_version.*", "update_turn.*", "sqlite_sequence.*", "author_text_index.*", "author_text_index_config.*", "author_text_index_data.*",
	"author_text_index_idx.*", "author_text_index_docsize.*", "author_text_index_content.*",
}

// schemaColumns lists every column of every table as table.column, and says how it is declared.
func schemaColumns(t *testing.T, s *Store) map[string]string {
	t.Helper()
	text := `SELECT t.name, c.name, c.type || CASE WHEN c."notnull" = 1 OR c.pk > 0 THEN '' ELSE ' NULL' END
		FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table'`
	if _, is := s.engine.(*postgresEngine); is {
		text = `SELECT table_name, column_name, data_type || CASE is_nullable WHEN 'YES' THEN ' NULL' ELSE '' END
			FROM information_schema.columns WHERE table_schema = current_schema()`
	}
	found := map[string]string{}
	err := s.query(t.Context(), func(rows *sql.Rows) error {
		var table, column, kind string
		err := rows.Scan(&table, &column, &kind)
		found[table+"."+column] = strings.ToLower(kind)
		return err
	}, text)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Whoever adds a table or a column decides whether an export takes it along: in store.DumpTables, which is a new format of the file, or above.
func TestADumpKnowsEveryColumn(t *testing.T) {
	kinds := map[store.DumpKind][]string{
		store.DumpInteger: {"integer", "bigint"}, store.DumpText: {"text"}, store.DumpBool: {"integer", "boolean"}, store.DumpBytes: {"blob", "bytea"},
	}
	for name, fresh := range bothEngines {
		t.Run(name, func(t *testing.T) {
			s := opened(t, fresh(t))
			left := schemaColumns(t, s)
			for _, table := range dumpedTables() {
				for _, column := range table.Columns {
					place := table.table + "." + column.Name
					is, null := strings.CutSuffix(left[place], " null")
					if !slices.Contains(kinds[column.Kind], is) || null != column.Nullable {
						t.Errorf("%s is declared as %q, which is not what store.DumpTables says", place, left[place])
					}
					delete(left, place)
				}
			}
			for _, place := range slices.Sorted(maps.Keys(left)) {
				table, _, _ := strings.Cut(place, ".")
				if !slices.Contains(notDumped, place) && !slices.Contains(notDumped, table+".*") {
					t.Errorf("an export leaves out %s: add it to store.DumpTables, or here if an import makes it anew", place)
				}
			}
		})
	}
}

// The key of a table is what its rows are ordered by, and numbered are those with an identity.
func TestADumpKnowsEveryKey(t *testing.T) {
	for name, fresh := range bothEngines {
		t.Run(name, func(t *testing.T) {
			s := opened(t, fresh(t))
			for _, table := range dumpedTables() {
				text := `SELECT coalesce(group_concat(name, ', ' ORDER BY pk), '') FROM pragma_table_info('` + table.table + `') WHERE pk > 0`
				identity := `SELECT count(*) FROM sqlite_schema WHERE name = '` + table.table + `' AND sql LIKE '%AUTOINCREMENT%'`
				if name == "PostgreSQL" {
					text = `SELECT string_agg(a.attname, ', ' ORDER BY array_position(i.indkey::int[], a.attnum::int))
						FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
						WHERE i.indisprimary AND i.indrelid = '` + table.table + `'::regclass`
					identity = `SELECT count(*) FROM information_schema.columns WHERE table_name = '` + table.table + `' AND is_identity = 'YES'`
				}
				if key := ask[string](t, s, text); key != table.list(table.key) {
					t.Errorf("the key of %s is (%s), and a dump takes (%s)", table.table, key, table.list(table.key))
				}
				if gives := ask[int](t, s, identity) > 0; gives != (table.largest > 0) {
					t.Errorf("%s gives out ids: %v", table.table, gives)
				}
			}
		})
	}
}

func exported(t *testing.T, s *Store) []byte {
	t.Helper()
	var file bytes.Buffer
	if _, err := transfer.Export(t.Context(), s, &file, transfer.Unwatched); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// derived is what an import makes anew. Of the counts of bulks, those that say nothing may be there or not.
var derived = []string{
	`SELECT id, search FROM author ORDER BY id`, `SELECT author_id, names, address FROM author_text ORDER BY author_id`,
	`SELECT id, search FROM community ORDER BY id`, `SELECT community_id, members FROM community_total ORDER BY community_id`,
	`SELECT community_id, roles, members FROM community_author_count ORDER BY community_id, roles`,
	`SELECT bulk_id, roles, members FROM bulk_count WHERE members <> 0 ORDER BY bulk_id, roles`,
}

func all(t *testing.T, s *Store, question string) (found []string) {
	t.Helper()
	err := s.query(t.Context(), func(rows *sql.Rows) error {
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		values, fields := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			fields[i] = &values[i]
		}
		err = rows.Scan(fields...)
		found = append(found, fmt.Sprint(values))
		return err
	}, question)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// From each engine to each: the files are the same byte for byte, and what is made anew is what was there.
func TestADatabaseMovesBetweenEngines(t *testing.T) {
	for from, freshFrom := range bothEngines {
		for to, freshTo := range bothEngines {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				source, target := opened(t, freshFrom(t)), opened(t, freshTo(t))
				storetest.Fill(t, source)
				file := exported(t, source)
				s, already, err := transfer.Import(t.Context(), target, bytes.NewReader(file), transfer.Unwatched)
				if err != nil || already || s.Rows == 0 {
					t.Fatal(s, already, err)
				}
				if diff := cmp.Diff(string(file), string(exported(t, target))); diff != "" {
					t.Errorf("the second export differs (-first +second):\n%s", diff)
				}
				for _, question := range derived {
					want, got := all(t, source, question), all(t, target, question)
					if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
						t.Errorf("%s (-there +here):\n%s", question, diff)
					}
				}
				again, already, err := transfer.Import(t.Context(), target, bytes.NewReader(file), transfer.Unwatched)
				if err != nil || !already || again.SHA256 != s.SHA256 {
					t.Errorf("a second import: %v, %v, %v", again, already, err)
				}
			})
		}
	}
}

// A number was given out, and the row is gone: the next one is above it in the new database too, up to the very last.
func TestTheLastNumberMovesAlong(t *testing.T) {
	for name, fresh := range bothEngines {
		t.Run(name, func(t *testing.T) {
			for _, last := range []int64{0, 1, 7, 1<<31 - 1} {
				s := opened(t, fresh(t))
				e := s.engine.(dumper)
				err := s.Update(t.Context(), func(opened store.Tx) error { return e.setLastGiven(opened.(tx), "author", last) })
				if err != nil {
					t.Fatal(err)
				}
				got, err := e.lastGiven(s.reader(t.Context(), s.engine), "author")
				if err != nil || got != last {
					t.Errorf("after %d the last number is %d, %v", last, got, err)
				}
			}
		})
	}
}

// What a load takes down it builds up again: indexes, references and all.
func TestALoadLeavesTheSchemaAsItWas(t *testing.T) {
	source := opened(t, bothEngines["SQLite"](t))
	storetest.Fill(t, source)
	file := exported(t, source)
	for name, text := range map[string]string{
		"SQLite": `SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name`,
		"PostgreSQL": `
			SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()
			UNION ALL
			SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) || convalidated || condeferrable
			FROM pg_constraint WHERE connamespace = current_schema()::regnamespace ORDER BY 1, 2, 3`,
	} {
		t.Run(name, func(t *testing.T) {
			s := opened(t, bothEngines[name](t))
			before := all(t, s, text)
			if _, _, err := transfer.Import(t.Context(), s, bytes.NewReader(file), transfer.Unwatched); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, all(t, s, text)); diff != "" || len(before) < 30 {
				t.Errorf("%d parts (-before +after):\n%s", len(before), diff)
			}
		})
	}
}

// Whoever reads an export from a pipe, or writes one into it, may pause for longer than a transaction otherwise may.
func TestAMoveMayPause(t *testing.T) {
	t.Parallel()
	urls := []string{migrated(t), migrated(t)}
	storetest.Fill(t, opened(t, urls[0])) // by somebody who has the time
	impatient := func(url string) *Store {
		return opened(t, url+"&idle_in_transaction_session_timeout=50ms&statement_timeout=5s")
	}
	from, to := impatient(urls[0]), impatient(urls[1])
	pause := func() { time.Sleep(200 * time.Millisecond) } // what is tested is that time passes
	err := to.Load(t.Context(), func(add func(store.DumpRow) error) error {
		return from.Dump(t.Context(), func(int) error { pause(); return nil }, func(row store.DumpRow) error {
			if row.Table == len(dumpedTables()) {
				pause()
			}
			row.Values = slices.Clone(row.Values)
			return add(row)
		})
	})
	if err != nil || !bytes.Equal(exported(t, from), exported(t, to)) {
		t.Error(err)
	}
}
