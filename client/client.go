// Package client asks a Propusk server over the network: who shows a token and what they may do ([Client.Inspect]), whether somebody may
// do something ([Client.Check]), and who has which roles. A [Client] stands behind a guard.Guard, and wherever a propusk.Communities is
// wanted.
//
// Everything denies when in doubt. A server that cannot be reached, an answer that is cut short, that contradicts itself or that says
// less than it should is an error, and whatever comes with an error permits nothing. Nothing is remembered from one question to the next,
// so what a change took away is gone with the next question after it.
//
// Errors are a *propusk.Error whose kind, code, message and fields are those of the server. Kind Unavailable means that the server did
// not answer, or that what answered was no Propusk server; after a change its code is outcome_unknown, unless nothing was sent. No error
// holds a token or a key.
package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/propusk/propusk"
)

var (
	_ propusk.Inspector   = (*Client)(nil)
	_ propusk.Communities = (*Client)(nil)
)

// defaultTimeout is how long a call may take.
const defaultTimeout = 5 * time.Second

// Client speaks with one server. Make one with [New]; it is safe for concurrent use, and meant to be shared and kept.
type Client struct {
	base        string
	credentials string
	timeout     time.Duration
	http        *http.Client
	// kept is the client's own connections, nil with HTTPClient.
	kept *http.Transport

	// life ends with Close.
	life  context.Context
	end   context.CancelFunc
	queue queue
	memo  memo
}

// Option changes how a Client works.
type Option func(*options)

type options struct {
	http    *http.Client
	timeout time.Duration
}

// HTTPClient makes calls through h: through a proxy, say, or with certificates of one's own. h is not changed. Its cookies and its rule for
// redirects are not used, since no redirect is followed.
func HTTPClient(h *http.Client) Option { return func(o *options) { o.http = h } }

// Timeout is how long one call may take, answer included, when its context does not end earlier; 5 seconds unless told otherwise.
// [Client.BulkAssign] has at least 5 minutes.
func Timeout(d time.Duration) Option { return func(o *options) { o.timeout = d } }

// New makes a Client of the server at baseURL, http or https, with the path below which the server is, if any. It calls nobody yet.
//
// credentials are an API key (propusk_…) or an access token. They are sent with everything but Inspect, which sends the token that it is
// given. A program that only inspects needs none, and leaves them empty: then everything else is refused as Unauthenticated.
//
// Connections are kept. Redirects are not followed, so that credentials go nowhere else. Proxies named in the environment are not used,
// for they would get to see tokens; see [HTTPClient] for a proxy that is meant.
func New(baseURL, credentials string, opts ...Option) (*Client, error) {
	base, err := parseBase(baseURL)
	if err != nil {
		return nil, err
	}
	if credentials != "" && !isBearer(credentials) {
		return nil, errors.New("client: the credentials are neither an API key nor an access token")
	}
	o := options{timeout: defaultTimeout}
	for _, option := range opts {
		option(&o)
	}
	if o.timeout <= 0 {
		return nil, errors.New("client: the timeout must be longer than 0")
	}
	c := &Client{base: base, credentials: credentials, timeout: o.timeout}
	c.use(o.http)
	c.life, c.end = context.WithCancel(context.Background())
	c.queue.settle = c.settle
	return c, nil
}

// use makes calls through a copy of h, or through connections of the client's own.
func (c *Client) use(h *http.Client) {
	var mine http.Client
	if h != nil {
		mine = *h
	} else {
		c.kept = transport()
		mine.Transport = c.kept
	}
	mine.Jar = nil
	mine.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &mine
}

// transport keeps connections for less time than the server does, so that a call seldom meets one that has just been closed.
func transport() *http.Transport {
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        30 * time.Second,
		TLSHandshakeTimeout:    5 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}
}

// Close ends the calls that are under way and closes the connections, unless they are those of HTTPClient. Later calls are refused as
// Unavailable. It returns when nothing of the client runs in the background any more.
func (c *Client) Close() {
	c.end()
	c.queue.close()
	if c.kept != nil {
		c.kept.CloseIdleConnections()
	}
}

// parseBase never repeats what it refuses: there may be a password in it.
func parseBase(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", errors.New("client: the address of the server is no URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("client: the address of the server must begin with https:// or http://")
	case u.Hostname() == "" || u.Opaque != "":
		return "", errors.New("client: the address of the server names no host")
	case u.User != nil:
		return "", errors.New("client: the address of the server must not hold a user or a password")
	case strings.ContainsAny(text, "?#"):
		return "", errors.New("client: the address of the server must have neither a query nor a fragment")
	}
	for part := range strings.SplitSeq(strings.Trim(u.Path, "/"), "/") {
		if part == "." || part == ".." || (part == "" && strings.Trim(u.Path, "/") != "") {
			return "", errors.New("client: the path of the server must be plain, without . and .. and empty parts")
		}
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// maxBearer is longer than any token.
const maxBearer = 4096

// isBearer reports whether text can be sent as a token (RFC 6750, 2.1).
func isBearer(text string) bool {
	return text != "" && len(text) <= maxBearer && !strings.ContainsFunc(text, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune("-._~+/=", r)
	})
}
