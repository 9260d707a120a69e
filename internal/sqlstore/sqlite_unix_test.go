//go:build unix

package sqlstore

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func checkPrivate(t *testing.T, path string) {
	t.Helper()
	for _, companion := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + companion)
		if err != nil {
			t.Error(err)
		} else if info.Mode() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", info.Name(), info.Mode())
		}
	}
}

func TestFilesArePrivateWhateverTheUmask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o277} {
		old := syscall.Umask(umask)
		dir, err := os.MkdirTemp("", "propusk")
		if err == nil {
			err = os.Chmod(dir, 0o700)
		}
		if err == nil {
			path := filepath.Join(dir, "propusk.db")
			s := openFile(t, path)
			checkPrivate(t, path)
			err = s.Close()
		}
		syscall.Umask(old)
		os.RemoveAll(dir)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestWiderRightsAreTakenAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "propusk.db")
	openFile(t, path) // keeps the companions there
	for _, companion := range []string{"", "-wal", "-shm"} {
		if err := os.Chmod(path+companion, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	openFile(t, path)
	checkPrivate(t, path)
}

func TestSymbolicLink(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	target := filepath.Join(elsewhere, "real.db")
	if err := os.WriteFile(target, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "propusk.db")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	s := openFile(t, link)
	checkPrivate(t, target)
	if err := s.Update(t.Context(), inserting(1)); err != nil { // SQLite corrects the mode of empty files
		t.Fatal(err)
	}
	if err := os.Chmod(target+"-wal", 0o666); err != nil {
		t.Fatal(err)
	}
	openFile(t, link)
	checkPrivate(t, target)
	if names, _ := fs.Glob(os.DirFS(dir), "*"); len(names) != 1 {
		t.Errorf("beside the link: %q", names)
	}
}
