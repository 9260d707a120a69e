package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/community"
)

const communityHelp = `COMMUNITY is a slug, or an id: a number is always taken for an id first.`

const memberHelp = communityHelp + ` USER is an e-mail address or a user_id. What you change takes effect with the
next request, also while a server runs on the same database, and the audit names you as operator.`

func communityCommand() *cobra.Command {
	return group("community", "Look after communities and their members", communityListCommand(), communityCreateCommand(), communityMembersCommand(),
		communityGrantCommand(), communityRevokeCommand())
}

func communityListCommand() *cobra.Command {
	var filter community.Filter
	var page paging
	cmd := &cobra.Command{
		Use: "list", Short: "List communities", Args: cobra.NoArgs,
		Long: `List communities in the order of their ids. JOINING says whether people may join by themselves (open) or have to be admitted (closed).`,
		Example: `  propusk community list
  propusk community list --search owls --limit 10`,
	}
	cmd.Flags().StringVar(&filter.Search, "search", "", "part of a name or slug, in any case")
	page.register(cmd, "communities")
	return onDatabase(cmd, func(ctx context.Context, cmd *cobra.Command, a *app.App, _ []string) (err error) {
		if filter.Offset, filter.Limit, err = page.cut(); err != nil {
			return err
		}
		found, total, err := a.Communities.List(ctx, a.Operator(), filter)
		if err != nil {
			return err
		}
		return printCommunities(cmd.OutOrStdout(), found, total)
	})
}

func printCommunities(w io.Writer, found []community.Profile, total int) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSLUG\tNAME\tMEMBERS\tJOINING")
	for _, c := range found {
		fmt.Fprintf(table, "%d\t%s\t%s\t%d\t%s\n", c.ID, c.Slug, c.Name, c.MemberCount, c.Joining)
	}
	fmt.Fprintf(table, "%d of %d\n", len(found), total)
	return table.Flush()
}

func communityCreateCommand() *cobra.Command {
	var in community.Founding
	var admin string
	cmd := &cobra.Command{
		Use: "create NAME --admin USER", Short: "Found a community for somebody", Args: cobra.ExactArgs(1),
		Long: `Found a community for somebody, who becomes its founder, first member and admin. It starts with the roles of the policy: the default one,
or that of --policy; name the same file as the server does.

Without --slug the slug is made of the name. USER is an e-mail address or a user_id.`,
		Example: `  propusk community create "Night owls" --admin anna@example.org
  propusk community create "Ночные совы" --slug night-owls --admin anna@example.org --description "Those who read at night"`,
	}
	cmd.Flags().StringVar(&admin, "admin", "", "`USER` who becomes its admin")
	cmd.Flags().StringVar(&in.Slug, "slug", "", "unique name for links: lower-case letters a-z, digits, single hyphens between them")
	cmd.Flags().StringVar(&in.Description, "description", "", "a few words about it")
	return onDatabase(cmd, func(ctx context.Context, cmd *cobra.Command, a *app.App, args []string) error {
		if admin == "" {
			return fmt.Errorf("say who is to be its admin: --admin USER, an e-mail address or a user_id")
		}
		owner, err := findUser(ctx, a, admin)
		if err != nil {
			return err
		}
		in.Name = args[0]
		founded, err := a.Communities.CreateFor(ctx, a.Operator(), owner.UserID, in)
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "created: %s, %s, admin %s%s\n", place(founded), founded.Name, owner.Email, inactive(owner))
		return nil
	})
}

func communityMembersCommand() *cobra.Command {
	var filter community.MemberFilter
	var page paging
	cmd := &cobra.Command{
		Use: "members COMMUNITY", Short: "List the members of a community", Args: cobra.ExactArgs(1),
		Long: "List the members of a community in the order of joining, with their roles. The roles of a blocked or deleted account permit nothing.\n\n" +
			communityHelp,
		Example: `  propusk community members night-owls --role editor
  propusk community members 7 --search anna`,
	}
	cmd.Flags().StringVar(&filter.Role, "role", "", "only members with this role")
	cmd.Flags().StringVar(&filter.Search, "search", "", "part of a name, address or slug, in any case")
	page.register(cmd, "members")
	return onDatabase(cmd, func(ctx context.Context, cmd *cobra.Command, a *app.App, args []string) error {
		where, err := findCommunity(ctx, a, args[0])
		if err != nil {
			return err
		}
		if filter.Offset, filter.Limit, err = page.cut(); err != nil {
			return err
		}
		found, total, err := a.Communities.Members(ctx, a.Operator(), where.ID, filter)
		if err != nil {
			return err
		}
		return printMembers(cmd.OutOrStdout(), found, total)
	})
}

func printMembers(w io.Writer, found []propusk.Membership, total int) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "USER_ID\tEMAIL\tNAME\tROLES\tJOINED")
	for _, m := range found {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s%s\t%s\n", m.User.UserID, m.User.Email, fullName(m.User), listed(m.Roles), inactive(m.User),
			m.JoinedAt.Local().Format(time.DateTime))
	}
	fmt.Fprintf(table, "%d of %d\n", len(found), total)
	return table.Flush()
}

// place is a community in a message: by what people call it, and by what never changes.
func place(c propusk.Community) string { return fmt.Sprintf("%s (%d)", c.Slug, c.ID) }

func listed(roles []string) string {
	if len(roles) == 0 {
		return "none"
	}
	return strings.Join(roles, ", ")
}

// inactive reminds that roles are one thing and an account that may use them another.
func inactive(u propusk.User) string {
	if u.IsActive {
		return ""
	}
	return " (the account is " + state(u) + ")"
}

func findUser(ctx context.Context, a *app.App, key string) (propusk.User, error) {
	user, err := a.Accounts.Find(ctx, a.Operator(), key)
	if propusk.KindOf(err) == propusk.NotFound {
		err = fmt.Errorf("%s: %w; propusk user list shows all", key, err)
	}
	return user, err
}

// findCommunity takes an id or a slug. A slug may consist of digits too: then the id has precedence, as it cannot be chosen.
func findCommunity(ctx context.Context, a *app.App, key string) (propusk.Community, error) {
	if id, err := strconv.ParseInt(key, 10, 32); err == nil {
		found, err := a.Communities.Get(ctx, a.Operator(), id)
		if propusk.KindOf(err) != propusk.NotFound {
			return found.Community, err
		}
	}
	found, err := bySlug(ctx, a, strings.ToLower(key))
	if err == nil && found.ID == 0 {
		err = fmt.Errorf("%s: there is no such community; propusk community list shows all", key)
	}
	return found, err
}

// bySlug looks through what a search for the slug finds, which names and longer slugs are among. The zero Community means none.
func bySlug(ctx context.Context, a *app.App, slug string) (propusk.Community, error) {
	for filter := (community.Filter{Search: slug, Limit: 1000}); slug != ""; filter.Offset += filter.Limit {
		found, _, err := a.Communities.List(ctx, a.Operator(), filter)
		for _, c := range found {
			if c.Slug == slug {
				return c.Community, nil
			}
		}
		if err != nil || len(found) < filter.Limit {
			return propusk.Community{}, err
		}
	}
	return propusk.Community{}, nil
}
