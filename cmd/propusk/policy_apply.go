package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/community"
)

func policyApplyCommand() *cobra.Command {
	var run application
	var where string
	var all bool
	cmd := &cobra.Command{
		Use: "apply {--community COMMUNITY | --all}", Short: "Give communities that exist the roles of the policy", Args: cobra.NoArgs,
		Long: `Give communities that exist the roles of the policy: the default one, or that of --policy. A community keeps what was compiled when it was
founded, whatever becomes of the file, until this is done. Look first with --dry-run: it tells who would gain (+) and lose (-) what, and
changes nothing.

Roles of a community's own survive, without permissions that are in the catalogue no longer; edited ones return to the policy. Roles that
the policy no longer has go. While members hold one the community refuses, unless --strip says to take it from them. With --all the
others go on, those that refused are told at the end, and the exit code is 1. A dry run ends as the real run would.

Each community is one transaction, so an interrupted run leaves every one as it was or as it is to be; run it again.

` + communityHelp,
		Example: `  propusk policy apply --community night-owls --dry-run
  propusk policy apply --all --policy my-policy.yaml`,
	}
	cmd.Flags().StringVar(&where, "community", "", "`COMMUNITY` to do it in, an id or a slug")
	cmd.Flags().BoolVar(&all, "all", false, "do it in every community")
	cmd.Flags().BoolVar(&run.dryRun, "dry-run", false, "only tell what would change")
	cmd.Flags().BoolVar(&run.strip, "strip", false, "take roles that the policy no longer has from members who hold them")
	return onDatabase(cmd, func(ctx context.Context, cmd *cobra.Command, a *app.App, _ []string) error {
		if all == (where != "") {
			return errors.New("say where: --community COMMUNITY, or --all")
		}
		run.a, run.out = a, cmd.OutOrStdout()
		if all {
			return run.everywhere(ctx, cmd.ErrOrStderr())
		}
		found, err := findCommunity(ctx, a, where)
		if err != nil {
			return err
		}
		return run.alone(ctx, found.ID)
	})
}

// application is a policy on its way into communities.
type application struct {
	a             *app.App
	out           io.Writer
	dryRun, strip bool
	bar           *progress

	changed, same, stripped int
	refused                 []error
}

func (p *application) alone(ctx context.Context, id int64) error {
	change, err := p.apply(ctx, id)
	if err != nil {
		return err
	}
	if p.same > 0 {
		fmt.Fprintf(p.out, "%s has this policy already\n", name(change))
	}
	p.close()
	return errors.Join(p.refused...)
}

// pageOfIDs is how many communities are looked up at once.
const pageOfIDs = 500

func (p *application) everywhere(ctx context.Context, stderr io.Writer) error {
	_, total, err := p.a.Communities.List(ctx, p.a.Operator(), community.Filter{Limit: 1})
	if err != nil {
		return err
	}
	p.bar = newProgress(stderr, total)
	defer p.bar.clear()
	for last := int64(0); ; {
		ids, err := p.a.Communities.IDs(ctx, p.a.Operator(), last, pageOfIDs)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			break
		}
		for _, id := range ids {
			if _, err := p.apply(ctx, id); err != nil {
				return errors.Join(fmt.Errorf("stopped before the end, with %s", p.totals()), err)
			}
			p.bar.step()
		}
		last = ids[len(ids)-1]
	}
	p.bar.clear()
	fmt.Fprintln(p.out, p.totals())
	p.close()
	if len(p.refused) == 0 {
		return nil
	}
	return errors.Join(append([]error{fmt.Errorf("communities that refused: %d", len(p.refused))}, p.refused...)...)
}

// close says that a dry run was one.
func (p *application) close() {
	if p.dryRun {
		fmt.Fprintln(p.out, "this was a dry run: nothing was changed")
	}
}

func (p *application) totals() string {
	did, lost := "changed", "took roles from"
	if p.dryRun {
		did, lost = "to change", "would take roles from"
	}
	text := fmt.Sprintf("%d %s, %d with this policy already, %d refused", p.changed, did, p.same, len(p.refused))
	if p.stripped > 0 {
		text += fmt.Sprintf("; %s %s", lost, members(p.stripped))
	}
	return text
}

