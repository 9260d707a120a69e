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
