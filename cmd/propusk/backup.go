package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/config"
)

const backupHelp = `Write a copy of the SQLite database to a new file, as of one moment. A server may run on the database meanwhile, and nobody waits. The copy is
checked, and it is on the disk when the command ends. Only its owner may read it: it holds all that the database holds. A file that is
there already is left alone.

A copy made with cp while a server runs may be damaged or lack the latest changes. PostgreSQL is backed up with pg_dump: docs/operations.md
says how.`

func backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Copy a SQLite database, also while a server runs on it", Long: backupHelp, Args: cobra.ExactArgs(1),
		Example: `  propusk backup /var/backups/propusk-$(date +%F).db`,
	}
	return configured(cmd, func(cmd *cobra.Command, c *config.Config, args []string) error {
		if err := mustExist(c.Database); err != nil {
			return err
		}
		bar := &rowBar{w: cmd.ErrOrStderr()}
		err := app.Backup(cmd.Context(), c, args[0], bar.watch)
		bar.clear()
		switch {
		case errors.Is(err, app.ErrNoFile):
			return errors.New("a database of PostgreSQL is backed up with pg_dump: docs/operations.md says how")
		case errors.Is(err, fs.ErrExist):
			return fmt.Errorf("%s exists, and is left as it is: name another file", args[0])
		case err != nil:
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "backed up to %s\n", args[0])
		return nil
	}, config.Database)
}
