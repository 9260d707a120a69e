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
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/rbac"
)

func checkCommand() *cobra.Command {
	var community, owner string
	var fallback int64
	cmd := &cobra.Command{
		Use: "check USER PERMISSION", Short: "May this person do that, here? And why?", Args: cobra.ExactArgs(2), Annotations: map[string]string{asks: ""},
		Long: `Decide, as the server would, whether somebody may do something, and say why: which role permits it, where that has it from and by which
line of the policy; or what is missing, and which roles would give it. The exit code is 0 when it is allowed, 1 when it is denied,
and 2 when the question could not be answered.

PERMISSION is a concrete one: entity:action or entity:QUALIFIER:action. One of communities needs --community, one of the platform takes none.
With --owner it is about an object of that person: shout:update is then allowed by shout:update_any, or by shout:update_own to the owner.

Lines are those of the default policy, or of --policy: name the same file as the server does. What was compiled into a community before the
file changed holds until propusk policy apply; then a permission may have no line.

USER is an e-mail address or a user_id. ` + communityHelp,
		Example: `  propusk check anna@example.org shout:delete_any --community night-owls
  propusk check anna@example.org shout:update --community 7 --owner boris@example.org
  propusk check anna@example.org user:block && echo she may`,
	}
	cmd.Flags().StringVar(&community, "community", "", "`COMMUNITY` where it is to be done, an id or a slug")
	cmd.Flags().StringVar(&owner, "owner", "", "`USER` whose object it is")
	cmd.Flags().Int64Var(&fallback, "default-community", 0, "`ID` of the community that checks without one are about, as the server has it; 0 for none")
	return onDatabase(cmd, func(ctx context.Context, cmd *cobra.Command, a *app.App, args []string) error {
		a.Access.DefaultCommunity = fallback
		asked := check{a: a}
		if err := asked.resolve(ctx, args[0], args[1], community, owner); err != nil {
			return err
		}
		return asked.answer(ctx, cmd.OutOrStdout())
	})
}

// check is a question with the people and the place that it names.
type check struct {
	a     *app.App
	user  propusk.User
	owner propusk.User
	where propusk.Community
	q     propusk.Question
}

func (c *check) resolve(ctx context.Context, user, permission, community, owner string) (err error) {
	if c.user, err = findUser(ctx, c.a, user); err != nil {
		return err
	}
	if owner != "" {
		if c.owner, err = findUser(ctx, c.a, owner); err != nil {
			return fmt.Errorf("--owner: %w", err)
		}
	}
	c.q = propusk.Question{Permission: permission, UserID: c.user.UserID, OwnerID: c.owner.UserID}
	if community != "" {
		if c.where, err = findCommunity(ctx, c.a, community); err != nil {
			return fmt.Errorf("--community: %w", err)
		}
		c.q.CommunityID = c.where.ID
	}
	return nil
}

func (c *check) answer(ctx context.Context, w io.Writer) error {
	e, err := c.a.Access.Explain(ctx, c.a.Operator(), c.q)
	if err != nil {
		return misasked(err)
	}
	if err := c.settle(ctx, e); err != nil {
		return err
	}
	answer, may := "allowed", "may"
	if !e.Allowed {
		answer, may = "denied", "may not"
	}
	fmt.Fprintf(w, "%s: %s %s %s%s\n", answer, c.user.Email, may, c.q.Permission, c.here(e))
	c.line(w, "reason", c.because(e))
	c.why(w, e)
	if !e.Allowed {
		return errDenied
	}
	return nil
}

// misasked tells of wrong input in words of the command line, where the fields of the question are flags and arguments.
func misasked(err error) error {
	var refused *propusk.Error
	if !errors.As(err, &refused) || refused.Kind != propusk.Invalid {
		return err
	}
	named := map[string]string{"permission": "PERMISSION", "community_id": "--community"}
	faults := make([]error, len(refused.Fields))
	for i, f := range refused.Fields {
		faults[i] = fmt.Errorf("%s %s", named[f.Field], f.Message)
	}
	return errors.Join(faults...)
}

