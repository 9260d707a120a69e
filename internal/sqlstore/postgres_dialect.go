package sqlstore

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

// addBulkRows implements dialect: a statement for each row would be a journey to the server for each.
func (*postgresEngine) addBulkRows(t tx, bulkID int64, rows []stagedRow) error {
	columns := struct {
		accounts           []int64
		member, bar, admit []bool
		before, after      []*string
	}{}
	for _, row := range rows {
		columns.accounts = append(columns.accounts, row.account)
		columns.member = append(columns.member, row.member)
		columns.before = append(columns.before, row.before)
		columns.after = append(columns.after, row.after)
		columns.bar = append(columns.bar, row.bar)
		columns.admit = append(columns.admit, row.admit)
	}
	_, err := t.exec(`
		INSERT INTO bulk_row (bulk_id, author_id, member, before_roles, after_roles, bar, admit)
		SELECT $1, * FROM unnest($2::bigint[], $3::boolean[], $4::text[], $5::text[], $6::boolean[], $7::boolean[])`,
		bulkID, columns.accounts, columns.member, columns.before, columns.after, columns.bar, columns.admit)
	return err
}
