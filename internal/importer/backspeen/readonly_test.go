package backspeen

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Not even a statement that writes changes the file of the other program, and none is made beside it.
func TestTheDatabaseIsOnlyRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "db.sqlite3")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	const statement = "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, password TEXT, role TEXT, is_active INT)"
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Config{From: "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.ExecContext(t.Context(), "DELETE FROM users"); err == nil || !strings.Contains(err.Error(), "readonly") {
		t.Errorf("it can be written: %v", err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
