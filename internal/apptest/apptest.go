// Package apptest starts the whole program inside a test, over real databases, and speaks to it as a client would.
package apptest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/pgtest"
)

// Server is a running server with one administrator.
type Server struct {
	URL    string
	Config *config.Config
	// Log holds every line the server wrote; Out what it said to the terminal.
	Log, Out *Buffer
	// Stop ends the server and waits for it; it also runs when the test ends.
	Stop func()

	t     *testing.T
	users *atomic.Int64
}

// For is the same server, for a test within the one that started it.
func (s *Server) For(t *testing.T) *Server {
	within := *s
	within.t = t
	return &within
}

// The administrator of every test server.
const (
	AdminEmail    = "root@example.org"
	AdminPassword = "correct horse battery staple"
	// Password is the password of every account that Register makes.
	Password = "a perfectly ordinary sentence"
)

// Cheap makes hashing cost next to nothing, for tests that are not about it.
func Cheap(c *config.Config) {
	c.PasswordMemory, c.PasswordIterations = 64, 1
}

// Start runs a server on a fresh database, configured by the options.
func Start(t *testing.T, options ...func(*config.Config)) *Server {
	t.Helper()
	c := config.Default()
	c.Listen, c.Database = "127.0.0.1:0", "sqlite:"+filepath.Join(t.TempDir(), "propusk.db")
	c.AdminEmail, c.AdminPassword = AdminEmail, AdminPassword
	Cheap(c)
	c.PasswordSlots, c.PasswordQueue = 4, 1000
	for _, option := range options {
		option(c)
	}
	return Run(t, c)
}

// Engines tells a story on each engine. Each server that is started with the option on has a new database there.
func Engines(t *testing.T, story func(t *testing.T, on func(*config.Config))) {
	t.Helper()
	for engine, fresh := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "propusk.db") },
		"postgres": func(t *testing.T) string { return pgtest.Patient(t) },
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			story(t, func(c *config.Config) { c.Database = fresh(t) })
		})
	}
}

// Run runs a server as configured.
func Run(t *testing.T, c *config.Config) *Server {
	t.Helper()
	s := &Server{Config: c, Log: &Buffer{}, Out: &Buffer{}, t: t, users: new(atomic.Int64)}
	ctx, cancel := context.WithCancel(context.Background())
	listening, stopped := make(chan string, 1), make(chan error, 1)
	go func() {
		stopped <- app.Run(ctx, c, app.Terminal{Out: s.Out, Log: s.Log, Listening: func(url string) { listening <- url }})
	}()
	select {
	case s.URL = <-listening:
	case err := <-stopped:
		cancel()
		cause := err
		if e, ok := errors.AsType[*propusk.Error](err); ok {
			cause = e.Cause // which is not told to clients
		}
		t.Fatalf("the server did not start: %v (%v)\n%s", err, cause, s.Log)
	}
	s.Stop = sync.OnceFunc(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("the server stopped with %v", err)
		}
	})
	t.Cleanup(s.Stop)
	return s
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Raw    string
	Body   map[string]any
}

// Text is a field of the answer that is text, or "".
func (a Answer) Text(field string) string {
	s, _ := a.Body[field].(string)
	return s
}

// Call sends body (nil, a string as it is, or anything else as JSON) with the token, if any.
func (s *Server) Call(method, path, token string, body any) Answer {
	s.t.Helper()
	request, err := http.NewRequest(method, s.URL+path, payload(s.t, body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return s.Send(request)
}

// Send sends a request of one's own making.
func (s *Server) Send(request *http.Request) Answer {
	s.t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := Answer{Status: response.StatusCode, Header: response.Header, Raw: string(raw)}
	if strings.Contains(response.Header.Get("Content-Type"), "json") && len(raw) > 0 {
		if err := json.Unmarshal(raw, &a.Body); err != nil {
			s.t.Fatalf("%s %s: %v in %s", request.Method, request.URL.Path, err, raw)
		}
	}
	return a
}

func payload(t *testing.T, body any) io.Reader {
	t.Helper()
	switch b := body.(type) {
	case nil:
		return http.NoBody
	case string:
		return strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.NewReader(raw)
	}
}

// Person is an account and a live token of it.
type Person struct {
	UserID, Email, Token string
}

// Register makes an ordinary account and logs it in.
func (s *Server) Register(name string) Person {
	s.t.Helper()
	n := s.users.Add(1)
	address := fmt.Sprintf("%s-%d@example.org", strings.ToLower(name), n)
	made := s.Call("POST", "/api/users/register", "", map[string]string{"name": name, "email": address, "password": Password})
	if made.Status != http.StatusCreated {
		s.t.Fatalf("%s could not register: %d %s", name, made.Status, made.Raw)
	}
	return Person{UserID: made.Text("user_id"), Email: address, Token: s.Login(address, Password)}
}

// Login gives a token.
func (s *Server) Login(email, password string) string {
	s.t.Helper()
	in := s.Call("POST", "/api/users/login", "", map[string]string{"email": email, "password": password})
	if in.Status != http.StatusOK {
		s.t.Fatalf("%s could not log in: %d %s", email, in.Status, in.Raw)
	}
	return in.Text("access_token")
}

// Admin gives a token of the administrator.
func (s *Server) Admin() string {
	s.t.Helper()
	return s.Login(AdminEmail, AdminPassword)
}

// WithRole registers somebody and gives them the platform role.
func (s *Server) WithRole(name, role string) Person {
	s.t.Helper()
	p := s.Register(name)
	changed := s.Call("POST", "/api/admin/change-role", s.Admin(), map[string]string{"user_id": p.UserID, "role": role})
	if changed.Status != http.StatusOK {
		s.t.Fatalf("%s could not become %s: %d %s", name, role, changed.Status, changed.Raw)
	}
	return p
}

// Buffer is a bytes.Buffer that a server may write while a test reads.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String is all that was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
