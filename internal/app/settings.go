package app

import (
	"github.com/spf13/pflag"

	"github.com/propusk/propusk/internal/config"
)

// Settings is the configuration of a program that has no flags: the defaults, changed by set, and checked as those from flags are. An error
// names the flag.
func Settings(set func(*config.Config)) (*config.Config, error) {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	c := config.Register(fs, config.Server, config.Database, config.Passwords, config.Admin, config.Tokens, config.Policy)
	set(c)
	return c, config.Load(fs, c, nil, nil)
}
