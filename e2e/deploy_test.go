//go:build unix

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/redistest"
)

// deployment is nodes of Propusk over one PostgreSQL and one Redis.
type deployment struct {
	ports []int
	args  []string
	env   []string
	nodes []*server
}

// drains is how long nodes here drain: more than HAProxy takes to notice, as deploy/haproxy.cfg tells it to look, and some more where it has to wait for
// a processor.
const drains = 4 * time.Second

func deploy(t *testing.T) *deployment {
	t.Helper()
	c := &deployment{
		args: append([]string{
			"--database", pgtest.Database(t), "--redis", redistest.Start(t).URL(), "--trusted-proxies", "127.0.0.1", "--drain", drains.String(),
		}, quiet...),
		env: slices.Concat([]string{"PROPUSK_SECRET_KEY=" + rand.Text() + rand.Text()}, nodeEnv),
	}
	for range 3 {
		c.ports = append(c.ports, fixedPort(t))
	}
	c.nodes = make([]*server, len(c.ports))
	for i := range c.nodes {
		c.start(t, i)
	}
	return c
}

func (c *deployment) start(t *testing.T, i int) {
	t.Helper()
	c.nodes[i] = serve(t, setup{env: c.env, args: append([]string{"--listen", fmt.Sprintf("127.0.0.1:%d", c.ports[i])}, c.args...)})
}

// substitute puts our addresses into a file of deploy/, where its head says that a reader is to put his.
func (c *deployment) substitute(t *testing.T, file string, pairs ...string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, port := range c.ports {
		pairs = append(pairs, fmt.Sprintf("node%d:8000", i+1), fmt.Sprintf("127.0.0.1:%d", port))
	}
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(string(text), pairs[i]) {
			t.Fatalf("%s does not say %s", file, pairs[i])
		}
	}
	path := filepath.Join(t.TempDir(), filepath.Base(file))
	if err := os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(text))), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// proxies are the two that deploy/ has a file for: each starts before the nodes and returns where clients come in.
var proxies = map[string]func(t *testing.T, c *deployment) string{
	"nginx": func(t *testing.T, c *deployment) string {
		address := fmt.Sprintf("127.0.0.1:%d", fixedPort(t))
		site := c.substitute(t, "../deploy/nginx.conf", "listen 8080;", "listen "+address+";")
		dir, user := t.TempDir(), ""
		if os.Geteuid() == 0 {
			user = "user root;" // who may enter this directory
		}
		whole := filepath.Join(dir, "nginx.conf")
		text := fmt.Sprintf(`daemon off; %[3]s pid %[1]s/pid; error_log stderr warn; worker_processes 2; events { worker_connections 1024; }
			http { access_log off; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u;
			scgi_temp_path %[1]s/s; include %[2]s; }`, dir, site, user)
		if err := os.WriteFile(whole, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		accepted(t, "nginx", "-e", "stderr", "-t", "-c", whole)
		begin(t, exec.Command(tool(t, "nginx"), "-e", "stderr", "-c", whole), "nginx")
		return address
	},
	"haproxy": func(t *testing.T, c *deployment) string {
		address := fmt.Sprintf("127.0.0.1:%d", fixedPort(t))
		pairs := []string{"bind :8080", "bind " + address}
		if os.Geteuid() != 0 { // only root can become another
			pairs = append(pairs, "\tuser haproxy\n", "", "\tgroup haproxy\n", "")
		}
		file := c.substitute(t, "../deploy/haproxy.cfg", pairs...)
		accepted(t, "haproxy", "-c", "-f", file)
		begin(t, exec.Command(tool(t, "haproxy"), "-db", "-f", file), "haproxy")
		return address
	},
}

// accepted has a program check a file of its own, without a warning.
func accepted(t *testing.T, name string, args ...string) {
	t.Helper()
	out, err := exec.Command(tool(t, name), args...).CombinedOutput()
	if err != nil || bytes.Contains(bytes.ToLower(out), []byte("warn")) {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// behind tells a story before each proxy, once it passes requests on.
func behind(t *testing.T, story func(t *testing.T, c *deployment, front *client)) {
	t.Helper()
	for name, proxy := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tool(t, name)
			c := deploy(t)
			front := newClient(t, "http://"+proxy(t, c))
			awaitTrue(t, "the proxy serves", func() bool {
				got, err := front.try("GET", "/readyz", "", nil)
				return err == nil && got.status == http.StatusOK
			})
			story(t, c, front)
		})
	}
}

