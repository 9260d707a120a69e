package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/propusk/propusk/internal/config"
)

// lastAnswers is how long connections that are kept open are answered once more after no new ones are taken.
const lastAnswers = time.Second

// drain is how a node leaves its place behind a proxy, so that no request is lost: first it says that it stops, and goes on as before until the
// proxy has heard it; then it takes no new connections and closes each that is open with its next answer. Only those that nobody used in all that
// time are closed in between. Without a time to drain all of that is left out.
type drain struct {
	stopping, farewell atomic.Bool
}

// Stopping reports whether the node has begun to leave.
func (d *drain) Stopping() bool { return d.stopping.Load() }

// around closes connections with their next answer, when it is time to. Another server than ours may not do that for the handler.
func (d *drain) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.farewell.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// run returns when the servers may be shut down, or at the latest when one has failed. Each listener that is closed here makes its server say so
// on stopped.
func (d *drain) run(c *config.Config, log *slog.Logger, listeners []net.Listener, stopped <-chan error) error {
	d.stopping.Store(true)
	if c.Drain == 0 {
		return nil
	}
	log.Info("draining", "until_no_new_connections", c.Drain.String())
	select {
	case err := <-stopped:
		return err
	case <-time.After(c.Drain):
	}
	d.farewell.Store(true)
	for _, listener := range listeners {
		if err := listener.Close(); err != nil {
			return err
		}
	}
	for range listeners {
		if err := <-stopped; !errors.Is(err, net.ErrClosed) {
			return err
		}
	}
	time.Sleep(lastAnswers)
	return nil
}

// shutDown lets requests finish, for at most that long.
func shutDown(ctx context.Context, c *config.Config, log *slog.Logger, servers map[*http.Server]net.Listener) {
	log.Info("stopping", "waiting_at_most", c.ShutdownTimeout.String())
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.ShutdownTimeout)
	defer cancel()
	for server := range servers {
		if err := server.Shutdown(grace); err != nil {
			log.Warn("some requests did not finish in time", "error", errors.Join(err, server.Close()))
		}
	}
}
