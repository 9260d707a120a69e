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
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // who asks a second time does not want to wait
	if code := status(newRoot().ExecuteContext(ctx), os.Stderr); code != 0 {
		os.Exit(code)
	}
}

// errDenied ends a command that has told all it had to tell: the answer is no.
var errDenied = errors.New("denied")

// status is the exit code for what a command came to. Errors are told on w.
func status(err error, w io.Writer) int {
	switch err {
	case nil:
		return 0
	case errDenied: // itself, not wrapped: with another error beside it there is something left to tell
	default:
		fmt.Fprintln(w, "propusk:", err)
	}
	return 1
}
