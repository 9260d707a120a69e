package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/transfer"
)

const importPropuskHelp = `Fill an empty database, of either engine, with what propusk export wrote: accounts with their passwords, sessions, API keys, communities,
members, the audit, all under the numbers that they had. Sessions go on, and so do tokens, if the new server is told the same --issuer and
--secret-key, or neither.

The database is made if it is not there. One that has an account is not empty: do not start propusk serve on it first, for it would make an
administrator. If you did, take a new file or a new database.

It happens all at once. A run that was interrupted, however hard, leaves nothing, and can be run again; a second run after one that went well
finds that everything is there, and changes nothing. A file that was cut off or changed is refused.

Import only what you exported: whoever wrote the file is the master of the database.

With - for FILE it is read from standard input.`

func importPropuskCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use: "propusk FILE", Short: "Fill an empty database with what propusk export wrote", Long: importPropuskHelp, Args: cobra.ExactArgs(1),
		Example: `  propusk import propusk everything.jsonl --database postgres://propusk@db.example.org/propusk
  propusk export | propusk import propusk - --database sqlite:copy.db`,
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only check the file and tell what would be added")
	return configured(cmd, func(cmd *cobra.Command, c *config.Config, args []string) (err error) {
		file := cmd.InOrStdin()
		if args[0] != "-" {
			opened, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = opened.Close() }()
			file = opened
		}
		bar := &rowBar{w: cmd.ErrOrStderr()}
		defer bar.clear()
		run := app.Import
		if dryRun {
			run = app.ProbeImport
		}
		s, already, err := run(cmd.Context(), c, file, bar.watch)
		bar.clear()
		switch {
		case errors.Is(err, transfer.ErrOccupied):
			return fmt.Errorf("%w: import into a new file or a new database, before the first propusk serve there", err)
		case err != nil:
			return err
		}
		printImport(cmd.OutOrStdout(), s, already, dryRun)
		return nil
	}, config.Database)
}

func printImport(w io.Writer, s transfer.Summary, already, dryRun bool) {
	if already {
		fmt.Fprintf(w, "the database holds exactly what is in the file, %d rows: nothing was changed\n", s.Rows)
		return
	}
	did := "added"
	if dryRun {
		did = "would add"
	}
	fmt.Fprintf(w, "%s %d rows\n", did, s.Rows)
	for _, c := range s.Counts {
		fmt.Fprintf(w, "  %-16s  %d\n", c.Table, c.Rows)
	}
	if dryRun {
		fmt.Fprintln(w, "this was a dry run: nothing was changed")
	}
}
