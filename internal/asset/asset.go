// Package asset serves files that are inside the program to browsers.
package asset

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Policy is a Content-Security-Policy, which goes out with every file of a page.
type Policy string

// file is one in the one or two forms in which it can be sent.
type file struct {
	policy      Policy
	contentType string
	tag         string
	plain       func() []byte
	gzip        []byte // nil: only sent plain
}

// Plain serves content as it is.
func (p Policy) Plain(contentType string, content []byte) http.Handler {
	return file{policy: p, contentType: contentType, tag: tagOf(content), plain: func() []byte { return content }}
}

// Gzip serves content that is stored in gzip. It is unpacked when the first client comes that cannot do that itself, which no browser
// does, and then once for all.
func (p Policy) Gzip(contentType string, content []byte) http.Handler {
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
	return file{policy: p, contentType: contentType, tag: tagOf(content), plain: unpack, gzip: content}
}

func tagOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:12])
}

// ServeHTTP answers GET and HEAD. Browsers keep the file and ask each time whether it is still the one: the names carry no
// version, and after an upgrade a page and a script of different releases would not fit together.
func (f file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", f.contentType)
	header.Set("Content-Security-Policy", string(f.policy))
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", "no-cache")
	if f.gzip == nil {
		send(w, r, f.tag, f.plain())
		return
	}
	header.Set("Vary", "Accept-Encoding")
	if !acceptsGzip(r.Header.Values("Accept-Encoding")) {
		send(w, r, f.tag, f.plain())
		return
	}
	header.Set("Content-Encoding", "gzip")
	send(w, r, f.tag+"-gzip", f.gzip)
}

func send(w http.ResponseWriter, r *http.Request, tag string, content []byte) {
	w.Header().Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
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
