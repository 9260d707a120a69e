package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/rbac"
	"github.com/propusk/propusk/rbac/policyfile"
)

const policyHelp = `FILE is a policy file, or one of the words platform and community for the default policy of that scope.`

func policyCommand() *cobra.Command {
	return group("policy", "Read, check, expand and apply policy files", policyShowCommand(), policyCheckCommand(), policyExpandCommand(),
		policyApplyCommand())
}

// readPolicy parses and compiles.
func readPolicy(name string) (rbac.Policy, *rbac.Grants, []byte, error) {
	text, err := policyText(name)
	if err != nil {
		return rbac.Policy{}, nil, nil, err
	}
	policy, err := policyfile.Parse(name, text)
	if err != nil {
		return rbac.Policy{}, nil, nil, err
	}
	grants, err := rbac.Compile(policy)
	return policy, grants, text, err
}

func policyText(name string) ([]byte, error) {
	if source := policyfile.Source(rbac.Scope(name)); source != "" {
		return []byte(source), nil
	}
	return os.ReadFile(name)
}

func policyShowCommand() *cobra.Command {
	var source bool
	cmd := &cobra.Command{
		Use: "show FILE", Short: "Show the roles of a policy", Args: cobra.ExactArgs(1),
		Long:    "Show the roles of a policy, what each inherits and how many permissions it has.\n\n" + policyHelp,
		Example: "  propusk policy show community\n  propusk policy show community --source > my-policy.yaml",
	}
	cmd.Flags().BoolVar(&source, "source", false, "print the file itself, to start an own one from")
	return configured(cmd, func(cmd *cobra.Command, _ *config.Config, args []string) error {
		policy, grants, text, err := readPolicy(args[0])
		if err != nil {
			return err
		}
		if source {
			_, err := cmd.OutOrStdout().Write(text)
			return err
		}
		table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintf(table, "scope %s, given on joining: %s\n\n", policy.Scope, strings.Join(policy.DefaultRoles, ", "))
		fmt.Fprintln(table, "ROLE\tNAME\tINHERITS\tOWN LINES\tPERMISSIONS IN ALL")
		for _, role := range policy.Roles {
			fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\n", role.ID, role.Name, strings.Join(role.Inherits, ", "),
				len(role.Permissions), len(grants.Permissions(role.ID)))
		}
		return table.Flush()
	})
}

func policyCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "check FILE", Short: "Check a policy file", Args: cobra.ExactArgs(1),
		Long: "Check a policy file. Each fault is told with its line; the exit code is 1 if there is any.\n\n" + policyHelp,
	}
	return configured(cmd, func(cmd *cobra.Command, _ *config.Config, args []string) error {
		policy, _, _, err := readPolicy(args[0])
		if err == nil {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: good, %d roles and %d permissions\n", args[0], len(policy.Roles), len(policy.Content)+len(policy.Reserved))
		}
		return err
	})
}

func policyExpandCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "expand FILE", Short: "Print the full list of permissions of every role", Args: cobra.ExactArgs(1),
		Long: "Print the full list of permissions of every role as JSON: what the policy compiles to, with inheritance and wildcards resolved.\n\n" +
			policyHelp,
	}
	return configured(cmd, func(cmd *cobra.Command, _ *config.Config, args []string) error {
		_, grants, _, err := readPolicy(args[0])
		if err != nil {
			return err
		}
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetIndent("", "  ")
		return encoder.Encode(grants)
	})
}
