package docs_test

import (
	"compress/gzip"
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

	"github.com/propusk/propusk/internal/rest/docs"
)

func newMux() *http.ServeMux {
	mux := http.NewServeMux()
	docs.Register(mux, "/openapi.json")
	return mux
}

func get(t *testing.T, handler http.Handler, target string, headers ...string) *http.Response {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
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
	"/docs":                                  "text/html; charset=utf-8",
	"/docs/page.css":                         "text/css; charset=utf-8",
	"/docs/page.js":                          "text/javascript; charset=utf-8",
	"/docs/pass.svg":                         "image/svg+xml",
	"/docs/swagger-ui.css":                   "text/css; charset=utf-8",
	"/docs/swagger-ui-bundle.js":             "text/javascript; charset=utf-8",
	"/docs/LICENSE":                          "text/plain; charset=utf-8",
	"/docs/NOTICE":                           "text/plain; charset=utf-8",
	"/docs/swagger-ui-bundle.js.LICENSE.txt": "text/plain; charset=utf-8",
}

func TestEveryFileIsServedWithItsTypeAndAPolicy(t *testing.T) {
	mux := newMux()
	for target, contentType := range assets {
		response := get(t, mux, target)
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", target, response.StatusCode)
		}
		for header, want := range map[string]string{
			"Content-Type":            contentType,
			"Cache-Control":           "no-cache",
			"X-Content-Type-Options":  "nosniff",
			"X-Frame-Options":         "DENY",
			"Referrer-Policy":         "no-referrer",
			"Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
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
	reference  = regexp.MustCompile(`(?:src|href|data-spec)="([^"]*)"`)
	styleURL   = regexp.MustCompile(`url\(\s*["']?([^"')]{0,60})`)
	styleOther = regexp.MustCompile(`@import`)
)

func TestThePageLoadsOnlyWhatIsServedHere(t *testing.T) {
	mux := newMux()
	mux.HandleFunc("GET /openapi.json", func(http.ResponseWriter, *http.Request) {})

	page := body(t, get(t, mux, "/docs"))
	found := reference.FindAllStringSubmatch(page, -1)
	if len(found) < 7 {
		t.Fatalf("only %d references found in the page; has its form changed?", len(found))
	}
	for _, match := range found {
		target := match[1]
		if strings.Contains(target, "//") || strings.HasPrefix(target, "/") {
			t.Errorf("the page names %q: neither another server nor a path that a proxy's prefix would break", target)
			continue
		}
		if response := get(t, mux, path.Join("/", target)); response.StatusCode != http.StatusOK {
			t.Errorf("the page names %q, which answers %d", target, response.StatusCode)
		}
	}
	if strings.Contains(page, "{{") {
		t.Error("the page has a place that was not filled in")
	}
	if strings.Contains(page, "<script>") || strings.Contains(page, "<style>") || regexp.MustCompile(`\son[a-z]+=`).MatchString(page) {
		t.Error("the page has inline script or style, which its policy forbids")
	}

	for _, target := range []string{"/docs/page.css", "/docs/swagger-ui.css"} {
		style := body(t, get(t, mux, target))
		for _, match := range styleURL.FindAllStringSubmatch(style, -1) {
			if !strings.HasPrefix(match[1], "data:") {
				t.Errorf("%s loads %q", target, match[1])
			}
		}
		if styleOther.MatchString(style) {
			t.Errorf("%s imports another style", target)
		}
	}
	if script := body(t, get(t, mux, "/docs/page.js")); strings.Contains(script, "//localhost") || strings.Contains(script, "http:") || strings.Contains(script, "https:") {
		t.Error("page.js names another server")
	}
}

func TestSwaggerUIIsTheReleaseUnchanged(t *testing.T) {
	sums, err := os.ReadFile("swagger-ui/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	mux := newMux()
	lines := strings.Split(strings.TrimSpace(string(sums)), "\n")
	if len(lines) != 2 {
		t.Fatalf("SHA256SUMS has %d lines, want 2", len(lines))
	}
	for _, line := range lines {
		want, name, _ := strings.Cut(line, "  ")
		sum := sha256.Sum256([]byte(body(t, get(t, mux, "/docs/"+name))))
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("%s has the checksum %s, the release has %s", name, got, want)
		}
	}
}

func TestGzipIsSentToThoseWhoTakeIt(t *testing.T) {
	mux := newMux()
	whole := body(t, get(t, mux, "/docs/swagger-ui-bundle.js"))
	for _, test := range []struct {
		accept string
		packed bool
	}{
		{"gzip, deflate, br, zstd", true},
		{"GZIP", true},
		{"br;q=1.0, gzip;q=0.8, *;q=0.1", true},
		{"*", true},
		{"", false},
		{"identity", false},
		{"gzip;q=0", false},
		{"gzip; q=0.000", false},
		{"*, gzip;q=0", false},
		{"gzip;q=0, *", false},
		{"gzip;q=nonsense", false},
		{"x-gzip-not-really", false},
	} {
		response := get(t, mux, "/docs/swagger-ui-bundle.js", "Accept-Encoding", test.accept)
		if got := response.Header.Get("Content-Encoding") == "gzip"; got != test.packed {
			t.Errorf("Accept-Encoding %q: compressed is %v, want %v", test.accept, got, test.packed)
			continue
		}
		if response.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: a cache is not told that the answer varies", test.accept)
		}
		content := io.Reader(response.Body)
		if test.packed {
			unpacked, err := gzip.NewReader(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			content = unpacked
		}
		got, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != whole {
			t.Errorf("Accept-Encoding %q: other content", test.accept)
		}
	}
}

func TestABrowserThatHasTheFileIsToldSo(t *testing.T) {
	mux := newMux()
	for target := range assets {
		for _, accept := range []string{"gzip", "identity"} {
			tag := get(t, mux, target, "Accept-Encoding", accept).Header.Get("ETag")
			for _, known := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
				response := get(t, mux, target, "Accept-Encoding", accept, "If-None-Match", known)
				if response.StatusCode != http.StatusNotModified || body(t, response) != "" {
					t.Errorf("%s, If-None-Match %s: status %d, want 304 and no body", target, known, response.StatusCode)
				}
				if response.Header.Get("ETag") != tag {
					t.Errorf("%s: 304 without the tag", target)
				}
			}
			if response := get(t, mux, target, "Accept-Encoding", accept, "If-None-Match", `"other"`); response.StatusCode != http.StatusOK {
				t.Errorf("%s, another tag: status %d, want 200", target, response.StatusCode)
			}
		}
	}
	packed := get(t, mux, "/docs/swagger-ui.css", "Accept-Encoding", "gzip").Header.Get("ETag")
	if response := get(t, mux, "/docs/swagger-ui.css", "If-None-Match", packed); response.StatusCode != http.StatusOK {
		t.Error("a browser that has only the compressed form was told that it has the plain one")
	}
}

