package rest

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/propusk/propusk"
)

// Metrics counts what goes through the door. A nil *Metrics counts nothing.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	checks   *prometheus.CounterVec
	logins   *prometheus.CounterVec
}

// NewMetrics makes metrics together with those of the rest of the program.
func NewMetrics(more ...prometheus.Collector) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "propusk_http_requests_total", Help: "Answered requests.",
		}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "propusk_http_request_duration_seconds", Help: "Time from request to answer.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}, []string{"route"}),
		checks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "propusk_checks_total", Help: "Inspections of access tokens, by outcome.",
		}, []string{"outcome"}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "propusk_logins_total", Help: "Attempts to log in, by outcome.",
		}, []string{"outcome"}),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.checks, m.logins)
	m.registry.MustRegister(more...)
	return m
}

// Handler serves the metrics in the text format of Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *Metrics) request(method, route string, status int, took time.Duration) {
	if m == nil {
		return
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

func (m *Metrics) check(err error) {
	if m != nil {
		m.checks.WithLabelValues(outcome(err)).Inc()
	}
}

func (m *Metrics) login(err error) {
	if m != nil {
		m.logins.WithLabelValues(outcome(err)).Inc()
	}
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	switch propusk.KindOf(err) {
	case propusk.Unauthenticated:
		return "refused"
	case propusk.RateLimited:
		return "limited"
	case propusk.Unavailable:
		return "unavailable"
	default:
		return "error"
	}
}

// loopbackOnly hides a page from everybody but this machine. A proxy here would show it to the world, so a request that bears the marks
// of one, or asks for another host, does not count as one of this machine.
func loopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !peer.Addr().Unmap().IsLoopback() || forwarded(r) || !namesThisMachine(r.Host) {
			writeProblem(w, r, &Problem{Status: http.StatusNotFound, Code: "no_such_route", Detail: "there is nothing at this path: see /docs"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func forwarded(r *http.Request) bool {
	return !r.ProtoAtLeast(1, 1) || slices.ContainsFunc(
		[]string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via"},
		func(name string) bool { return r.Header.Get(name) != "" })
}

func namesThisMachine(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || (err == nil && address.IsLoopback())
}
