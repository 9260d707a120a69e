package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/account"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/graph"
	"github.com/propusk/propusk/internal/rest"
	"github.com/propusk/propusk/internal/sqlstore"
	"github.com/propusk/propusk/internal/store"
)

// Limits of the HTTP server: nobody holds a connection, or makes us hold memory, for longer than a slow but honest client needs.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 16 << 10
)

// leasePatience is how long a start waits for the right to answer from memory; without it requests are answered all the same.
const leasePatience = time.Second

// owaspMemoryKiB is the least memory among the Argon2id settings that the OWASP Password Storage Cheat Sheet lists.
const owaspMemoryKiB = 7168

// Terminal is where the program speaks to people.
type Terminal struct {
	// Out takes what a person is to read once, Log the log lines.
	Out, Log io.Writer
	// IsTerminal says whether Log is read by a person.
	IsTerminal bool
	// Listening, when set, is told the base URL as soon as requests are answered there.
	Listening func(url string)
}

// Run serves until ctx ends; then it lets requests finish, for at most the configured time, and returns nil.
func Run(ctx context.Context, c *config.Config, t Terminal) error {
	log := newLogger(c, t)
	// A port that is taken is told before anything is done to the database. But nobody is let in before there is somebody to answer: a proxy takes a
	// connection for a sign of life, and the database may be away or need minutes to be brought up to date.
	early, err := listen(c.Listen)
	if err != nil {
		return err
	}
	if err := early.Close(); err != nil {
		return err
	}
	a, err := Open(ctx, c, log)
	if err != nil {
		return err
	}
	if c.PasswordMemory < owaspMemoryKiB {
		log.Warn("passwords are hashed with less memory than OWASP asks for: use such a setting for tests only", "kib", c.PasswordMemory)
	}
	if err := a.Keys.Load(ctx); err != nil {
		return errors.Join(err, a.Close())
	}
	password, err := a.Accounts.EnsureFirstAdmin(ctx, account.First{Email: c.AdminEmail, Password: c.AdminPassword})
	if err != nil {
		return errors.Join(err, a.Close())
	}
	listener, err := listen(c.Listen)
	if err != nil { // somebody has taken the port meanwhile
		fmt.Fprint(t.Out, firstAdmin(password))
		return errors.Join(err, a.Close())
	}
	defer listener.Close()
	url := "http://" + reachable(listener.Addr())
	welcome(t.Out, url, sqlstore.Redact(c.Database), password)
	return errors.Join(a.serve(ctx, c, log, listener, func() {
		if t.Listening != nil {
			t.Listening(url)
		}
	}), a.Close())
}

func listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	return listener, nil
}

func (a *App) serve(ctx context.Context, c *config.Config, log *slog.Logger, listener net.Listener, started func()) error {
	door, err := a.door(c, log)
	if err != nil {
		return err
	}
	var leaving drain
	door.Stopping = leaving.Stopping
	servers := map[*http.Server]net.Listener{newServer(log, leaving.around(door.Handler())): listener}
	if c.MetricsListen != "" {
		apart, err := net.Listen("tcp", c.MetricsListen)
		if err != nil {
			return fmt.Errorf("cannot listen on %s for metrics: %w", c.MetricsListen, err)
		}
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", door.Metrics.Handler())
		servers[newServer(log, mux)] = apart
	}
	defer a.Start(ctx)()
	a.Node.Await(ctx, leasePatience)

	failed := make(chan error, len(servers))
	for server, on := range servers {
		go func() { failed <- server.Serve(on) }()
	}
	started()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	if err := leaving.run(c, log, slices.Collect(maps.Values(servers)), failed); err != nil {
		return err
	}
	shutDown(ctx, c, log, servers)
	return nil
}

// Start begins what goes on beside requests. It does not end with ctx, but with stop, which waits for it.
func (a *App) Start(ctx context.Context) (stop func()) {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	for _, run := range a.background() {
		running.Go(func() { run(background) })
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// background is what goes on beside requests, until its context ends.
func (a *App) background() []func(context.Context) {
	runs := []func(context.Context){a.Node.Run, a.Sessions.Run, a.Access.Run, a.Communities.Run}
	if a.replication != nil {
		runs = append(runs, a.replication.Run)
	}
	if a.Mirror != nil {
		runs = append(runs, func(ctx context.Context) { a.Mirror.Run(ctx, grantsSource{a.Store}) })
	}
	return runs
}

// grantsSource is the database as the mirror reads it.
type grantsSource struct{ db store.Store }

func (s grantsSource) GrantsRefs(ctx context.Context, after int64, limit int) ([]store.GrantsRef, error) {
	return s.db.Now(ctx).GrantsRefs(after, limit)
}

func (s grantsSource) Grants(ctx context.Context, hash store.GrantsHash) ([]byte, error) {
	return s.db.Now(ctx).Grants(hash)
}

// Handler is the REST API with GraphQL beside it, for a server that somebody else runs.
func (a *App) Handler(c *config.Config, log *slog.Logger) (http.Handler, error) {
	door, err := a.door(c, log)
	if err != nil {
		return nil, err
	}
	return door.Handler(), nil
}

func (a *App) door(c *config.Config, log *slog.Logger) (*rest.Door, error) {
	proxies, err := config.Networks(c.TrustedProxies)
	door := &rest.Door{
		Accounts: a.Accounts, Sessions: a.Sessions, Communities: a.Communities, Access: a.Access, Keys: a.Keys, Audit: a.Audit, Metrics: a.metrics(),
		Ready: a.Store.Ready, Remembering: a.remembering, FrozenClock: frozenClock(c), Log: log, AccessLog: c.AccessLog.On(), CORSOrigins: c.CORSOrigins, TrustedProxies: proxies,
		ShowMetrics: c.MetricsListen == "", GraphiQL: c.GraphQLIntrospection.On(),
	}
	if a.replication != nil {
		door.Replication = a.replication.String
	}
	door.GraphQL = (&graph.Door{
		Accounts: a.Accounts, Sessions: a.Sessions, Communities: a.Communities, Access: a.Access, Inspect: door.Inspect, Origin: door.Origin,
		Refusal: door.Refusal, LoggedIn: door.LoggedIn, Introspection: c.GraphQLIntrospection.On(),
	}).Handler()
	return door, err
}

func newServer(log *slog.Logger, handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes, DisableGeneralOptionsHandler: true, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// reachable is the address to type into a browser: a listener on all interfaces is reached by localhost.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", tcp.Port)
	}
	return addr.String()
}

// welcome tells a newcomer where everything is, in one write, so that who waits for the first line has the rest. The password is shown here
// and nowhere else, ever.
func welcome(w io.Writer, url, database, password string) {
	var text strings.Builder
	fmt.Fprintf(&text, "Propusk %s is listening on %s\n\n", Version(), url)
	fmt.Fprintf(&text, "  documentation   %s/docs\n  database        %s\n", url, database)
	if password != "" {
		text.WriteString("\n" + firstAdmin(password))
		fmt.Fprintf(&text, "  (shown only this once; change it with POST %s/api/users/change-password)\n", url)
	}
	fmt.Fprintln(w, text.String())
}

// firstAdmin is what is told of the first administrator where there was none, also if nothing else comes of the start.
func firstAdmin(password string) string {
	if password == "" {
		return ""
	}
	return fmt.Sprintf("  first administrator   %s\n  password              %s\n", account.DefaultAdminEmail, password)
}
