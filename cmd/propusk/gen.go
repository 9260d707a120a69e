package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/gen"
)

const genHelp = `Fill an empty database with people, communities and memberships that nobody is, so that you can see how an installation of that size
behaves before you have one. The database is made if it is not there.

The data look as those of a platform that grew from 2016 to the end of 2025: names in two alphabets, addresses at example.org, a few large
communities and many small ones (the n-th has about an n-th of the members of the first), mostly readers, some authors, few editors, one
or two admins in each, here and there a role of the community's own, followers, and one account in fifty that is not active. Nobody has a
role on the platform: make an administrator with propusk admin create.

The same --seed and the same numbers give the same data, but for the user_ids, which are random, and the hash of the password.

Without --password nobody can log in. With it everybody has that password: such a database is for trying things on a machine that
strangers cannot reach.

A database that holds anything is refused, unless --add says to put the new accounts and communities beside what is there, which stays as it
is. What an interrupted run has written stays too: take a new database then.`

func genCommand() *cobra.Command {
	var o gen.Options
	cmd := &cobra.Command{
		Use: "gen", Short: "Generate people and communities to try things with", Long: genHelp, Args: cobra.NoArgs,
		Example: `  propusk gen --users 1000 --communities 20 --memberships 10000 --password 'a perfectly ordinary sentence'
  propusk gen --users 1000000 --communities 1000 --memberships 10000000 --database sqlite:large.db
  propusk admin create anna@example.org --database sqlite:large.db
  propusk serve --database sqlite:large.db`,
	}
	cmd.Flags().IntVar(&o.Users, "users", 1000, "how many accounts")
	cmd.Flags().IntVar(&o.Communities, "communities", 20, "how many communities")
	cmd.Flags().IntVar(&o.Memberships, "memberships", 10_000, "how many memberships in all communities together")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "`NUMBER` that decides about everything")
	cmd.Flags().StringVar(&o.Password, "password", "", "`WORD` that everybody can log in with")
	cmd.Flags().BoolVar(&o.Add, "add", false, "generate into a database that is not empty")
	return configured(cmd, func(cmd *cobra.Command, c *config.Config, _ []string) error {
		a, err := app.Open(cmd.Context(), c, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
		if err != nil {
			return err
		}
		return errors.Join(generate(cmd, a, o), a.Close())
	}, config.Database, config.Policy, config.Passwords)
}

func generate(cmd *cobra.Command, a *app.App, o gen.Options) error {
	bar := newStages(cmd.ErrOrStderr())
	defer bar.clear()
	o.Progress = bar.at
	report, err := a.Generator().Run(cmd.Context(), a.Operator(), o)
	bar.clear()
	if err != nil && report.Accounts > 0 {
		return fmt.Errorf("the database is filled in part only, take a new one: %w", err)
	}
	if err != nil {
		return err
	}
	fmt.Fprint(cmd.OutOrStdout(), report)
	if o.Password != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "everybody logs in with that password, %s for one\n", report.FirstEmail)
	}
	return nil
}
