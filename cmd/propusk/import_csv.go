package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk/internal/app"
)

func importCSVCommand() *cobra.Command {
	var flags importFlags
	var from app.CSV
	cmd := &cobra.Command{
		Use: "csv {--users FILE | --members FILE}", Short: "Bring accounts and memberships from CSV files", Args: cobra.NoArgs,
		Long: `Bring accounts and memberships from CSV files: the way in from every program that can write a table. Either file alone will do.

The first line of a file names its columns, in any order. Columns are separated by commas; a cell with a comma, a quotation mark or a line end in
it stands in quotation marks, and quotation marks within are doubled. The text is UTF-8. A column that is not named here is an error.

--users FILE has
  email          the address: needed, and what tells accounts apart
  name, last_name, slug
  password_hash  bcrypt ($2b$…) or argon2id ($argon2id$…)
  password       the password itself, instead of a hash. It is hashed on the way, and never shown or logged
  role           user, moderator or admin on the platform; empty is user
  active         true, false, yes, no, 1 or 0; empty is true
  created_at     such as 2024-02-29T12:00:00Z, or seconds since 1970

--members FILE has
  email          of an account that the other file brings, or that is in Propusk already: needed
  community      the slug of a community that is in Propusk already. Where all are of one, leave the column out and say --community SLUG
  roles          one or more, separated by commas or semicolons: "editor,author". Empty, or no such column: the community's default roles
  joined_at      as created_at

The members of --members FILE are those who have the address: the people of --users FILE, and others who are in Propusk. A row of --users whose
address somebody in Propusk has already is quarantined, and so are the memberships of that address: it may be somebody else who registered first.
If you know that all of them are the same people, say --link-by-address: then the memberships are theirs, and the rest of their rows in --users,
the password too, is left aside. Of two rows for the same account, or for the same person in the same community, the later one is refused, with
its line. A password that looks like a hash is quarantined, and the account comes without one.

` + importHelp,
		Example: `  propusk import csv --users users.csv --members members.csv --dry-run
  propusk import csv --users users.csv --members members.csv --report report.jsonl
  propusk import csv --members guests.csv --community night-owls --as guests`,
	}
	cmd.Flags().StringVar(&from.Users, "users", "", "`FILE` of accounts")
	cmd.Flags().StringVar(&from.Members, "members", "", "`FILE` of memberships")
	cmd.Flags().StringVar(&from.Community, "community", "", "`SLUG` of the community that all members are of")
	flags.register(cmd, "csv")
	return onDatabase(cmd, func(ctx context.Context, cmd *cobra.Command, a *app.App, _ []string) error {
		system, err := app.OpenCSV(from)
		if err != nil {
			return err
		}
		return runImport(ctx, cmd, a, system, flags, from.Users, from.Members)
	})
}
