package graph

import (
	"context"
	"strings"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
)

const (
	maxDocuments     = 500
	maxDocumentBytes = 4 << 10
)

// documents remembers those that were parsed and found valid. One with a text in it, which may be somebody's password and hardly comes
// twice, is not kept, and neither is a long one. When it is full it begins anew: programs send few different documents.
type documents struct {
	mu    sync.RWMutex
	known map[string]*ast.QueryDocument
}

// Get implements graphql.Cache.
func (d *documents) Get(_ context.Context, text string) (parsed *ast.QueryDocument, ok bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	parsed, ok = d.known[text]
	return parsed, ok
}

// Add implements graphql.Cache.
func (d *documents) Add(_ context.Context, text string, parsed *ast.QueryDocument) {
	if len(text) > maxDocumentBytes || strings.Contains(text, `"`) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) == maxDocuments {
		d.known = make(map[string]*ast.QueryDocument)
	}
	d.known[text] = parsed
}
