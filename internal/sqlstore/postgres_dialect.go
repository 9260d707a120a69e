package sqlstore

import (
	"strconv"
	"strings"
)

// locking implements dialect.
func (*postgresEngine) locking(table string) string { return " FOR NO KEY UPDATE OF " + table }

// instr implements dialect.
func (*postgresEngine) instr() string { return "strpos" }

// list implements dialect.
func (*postgresEngine) list(values any) (any, error) { return values, nil }

// elements implements dialect.
func (*postgresEngine) elements(placeholder, kind string) string {
	return `(SELECT n, v FROM unnest(` + placeholder + `::` + kind + `[]) WITH ORDINALITY AS listed (v, n))`
}

// oneOf implements dialect.
func (*postgresEngine) oneOf(column, placeholder, kind string) string {
	return column + ` = ANY (` + placeholder + `::` + kind + `[])`
}

// membersInOrder implements dialect. Where the columns are compared one by one, the server may think that few have a list and sort them all.
func (*postgresEngine) membersInOrder(list bool) (which, order string) {
	if list {
		return `(community_id, roles, id) > ($1, $4, 0) AND (community_id, roles, id) < ($1, $4, 2147483648)`, `community_id, roles, id`
	}
	return `(community_id, id) > ($1, 0) AND (community_id, id) < ($1, 2147483648)`, `community_id, id`
}

// foundAnywhere implements dialect. A text has a term if it has all pieces of it, which the index knows, and has them side by side. OFFSET 0
// makes the server look up each account that is found, and not join all members to them.
func (*postgresEngine) foundAnywhere(term string, emails bool) (string, string) {
	found := `SELECT author_id FROM author_text WHERE strpos(names, $2) > 0 AND text_pieces(names) @> text_pieces($2)`
	if emails {
		found += ` UNION ALL SELECT author_id FROM author_text
			WHERE strpos(address, $2) > 0 AND strpos(names, $2) = 0 AND text_pieces(address) @> text_pieces($2)`
	}
	return `
		WITH found AS MATERIALIZED (` + found + `)
		SELECT m.id, m.roles FROM found CROSS JOIN LATERAL (
			SELECT id, roles FROM community_author WHERE community_id = $1 AND author_id = found.author_id OFFSET 0
		) AS m WHERE TRUE`, term
}

// insertRows implements manyWriter: a statement for each row would be a journey to the server for each.
func (*postgresEngine) insertRows(t tx, in insertion, rows [][]any) error {
	lists, args := make([]string, len(in.kinds)), make([]any, len(in.kinds))
	for i, kind := range in.kinds {
		column := make([]any, len(rows))
		for n, row := range rows {
			column[n] = row[i]
		}
		lists[i], args[i] = placeholder(i+1)+`::`+kind+`[]`, column
	}
	_, err := t.exec(`INSERT INTO `+in.into+` SELECT * FROM unnest(`+strings.Join(lists, `, `)+`) `+in.conflict, args...)
	return err
}

// takeNumbers implements manyWriter. What nextval gave is gone when the transaction is rolled back, and an import that was killed would leave a
// gap; so the sequence is moved as reserveNumbers does it. Who runs beside has at most been given numbers before these.
func (e *postgresEngine) takeNumbers(t tx, table string, n int) ([]int64, error) {
	if n == 0 {
		return nil, nil
	}
	if err := e.holdNumbers(t, table); err != nil {
		return nil, err
	}
	last, err := one(t.reader, value[int64], `SELECT `+lastCalled+` FROM `+table+`_id_seq`)
	if err != nil {
		return nil, err
	}
	return following(last, n), e.setLastGiven(t, table, last+int64(n))
}

// reserveNumbers implements manyWriter. With setval instead, a transaction that runs twice would find no number left for itself. The first look
// is for who finds nothing to do, and need not keep others waiting.
func (e *postgresEngine) reserveNumbers(t tx, table string, last int64) (int64, error) {
	before, err := e.lastGiven(t.reader, table)
	if err != nil || before >= last {
		return before, err
	}
	if err := e.holdNumbers(t, table); err != nil {
		return 0, err
	}
	if before, err = e.lastGiven(t.reader, table); err != nil || before >= last {
		return before, err
	}
	return before, e.setLastGiven(t, table, last)
}

// holdNumbers waits for all who were given a number of a table, and lets everybody else then wait for this transaction. It changes nothing: no
// other statement locks a sequence.
func (*postgresEngine) holdNumbers(t tx, table string) error {
	_, err := t.exec(`ALTER SEQUENCE ` + table + `_id_seq NO CYCLE`)
	return err
}

// lastCalled is the last number that a sequence gave out.
const lastCalled = `last_value - CASE WHEN is_called THEN 0 ELSE 1 END`

// lastGiven implements dumper.
func (*postgresEngine) lastGiven(r reader, table string) (int64, error) {
	return one(r, value[int64], `SELECT greatest(`+lastCalled+`, (SELECT max(id) FROM `+table+`)) FROM `+table+`_id_seq`)
}

// setLastGiven implements dumper. ALTER SEQUENCE is the one change of a sequence that a rollback takes back. It cannot say that the very last
// number was given out, so that one is then taken.
func (*postgresEngine) setLastGiven(t tx, table string, last int64) error {
	sequence := table + `_id_seq`
	if _, err := t.exec(`ALTER SEQUENCE ` + sequence + ` RESTART WITH ` + strconv.FormatInt(max(last, 1), 10)); err != nil || last == 0 {
		return err
	}
	_, err := one(t.reader, value[int64], `SELECT nextval('`+sequence+`')`)
	return err
}
