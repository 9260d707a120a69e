package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// client speaks to a server as programs do: over connections that are kept.
type client struct {
	url  string
	http *http.Client
	// forwarded is for whom a proxy would have passed the request on; "" for itself.
	forwarded string
}

func newClient(t *testing.T, url string) *client {
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{url: url, http: &http.Client{Transport: transport, Timeout: patience}}
}

// from is the same client at another address, as seen through a proxy that the server trusts.
func (c *client) from(address string) *client {
	elsewhere := *c
	elsewhere.forwarded = address
	return &elsewhere
}

// trustingUs has the server believe what this test says of where clients are.
var trustingUs = []string{"--trusted-proxies", "127.0.0.1"}

// somewhere is an address of its own for each n.
func somewhere(n int) string { return fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255) }

// answer is what came back, read to its end.
type answer struct {
	status int
	header http.Header
	raw    string
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.raw) }

// text is a field of a JSON object that is text, or "".
func (a answer) text(field string) string {
	var object map[string]any
	if json.Unmarshal([]byte(a.raw), &object) != nil {
		return ""
	}
	s, _ := object[field].(string)
	return s
}

// form is a request's body.
type form map[string]string

// try sends a request and reads the answer; an error means that there was none, or half of one.
func (c *client) try(method, path, token string, body any) (answer, error) {
	var payload io.Reader = http.NoBody
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		payload = bytes.NewReader(raw)
	}
	request, err := http.NewRequest(method, c.url+path, payload)
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if c.forwarded != "" {
		request.Header.Set("X-Forwarded-For", c.forwarded)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	return answer{status: response.StatusCode, header: response.Header, raw: string(raw)}, err
}

// steady is try on a machine that tells many stories at once: a server that says that nothing was done, and to try again, is told again.
func (c *client) steady(method, path, token string, body any) (got answer, err error) {
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		got, err = c.try(method, path, token, body)
		if err != nil || got.status != http.StatusServiceUnavailable || got.text("code") != "database_unavailable" || time.Since(begun) > patience {
			return got, err
		}
	}
}

// call sends a request that has to be answered with that status.
func (c *client) call(t *testing.T, want int, method, path, token string, body any) answer {
	t.Helper()
	ask := c.steady
	if want == http.StatusServiceUnavailable {
		ask = c.try
	}
	a, err := ask(method, path, token, body)
	if err != nil {
		t.Fatal(err)
	}
	if a.status != want {
		t.Fatalf("%s %s: want %d, got %v", method, path, want, a)
	}
	return a
}

// ordinaryPassword is the password of accounts of which nothing more is to be told.
const ordinaryPassword = "a perfectly ordinary sentence"

// register makes an account of that name, at name@example.org, and gives its user_id.
func (c *client) register(t *testing.T, name string) string {
	t.Helper()
	return c.call(t, http.StatusCreated, "POST", "/api/users/register", "", registration(name)).text("user_id")
}

func registration(name string) form {
	return form{"name": name, "last_name": "Smirnova", "email": address(name), "password": ordinaryPassword}
}

func address(name string) string { return strings.ToLower(name) + "@example.org" }

// login gives a token.
func (c *client) login(t *testing.T, email, password string) string {
	t.Helper()
	return c.call(t, http.StatusOK, "POST", "/api/users/login", "", form{"email": email, "password": password}).text("access_token")
}
