package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/rbac/policyfile"
)

func importCasbinCommand() *cobra.Command {
	var flags importFlags
	var from app.Casbin
	var policy string
	cmd := &cobra.Command{
		Use: "casbin MODEL POLICY", Short: "Come over from Casbin, RBAC with domains", Args: cobra.ExactArgs(2),
		Long: `Come over from Casbin: MODEL is its model.conf, POLICY its policy.csv. What is understood is RBAC with domains, exactly as Casbin documents it;
with any other model (effects, priorities, keyMatch, no domains) the command stops, names the line, and shows the model that it understands.

Each domain becomes a community, which nobody can join unasked and which gives nothing on joining. Lines "g, anna@example.org, editor, magazine"
make members. A subject that is no address needs one: --subjects FILE is CSV with lines such as boris,boris@example.org. Roles that
inherit from roles get their full lists here, as far as Casbin follows them: ten steps from the user. Lines "p, editor, magazine, article, write"
give the role editor of that community the permission article:write.

Quarantined are, each with the reason: permissions of people instead of roles; objects and actions other than lower-case words; actions that end
in _own and _any, and permissions by which Propusk itself decides, such as member:remove; domains with a *; the role admin, because here it holds
everything. --rename admin=chief gives a role another id, also one that is no id.

Roles can only hold what the catalogue of Propusk knows. So write a policy file first, whose catalogue has all objects and actions of POLICY, and
use it for the import and for the server:

    propusk import casbin model.conf policy.csv --write-policy policy.yaml
    propusk import casbin model.conf policy.csv --policy policy.yaml --owner anna@example.org
    propusk serve --policy policy.yaml

--write-policy only writes that file, and never over another. A community needs a founder, which Casbin does not know: --owner says who.

Accounts have no password: people are given one with propusk user set-password.

` + importHelp,
		Example: `  propusk import casbin model.conf policy.csv --write-policy policy.yaml
  propusk import casbin model.conf policy.csv --policy policy.yaml --owner anna@example.org --dry-run
  propusk import casbin model.conf policy.csv --policy policy.yaml --owner anna@example.org --subjects subjects.csv --rename admin=chief,root=keeper`,
	}
	cmd.Flags().StringVar(&from.Subjects, "subjects", "", "CSV `FILE` with a line subject,email for each subject that is no address")
	cmd.Flags().StringToStringVar(&from.Rename, "rename", nil, "`OLD=NEW,…` gives roles other ids")
	cmd.Flags().StringVar(&policy, "write-policy", "", "only write a policy `FILE` with all permissions of the policy")
	flags.register(cmd, "casbin")
	onDatabase(cmd, func(ctx context.Context, cmd *cobra.Command, a *app.App, args []string) error {
		from.Model, from.Policy = args[0], args[1]
		system, err := app.OpenCasbin(ctx, from)
		if err != nil {
			return err
		}
		return runImport(ctx, cmd, a, system, flags, from.Model, from.Policy, from.Subjects)
	})
	// The file is for a server that is yet to be started, so writing it needs no database.
	bring := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		file := cmp.Or(policy, os.Getenv(config.Env("write-policy")))
		if file == "" {
			return bring(cmd, args)
		}
		from.Model, from.Policy = args[0], args[1]
		return writePolicy(cmd, from, file)
	}
	return cmd
}

func writePolicy(cmd *cobra.Command, from app.Casbin, path string) error {
	system, err := app.OpenCasbin(cmd.Context(), from)
	if err != nil {
		return err
	}
	text, err := system.PolicyFile()
	if err = errors.Join(err, system.Close()); err != nil {
		return err
	}
	if _, err := policyfile.Parse(path, text); err != nil {
		return fmt.Errorf("the policy cannot be written as one of Propusk: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("--write-policy: %w", err)
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("--write-policy: %w", err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "written: %s; use it with --policy for the import and for the server\n", path)
	return nil
}
