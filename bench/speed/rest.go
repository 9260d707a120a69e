package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"time"
)

// connections are kept open to the server that is asked.
const connections = 16

// rates are answers in a second, a figure from each round.
type rates struct {
	name   string
	rounds []float64
}

// endpoint is one request of the API, asked of all servers.
type endpoint struct {
	name    string
	servers []rates
}

// The servers that are compared.
const (
	withoutLog = "Propusk, --access-log off"
	withLog    = "Propusk, --access-log on, to a file"
	bareServer = "bare net/http handler"
)

// site is a server with a load for each of the requests.
type site struct {
	name  string
	loads []load
}

// cheap makes hashing cost nothing where it is not what is timed.
func cheap() []string { return []string{"--password-memory", "64", "--password-iterations", "1"} }

// timeREST times the two requests of a running program beside the bare server.
func timeREST(ctx context.Context, program, self, dir string, rounds int, round time.Duration, say func(string)) ([]endpoint, error) {
	say = prefixed(say, "REST: ")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var sites []site
	defer func() {
		for _, s := range sites {
			for _, l := range s.loads {
				l.close()
			}
		}
	}()
	var samples []sample
	for _, with := range []struct{ name, log string }{{withoutLog, "off"}, {withLog, "on"}} {
		say("starting " + with.name)
		server, err := serve(ctx, program, filepath.Join(dir, "access-log-"+with.log), append(cheap(), "--access-log", with.log)...)
		if err != nil {
			return nil, err
		}
		defer func() { _ = server.stop() }()
		loads, taken, err := open(ctx, server.url)
		if err != nil {
			return nil, err
		}
		sites, samples = append(sites, site{with.name, loads}), taken
	}
	server, err := startBare(ctx, self, filepath.Join(dir, "bare"), samples)
	if err != nil {
		return nil, err
	}
	defer func() { _ = server.stop() }()
	loads, err := openBare(server.url, samples)
	if err != nil {
		return nil, err
	}
	sites = append(sites, site{bareServer, loads})
	return timeEndpoints(ctx, samples, sites, rounds, round, say)
}

// open connects readers of a new community to a server, and returns one answer to each request.
func open(ctx context.Context, url string) (loads []load, taken []sample, err error) {
	invited, err := invite(ctx, url, connections)
	if err != nil {
		return nil, nil, err
	}
	requests := []sample{
		{
			Method: http.MethodPost, Path: "/api/check",
			Body: fmt.Sprintf(`{"permission":"shout:read","community_id":%d}`, invited.community),
		},
		{Method: http.MethodGet, Path: "/api/users/me"},
	}
	for _, request := range requests {
		var l load
		for i, token := range invited.tokens {
			answered, err := request.take(url, token)
			if err != nil {
				return nil, nil, err
			}
			c, err := connect(url, token, answered)
			if err != nil {
				return nil, nil, err
			}
			if l = append(l, c); i == 0 {
				taken = append(taken, answered)
			}
		}
		loads = append(loads, l)
	}
	return loads, taken, nil
}

// openBare connects as many clients to the bare server, once it answers as Propusk did. They send tokens of the usual length.
func openBare(url string, samples []sample) (loads []load, err error) {
	for _, s := range samples {
		if err := compareBare(url, s); err != nil {
			return nil, err
		}
		var l load
		for range connections {
			c, err := connect(url, s.token, s)
			if err != nil {
				return nil, err
			}
			l = append(l, c)
		}
		loads = append(loads, l)
	}
	return loads, nil
}

// timeEndpoints lets the servers take turns at each request.
func timeEndpoints(
	ctx context.Context, samples []sample, sites []site, rounds int, round time.Duration, say func(string),
) ([]endpoint, error) {
	found := make([]endpoint, len(samples))
	for i, s := range samples {
		found[i] = endpoint{s.Method + " " + s.Path, make([]rates, len(sites))}
	}
	// The first turn is only for warming up.
	for n := range rounds + 1 {
		say(fmt.Sprintf("round %d of %d", n, rounds))
		for i := range samples {
			for j, at := range sites {
				rate, err := at.loads[i].perSecond(ctx, round)
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", at.name, found[i].name, err)
				}
				server := &found[i].servers[j]
				if server.name = at.name; n > 0 {
					server.rounds = append(server.rounds, rate)
				}
			}
		}
	}
	return found, nil
}
