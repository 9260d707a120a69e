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
		gauge("propusk_sql_connections_in_use", "Connections of the SQL pool in use.", func() float64 { return float64(a.Store.Stats().Pool.InUse) }),
		gauge("propusk_sql_connections_open", "Open connections of the SQL pool.", func() float64 { return float64(a.Store.Stats().Pool.OpenConnections) }),
		counter("propusk_sql_waits_total", "Times that somebody waited for a connection.", func() uint64 { return uint64(a.Store.Stats().Pool.WaitCount) }),
		counter("propusk_sql_commits_total", "Committed transactions.", func() uint64 { return a.Store.Stats().Commits }),
		counter("propusk_sql_updates_total", "Changes that those transactions held.", func() uint64 { return a.Store.Stats().Updates }),
		gauge("propusk_sessions", "Sessions in the database; -1 when it could not be read.", a.countSessions),
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

func (a *App) countSessions() float64 {
	ctx, cancel := context.WithTimeout(context.Background(), countSessionsWithin)
	defer cancel()
	n, err := a.Store.Now(ctx).CountSessions()
	if err != nil {
		return -1
	}
	return float64(n)
}
