package main

import "github.com/spf13/cobra"

func importCommand() *cobra.Command {
	return group("import", "Come over from another system")
}
