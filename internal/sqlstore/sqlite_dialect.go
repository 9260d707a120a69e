package sqlstore

import (
	"encoding/json"
	"strings"
)

// locking implements dialect: whoever writes is alone.
func (*sqliteEngine) locking(string) string { return "" }

// instr implements dialect.
func (*sqliteEngine) instr() string { return "instr" }

// list implements dialect.
func (*sqliteEngine) list(values any) (any, error) {
	text, err := json.Marshal(values)
	if string(text) == "null" { // a nil slice, which would be a list of one element
		return "[]", nil
	}
	return string(text), err
}

// elements implements dialect.
func (*sqliteEngine) elements(placeholder, _ string) string {
	return `(SELECT key AS n, value AS v FROM json_each(` + placeholder + `))`
}

// oneOf implements dialect.
func (*sqliteEngine) oneOf(column, placeholder, _ string) string {
	return column + ` IN (SELECT value FROM json_each(` + placeholder + `))`
}

// membersInOrder implements dialect.
func (*sqliteEngine) membersInOrder(list bool) (which, order string) {
	if list {
		return `community_id = $1 AND roles = $4`, `id`
	}
	return `community_id = $1`, `id`
}

// foundAnywhere implements dialect. CROSS JOIN goes from the texts to the members, and not the other way.
func (*sqliteEngine) foundAnywhere(term string, emails bool) (string, string) {
	phrase := `"` + strings.ReplaceAll(term, `"`, `""`) + `"`
	if !emails {
		phrase = "names : " + phrase
	}
	return `
		SELECT m.id, m.roles FROM author_text_index CROSS JOIN community_author AS m
		WHERE author_text_index MATCH $2 AND m.community_id = $1 AND m.author_id = author_text_index.rowid`, phrase
}

// insertRows implements manyWriter: here a prepared statement for each row is the fastest way.
func (*sqliteEngine) insertRows(t tx, in insertion, rows [][]any) error {
	places := make([]string, len(in.kinds))
	for i := range places {
		places[i] = placeholder(i + 1)
	}
	text := `INSERT INTO ` + in.into + ` VALUES (` + strings.Join(places, `, `) + `) ` + in.conflict
	for _, row := range rows {
		if _, err := t.exec(text, row...); err != nil {
			return err
		}
	}
	return nil
}

// takeNumbers implements manyWriter: whoever writes is alone, and the rows that get these ids move the sequence.
func (e *sqliteEngine) takeNumbers(t tx, table string, n int) ([]int64, error) {
	last, err := e.lastGiven(t.reader, table)
	return following(last, n), err
}

// following are the n numbers after last.
func following(last int64, n int) []int64 {
	numbers := make([]int64, n)
	for i := range numbers {
		numbers[i] = last + int64(i) + 1
	}
	return numbers
}

// reserveNumbers implements manyWriter.
func (e *sqliteEngine) reserveNumbers(t tx, table string, last int64) (int64, error) {
	before, err := e.lastGiven(t.reader, table)
	if err != nil || before >= last {
		return before, err
	}
	return before, e.setLastGiven(t, table, last)
}

// lastGiven implements dumper. A table that never had a row is not listed.
func (*sqliteEngine) lastGiven(r reader, table string) (int64, error) {
	return one(r, value[int64], `
		SELECT max(coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = $1), 0), coalesce((SELECT max(id) FROM `+table+`), 0))`, table)
}

// setLastGiven implements dumper.
func (*sqliteEngine) setLastGiven(t tx, table string, last int64) error {
	if _, err := t.exec(`DELETE FROM sqlite_sequence WHERE name = $1`, table); err != nil {
		return err
	}
	_, err := t.exec(`INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)`, table, last)
	return err
}
