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

// addBulkRows implements dialect.
func (*sqliteEngine) addBulkRows(t tx, bulkID int64, rows []stagedRow) error {
	for _, row := range rows {
		_, err := t.exec(`
			INSERT INTO bulk_row (bulk_id, author_id, member, before_roles, after_roles, bar, admit)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`, bulkID, row.account, row.member, row.before, row.after, row.bar, row.admit)
		if err != nil {
			return err
		}
	}
	return nil
}
