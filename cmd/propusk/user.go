package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/account"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/config"
)

const userHelp = `USER is an e-mail address or a user_id. What you change takes effect with the next request, also while a server runs on the same
database.`

// onDatabase is a command that works on the database as the operator of the machine.
func onDatabase(cmd *cobra.Command, run func(context.Context, *cobra.Command, *app.App, []string) error) *cobra.Command {
	return configured(cmd, func(cmd *cobra.Command, c *config.Config, args []string) error {
		if err := mustExist(c.Database); err != nil && cmd.CommandPath() != "propusk admin create" {
			return err
		}
		a, err := app.Open(cmd.Context(), c, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
		if err != nil {
			return err
		}
		err = run(cmd.Context(), cmd, a, args)
		if failed := a.Close(); failed != nil {
			return errors.Join(err, failed)
		}
		return err
	}, config.Database, config.Policy, config.Passwords, config.Tokens)
}

// mustExist keeps a command with a misspelt path from making an empty database and looking into that.
func mustExist(database string) error {
	path, isFile := strings.CutPrefix(database, "sqlite:")
	if !isFile {
		return nil
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no database %s: name it with --database, or start propusk serve first", path)
	}
	return nil
}

func adminCommand() *cobra.Command {
	var in account.Registration
	create := &cobra.Command{
		Use: "create EMAIL", Short: "Make an account that is an administrator", Args: cobra.ExactArgs(1),
		Long: `Make an account that is an administrator of the platform. The password is asked for, or read from standard input when that is no
terminal.`,
		Example: `  propusk admin create anna@example.org
  propusk admin create anna@example.org --name Anna < password.txt`,
	}
	create.Flags().StringVar(&in.Name, "name", "Admin", "the person's name")
	create.Flags().StringVar(&in.LastName, "last-name", "", "the person's last name")
	onDatabase(create, func(ctx context.Context, cmd *cobra.Command, a *app.App, args []string) (err error) {
		in.Email = args[0]
		if in.Password, err = readPassword(cmd); err != nil {
			return err
		}
		user, err := a.Accounts.CreateAdmin(ctx, a.Operator(), in)
		return told(cmd, "created", user, err)
	})
	return group("admin", "Make administrators", create)
}

func userCommand() *cobra.Command {
	return group("user", "Look after accounts", userListCommand(),
		actOnUser("block USER", "Make an account inactive and end its sessions", "blocked", (*account.Service).Block),
		actOnUser("unblock USER", "Restore an account; its owner has to log in again", "unblocked", (*account.Service).Unblock),
		changeRoleCommand(), setPasswordCommand())
}

func userListCommand() *cobra.Command {
	var filter account.Filter
	var active string
	var page paging
	cmd := &cobra.Command{Use: "list", Short: "List accounts", Args: cobra.NoArgs, Example: "  propusk user list --search anna --active true"}
	cmd.Flags().StringVar(&filter.Search, "search", "", "part of a name, address or slug, in any case")
	cmd.Flags().StringVar(&filter.Role, "role", "", "only accounts with this platform role")
	cmd.Flags().StringVar(&active, "active", "", "true or false: only active, or only inactive accounts")
	page.register(cmd, "accounts")
	return onDatabase(cmd, func(ctx context.Context, cmd *cobra.Command, a *app.App, _ []string) (err error) {
		if active != "" && active != "true" && active != "false" {
			return errors.New("--active must be true or false")
		}
		if filter.Offset, filter.Limit, err = page.cut(); err != nil {
			return err
		}
		if active != "" {
			filter.Active = new(active == "true")
		}
		users, total, err := a.Accounts.List(ctx, a.Operator(), filter)
		if err != nil {
			return err
		}
		return printUsers(cmd.OutOrStdout(), users, total)
	})
}

// paging is the flags of every list.
type paging struct{ page, limit int }

func (p *paging) register(cmd *cobra.Command, what string) {
	cmd.Flags().IntVar(&p.page, "page", 1, "which page")
	cmd.Flags().IntVar(&p.limit, "limit", 50, what+" on a page")
}

func (p *paging) cut() (offset, limit int, err error) {
	if p.page < 1 || p.limit < 1 || p.page > math.MaxInt32 || p.limit > math.MaxInt32 {
		return 0, 0, errors.New("--page and --limit must be at least 1")
	}
	return (p.page - 1) * p.limit, p.limit, nil
}

func printUsers(w io.Writer, users []propusk.User, total int) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "USER_ID\tEMAIL\tNAME\tROLE\tSTATE\tLAST SEEN")
	for _, u := range users {
		seen := "never"
		if !u.LastSeen.IsZero() {
			seen = u.LastSeen.Local().Format(time.DateTime)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", u.UserID, u.Email, fullName(u), u.Role, state(u), seen)
	}
	fmt.Fprintf(table, "%d of %d\n", len(users), total)
	return table.Flush()
}