func awaitTrue(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain awaited: %s", what)
		}
	}
}

// asked is how many requests of that route a node has answered.
func (s *server) asked(t *testing.T, route string) (n int) {
	t.Helper()
	for line := range strings.Lines(s.call(t, http.StatusOK, "GET", "/metrics", "", nil).raw) {
		var one float64
		if strings.HasPrefix(line, "propusk_http_requests_total{") && strings.Contains(line, `route="`+route+`"`) {
			if _, err := fmt.Sscan(line[strings.LastIndex(line, " "):], &one); err != nil {
				t.Fatal(err)
			}
			n += int(one)
		}
	}
	return n
}

// traffic is people who use a server until they are told to stop, and everything that was not answered as it should be.
type traffic struct {
	stop     atomic.Bool
	running  sync.WaitGroup
	answered atomic.Int64
	slowest  atomic.Int64

	mu         sync.Mutex
	lost       []string
	registered []string
}

func (f *traffic) try(c *client, want int, method, path, token string, body any) bool {
	began := time.Now()
	got, err := c.try(method, path, token, body)
	for took := int64(time.Since(began)); ; {
		if old := f.slowest.Load(); took <= old || f.slowest.CompareAndSwap(old, took) {
			break
		}
	}
	if err == nil && got.status == want {
		f.answered.Add(1)
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost = append(f.lost, fmt.Sprintf("%s %s %s: %v %v", time.Now().Format("05.000"), method, path, got, err))
	return false
}

// people begin, each on connections of his own.
func people(t *testing.T, front *client, n int) *traffic {
	t.Helper()
	f := &traffic{}
	crew := rand.Text()[:8] // others before them may have made accounts
	token := front.login(t, adminEmail, adminPassword)
	for i := range n {
		mine := newClient(t, front.url)
		f.running.Go(func() {
			for k := 0; !f.stop.Load(); k++ {
				rest() // more of them would only keep each other waiting
				f.try(mine, http.StatusOK, "GET", "/api/users/me", token, nil)
				f.try(mine, http.StatusOK, "POST", "/api/check", token, form{"permission": "user:list"})
				if name := fmt.Sprintf("%s%d-%d", crew, i, k); k%5 == 0 && f.try(mine, http.StatusCreated, "POST", "/api/users/register", "", registration(name)) {
					f.mu.Lock()
					f.registered = append(f.registered, name)
					f.mu.Unlock()
				}
			}
		})
	}
	return f
}

// end stops them.
func (f *traffic) end() {
	f.stop.Store(true)
	f.running.Wait()
}

// Three nodes are restarted one after the other, under load, and no request is lost: neither one that may be sent twice nor one that may not.
func TestARollingRestartLosesNoRequest(t *testing.T) {
	t.Parallel()
	behind(t, func(t *testing.T, c *deployment, front *client) {
		f := people(t, front, 12)
		defer f.end()
		began := time.Now()
		for i := range c.nodes {
			before := f.answered.Load()
			awaitTrue(t, "everybody is served", func() bool { return f.answered.Load() > before+200 })
			c.nodes[i].stop(t)
			c.start(t, i)
			awaitTrue(t, "the node that came back is asked again", func() bool { return c.nodes[i].asked(t, "/api/users/me") > 50 })
		}
		f.end()
		t.Logf("%d requests in %v, the slowest %v", f.answered.Load(), time.Since(began).Round(time.Millisecond), time.Duration(f.slowest.Load()).Round(time.Millisecond))
		for i, lost := range f.lost {
			if i < 20 {
				t.Errorf("lost: %s", lost)
			}
		}
		if len(f.lost) > 0 {
			t.Errorf("%d requests were lost", len(f.lost))
		}
		admin := front.login(t, adminEmail, adminPassword)
		total := front.call(t, http.StatusOK, "GET", "/api/admin/users?role=user&limit=1", admin, nil)
		var users struct{ Total int }
		if err := json.Unmarshal([]byte(total.raw), &users); err != nil || users.Total != len(f.registered) {
			t.Errorf("%d people were told that they have an account, and there are %d: %v", len(f.registered), users.Total, err)
		}
	})
}

// A node that is killed costs at most what was under way on it: then it is asked no more, and when it is back it is.
func TestAKilledNodeIsTakenOut(t *testing.T) {
	t.Parallel()
	behind(t, func(t *testing.T, c *deployment, front *client) {
		f := people(t, front, 6)
		defer f.end()
		awaitTrue(t, "everybody is served", func() bool { return f.answered.Load() > 200 })
		c.nodes[1].kill()
		f.end()
		const underWay = 6
		if len(f.lost) > underWay {
			t.Errorf("%d requests were lost, of at most %d under way: %v", len(f.lost), underWay, f.lost)
		}
		after := people(t, front, 6)
		awaitTrue(t, "everybody is served by two", func() bool { return after.answered.Load() > 1000 })
		c.start(t, 1)
		awaitTrue(t, "the node that came back is asked again", func() bool { return c.nodes[1].asked(t, "/api/users/me") > 20 })
		after.end()
		if len(after.lost) > 0 {
			t.Errorf("a dead node still costs requests: %v", after.lost)
		}
	})
}

// at is a client whose connections come from that address of this machine.
func (c *client) at(t *testing.T, address string) *client {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{DialContext: dialer.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{url: c.url, http: &http.Client{Transport: transport, Timeout: patience}}
}

// What a proxy says of the client is believed, what the client says of itself is not, and a request has one id in all logs.
func TestAProxyTellsWhoAsks(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has 127.0.0.2 without asking for it")
	}
	behind(t, func(t *testing.T, c *deployment, front *client) {
		admin := front.login(t, adminEmail, adminPassword)
		const chosen = "an-id-of-my-own"
		for name, from := range map[string]struct {
			*client
			address string
		}{
			"Anna":  {front.at(t, "127.0.0.2"), "127.0.0.2"},
			"Boris": {front.at(t, "127.0.0.3").from("203.0.113.9"), "127.0.0.3"},
			"Vera":  {front.at(t, "127.0.0.4").from("203.0.113.9, 127.0.0.1"), "127.0.0.4"},
			"Gleb":  {c.nodes[0].at(t, "127.0.0.5").from("203.0.113.9"), "127.0.0.5"}, // past the proxy
		} {
			request, err := http.NewRequest("POST", from.url+"/api/users/register", bytes.NewReader(encoded(t, registration(name))))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("X-Request-ID", chosen)
			if from.forwarded != "" {
				request.Header.Set("X-Forwarded-For", from.forwarded)
			}
			response, err := from.http.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			var user struct {
				UserID string `json:"user_id"`
			}
			err = json.NewDecoder(response.Body).Decode(&user)
			id := response.Header.Get("X-Request-ID")
			if cerr := response.Body.Close(); err != nil || cerr != nil || user.UserID == "" {
				t.Fatal(err, cerr, response.Status)
			}
			var trail struct {
				Events []struct {
					Address   string
					RequestID string `json:"request_id"`
				}
			}
			audit := front.call(t, http.StatusOK, "GET", "/api/admin/audit?target="+user.UserID, admin, nil)
			if err := json.Unmarshal([]byte(audit.raw), &trail); err != nil || len(trail.Events) == 0 {
				t.Fatalf("%v: %v", err, audit)
			}
			if got := trail.Events[0]; got.Address != from.address || got.RequestID != id || id == chosen {
				t.Errorf("%s came from %s with the request %s, and the audit says %+v", name, from.address, id, got)
			}
		}
	})
}

func encoded(t *testing.T, value any) []byte {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Propusk's own limits are what a client meets, and what is for operators is not shown.
func TestAProxyLetsThroughWhatPropuskTakes(t *testing.T) {
	t.Parallel()
	behind(t, func(t *testing.T, _ *deployment, front *client) {
		admin := front.login(t, adminEmail, adminPassword)
		large := func(n int) form { return form{"name": strings.Repeat("a", n)} }
		for _, c := range []struct {
			path   string
			size   int
			status int
			own    bool // Propusk answers, not the proxy
		}{
			{"/api/users/register", 900 << 10, http.StatusUnprocessableEntity, true},
			{"/api/users/register", 1500 << 10, http.StatusRequestEntityTooLarge, true},
			{"/api/users/register", 3 << 20, http.StatusRequestEntityTooLarge, false},
			{"/api/communities/1/members/bulk", 3 << 20, http.StatusNotFound, true},
			{"/api/communities/1/members/bulk", 70 << 20, http.StatusRequestEntityTooLarge, false},
		} {
			got, err := front.try("POST", c.path, admin, large(c.size))
			if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
				got, err = answer{status: http.StatusRequestEntityTooLarge}, nil // the proxy does not read what it has refused
			}
			if err != nil || c.own != (got.header.Get("Content-Type") == "application/problem+json") ||
				got.status != c.status && !(c.own && got.status >= 400 && got.status < 500) {
				t.Errorf("%d bytes to %s: %.200s %v", c.size, c.path, got, err)
			}
		}
		front.call(t, http.StatusNotFound, "GET", "/metrics", "", nil)
		front.call(t, http.StatusOK, "GET", "/openapi.json", "", nil)
	})
}

// While it drains a node says so and answers, and then each connection once more.
func TestADrainingNodeSaysSoFirst(t *testing.T) {
	t.Parallel()
	s := serve(t, setup{env: cheap, args: []string{"--drain", "6s"}}) // in which a program is started, however slowly
	kept := newClient(t, s.url)
	kept.call(t, http.StatusOK, "GET", "/readyz", "", nil)
	must(t, setup{args: []string{"ready", "--listen", strings.TrimPrefix(s.url, "http://")}})
	s.terminate(t)
	awaitTrue(t, "the node says that it stops", func() bool {
		got, err := kept.try("GET", "/readyz", "", nil)
		return err == nil && got.status == http.StatusServiceUnavailable && got.text("code") == "stopping"
	})
	if code, _, said := run(t, setup{args: []string{"ready", "--listen", strings.TrimPrefix(s.url, "http://")}}); code != 1 || !strings.Contains(said, "503") {
		t.Errorf("ready: %d %s", code, said)
	}
	newClient(t, s.url).call(t, http.StatusOK, "GET", "/healthz", "", nil) // a connection of its own
	awaitTrue(t, "no connection is taken any more", func() bool {
		_, err := newClient(t, s.url).try("GET", "/healthz", "", nil)
		return err != nil
	})
	kept.call(t, http.StatusOK, "GET", "/healthz", "", nil)
	if got, err := kept.try("GET", "/healthz", "", nil); err == nil {
		t.Errorf("the last answer has left the connection open: %v", got)
	}
	if code := s.wait(t); code != 0 {
		t.Errorf("the exit code was %d, want 0", code)
	}
}

// The unit is one that systemd takes, keeps the service from nearly everything, and gives it time to drain.
func TestTheUnitIsSound(t *testing.T) {
	t.Parallel()
	analyze := tool(t, "systemd-analyze")
	text, err := os.ReadFile("../deploy/propusk.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "propusk.service")
	if err := os.WriteFile(unit, bytes.ReplaceAll(text, []byte("/usr/local/bin/propusk"), []byte(program(t))), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput(); err != nil || bytes.Contains(out, []byte(unit)) || bytes.Contains(out, []byte("propusk.service")) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=20", "--no-pager", unit).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
	settings := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "Environment=")
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			settings[name] = value
		}
	}
	isKnown(t, settings)
	var times [3]time.Duration
	for i, name := range []string{"PROPUSK_DRAIN", "PROPUSK_SHUTDOWN_TIMEOUT", "TimeoutStopSec"} {
		if times[i], err = time.ParseDuration(settings[name]); err != nil {
			t.Fatal(err)
		}
	}
	if times[0]+times[1]+2*time.Second > times[2] {
		t.Errorf("systemd kills after %v what may take %v to drain and %v to stop", times[2], times[0], times[1])
	}
}

