package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/propusk/propusk/internal/rest"
)

// countSessionsWithin bounds what a scrape may cost the database.
const countSessionsWithin = time.Second

func (a *App) metrics() *rest.Metrics {
	gauge := func(name, help string, read func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read)
	}
	counter := func(name, help string, read func() uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(read()) })
	}
	all := []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		gauge("propusk_hashing_slots_busy", "Passwords being hashed now.", func() float64 { return float64(a.Hasher.Stats().Busy) }),
		gauge("propusk_hashing_waiting", "Callers waiting for a hashing slot.", func() float64 { return float64(a.Hasher.Stats().Waiting) }),
		counter("propusk_hashing_refused_total", "Callers turned away because too many were waiting.", func() uint64 { return a.Hasher.Stats().Refused }),
		gauge("propusk_sql_connections_in_use", "Connections of the SQL pool in use.", func() float64 { return float64(a.database.Stats().Pool.InUse) }),
		gauge("propusk_sql_connections_open", "Open connections of the SQL pool.", func() float64 { return float64(a.database.Stats().Pool.OpenConnections) }),
		counter("propusk_sql_waits_total", "Times that somebody waited for a connection.", func() uint64 { return uint64(a.database.Stats().Pool.WaitCount) }),
		counter("propusk_sql_commits_total", "Committed transactions.", func() uint64 { return a.database.Stats().Commits }),
		counter("propusk_sql_updates_total", "Changes that those transactions held.", func() uint64 { return a.database.Stats().Updates }),
		a.waits,
		gauge("propusk_lease_nodes", "Nodes of this database that were taken for alive at the last look, this one included.", func() float64 { return float64(a.Node.Stats().Nodes) }),
		gauge("propusk_lease_held", "1 while answers may come from memory.", func() float64 { return number(a.Node.Stats().Held) }),
		counter("propusk_lease_renewals_total", "Times that the right to answer from memory was renewed.", func() uint64 { return uint64(a.Node.Stats().Renewals) }),
		counter("propusk_lease_changes_acknowledged_total", "Changes that all other nodes have seen in time.", func() uint64 { return uint64(a.Node.Stats().Acknowledged) }),
		counter("propusk_lease_changes_expired_total", "Changes that waited for a node that does not answer.", func() uint64 { return uint64(a.Node.Stats().Expired) }),
		gauge("propusk_sessions", "Sessions in the database; -1 when it could not be read.", a.countSessions),
	}
	if a.replication != nil {
		all = append(all, gauge("propusk_replication_synchronous", "1 while a standby is known to have each change before it is answered.", func() float64 {
			return number(a.replication.String() == replicatesInStep)
		}))
	}
	if a.Mirror != nil {
		all = append(all,
			counter("propusk_redis_reads_total", "Lists of permissions that were asked of Redis.", func() uint64 { return a.Mirror.Stats().Reads }),
			counter("propusk_redis_hits_total", "Those that Redis had as the database names them.", func() uint64 { return a.Mirror.Stats().Hits }),
			counter("propusk_redis_failures_total", "Questions that Redis did not answer in time.", func() uint64 { return a.Mirror.Stats().Failures }),
			counter("propusk_redis_writes_total", "Keys that were written or removed.", func() uint64 { return a.Mirror.Stats().Writes }))
	}
	return rest.NewMetrics(all...)
}

// newWaits counts by how long changes wait: next to nothing on one node, a few milliseconds for others, some hundred for others where no message
// arrives, and a second for one that is dead.
func newWaits() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "propusk_lease_wait_seconds", Help: "Time that changes waited after their commit until all nodes acted by them.",
		Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .3, .6, 1.1},
	})
}

func (a *App) countSessions() float64 {
	ctx, cancel := context.WithTimeout(context.Background(), countSessionsWithin)
	defer cancel()
	n, err := a.Store.Now(ctx).CountSessions()
	if err != nil {
		return -1
	}
	return float64(n)
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
