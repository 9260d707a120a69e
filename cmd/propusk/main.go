// Command propusk is the server and the tools around it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // who asks a second time does not want to wait
	cmd, err := newRoot().ExecuteContextC(ctx)
	if code := status(cmd, err, os.Stderr); code != 0 {
		os.Exit(code)
	}
}

// errDenied ends a command that has told all it had to tell: the answer is no.
var errDenied = errors.New("denied")

// asks marks a command whose exit code is an answer, so that 1 must not mean that there was none.
const asks = "propusk_asks"

// status is the exit code for what a command came to. Errors are told on w.
func status(cmd *cobra.Command, err error, w io.Writer) int {
	switch err {
	case nil:
		return 0
	case errDenied: // itself, not wrapped: with another error beside it there is something left to tell
		return 1
	}
	fmt.Fprintln(w, "propusk:", err)
	if _, answer := cmd.Annotations[asks]; answer {
		return 2
	}
	return 1
}
