package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk/internal/app"
)

func keysCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List the keys", Args: cobra.NoArgs,
		Long: "List the keys that sign access tokens, or did until a while ago and still verify those. Private parts are not shown.",
	}
	onDatabase(list, func(ctx context.Context, cmd *cobra.Command, a *app.App, _ []string) error {
		keys, err := a.Keys.List(ctx)
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "KEY\tMADE\tSTATE")
		for _, key := range keys {
			state := "signs"
			if !key.RetiredAt.IsZero() {
				state = "retired " + key.RetiredAt.Local().Format(time.DateTime)
			}
			fmt.Fprintf(table, "%s\t%s\t%s\n", key.KeyID, key.CreatedAt.Local().Format(time.DateTime), state)
		}
		return table.Flush()
	})

	var now bool
	rotate := &cobra.Command{
		Use: "rotate", Short: "Make a new key that signs from now on", Args: cobra.NoArgs,
		Long: `Make a new key that signs from now on, also while servers run. Tokens of the old key stay good until they expire. With --now they end at
once: do that when the old key may have been seen by others. Sessions stay; clients with a refresh token get new access tokens.`,
	}
	rotate.Flags().BoolVar(&now, "now", false, "end the tokens of the old keys at once")
	onDatabase(rotate, func(ctx context.Context, cmd *cobra.Command, a *app.App, _ []string) error {
		key, err := a.Keys.Rotate(ctx, a.Operator(), now)
		if err == nil {
			fmt.Fprintf(cmd.OutOrStdout(), "new key: %s\n", key.KeyID)
		}
		return err
	})
	return group("keys", "Look after the keys that sign access tokens", list, rotate)
}