// settle fills in the default community, if that is what the decision was about.
func (c *check) settle(ctx context.Context, e access.Explanation) error {
	if e.Scope == rbac.ScopeCommunity && c.where.ID == 0 && c.a.Access.DefaultCommunity != 0 {
		found, err := c.a.Communities.Get(ctx, c.a.Operator(), c.a.Access.DefaultCommunity)
		if err != nil {
			return fmt.Errorf("--default-community: %w", err)
		}
		c.where = found.Community
	}
	return nil
}

func (c *check) here(e access.Explanation) string {
	switch {
	case e.Scope == rbac.ScopePlatform:
		return " on the platform"
	case c.where.ID == 0:
		return ""
	default:
		return " in " + place(c.where)
	}
}

// because is the reason in words; the word that programs get follows, so that one is found by the other.
func (c *check) because(e access.Explanation) string {
	return map[rbac.Reason]string{
		rbac.ReasonRole:              "a role permits it",
		rbac.ReasonOwn:               "a role permits it for one's own objects, and this is one",
		rbac.ReasonPlatformAdmin:     "an administrator of the platform may do everything in every community",
		rbac.ReasonMissingPermission: "no role permits it",
		rbac.ReasonNotOwner:          "a role permits it for one's own objects only, and this one is of " + c.owner.Email,
		rbac.ReasonNotMember:         "not a member of " + place(c.where),
		rbac.ReasonCommunityRequired: "this is done in a community: say in which, with --community",
		rbac.ReasonInactive:          "the account is " + state(c.user) + ", so its roles permit nothing; propusk user unblock restores it",
	}[e.Reason] + " [" + string(e.Reason) + "]"
}

// line is one labelled line, its text in a column of its own.
func (c *check) line(w io.Writer, label, text string) {
	fmt.Fprintf(w, "  %-10s  %s\n", label, text)
}

func (c *check) why(w io.Writer, e access.Explanation) {
	if e.Reason != rbac.ReasonInactive && (e.Scope == rbac.ScopePlatform || c.where.ID != 0) {
		c.line(w, "roles", listed(e.Roles))
	}
	for _, via := range e.Via {
		c.line(w, "by", through(via))
	}
	if e.Missing != "" {
		c.line(w, "missing", e.Missing)
		c.line(w, "given by", listed(e.GivenBy))
		c.hint(w, e)
	}
}

// through tells one way in which a role permits something, from the role that the person has to the line that gives it.
func through(v access.Via) string {
	text := fmt.Sprintf("role %s, which holds %s", v.Role, v.Permission)
	if v.Permission == rbac.Everything {
		text = fmt.Sprintf("role %s, which holds everything (*)", v.Role)
	}
	switch {
	case v.Line == "":
		return text + " by the community's own list: a custom or edited role, or an earlier policy"
	case len(v.Path) > 1:
		text += fmt.Sprintf(", inherited %s, by the line %q of %s", strings.Join(v.Path, " ← "), v.Line, v.Path[len(v.Path)-1])
	default:
		text += fmt.Sprintf(" by its line %q", v.Line)
	}
	if v.Implied {
		text += ", which gives _any and with it _own"
	}
	return text
}

// hint says what to do about a no.
func (c *check) hint(w io.Writer, e access.Explanation) {
	permission, err := rbac.ParsePermission(c.q.Permission)
	if err == nil && e.Scope == rbac.ScopeCommunity && !c.a.Communities.Catalogue.Knows(permission) {
		c.line(w, "note", "the policy's catalogue has no such permission, so only a role with * permits it; is it spelt as meant?")
		return
	}
	less := slices.DeleteFunc(slices.Clone(e.GivenBy), func(role string) bool { return role == rbac.Admin })
	switch {
	case len(less) == 0: // nobody is to be made an admin for want of one permission
	case e.Scope == rbac.ScopePlatform:
		c.line(w, "to give it", fmt.Sprintf("propusk user change-role %s %s", c.user.Email, less[0]))
	default:
		c.line(w, "to give it", fmt.Sprintf("propusk community grant %s %s %s", c.where.Slug, c.user.Email, less[0]))
	}
}
