package discours

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/propusk/propusk/internal/importer/source"
)

// lists are lists of permissions by community.
type lists interface {
	// of is what is said about a community; nothing where it says nothing.
	of(ctx context.Context, community int64) (given, error)
	// ids are the communities that it names, in their order.
	ids() []int64
	close() error
}

// given is the lists of one community as they were written.
type given struct {
	lists map[string][]string
	odd   []source.Odd
	// shared tells that they are those of every community.
	shared bool
}

const keyPrefix = "community:roles:"

func listKey(id int64) string { return keyPrefix + strconv.FormatInt(id, 10) }

func openLists(ctx context.Context, from string) (lists, error) {
	switch {
	case from == "":
		return fileLists{}, nil
	case strings.HasPrefix(from, "redis://"), strings.HasPrefix(from, "rediss://"):
		return openRedis(ctx, from)
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return nil, fmt.Errorf("lists of permissions: %w", err)
	}
	read, err := parseLists(text)
	if err != nil {
		return nil, fmt.Errorf("lists of permissions: %s: %w", from, err)
	}
	return read, nil
}

// fileLists are those of a file: one for all, or by community.
type fileLists struct {
	all map[string][]string
	by  map[int64]map[string][]string
}

func (f fileLists) of(_ context.Context, id int64) (given, error) {
	if f.all != nil {
		return given{lists: f.all, shared: true}, nil
	}
	return given{lists: f.by[id]}, nil
}

func (f fileLists) ids() []int64 { return slices.Sorted(maps.Keys(f.by)) }

func (fileLists) close() error { return nil }

// parseLists reads {"reader": […], …}, or the same below "1" or "community:roles:1".
func parseLists(text []byte) (fileLists, error) {
	var top map[string]jsontext.Value
	if err := json.Unmarshal(text, &top); err != nil {
		return fileLists{}, fmt.Errorf("it must be a JSON object: %w", err)
	}
	shared := 0
	for _, value := range top {
		if value.Kind() == '[' {
			shared++
		}
	}
	switch {
	case shared == len(top):
		all, err := roleLists(text)
		return fileLists{all: all}, err
	case shared > 0:
		return fileLists{}, errors.New("it must hold either lists by role, or lists by role for each community, and not both")
	}
	by := map[int64]map[string][]string{}
	for name, value := range top {
		id, err := strconv.ParseInt(strings.TrimPrefix(name, keyPrefix), 10, 64)
		if err != nil || id < 1 {
			return fileLists{}, fmt.Errorf("%.100q is no community: it must be its number, or %s with its number", name, keyPrefix)
		}
		if by[id] != nil {
			return fileLists{}, fmt.Errorf("it has lists for community %d twice", id)
		}
		if by[id], err = roleLists(value); err != nil {
			return fileLists{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return fileLists{by: by}, nil
}

// roleLists reads the lists of one community. No role may be there twice.
func roleLists(text []byte) (map[string][]string, error) {
	lists := map[string][]string{}
	if err := json.Unmarshal(text, &lists); err != nil {
		return nil, fmt.Errorf("it must be a JSON object of roles, each with a list of permissions: %w", err)
	}
	return lists, nil
}
