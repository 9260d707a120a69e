package main

import (
	"cmp"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/config"
)

func migrateCommand() *cobra.Command {
	up := &cobra.Command{
		Use: "up", Short: "Bring the database's schema up to date", Args: cobra.NoArgs,
		Long: `Bring the database's schema up to date. serve does the same at its start; this is for doing it beforehand. Several nodes may do it at
once: one works, the others wait.`,
	}
	configured(up, func(cmd *cobra.Command, c *config.Config, _ []string) error {
		applied, err := app.Migrate(cmd.Context(), c)
		if err != nil {
			return err
		}
		for _, m := range applied {
			fmt.Fprintf(cmd.OutOrStdout(), "applied %d %s\n", m.Number, m.Name)
		}
		if len(applied) == 0 {
			fmt.Fprintln(cmd.OutOrStdout(), "the schema is up to date")
		}
		return nil
	}, config.Database)

	status := &cobra.Command{Use: "status", Short: "Show which migrations were applied", Args: cobra.NoArgs}
	configured(status, func(cmd *cobra.Command, c *config.Config, _ []string) error {
		if err := mustExist(c.Database); err != nil {
			return err
		}
		all, err := app.Migrations(cmd.Context(), c)
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "NUMBER\tNAME\tAPPLIED")
		for _, m := range all {
			at := "pending"
			if !m.AppliedAt.IsZero() {
				at = m.AppliedAt.Local().Format(time.DateTime)
			}
			fmt.Fprintf(table, "%d\t%s\t%s\n", m.Number, cmp.Or(m.Name, "(of a newer Propusk)"), at)
		}
		return table.Flush()
	}, config.Database)
	return group("migrate", "Look after the database's schema", up, status)
}
