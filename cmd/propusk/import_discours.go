package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk/internal/app"
)

func importDiscoursCommand() *cobra.Command {
	var flags importFlags
	var from app.Discours
	var oldRoles string
	cmd := &cobra.Command{
		Use: "discours --from URL", Short: "Come over from Discours", Args: cobra.NoArgs,
		Long: `Come over from Discours: authors, communities, members with their roles, and followers, from its database: postgres://… or sqlite:PATH. It
is only read, in one snapshot, whatever age its schema is. Its ids are kept, so that your other tables go on pointing at the right people,
and everybody logs in with the password they had; the first login renews its hash.

Roles come from community_author.roles. The older tables author_role, role, role_permission and permission are read too: whoever is only
there becomes a member with those roles. Where a member's roles are empty and the older tables have some, nobody can tell whether they were
taken away or never carried over: such members come without roles, and the old ones are quarantined. --old-roles fill gives them to those
members instead.

--permissions is where the lists of permissions are: a JSON file, for every community or by community, or the Redis of Discours with its
keys community:roles:ID. All three ways to write a permission are understood: reaction:LIKE:read, reaction:read:LIKE, and update
for update_own. Lists that differ from the policy's become roles that the community has edited. Without it the policy's hold.

Ids are kept where no account of Propusk has them. propusk serve begins a database with an administrator who has number 1, so make it with
propusk migrate up: then all ids are free. Import, and make yourself an administrator with propusk admin create.

Both addresses may hold a password, and others on the machine can see the flags of a command: see --from-file and --permissions-file.

A Discours that still writes into an SQLite file without write-ahead log waits until the import is done.

` + importHelp,
		Example: `  propusk import discours --from sqlite:discours.db --dry-run
  propusk import discours --from postgres://reader@db.example.org/discours --permissions redis://localhost:6379/0 --report report.jsonl
  PROPUSK_FROM_FILE=/run/secrets/discours propusk import discours --dry-run
  propusk import discours --from sqlite:old.db --permissions roles.json --as old-magazine --old-roles fill --owner anna@example.org`,
	}
	secretFlag(cmd, &from.From, "from", "`URL` of the database of Discours: postgres://USER:PASSWORD@HOST/DATABASE or sqlite:PATH")
	secretFlag(cmd, &from.Permissions, "permissions", "lists of permissions: a JSON `FILE`, or redis://HOST:6379/0")
	cmd.Flags().StringVar(&oldRoles, "old-roles", "", "`fill` gives members whose roles are empty those of the older role tables")
	flags.register(cmd, "discours")
	return onDatabase(cmd, func(ctx context.Context, cmd *cobra.Command, a *app.App, _ []string) error {
		if from.From == "" {
			return errors.New("say where Discours is: --from postgres://… or --from sqlite:PATH")
		}
		if oldRoles != "" && oldRoles != "fill" {
			return fmt.Errorf("--old-roles can only be fill")
		}
		from.FillOldRoles = oldRoles == "fill"
		system, err := a.OpenDiscours(ctx, from)
		if err != nil {
			return err
		}
		return runImport(ctx, cmd, a, system, flags, from.From, from.Permissions)
	})
}

// secretFlag defines a flag with a twin that names a file, as config does for its secrets: config.Load reads what bears this annotation.
func secretFlag(cmd *cobra.Command, to *string, name, usage string) {
	fs := cmd.Flags()
	fs.StringVar(to, name, "", usage+"; others can see flags, so with a password prefer the environment or --"+name+"-file")
	fs.String(name+"-file", "", "`FILE` that holds what --"+name+" would be; one line end at its end is ignored")
	_ = fs.SetAnnotation(name+"-file", "propusk_file_of", []string{name}) // it is there
}
