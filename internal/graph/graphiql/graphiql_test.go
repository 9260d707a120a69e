package graphiql_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/graph/graphiql"
)

// introspection switches the page on.
func introspection(c *config.Config) { _ = c.GraphQLIntrospection.Set("on") }

func ask(target string) *http.Response {
	mux := http.NewServeMux()
	graphiql.Register(mux)
	recorder := httptest.NewRecorder()
	mux.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, target, nil))
	return recorder.Result()
}

func body(t *testing.T, response *http.Response) string {
	t.Helper()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

var assets = map[string]string{
	"/graphql":              "text/html; charset=utf-8",
	"/graphql/page.css":     "text/css; charset=utf-8",
	"/graphql/start.js":     "text/javascript; charset=utf-8",
	"/graphql/pass.svg":     "image/svg+xml",
	"/graphql/graphiql.css": "text/css; charset=utf-8",
	"/graphql/graphiql.js":  "text/javascript; charset=utf-8",
	"/graphql/react.js":     "text/javascript; charset=utf-8",
	"/graphql/react-dom.js": "text/javascript; charset=utf-8",
	"/graphql/LICENSES.txt": "text/plain; charset=utf-8",
}

func TestEveryFileIsServedWithItsTypeAndAPolicy(t *testing.T) {
	for target, contentType := range assets {
		response := ask(target)
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", target, response.StatusCode)
		}
		for header, want := range map[string]string{
			"Content-Type":                 contentType,
			"Cache-Control":                "no-cache",
			"X-Content-Type-Options":       "nosniff",
			"X-Frame-Options":              "DENY",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Content-Security-Policy":      "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; style-src-attr 'none'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		} {
			if got := response.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", target, header, got, want)
			}
		}
		if body(t, response) == "" {
			t.Errorf("%s is empty", target)
		}
	}
}

// What a browser loads by itself: attributes of elements, and url() and @import in styles.
var (
	reference  = regexp.MustCompile(`(?:src|href)="([^"]*)"`)
	styleURL   = regexp.MustCompile(`url\(\s*["']?([^"')]{0,60})`)
	inlineCode = regexp.MustCompile(`<script>|<style>|\sstyle=|\son[a-z]+=`)
)

func TestThePageLoadsOnlyWhatIsServedHere(t *testing.T) {
	page := body(t, ask("/graphql"))
	found := reference.FindAllStringSubmatch(page, -1)
	if len(found) != 7 {
		t.Fatalf("%d references found in the page; has its form changed?", len(found))
	}
	for _, match := range found {
		if _, served := assets[path.Join("/", match[1])]; !served || strings.HasPrefix(match[1], "/") {
			t.Errorf("the page names %q: not served here, or a path that a proxy's prefix would break", match[1])
		}
	}
	if inlineCode.MatchString(page) {
		t.Error("the page has inline script or style, which its policy forbids")
	}
	for _, target := range []string{"/graphql/page.css", "/graphql/graphiql.css"} {
		style := body(t, ask(target))
		for _, match := range styleURL.FindAllStringSubmatch(style, -1) {
			if !strings.HasPrefix(match[1], "data:image/") {
				t.Errorf("%s loads %q", target, match[1])
			}
		}
		if strings.Contains(style, "@import") || strings.Contains(style, "@font-face") {
			t.Errorf("%s imports another style, or a font that the policy keeps out", target)
		}
	}
	if strings.Contains(body(t, ask("/graphql/start.js")), "//127.") || strings.Contains(body(t, ask("/graphql/start.js")), "http") {
		t.Error("start.js names another server")
	}
}

func TestTheScriptsAreTheReleases(t *testing.T) {
	sums, err := os.ReadFile("release/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(sums)), "\n")
	if len(lines) != 4 {
		t.Fatalf("SHA256SUMS has %d lines, want 4", len(lines))
	}
	for _, line := range lines {
		want, name, _ := strings.Cut(line, "  ")
		sum := sha256.Sum256([]byte(body(t, ask("/graphql/"+name))))
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("%s has the checksum %s, and had %s when it was fetched", name, got, want)
		}
	}
}

// Whoever may not read the schema has no use for the page, and a server that is no development server does not offer it.
func TestThereIsAPageOnlyWhereClientsMayReadTheSchema(t *testing.T) {
	on, off := apptest.Start(t, introspection), apptest.Start(t)
	if got := on.Call("GET", "/graphql", "", nil); got.Status != http.StatusOK || !strings.Contains(got.Raw, `<main id="graphiql">`) {
		t.Errorf("switched on: %d %.100s", got.Status, got.Raw)
	}
	got := off.Call("GET", "/graphql", "", nil)
	if got.Status != http.StatusMethodNotAllowed || got.Text("code") != "method_not_allowed" || got.Header.Get("Allow") != "POST" {
		t.Errorf("switched off: %d %s", got.Status, got.Raw)
	}
	for target := range assets {
		if got := off.Call("GET", target, "", nil); got.Status < 400 || !strings.HasPrefix(got.Header.Get("Content-Type"), "application/problem+json") {
			t.Errorf("switched off, %s: %d %.100s", target, got.Status, got.Raw)
		}
	}
	const document = `{"query":"{__typename}"}`
	for _, s := range []*apptest.Server{on, off} {
		if got := s.Call("POST", "/graphql", "", document); got.Raw != `{"data":{"__typename":"Query"}}` {
			t.Errorf("POST: %d %s", got.Status, got.Raw)
		}
		if got := s.Call("PUT", "/graphql", "", document); got.Status != http.StatusMethodNotAllowed {
			t.Errorf("PUT: %d %s", got.Status, got.Raw)
		}
	}
}
