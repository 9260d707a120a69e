// Package docs serves the page on which people read and try the REST API. Everything the page loads is inside the program, so
// it works on a machine without internet, and its policy keeps the browser from asking anybody else.
//
// The drawing is done by Swagger UI, whose release is kept unchanged in swagger-ui (vendor.sh fetches it).
package docs

import (
	"bytes"
	"embed"
	"fmt"
	"html"
	"net/http"
	"strings"

	"github.com/propusk/propusk/internal/asset"
)

//go:embed page swagger-ui
var files embed.FS

// Styles may be inline because Swagger UI sets them on its elements; its icons are data: images. Scripts come from here only.
const policy asset.Policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
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
	mux.Handle("GET /docs", policy.Plain("text/html; charset=utf-8", page))
	mux.HandleFunc("GET /docs/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "../docs")
		w.WriteHeader(http.StatusMovedPermanently)
	})

	mux.Handle("GET /docs/page.css", policy.Plain("text/css; charset=utf-8", read("page/page.css")))
	mux.Handle("GET /docs/page.js", policy.Plain("text/javascript; charset=utf-8", read("page/page.js")))
	mux.Handle("GET /docs/pass.svg", policy.Plain("image/svg+xml", read("page/pass.svg")))
	mux.Handle("GET /docs/swagger-ui.css", policy.Gzip("text/css; charset=utf-8", read("swagger-ui/swagger-ui.css.gz")))
	mux.Handle("GET /docs/swagger-ui-bundle.js", policy.Gzip("text/javascript; charset=utf-8", read("swagger-ui/swagger-ui-bundle.js.gz")))
	mux.Handle("GET /docs/LICENSE", policy.Plain("text/plain; charset=utf-8", read("swagger-ui/LICENSE")))
	mux.Handle("GET /docs/NOTICE", policy.Plain("text/plain; charset=utf-8", read("swagger-ui/NOTICE")))
	mux.Handle("GET /docs/swagger-ui-bundle.js.LICENSE.txt",
		policy.Plain("text/plain; charset=utf-8", read("swagger-ui/swagger-ui-bundle.js.LICENSE.txt")))
}

// read returns an embedded file. A name that is not there is a mistake in this package, found by the first test that runs.
func read(name string) []byte {
	content, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return content
}
