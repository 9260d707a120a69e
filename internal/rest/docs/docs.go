// Package docs serves the page on which people read and try the REST API. Everything the page loads is inside the program, so
// it works on a machine without internet, and its policy keeps the browser from asking anybody else.
//
// The drawing is done by Swagger UI, whose release is kept unchanged in swagger-ui (vendor.sh fetches it).
package docs

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

//go:embed page swagger-ui
var files embed.FS

// Styles may be inline because Swagger UI sets them on its elements; its icons are data: images. Scripts come from here only.
const contentSecurityPolicy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Register adds the page to mux at /docs and what it loads below /docs/. The page describes the OpenAPI document at specPath,
// an absolute path on the same server such as "/openapi.json". It panics when specPath is not one.
//
// Page and document name each other relative to where the browser found them, so a proxy may put the server below a prefix.
func Register(mux *http.ServeMux, specPath string) {
	spec, absolute := strings.CutPrefix(specPath, "/")
	if !absolute || spec == "" || strings.HasPrefix(spec, "/") {
		panic(fmt.Sprintf("docs: %q is not an absolute path such as /openapi.json", specPath))
	}

	page := bytes.ReplaceAll(read("page/index.html"), []byte("{{spec}}"), []byte(html.EscapeString(spec)))
	mux.Handle("GET /docs", plain("text/html; charset=utf-8", page))
	mux.HandleFunc("GET /docs/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "../docs")
		w.WriteHeader(http.StatusMovedPermanently)
	})

	mux.Handle("GET /docs/page.css", plain("text/css; charset=utf-8", read("page/page.css")))
	mux.Handle("GET /docs/page.js", plain("text/javascript; charset=utf-8", read("page/page.js")))
	mux.Handle("GET /docs/pass.svg", plain("image/svg+xml", read("page/pass.svg")))
	mux.Handle("GET /docs/swagger-ui.css", compressed("text/css; charset=utf-8", read("swagger-ui/swagger-ui.css.gz")))
	mux.Handle("GET /docs/swagger-ui-bundle.js", compressed("text/javascript; charset=utf-8", read("swagger-ui/swagger-ui-bundle.js.gz")))
	mux.Handle("GET /docs/LICENSE", plain("text/plain; charset=utf-8", read("swagger-ui/LICENSE")))
	mux.Handle("GET /docs/NOTICE", plain("text/plain; charset=utf-8", read("swagger-ui/NOTICE")))
	mux.Handle("GET /docs/swagger-ui-bundle.js.LICENSE.txt",
		plain("text/plain; charset=utf-8", read("swagger-ui/swagger-ui-bundle.js.LICENSE.txt")))
}

// read returns an embedded file. A name that is not there is a mistake in this package, found by the first test that runs.
func read(name string) []byte {
	content, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return content
}

// asset is one file in the one or two forms in which it can be sent.
type asset struct {
	contentType string
	tag         string
	plain       func() []byte
	gzip        []byte // nil: only sent plain
}

func plain(contentType string, content []byte) asset {
	return asset{contentType: contentType, tag: tagOf(content), plain: func() []byte { return content }}
}

// compressed makes an asset of a file that is stored in gzip. It is unpacked when the first client comes that cannot do that
// itself, which no browser does, and then once for all.
func compressed(contentType string, content []byte) asset {
	unpack := sync.OnceValue(func() []byte {
		reader, err := gzip.NewReader(bytes.NewReader(content))
		if err != nil {
			panic(err)
		}
		unpacked, err := io.ReadAll(reader)
		if err != nil {
			panic(err)
		}
		return unpacked
	})
	return asset{contentType: contentType, tag: tagOf(content), plain: unpack, gzip: content}
}

func tagOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:12])
}

// ServeHTTP answers GET and HEAD. Browsers keep the file and ask each time whether it is still the one: the names carry no
// version, and after an upgrade a page and a script of different releases would not fit together.
func (a asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", contentSecurityPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", "no-cache")

	tag := `"` + a.tag + `"`
	packed := false
	if a.gzip != nil {
		header.Set("Vary", "Accept-Encoding")
		if packed = acceptsGzip(r.Header.Values("Accept-Encoding")); packed {
			tag = `"` + a.tag + `-gzip"`
		}
	}
	header.Set("ETag", tag)
	if tagListed(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}

	var content []byte
	if packed {
		header.Set("Content-Encoding", "gzip")
		content = a.gzip
	} else {
		content = a.plain()
	}
	header.Set("Content-Type", a.contentType)
	header.Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // a client that went away is no error of ours
	}
}

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3): gzip, or *, without a weight of zero. What names gzip itself wins over *.
func acceptsGzip(fields []string) bool {
	accepted := false
	for item := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		coding, parameter, _ := strings.Cut(item, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding != "gzip" && coding != "*" {
			continue
		}
		wanted := true
		if name, weight, weighted := strings.Cut(parameter, "="); weighted && strings.EqualFold(strings.TrimSpace(name), "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(weight), 64)
			wanted = err == nil && q > 0
		}
		if coding == "gzip" {
			return wanted
		}
		accepted = wanted
	}
	return accepted
}

// tagListed compares weakly, as If-None-Match demands (RFC 9110, 13.1.2): a proxy may have marked our tag as weak.
func tagListed(fields []string, tag string) bool {
	for item := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		item = strings.TrimSpace(item)
		if item == "*" || strings.TrimPrefix(item, "W/") == tag {
			return true
		}
	}
	return false
}
