package main

import (
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/config"
)

// ballastSize is in bytes.
const ballastSize = 8 << 20

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server until it is interrupted.

Without any setting it listens on 127.0.0.1:8000, keeps everything in propusk.db in this directory, makes an administrator at the very
first start and prints the password once. Ctrl-C or SIGTERM stops it after the requests under way are answered.`,
		Example: `  propusk serve
  propusk serve --listen :8000 --database sqlite:/var/lib/propusk/propusk.db
  PROPUSK_ADMIN_EMAIL=anna@example.org PROPUSK_ADMIN_PASSWORD_FILE=/run/secrets/admin propusk serve`,
		Args: cobra.NoArgs,
	}
	return configured(cmd, func(cmd *cobra.Command, c *config.Config, _ []string) error {
		if os.Getenv("GOGC") == "" {
			// Each hash of a password leaves 19 MiB behind. Collected a little earlier they cost a fifth less memory at the peak of a
			// flood of logins, and no measurable time.
			debug.SetGCPercent(70)
		}
		// What is alive in a small server is so little that it would be collected hundreds of times a second. Nobody writes to this, so it takes
		// no memory, but the collector counts it as alive and comes less often.
		ballast := make([]byte, ballastSize)
		defer runtime.KeepAlive(ballast)
		return app.Run(cmd.Context(), c, app.Terminal{
			Out: cmd.OutOrStdout(), Log: cmd.ErrOrStderr(), IsTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		})
	}, config.Server, config.Admin, config.Tokens, config.Database, config.Policy, config.Passwords)
}