func TestHeadAnswersWithoutBody(t *testing.T) {
	server := httptest.NewServer(newMux())
	defer server.Close()
	for target := range assets {
		response, err := http.Head(server.URL + target)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != http.StatusOK || response.ContentLength <= 0 {
			t.Errorf("HEAD %s: status %d, length %d", target, response.StatusCode, response.ContentLength)
		}
	}
}

func TestOtherPathsAndMethods(t *testing.T) {
	mux := newMux()

	slash := get(t, mux, "/docs/")
	if slash.StatusCode != http.StatusMovedPermanently || slash.Header.Get("Location") != "../docs" {
		t.Errorf("/docs/ answers %d to %q, want 301 to ../docs, which holds below any prefix", slash.StatusCode, slash.Header.Get("Location"))
	}
	// Only named files: what else is embedded stays inside.
	for _, target := range []string{"/docs/index.html", "/docs/SHA256SUMS", "/docs/VERSION", "/docs/swagger-ui.css.gz", "/docs/page/", "/docs/%2e%2e/docs.go"} {
		if response := get(t, mux, target); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", target, response.StatusCode)
		}
	}

	recorder := httptest.NewRecorder()
	mux.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/docs", nil))
	if recorder.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /docs: status %d, want 405", recorder.Code)
	}
}

func TestThePathOfTheDocumentIsChecked(t *testing.T) {
	for _, specPath := range []string{"", "/", "openapi.json", "//elsewhere.example/openapi.json", "https://elsewhere.example/openapi.json"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Register took %q", specPath)
				}
			}()
			docs.Register(http.NewServeMux(), specPath)
		}()
	}

	mux := http.NewServeMux()
	docs.Register(mux, `/a"b<c.json`)
	if page := body(t, get(t, mux, "/docs")); !strings.Contains(page, `data-spec="a&#34;b&lt;c.json"`) {
		t.Error("the path of the document is not escaped")
	}
}
