package graph

import (
	"fmt"
	"strings"

	"github.com/propusk/propusk"
)

const (
	defaultPage, defaultLimit = 1, 50
	maxPage, maxLimit         = 1_000_000, 100
	// maxRoles and maxPermissions are how long lists may be, before anybody looks at what is in them.
	maxRoles, maxPermissions = 100, 2000
	// maxSearch, maxEmail and maxPassword are in bytes; the services have limits of their own for what they keep.
	maxSearch, maxEmail, maxPassword = 800, 320, 1024
)

// paging selects a page of a list.
type paging struct{ page, limit int64 }

// pagingOf takes null for what was left out. Invalid.
func pagingOf(page, limit *int64) (paging, error) {
	p := paging{or(page, defaultPage), or(limit, defaultLimit)}
	switch {
	case p.page < 1 || p.page > maxPage:
		return paging{defaultPage, defaultLimit}, propusk.InvalidField("page", fmt.Sprintf("must be between 1 and %d", maxPage))
	case p.limit < 1 || p.limit > maxLimit:
		return paging{defaultPage, defaultLimit}, propusk.InvalidField("limit", fmt.Sprintf("must be between 1 and %d", maxLimit))
	}
	return p, nil
}

func (p paging) offset() int { return int((p.page - 1) * p.limit) }

// more reports whether there is a page after one with so many items.
func (p paging) more(items, total int) bool { return p.offset()+items < total }

func or[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}

// short refuses what is longer than the bytes that it may have, and the NUL, of which databases differ in what they make. Invalid.
func short(name, text string, most int) error {
	if len(text) > most || strings.ContainsRune(text, 0) {
		return propusk.InvalidField(name, fmt.Sprintf("must have at most %d bytes, and none that is zero", most))
	}
	return nil
}

// few refuses a list that is too long. Invalid.
func few(name string, list []string, most int) error {
	if len(list) > most {
		return propusk.InvalidField(name, fmt.Sprintf("must have at most %d items", most))
	}
	return nil
}
