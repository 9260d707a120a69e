package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/config"
)

const restoreHelp = `Put a copy that propusk backup made in the place of the SQLite database. Stop the server first: while anything has the database open, nothing
is done. The copy is checked before, also that nobody changed its schema, and stays as it is.

What changed after the backup is undone: people log in with the passwords of that time, and who was blocked since is not blocked any more. All
sessions end, for whoever logged out or was blocked since would otherwise be back in. API keys stay good, also those that were revoked since: look
through them. The audit tells of the restore.

A database that is there is replaced only with --replace, and kept beside under a name with the time. It happens at once: whenever it is
interrupted, however hard, the database is the old or the new one, as a whole.`

func restoreCommand() *cobra.Command {
	var replace bool
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup in the place of a SQLite database", Long: restoreHelp, Args: cobra.ExactArgs(1),
		Example: `  propusk restore /var/backups/propusk-2026-05-09.db --replace`,
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "take the place of the database that is there, which is kept beside")
	return configured(cmd, func(cmd *cobra.Command, c *config.Config, args []string) error {
		bar := &rowBar{w: cmd.ErrOrStderr()}
		done, err := app.Restore(cmd.Context(), c, args[0], replace, bar.watch)
		bar.clear()
		switch {
		case errors.Is(err, app.ErrNoFile):
			return errors.New("a database of PostgreSQL is restored with pg_restore: docs/operations.md says how")
		case errors.Is(err, app.ErrInPlace):
			return fmt.Errorf("%w: say --replace to keep it beside and put the backup in its place", err)
		case err != nil:
			return err
		}
		printRestored(cmd.OutOrStdout(), args[0], done)
		return nil
	}, config.Database)
}

func printRestored(w io.Writer, from string, done app.Restored) {
	fmt.Fprintf(w, "restored from %s\n", from)
	if done.Kept != "" {
		fmt.Fprintf(w, "  kept       what was there before, as %s\n", done.Kept)
	}
	fmt.Fprintf(w, "  sessions   %d, all ended: people log in again\n", done.Sessions)
	fmt.Fprintf(w, "  API keys   %d, still good: look through them, some may have been revoked since the backup\n", done.APIKeys)
}
