package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/propusk/propusk"
)

// Health is a word for load balancers.
type Health struct {
	Status string `json:"status" enum:"ok"`
}

// Readiness is more of it.
type Readiness struct {
	Health
	Remembers bool  `json:"remembers" doc:"whether answers may come from memory now; otherwise the database is read each time, which is as right and slower"`
	Nodes     int64 `json:"nodes" doc:"how many nodes of this database were taken for alive when this one looked last, itself included; changes wait for the others"`
	// Clock is told where there is something to warn of.
	Clock string `json:"clock,omitempty" doc:"This machine's source of time, where that stands still while the machine is paused: then answers may be as old as the pause was long, once. Prefer tsc"`
	// Replication is told by servers that were started with --ha.
	Replication string `json:"replication,omitempty" enum:"synchronous,asynchronous,waiting,unknown" doc:"With --ha: whether a standby has each change before it is answered; docs/scale-out.md tells what the words mean"`
}

const readyWithin = time.Second

func (d *Door) health(api huma.API) {
	const tag = "Health"
	huma.Register(api, operation(http.MethodGet, "/healthz", "healthz", "Is the process alive?", tag),
		answer(d, func(context.Context, propusk.Pass, *none) (Health, error) { return Health{"ok"}, nil }))
	huma.Register(api, operation(http.MethodGet, "/readyz", "readyz", "Can it serve requests now?", tag),
		answer(d, func(ctx context.Context, _ propusk.Pass, _ *none) (Readiness, error) {
			if d.Stopping != nil && d.Stopping() {
				return Readiness{}, &propusk.Error{
					Kind: propusk.Unavailable, Code: "stopping", Message: "this server is about to stop; others go on", RetryAfter: time.Second,
				}
			}
			ctx, cancel := context.WithTimeout(ctx, readyWithin)
			defer cancel()
			if err := d.Ready(ctx); err != nil {
				return Readiness{}, &propusk.Error{
					Kind: propusk.Unavailable, Code: "not_ready", Message: "the database does not answer", RetryAfter: time.Second, Cause: err,
				}
			}
			ready := Readiness{Health: Health{"ok"}, Clock: d.FrozenClock}
			if d.Remembering != nil {
				ready.Remembers, ready.Nodes = d.Remembering()
			}
			if d.Replication != nil {
				ready.Replication = d.Replication()
			}
			return ready, nil
		}))
}
