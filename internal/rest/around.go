package rest

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/propusk/propusk"
)

// record is what the log line of one request needs to know; inner layers fill it.
type record struct {
	// fieldsIn is where the input fields are: "body" or "query".
	fieldsIn  string
	requestID string
	userID    string
	// address is the client's, without the port.
	address string
	// pass is the caller's, once one is let in.
	pass propusk.Pass
}

type recordKey struct{}

func recordOf(ctx context.Context) *record {
	if r, ok := ctx.Value(recordKey{}).(*record); ok {
		return r
	}
	return &record{}
}

// around wraps the routes in what every request gets: an id, a line in the log, security headers, CORS, and an answer even if a
// handler panics.
func (d *Door) around(routes http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &record{requestID: d.requestID(r), address: d.addressOf(r), fieldsIn: "body"}
		if r.Method == http.MethodGet {
			rec.fieldsIn = "query"
		}
		r = r.WithContext(context.WithValue(r.Context(), recordKey{}, rec))
		out := &response{ResponseWriter: w}
		secure(out.Header(), rec.requestID)
		defer func() {
			if fault := recover(); fault != nil {
				d.panicked(out, r, fault)
			}
			took := time.Since(start)
			if out.status == 0 {
				out.status = http.StatusOK // what net/http sends for a handler that wrote nothing
			}
			d.Metrics.request(method(r.Method), route(r), out.status, took)
			d.log(r, rec, out, took)
		}()
		if d.cors(out, r) || !d.readable(out, r) {
			return
		}
		routes.ServeHTTP(out, r)
	})
}

// readable refuses query parameters that are no text, or no id where one belongs. Databases differ in what they make of a NUL; we do not let it come to that.
func (d *Door) readable(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.RawQuery == "" {
		return true
	}
	raw, err := url.QueryUnescape(r.URL.RawQuery)
	if err != nil || !utf8.ValidString(raw) || strings.ContainsFunc(raw, unicode.IsControl) {
		refuseQuery(w, r, "query", "must be UTF-8 text without control characters, percent-encoded")
		return false
	}
	for name, values := range r.URL.Query() {
		if len(values) > 1 {
			refuseQuery(w, r, "query."+name, "must be given once")
			return false
		}
		if strings.HasSuffix(name, "_id") && values[0] == "" { // a variable that was not set, which is not the caller's id
			refuseQuery(w, r, "query."+name, "must be left out or name one")
			return false
		}
	}
	return true
}

func refuseQuery(w http.ResponseWriter, r *http.Request, location, message string) {
	writeProblem(w, r, &Problem{
		Status: http.StatusUnprocessableEntity, Code: codeOf(http.StatusUnprocessableEntity), Detail: detailOf(http.StatusUnprocessableEntity, ""),
		Errors: []ProblemField{{Location: location, Message: message}},
	})
}

func (d *Door) panicked(out *response, r *http.Request, fault any) {
	d.Log.Error("panic", "fault", fault, "request_id", recordOf(r.Context()).requestID, "stack", string(debug.Stack()))
	if out.status == 0 {
		writeProblem(out, r, &Problem{
			Status: http.StatusInternalServerError, Code: codeOf(http.StatusInternalServerError),
			Detail: detailOf(http.StatusInternalServerError, ""),
		})
	}
}

// log writes one line a request. It names the route, not the path: paths hold ids, and of an unknown one nobody knows what it holds.
func (d *Door) log(r *http.Request, rec *record, out *response, took time.Duration) {
	if !d.AccessLog {
		return
	}
	level := slog.LevelInfo
	if out.status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	d.Log.LogAttrs(r.Context(), level, "request",
		slog.String("method", method(r.Method)), slog.String("route", route(r)), slog.Int("status", out.status),
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.String("user", rec.userID),
		slog.String("address", rec.address), slog.String("request_id", rec.requestID))
}

// route is the pattern that took the request, without the method.
func route(r *http.Request) string {
	_, route, _ := strings.Cut(r.Pattern, " ")
	if route = strings.TrimSuffix(route, "{$}"); route == "" {
		return "-"
	}
	return route
}

// method keeps a client from writing into the log and the metrics: Go's server takes any token for a method.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	default:
		return "other"
	}
}

// response remembers the status for the log.
type response struct {
	http.ResponseWriter
	status int
}

func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach deadlines.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

var requestIDForm = regexp.MustCompile(`^[A-Za-z0-9._-]{8,64}$`)

// requestID is the one a trusted proxy has given, if it looks like one, and else a new one: the audit is to be matched with the log, so
// clients do not choose it.
func (d *Door) requestID(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if id := r.Header.Get("X-Request-ID"); err == nil && d.trusts(peer.Addr().Unmap()) && requestIDForm.MatchString(id) {
		return id
	}
	return rand.Text()
}

// addressOf is the client's address: the peer's, or, while that is a trusted proxy's, the one before it in X-Forwarded-For. What stands
// further left was written by the client and proves nothing.
func (d *Door) addressOf(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	address := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && d.trusts(address); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		address = hop.Unmap()
	}
	return address.WithZone("").String()
}

func (d *Door) trusts(address netip.Addr) bool {
	return slices.ContainsFunc(d.TrustedProxies, func(network netip.Prefix) bool { return network.Contains(address) })
}

// origin is where the request came from, for services.
func (r *record) origin() propusk.Origin {
	return propusk.Origin{Address: r.address, RequestID: r.requestID}
}

// secure sets what the OWASP REST Security Cheat Sheet asks of every answer.
func secure(h http.Header, requestID string) {
	h["X-Request-Id"] = []string{requestID}
	for _, one := range always {
		h[one.name] = one.value
	}
}

// always is the same for every answer. Nobody writes to the values: to change a header is to give it another one.
var always = []struct {
	name  string
	value []string
}{
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"Cache-Control", []string{"no-store"}},
	{"Content-Security-Policy", []string{"default-src 'none'; frame-ancestors 'none'"}},
	{"Referrer-Policy", []string{"no-referrer"}},
}

// cors answers preflights of the allowed origins and marks answers to them. Tokens travel in a header that a page must set itself, so no
// credentials are allowed along. It reports whether the request is answered.
func (d *Door) cors(w http.ResponseWriter, r *http.Request) bool {
	if len(d.CORSOrigins) == 0 {
		return false
	}
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if !slices.Contains(d.CORSOrigins, origin) {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "X-Request-ID, Retry-After")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Community-ID, X-Request-ID")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// answer is the shape of every handler: what the service says, or its refusal as a problem.
func answer[I, O any](d *Door, handle func(context.Context, propusk.Pass, *I) (O, error)) func(context.Context, *I) (*body[O], error) {
	return func(ctx context.Context, in *I) (*body[O], error) {
		out, err := handle(ctx, passOf(ctx), in)
		if err != nil {
			return nil, d.problem(ctx, err)
		}
		return &body[O]{out}, nil
	}
}

type body[T any] struct{ Body T }
