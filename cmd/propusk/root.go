package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/config"
)

// newRoot is the whole command line.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "propusk",
		Short: "Who is this, and may they do that, here?",
		Long: `Propusk answers two questions for community platforms: who is this, and may they do that, here?
It keeps accounts, sessions and roles, in one program over one SQLite file, or over PostgreSQL.

Start it with

    propusk serve

and open the address it prints. Every flag of every command has a twin in the environment, shown behind it in brackets.`,
		SilenceUsage: true, SilenceErrors: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(serveCommand(), readyCommand(), demoCommand(), genCommand(), benchCommand(), adminCommand(), userCommand(), communityCommand(), checkCommand(), policyCommand(), keysCommand(),
		importCommand(), exportCommand(), backupCommand(), restoreCommand(), migrateCommand(), versionCommand())
	everyFlag(root, func(f *pflag.Flag) { f.Usage += " [$" + config.Env(f.Name) + "]" })
	teachArgs(root)
	return root
}

// everyFlag visits each flag of each command below cmd.
func everyFlag(cmd *cobra.Command, visit func(*pflag.Flag)) {
	cmd.Flags().VisitAll(visit)
	for _, sub := range cmd.Commands() {
		everyFlag(sub, visit)
	}
}

// teachArgs lets each command below cmd say what to write when its arguments are too few or too many.
func teachArgs(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		teachArgs(sub)
	}
	if cmd.HasSubCommands() {
		return
	}
	fits := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if fits(cmd, args) == nil {
			return nil
		}
		path := cmd.CommandPath()
		_, named, _ := strings.Cut(cmd.Use, " ")
		wrote := path
		for _, arg := range args {
			if strings.Contains(arg, "://") { // the URL of a database may hold a password
				arg = "…"
			}
			wrote += " " + arg
		}
		return fmt.Errorf("write %s, not %s; %s --help says more", strings.TrimSpace(path+" "+named), wrote, path)
	}
}

// group is a command that only holds others.
func group(name, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(subs...)
	return cmd
}

// configured gives cmd the settings of the groups, and runs it with what flags, environment and files say.
func configured(cmd *cobra.Command, run func(*cobra.Command, *config.Config, []string) error, groups ...config.Group) *cobra.Command {
	c := config.Register(cmd.Flags(), groups...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var known []string
		everyFlag(cmd.Root(), func(f *pflag.Flag) { known = append(known, f.Name) })
		if err := config.Load(cmd.Flags(), c, os.Environ(), known); err != nil {
			return err
		}
		return run(cmd, c, args)
	}
	return cmd
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) { cmd.Println(app.Version()) },
	}
}
