// Package graphiql serves the page on which people read the GraphQL schema and try it. Everything the page loads is inside the program,
// so it works on a machine without internet, and its policy keeps the browser from asking anybody else.
//
// The drawing is done by GraphiQL, whose release is kept in release (vendor.sh fetches it).
package graphiql

import (
	"embed"
	"net/http"

	"github.com/propusk/propusk/internal/asset"
)

//go:embed page release
var files embed.FS

// Scripts and answers come from here only. Style elements may be inline because GraphiQL's menus and dialogs bring some, attributes may
// not; its style sheet holds data: images.
const policy asset.Policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; style-src-attr 'none'; " +
	"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Register adds the page to mux at GET /graphql and what it loads below /graphql/. The page names files relative to where the browser found it,
// so a proxy may put the server below a prefix.
func Register(mux *http.ServeMux) {
	const style, script, text = "text/css; charset=utf-8", "text/javascript; charset=utf-8", "text/plain; charset=utf-8"
	mux.Handle("GET /graphql", policy.Plain("text/html; charset=utf-8", read("page/index.html")))
	mux.Handle("GET /graphql/page.css", policy.Plain(style, read("page/page.css")))
	mux.Handle("GET /graphql/start.js", policy.Plain(script, read("page/start.js")))
	mux.Handle("GET /graphql/pass.svg", policy.Plain("image/svg+xml", read("page/pass.svg")))
	mux.Handle("GET /graphql/graphiql.css", policy.Gzip(style, read("release/graphiql.css.gz")))
	mux.Handle("GET /graphql/graphiql.js", policy.Gzip(script, read("release/graphiql.js.gz")))
	mux.Handle("GET /graphql/react.js", policy.Gzip(script, read("release/react.js.gz")))
	mux.Handle("GET /graphql/react-dom.js", policy.Gzip(script, read("release/react-dom.js.gz")))
	mux.Handle("GET /graphql/LICENSES.txt", policy.Plain(text, read("release/LICENSES.txt")))
}

// read returns an embedded file. A name that is not there is a mistake in this package, found by the first test that runs.
func read(name string) []byte {
	content, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return content
}