// apply does one community. Only what is no refusal of this one community is an error.
func (p *application) apply(ctx context.Context, id int64) (community.PolicyChange, error) {
	change, err := p.a.Communities.ApplyPolicy(ctx, p.a.Operator(), id, p.dryRun, p.strip)
	switch {
	case isCode(err, "community_not_found"): // deleted since its id was read
		return change, nil
	case err != nil && propusk.KindOf(err) == propusk.Conflict:
		p.refused = append(p.refused, refusal(change, id, err))
		return change, nil
	case err != nil:
		return change, fmt.Errorf("community %d: %w", id, err)
	case len(change.Roles)+len(change.Reverted) == 0:
		p.same++
		return change, nil
	}
	p.bar.clear()
	p.print(change)
	if p.dryRun && !p.strip && change.Stripped > 0 {
		p.refused = append(p.refused, fmt.Errorf("%s would refuse: %s: %s", name(change), held(change), insteadOfRefusal))
		return change, nil
	}
	p.changed++
	p.stripped += change.Stripped
	return change, nil
}

const insteadOfRefusal = "change their roles first, or say --strip to take it from them"

// refusal says in words of the command line what the service says to programs.
func refusal(change community.PolicyChange, id int64, err error) error {
	if change.Slug == "" || !isCode(err, "roles_in_use") {
		return fmt.Errorf("community %d: %w", id, err)
	}
	return fmt.Errorf("%s refused: %s: %s", name(change), held(change), insteadOfRefusal)
}

// held tells who stands in the way of roles that are to go.
func held(change community.PolicyChange) string {
	var texts []string
	for _, role := range change.Roles {
		if role.Removed && role.Members > 0 {
			texts = append(texts, fmt.Sprintf("%s of %s", members(role.Members), role.Role))
		}
	}
	return strings.Join(texts, ", ")
}

func name(change community.PolicyChange) string {
	return fmt.Sprintf("%s (%d)", change.Slug, change.CommunityID)
}

func members(n int) string {
	switch n {
	case 0:
		return "nobody"
	case 1:
		return "1 member"
	}
	return fmt.Sprintf("%d members", n)
}

// print tells what changes for whom, in lines as of a diff.
func (p *application) print(change community.PolicyChange) {
	fmt.Fprintln(p.out, name(change))
	others := false
	for _, role := range change.Roles {
		others = others || role.Added || role.Removed
		p.printRole(role)
	}
	if len(change.Kept) > 0 {
		fmt.Fprintf(p.out, "  kept, of the community's own: %s\n", strings.Join(change.Kept, ", "))
	}
	if len(change.Reverted) > 0 {
		fmt.Fprintf(p.out, "  edited by the community, as in the policy again: %s\n", strings.Join(change.Reverted, ", "))
	}
	if change.Applied && change.Stripped > 0 {
		fmt.Fprintf(p.out, "  %s lost a role\n", members(change.Stripped))
	}
	if others {
		fmt.Fprintf(p.out, "  available: %s; given on joining: %s\n", listed(change.Settings.AvailableRoles), listed(change.Settings.DefaultRoles))
	}
}

// printRole counts the permissions of a role that comes or goes as a whole, and names those of one that changes.
func (p *application) printRole(role community.RoleChange) {
	switch {
	case role.Added:
		fmt.Fprintf(p.out, "  + %s: a new role, with %d permissions\n", role.Role, len(role.Gains))
	case role.Removed:
		fmt.Fprintf(p.out, "  - %s: the role goes, with %d permissions, held by %s\n", role.Role, len(role.Loses), members(role.Members))
	default:
		fmt.Fprintf(p.out, "  %s, held by %s\n", role.Role, members(role.Members))
		for _, permission := range role.Gains {
			fmt.Fprintf(p.out, "    + %s\n", permission)
		}
		for _, permission := range role.Loses {
			fmt.Fprintf(p.out, "    - %s\n", permission)
		}
	}
}
