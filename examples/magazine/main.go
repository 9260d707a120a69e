// Magazine is a small platform for shouts and topics that is guarded by Propusk in its own process: one program, no second server. README.md
// is the tour.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/embedded"
	"github.com/propusk/propusk/guard"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where to listen")
	database := flag.String("database", "sqlite:magazine.db", "where accounts and roles are kept")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *listen, *database, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "magazine:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, listen, database string, out io.Writer) (err error) {
	who, err := embedded.Open(ctx, embedded.Config{Database: database})
	if err != nil {
		return err
	}
	defer func() { _ = who.Close() }()

	site, err := newMagazine().site(who)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: site, ReadHeaderTimeout: 5 * time.Second}

	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	if err := settle(ctx, who, out); err != nil {
		return err
	}
	fmt.Fprintf(out, "URL=http://%s\n", listener.Addr())
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// site is everything that the program serves, behind the guard.
func (m *magazine) site(who *embedded.Propusk) (http.Handler, error) {
	queries, err := m.graphql()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/api/", who.Handler()) // accounts, logins, communities and roles: Propusk itself
	mux.Handle("/docs", who.Handler())
	mux.Handle("POST /graphql", queries)
	m.routes(mux)
	return guard.New(who).Middleware(mux), nil
}

// password is that of the people in the demonstration.
const password = "a perfectly ordinary sentence"

// settle makes some people and a community of them, unless they are there already, and prints tokens of theirs to paste.
func settle(ctx context.Context, who *embedded.Propusk, out io.Writer) error {
	var community propusk.Community
	for _, name := range []string{"admin", "editor", "expert", "author", "reader"} {
		address := name + "@magazine.example"
		user, err := who.Register(ctx, embedded.Registration{Name: name, Email: address, Password: password})
		if err == nil && name == "admin" {
			community, err = who.Found(ctx, user.UserID, "magazine", "The magazine")
		} else if err == nil {
			_, err = who.SetRoles(ctx, community.ID, user.UserID, []string{name})
		}
		if err != nil && !isTaken(err) {
			return err
		}
		token, err := who.Login(ctx, address, password)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s=%s\n", strings.ToUpper(name), token)
	}
	return nil
}

func isTaken(err error) bool {
	return propusk.KindOf(err) == propusk.Conflict
}