func fullName(u propusk.User) string { return strings.TrimSpace(u.Name + " " + u.LastName) }

func state(u propusk.User) string {
	switch {
	case u.IsActive:
		return "active"
	case u.DeletedByOwner:
		return "deleted"
	default:
		return "blocked"
	}
}

// actOnUser is a command with one USER and no more.
func actOnUser(use, short, done string,
	act func(*account.Service, context.Context, propusk.Pass, string) (propusk.User, error),
) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: short + ".\n\n" + userHelp, Args: cobra.ExactArgs(1)}
	return onDatabase(cmd, func(ctx context.Context, cmd *cobra.Command, a *app.App, args []string) error {
		return onUser(ctx, cmd, a, args[0], done, func(me propusk.Pass, id string) (propusk.User, error) {
			return act(a.Accounts, ctx, me, id)
		})
	})
}

func changeRoleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "change-role USER ROLE", Short: "Give an account another platform role", Args: cobra.ExactArgs(2),
		Long:    "Give an account another platform role: user, moderator or admin.\n\n" + userHelp,
		Example: "  propusk user change-role anna@example.org moderator",
	}
	return onDatabase(cmd, func(ctx context.Context, cmd *cobra.Command, a *app.App, args []string) error {
		return onUser(ctx, cmd, a, args[0], "changed", func(me propusk.Pass, id string) (propusk.User, error) {
			return a.Accounts.ChangeRole(ctx, me, id, args[1])
		})
	})
}

func setPasswordCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "set-password USER", Short: "Give an account another password and end its sessions", Args: cobra.ExactArgs(1),
		Long: "Give an account another password and end its sessions. The password is asked for, or read from standard input when that is no\n" +
			"terminal.\n\n" + userHelp,
	}
	return onDatabase(cmd, func(ctx context.Context, cmd *cobra.Command, a *app.App, args []string) error {
		password, err := readPassword(cmd)
		if err != nil {
			return err
		}
		return onUser(ctx, cmd, a, args[0], "changed", func(me propusk.Pass, id string) (propusk.User, error) {
			return a.Accounts.SetPassword(ctx, me, id, password)
		})
	})
}

func onUser(ctx context.Context, cmd *cobra.Command, a *app.App, key, done string,
	act func(me propusk.Pass, userID string) (propusk.User, error),
) error {
	me := a.Operator()
	user, err := a.Accounts.Find(ctx, me, key)
	if err == nil {
		user, err = act(me, user.UserID)
	}
	if propusk.KindOf(err) == propusk.NotFound {
		err = fmt.Errorf("%s: %w", key, err)
	}
	return told(cmd, done, user, err)
}

func told(cmd *cobra.Command, done string, u propusk.User, err error) error {
	if err == nil {
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s (%s), %s, %s\n", done, u.Email, u.UserID, u.Role, state(u))
	}
	return err
}

// readPassword asks twice at a terminal, and otherwise takes the first line of standard input.
func readPassword(cmd *cobra.Command) (string, error) {
	stdin := int(os.Stdin.Fd())
	if !term.IsTerminal(stdin) {
		line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return "", errors.New("no password: type it at a terminal, or give it as the first line of standard input")
		}
		return line, nil
	}
	first, err := prompt(cmd, stdin, "password: ")
	if err != nil {
		return "", err
	}
	again, err := prompt(cmd, stdin, "once more: ")
	if err == nil && first != again {
		err = errors.New("the two passwords differ: nothing was changed")
	}
	return first, err
}

func prompt(cmd *cobra.Command, fd int, text string) (string, error) {
	fmt.Fprint(cmd.ErrOrStderr(), text)
	line, err := term.ReadPassword(fd)
	fmt.Fprintln(cmd.ErrOrStderr())
	return string(line), err
}
