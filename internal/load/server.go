package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// requestTimeout is how long the server has for one answer.
	requestTimeout = 10 * time.Second
	// maxAnswer is more than anything that is asked here can be answered with, in bytes.
	maxAnswer = 8 << 20
)

// server is the installation that is asked.
type server struct {
	base string
	http *http.Client
}

// newServer keeps so many connections. It uses no proxy of the environment, which would get to see tokens and be measured instead, and
// follows no redirect.
func newServer(base string, connections int, dial func(ctx context.Context, network, address string) (net.Conn, error)) *server {
	if dial == nil {
		dial = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	}
	return &server{base: strings.TrimRight(base, "/"), http: &http.Client{
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			MaxIdleConnsPerHost: connections, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
			DialContext: dial,
		},
	}}
}

// CheckURL says what is wrong with the address of a server. Without mine it must be on this machine.
func CheckURL(text string, mine bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.RawQuery != "", u.Fragment != "", u.User != nil:
		return errors.New("the URL must be such as http://127.0.0.1:8000, with neither a user nor a query")
	case mine || u.Hostname() == "localhost":
		return nil
	}
	if address := net.ParseIP(u.Hostname()); address != nil && address.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s is not on this machine: a load test is an attack where nobody has asked for one. If the server is yours, say so with "+
		"--yes-this-is-mine", u.Hostname())
}

// request is what is asked.
type request struct {
	method, path, token string
	body                any
}

// refused is an answer that is no success. Code and detail are the server's words.
type refused struct {
	status       int
	code, detail string
}

func (r *refused) Error() string {
	if r.code == "" {
		return fmt.Sprintf("answered with %d %s", r.status, http.StatusText(r.status))
	}
	return fmt.Sprintf("answered with %d %s: %s", r.status, r.code, r.detail)
}

// do asks, and reads the answer into what into points to, unless that is nil.
func (s *server) do(ctx context.Context, q request, into any) error {
	sent, err := s.encode(ctx, q)
	if err != nil {
		return err
	}
	response, err := s.http.Do(sent)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		var problem struct{ Code, Detail string }
		_ = json.Unmarshal(raw, &problem) // what is none says nothing
		return &refused{response.StatusCode, problem.Code, problem.Detail}
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return errOdd
	}
	return nil
}

// errOdd is a success that does not say what it should.
var errOdd = errors.New("the answer is not that of a Propusk server")

func (s *server) encode(ctx context.Context, q request) (*http.Request, error) {
	var body io.Reader
	if q.body != nil {
		raw, err := json.Marshal(q.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(raw)
	}
	sent, err := http.NewRequestWithContext(ctx, q.method, s.base+q.path, body)
	if err != nil {
		return nil, err
	}
	sent.Header.Set("User-Agent", "propusk-bench")
	if body != nil {
		sent.Header.Set("Content-Type", "application/json")
	}
	if q.token != "" {
		sent.Header.Set("Authorization", "Bearer "+q.token)
	}
	return sent, nil
}

// failure is how an error is counted: by its status, or by what came instead of an answer.
func failure(err error) string {
	var answer *refused
	var network net.Error
	switch {
	case errors.As(err, &answer):
		return fmt.Sprint(answer.status)
	case errors.Is(err, errOdd):
		return "odd answer"
	case errors.As(err, &network) && network.Timeout():
		return "timeout"
	}
	return "no answer"
}
