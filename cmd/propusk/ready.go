package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk/internal/config"
)

// readyWithin is how long the question may take.
const readyWithin = 2 * time.Second

func readyCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "ready",
		Short: "Ask the server on this machine whether it can serve requests",
		Long: `Ask /readyz of the server on this machine. The exit code is 0 when it can serve requests now and 1 when it cannot: it is not there, its
database does not answer, or it is about to stop. For supervisors of containers, which have nothing else to ask with.`,
		Example: `  propusk ready && echo it serves
  propusk ready --listen :9000`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8000", "`HOST:PORT` that the server was told to listen on")
	return configured(cmd, func(cmd *cobra.Command, _ *config.Config, _ []string) error {
		url, err := readyURL(listen)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), readyWithin)
		defer cancel()
		return askReady(ctx, url)
	})
}

// readyURL is where a server that listens there is asked from this machine.
func readyURL(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("--listen (%s) must be HOST:PORT, such as 127.0.0.1:8000 or :8000", config.Env("listen"))
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + "/readyz", nil
}

func askReady(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return fmt.Errorf("no server answers there: is it running, and was it told to listen on what --listen (%s) says? %w", config.Env("listen"), err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}
