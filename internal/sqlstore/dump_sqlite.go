package sqlstore

var _ dumper = (*sqliteEngine)(nil)

// unhurried implements dumper: nobody hurries here.
func (*sqliteEngine) unhurried(reader) error { return nil }

// loadCacheKiB is the page cache of a transaction that adds many rows. Their indexes are written all over: with less, each page of an index
// is written to the log again and again.
const loadCacheKiB = 64 << 10

// loading implements dumper: who writes is alone.
func (*sqliteEngine) loading(t tx) (func() error, error) {
	cache := func(kib int) error {
		_, err := t.exec(`PRAGMA ` + cacheSize(kib))
		return err
	}
	return func() error { return cache(writerCacheKiB) }, cache(loadCacheKiB)
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