// isKnown looks each setting up that a file gives the program.
func isKnown(t *testing.T, settings map[string]string) {
	t.Helper()
	help := must(t, setup{args: []string{"serve", "--help"}})
	found := 0
	for name := range settings {
		if strings.HasPrefix(name, "PROPUSK_") {
			found++
			if !strings.Contains(help, "[$"+name+"]") {
				t.Errorf("there is no setting %s", name)
			}
		}
	}
	if found == 0 {
		t.Error("it sets nothing")
	}
}

// The compose file is YAML, its nodes are told what the program knows, and its addresses and names are those of the proxy's file.
func TestTheComposeFileIsSound(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	type service struct {
		Environment map[string]string
		Secrets     []string
		Networks    any
		Depends     map[string]struct{ Condition string } `yaml:"depends_on"`
		Volumes     []string
		Healthcheck map[string]any
		Grace       string `yaml:"stop_grace_period"`
		Build       map[string]string
		Ports       []string
	}
	var file struct {
		Services map[string]service
		Secrets  map[string]struct{ File string }
		Volumes  map[string]any
		Networks map[string]any
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"node1", "node2", "node3", "nginx", "postgres", "redis"} {
		if _, ok := file.Services[name]; !ok {
			t.Fatalf("there is no service %s", name)
		}
	}
	for name, s := range file.Services {
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s is published to everybody: %s", name, port)
			}
		}
		for _, secret := range s.Secrets {
			if file.Secrets[secret].File == "" {
				t.Errorf("%s: there is no secret %s", name, secret)
			}
		}
		for other, on := range s.Depends {
			if _, ok := file.Services[other]; !ok || on.Condition != "service_healthy" || len(file.Services[other].Healthcheck) == 0 && !strings.HasPrefix(other, "node") {
				t.Errorf("%s waits for %s, which is not there or never says that it is healthy", name, other)
			}
		}
		for _, volume := range s.Volumes {
			from, _, _ := strings.Cut(volume, ":")
			if _, err := os.Stat(filepath.Join("../deploy", from)); strings.HasPrefix(from, "./") && err != nil {
				t.Errorf("%s: %v", name, err)
			} else if _, ok := file.Volumes[from]; !strings.HasPrefix(from, "./") && !ok {
				t.Errorf("%s: there is no volume %s", name, from)
			}
		}
		if !strings.HasPrefix(name, "node") {
			continue
		}
		isKnown(t, s.Environment)
		for variable, value := range s.Environment {
			if path, ok := strings.CutPrefix(value, "/run/secrets/"); ok && !slices.Contains(s.Secrets, path) {
				t.Errorf("%s: %s names a secret that it is not given", name, variable)
			}
		}
		if trusted, nginx := s.Environment["PROPUSK_TRUSTED_PROXIES"], fmt.Sprint(file.Services["nginx"].Networks); !strings.Contains(nginx, trusted) {
			t.Errorf("%s trusts %s, and nginx is at %s", name, trusted, nginx)
		}
		grace, err := time.ParseDuration(s.Grace)
		if err != nil || grace < stopsWithin(t, s.Environment) {
			t.Errorf("%s is killed after %s: %v", name, s.Grace, err)
		}
		if _, err := os.Stat(filepath.Join("../deploy", s.Build["context"], s.Build["dockerfile"])); err != nil {
			t.Error(err)
		}
	}
}

