package e2e

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// SIGTERM lets a request that is being answered finish, takes no new ones, and ends with exit code 0.
func TestAStopAnswersWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := serve(t, setup{dir: dir, env: cheap, args: []string{"--shutdown-timeout", patience.String()}})

	// The server says "100 Continue" when a handler begins to read the body: from then on the request is under way, and it stays
	// so for as long as the rest of the body does not come.
	body, err := json.Marshal(registration("Anna"))
	if err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(s.url, "http://")
	connection, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(connection, "POST /api/users/register HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"Expect: 100-continue\r\n\r\n", host, len(body))
	from := bufio.NewReader(connection)
	if line, err := from.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("the server does not want the body: %q %v", line, err)
	}
	if _, err := from.ReadString('\n'); err != nil {
		t.Fatal(err)
	}

	s.terminate(t)
	if s.err.await(regexp.MustCompile(`"msg":"stopping"`), s.exited) == nil {
		t.Fatalf("it does not say that it stops: %s", s.err)
	}
	if a, err := newClient(t, s.url).try("GET", "/healthz", "", nil); err == nil {
		t.Errorf("a server that stops takes a new request: %v", a)
	}
	if !s.running() {
		t.Fatalf("it stopped before the request under way was answered")
	}
	if _, err := connection.Write(body); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatalf("the request under way was not answered: %v", err)
	}
	defer response.Body.Close()
	if raw, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusCreated {
		t.Errorf("the request under way was answered with %d %s %v", response.StatusCode, raw, err)
	}
	if code := s.wait(t); code != 0 {
		t.Errorf("the exit code was %d, want 0", code)
	}

	again := serve(t, setup{dir: dir, env: cheap})
	again.login(t, address("Anna"), ordinaryPassword)
	again.stop(t)
}

// Who asks a second time gets a stop at once.
func TestASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, setup{env: cheap, args: []string{"--drain", "1m"}})
	s.terminate(t)
	if s.err.await(regexp.MustCompile(`"msg":"draining"`), s.exited) == nil {
		t.Fatalf("it does not say that it stops: %s", s.err)
	}
	begun := time.Now()
	s.terminate(t)
	if code := s.wait(t); code == 0 || time.Since(begun) > 30*time.Second {
		t.Errorf("it ended with exit code %d after %v", code, time.Since(begun))
	}
}

// Tokens live as long as they say, across restarts, and open nothing in another installation, not even one with the same secret.
func TestTokensSurviveARestartAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ algorithm, key string }{
		{"EdDSA", ""},
		{"HS256", "PROPUSK_SECRET_KEY=thirty-two bytes and a few more of them"},
	} {
		t.Run(c.algorithm, func(t *testing.T) {
			t.Parallel()
			dir, env := t.TempDir(), append([]string{}, cheap...)
			if c.key != "" {
				env = append(env, c.key)
			}
			s := serve(t, setup{dir: dir, env: env})
			s.register(t, "Anna")
			token := s.login(t, address("Anna"), ordinaryPassword)
			if got := algorithmOf(t, token); got != c.algorithm {
				t.Errorf("the token is signed with %s", got)
			}
			s.stop(t)

			s = serve(t, setup{dir: dir, env: env})
			s.call(t, 200, "GET", "/api/users/me", token, nil)
			s.kill()

			s = serve(t, setup{dir: dir, env: env})
			s.call(t, 200, "GET", "/api/users/me", token, nil)
			s.stop(t)

			other := serve(t, setup{env: env})
			other.register(t, "Anna")
			other.call(t, 401, "GET", "/api/users/me", token, nil)
			other.stop(t)

			changed := serve(t, setup{dir: dir, env: append(cheap, "PROPUSK_SECRET_KEY=another secret of more than thirty-two bytes")})
			changed.call(t, 401, "GET", "/api/users/me", token, nil)
			changed.stop(t)
		})
	}
}

func algorithmOf(t *testing.T, token string) string {
	t.Helper()
	first, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		t.Fatal(err)
	}
	var header struct {
		Alg string `json:"alg"`
	}
	if err := json.Unmarshal(raw, &header); err != nil {
		t.Fatal(err)
	}
	return header.Alg
}
