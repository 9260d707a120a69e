package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/transfer"
)

const exportHelp = `Write everything that the database holds as lines of JSON, for propusk import propusk to read back into an empty database of either
engine. It is as of one moment; a server may run on the database meanwhile. Equal databases give equal files.

The file holds password hashes and the private keys that sign tokens: whoever reads it can sign in as anybody who is signed in. A file is made
so that only its owner may read it, and never in the place of another without --force. Keep it as you keep the database itself. An export that
was killed leaves a file that ends in .partial- and a number: remove it.

Without --output, or with --output -, it is written to standard output, if that is no terminal.`

func exportCommand() *cobra.Command {
	var path string
	var force bool
	cmd := &cobra.Command{
		Use: "export", Short: "Write everything as lines of JSON", Long: exportHelp, Args: cobra.NoArgs,
		Example: `  propusk export --output everything.jsonl
  (umask 077 && propusk export | gpg --encrypt --recipient anna@example.org > everything.jsonl.gpg)`,
	}
	cmd.Flags().StringVar(&path, "output", "-", "`FILE` to write, - for standard output")
	cmd.Flags().BoolVar(&force, "force", false, "put the file in the place of one that is there")
	return configured(cmd, func(cmd *cobra.Command, c *config.Config, _ []string) error {
		if err := mustExist(c.Database); err != nil {
			return err
		}
		bar := &rowBar{w: cmd.ErrOrStderr()}
		defer bar.clear()
		s, err := exportTo(cmd, path, force, func(w io.Writer) (transfer.Summary, error) {
			return app.Export(cmd.Context(), c, w, bar.watch)
		})
		if err != nil {
			return err
		}
		bar.clear()
		fmt.Fprintf(cmd.ErrOrStderr(), "exported %s, with password hashes and private signing keys: keep the file as you keep the database\n", rowsOf(s))
		return nil
	}, config.Database)
}

// exportTo has a file, or standard output, written.
func exportTo(cmd *cobra.Command, path string, force bool, write func(io.Writer) (transfer.Summary, error)) (s transfer.Summary, err error) {
	if path != "-" {
		err = newFile(path, force, func(w io.Writer) error {
			s, err = write(w)
			return err
		})
		return s, err
	}
	if file, is := cmd.OutOrStdout().(*os.File); is && term.IsTerminal(int(file.Fd())) {
		return s, errors.New("it is not written to a terminal, for it holds secrets: name a file with --output FILE, or send it on with a pipe")
	}
	return write(cmd.OutOrStdout())
}

// newFile makes a file that only its owner may read, as a whole or not at all.
func newFile(path string, force bool, write func(io.Writer) error) error {
	if _, err := os.Lstat(path); err == nil && !force {
		return fmt.Errorf("%s exists: name another file, or say --force to replace it", path)
	}
	part, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".partial-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(part.Name()) }() // which is not there any more if all went well
	buffer := bufio.NewWriter(part)
	err = write(buffer)
	if err == nil {
		err = errors.Join(buffer.Flush(), part.Chmod(0o600), part.Sync())
	}
	if err = errors.Join(err, part.Close()); err != nil {
		return err
	}
	if err := appear(part.Name(), path, force); err != nil {
		return err
	}
	return syncDirectory(path)
}

// appear gives a file its name, in the place of another with force only.
func appear(part, path string, force bool) error {
	if !force {
		err := os.Link(part, path)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return err
		}
		// A file system that knows no second names.
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", path, fs.ErrExist)
		}
	}
	return os.Rename(part, path)
}

// syncDirectory waits until the names in the directory of a file are on the disk. Windows has no way to.
func syncDirectory(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// rowBar is a progress bar for a run whose length is known when it has begun.
type rowBar struct {
	w   io.Writer
	bar *progress
}

func (b *rowBar) watch(steps int) func() {
	b.clear()
	b.bar = newProgress(b.w, steps)
	return b.bar.step
}

func (b *rowBar) clear() { b.bar.clear() }

// rowsOf says how much is in a file.
func rowsOf(s transfer.Summary) string {
	text := fmt.Sprintf("%d rows", s.Rows)
	for _, c := range s.Counts {
		if name := map[string]string{"account": "accounts", "community": "communities", "member": "members"}[c.Table]; name != "" {
			text += fmt.Sprintf(", %s: %d", name, c.Rows)
		}
	}
	return text
}
