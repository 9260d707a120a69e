package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/community"
)

func communityGrantCommand() *cobra.Command {
	return changeMember(&cobra.Command{
		Use: "grant COMMUNITY USER ROLE", Short: "Give somebody one more role in a community",
		Long: "Give somebody one more role in a community. Who is no member becomes one, with exactly that role and without the default roles.\n\n" +
			memberHelp,
		Example: `  propusk community grant night-owls anna@example.org editor`,
	}, "granted", "has the", (*community.Service).AddRole)
}

func communityRevokeCommand() *cobra.Command {
	return changeMember(&cobra.Command{
		Use: "revoke COMMUNITY USER ROLE", Short: "Take one role from a member of a community",
		Long: "Take one role from a member of a community. Who has none left is still a member. The last active admin of a community stays one:\n" +
			"make somebody else an admin there first.\n\n" + memberHelp,
		Example: `  propusk community revoke night-owls anna@example.org editor`,
	}, "revoked", "has no", (*community.Service).RemoveRole)
}

// memberChange is one act upon one role of one person.
type memberChange struct {
	// done says what happened, idle what was so already.
	done, idle string
	act        func(*community.Service, context.Context, propusk.Pass, int64, string, string) (propusk.Membership, error)
}

func changeMember(cmd *cobra.Command, done, idle string,
	act func(s *community.Service, ctx context.Context, me propusk.Pass, id int64, userID, role string) (propusk.Membership, error),
) *cobra.Command {
	cmd.Args = cobra.ExactArgs(3)
	change := memberChange{done, idle, act}
	return onDatabase(cmd, func(ctx context.Context, cmd *cobra.Command, a *app.App, args []string) error {
		where, err := findCommunity(ctx, a, args[0])
		if err != nil {
			return err
		}
		user, err := findUser(ctx, a, args[1])
		if err != nil {
			return err
		}
		return change.run(ctx, cmd.OutOrStdout(), a, where, user, args[2])
	})
}

// run compares with what was before, which is read apart from the change: it decides nothing but the words.
func (c memberChange) run(ctx context.Context, w io.Writer, a *app.App, where propusk.Community, user propusk.User, role string) error {
	before, _, err := a.Communities.Permissions(ctx, a.Operator(), where.ID, user.UserID)
	member := err == nil
	if err != nil && !isCode(err, "member_not_found") {
		return err
	}
	is, err := c.act(a.Communities, ctx, a.Operator(), where.ID, user.UserID, role)
	if err != nil {
		return roleRefused(err, where, user, role)
	}
	switch {
	case !member:
		fmt.Fprintf(w, "admitted: %s is a member of %s now", user.Email, place(where))
	case slices.Equal(before, is.Roles):
		fmt.Fprintf(w, "nothing changed: %s %s role %s in %s already", user.Email, c.idle, role, place(where))
	default:
		fmt.Fprintf(w, "%s: %s, %s in %s", c.done, user.Email, role, place(where))
	}
	fmt.Fprintf(w, "; roles: %s%s\n", listed(is.Roles), inactive(user))
	return nil
}

func isCode(err error, code string) bool { return errors.Is(err, &propusk.Error{Code: code}) }

// roleRefused says what to do instead, in words of the command line.
func roleRefused(err error, where propusk.Community, user propusk.User, role string) error {
	available := strings.Join(where.AvailableRoles, ", ")
	switch {
	case isCode(err, "role_not_found"):
		return fmt.Errorf("%s has no role %q; roles that can be given there: %s", place(where), role, available)
	case isCode(err, "invalid_input"):
		return fmt.Errorf("the role %s cannot be given in %s; roles that can: %s", role, place(where), available)
	case isCode(err, "member_not_found"):
		return fmt.Errorf("%s is no member of %s; propusk community members %s shows who is", user.Email, place(where), where.Slug)
	}
	return err
}
