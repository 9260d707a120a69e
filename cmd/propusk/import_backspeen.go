package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk/internal/app"
)

func importBackspeenCommand() *cobra.Command {
	var flags importFlags
	var from app.Backspeen
	cmd := &cobra.Command{
		Use: "backspeen --from sqlite:FILE", Short: "Come over from a FastAPI program with users and sessions in SQLite", Args: cobra.NoArgs,
		Long: `Come over from a program like backend_backspeen: FastAPI and Tortoise ORM over an SQLite file with a table of users and one of sessions.
It is only read, and the program may go on running.

The table of users is the one that has an id, an email, a password, a role and is_active, by any of the names that such columns usually have; a
name, a last name and the times of creation and change come along where they are. If none or several could be meant, the error says what was
looked for and what was found. Then say it: --columns email=login,name=nick names columns, and --columns is_active= says that there is none.

Roles admin, moderator and user are kept; with any other the account becomes a user, and the role is quarantined. Whoever is not active was
deleted there, and is here: an administrator can restore the account.

Everybody logs in with the password they had. Hashes of bcrypt and argon2id are kept, passwords in plain text are hashed on the way, and neither
is ever shown or logged. What looks like a hash of another kind is quarantined, and the account comes without a password: as a password it would
open the account to everybody who has seen the database. Sessions are not carried over: everybody logs in once more.

Delete the old file when all is well: it holds passwords in plain text.

` + importHelp,
		Example: `  propusk import backspeen --from sqlite:db.sqlite3 --dry-run
  propusk import backspeen --from sqlite:db.sqlite3 --report report.jsonl
  propusk import backspeen --from sqlite:app.db --table accounts --columns email=login,name=nick,is_active=`,
	}
	cmd.Flags().StringVar(&from.From, "from", "", "the database, sqlite:`FILE`")
	cmd.Flags().StringVar(&from.Table, "table", "", "`NAME` of the table of users, where several could be meant")
	cmd.Flags().StringToStringVar(&from.Columns, "columns", nil, "`MEANING=COLUMN,…` for columns that are not found by their names")
	flags.register(cmd, "backspeen")
	return onDatabase(cmd, func(ctx context.Context, cmd *cobra.Command, a *app.App, _ []string) error {
		system, err := app.OpenBackspeen(ctx, from)
		if err != nil {
			return err
		}
		if err := runImport(ctx, cmd, a, system, flags, from.From); err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), "sessions were not carried over: everybody logs in once more")
		return nil
	})
}
