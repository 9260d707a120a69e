package sqlstore

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/propusk/propusk/internal/store"
)

func TestTheLogIsCutOnceReadersLeave(t *testing.T) {
	path := filepath.Join(t.TempDir(), "propusk.db")
	s := openFile(t, path)
	const step = 64 << 10
	s.engine.(*sqliteEngine).writer.log.step = step
	next := int64(0)
	growBy := func(bytes int64) {
		t.Helper()
		for start := logSize(t, path); logSize(t, path) < start+bytes; next++ {
			if next > 1000 {
				t.Fatal("the log does not grow")
			}
			if err := s.Update(t.Context(), registering(next)); err != nil {
				t.Fatal(err)
			}
		}
	}
	err := s.View(t.Context(), func(r store.Reader) error {
		if _, err := r.UserExists(); err != nil {
			return err
		}
		growBy(4 * step) // in spite of a reader who stays
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	grown := logSize(t, path)
	for range 100 {
		if err := s.Update(t.Context(), registering(next)); err != nil {
			t.Fatal(err)
		}
		next++
		if logSize(t, path) < grown {
			if wait := setting(t, &s.engine.(*sqliteEngine).writer.handle, "busy_timeout"); wait != 0 {
				t.Errorf("the writer still waits %d ms inside SQLite", wait)
			}
			return
		}
	}
	t.Errorf("the log has %d bytes and is not cut", logSize(t, path))
}

func logSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