func stopsWithin(t *testing.T, environment map[string]string) time.Duration {
	t.Helper()
	sum := 2 * time.Second
	for _, name := range []string{"PROPUSK_DRAIN", "PROPUSK_SHUTDOWN_TIMEOUT"} {
		part, err := time.ParseDuration(environment[name])
		if err != nil {
			t.Fatal(err)
		}
		sum += part
	}
	return sum
}

// The command that the Dockerfile builds with, by which the program of these tests is built too, makes a program that needs nothing of the system around it.
func TestTheImageHoldsAStaticProgram(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../deploy/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	line := `(?m)^RUN CGO_ENABLED=0 go ` + strings.ReplaceAll(strings.Join(building, " "), "-s -w", `"-s -w"`) + ` -o /out/propusk ./cmd/propusk$`
	if !regexp.MustCompile(line).Match(text) {
		t.Errorf("the Dockerfile does not build as the program here is built: %s", line)
	}
	out := program(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
	defer cancel()
	file, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if runtime.GOOS == "linux" {
		parsed, err := elf.NewFile(file)
		if err != nil {
			t.Fatal(err)
		}
		libraries, err := parsed.ImportedLibraries()
		if err != nil || len(libraries) > 0 || slices.ContainsFunc(parsed.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
			t.Errorf("the program is not static: %v %v", libraries, err)
		}
	}
	// Each command of the image is one that the program has.
	for _, words := range regexp.MustCompile(`(?m)CMD \[([^\]]*)\]`).FindAllSubmatch(text, -1) {
		var line []string
		if err := json.Unmarshal(append(append([]byte("["), words[1]...), ']'), &line); err != nil {
			t.Fatal(err)
		}
		if line[0] == "/propusk" {
			line = line[1:]
		}
		if said, err := exec.CommandContext(ctx, out, append(line, "--help")...).CombinedOutput(); err != nil || !bytes.Contains(said, []byte("Usage:")) {
			t.Errorf("propusk %v: %v\n%s", line, err, said)
		}
	}
	for _, variable := range regexp.MustCompile(`(?m)^ENV (PROPUSK_\w+)=`).FindAllSubmatch(text, -1) {
		isKnown(t, map[string]string{string(variable[1]): ""})
	}
}
