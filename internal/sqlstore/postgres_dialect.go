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

// takeNumbers implements manyWriter.
func (*postgresEngine) takeNumbers(t tx, table string, n int) ([]int64, error) {
	return many(t.reader, value[int64], `SELECT nextval('`+table+`_id_seq') FROM generate_series(1, $1)`, n)
}

// reserveNumbers implements manyWriter. ALTER SEQUENCE is the one change of a sequence that a rollback takes back; with setval, a transaction that
// runs twice would find no number left for itself. It waits for all who were given a number, and everybody else then waits for its
// transaction: so the first one, which changes nothing, makes sure of what the other relies on.
func (*postgresEngine) reserveNumbers(t tx, table string, last int64) (int64, error) {
	sequence := table + `_id_seq`
	given := func() (int64, error) {
		return one(t.reader, value[int64], `
			SELECT greatest(last_value - CASE WHEN is_called THEN 0 ELSE 1 END, (SELECT max(id) FROM `+table+`)) FROM `+sequence)
	}
	before, err := given()
	if err != nil || before >= last {
		return before, err
	}
	if _, err := t.exec(`ALTER SEQUENCE ` + sequence + ` NO CYCLE`); err != nil {
		return 0, err
	}
	if before, err = given(); err != nil || before >= last {
		return before, err
	}
	_, err = t.exec(`ALTER SEQUENCE ` + sequence + ` RESTART WITH ` + strconv.FormatInt(last+1, 10))
	return before, err
}
