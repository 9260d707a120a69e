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
)

// lists are lists of permissions by community.
type lists interface {
	// of is what is said about a community; nothing where it says nothing.
	of(ctx context.Context, community int64) (given, error)
	// ids are the communities that it names, in their order.
	ids() []int64
	close() error
}

// given is the lists of one community as they were written; nil where nothing is said about it, which is not the same as none.
type given struct {
	lists map[string][]string
	// refused, when not empty, says why they cannot be read.
	refused string
	// shared tells that they are those of every community.
	shared bool
}

const keyPrefix = "community:roles:"

func listKey(id int64) string { return keyPrefix + strconv.FormatInt(id, 10) }

func openLists(ctx context.Context, from string) (lists, error) {
	if from == "" {
		return fileLists{}, nil
	}
	scheme, rest, isURL := strings.Cut(from, ":")
	switch scheme = strings.ToLower(scheme); {
	case isURL && (scheme == "redis" || scheme == "rediss"):
		return openRedis(ctx, scheme+":"+rest)
	case strings.Contains(from, "://"): // it is not repeated: it may hold a password
		return nil, errors.New("lists of permissions: must be a JSON file, or redis://USER:PASSWORD@HOST:PORT/NUMBER, or rediss://…")
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
	by  map[int64]given
}

func (f fileLists) of(_ context.Context, id int64) (given, error) {
	if f.all != nil {
		return given{lists: f.all, shared: true}, nil
	}
	return f.by[id], nil
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
	case len(top) == 0:
		return fileLists{}, errors.New("there is no list in it")
	case shared == len(top):
		all, err := roleLists(text)
		return fileLists{all: all}, err
	case shared > 0:
		return fileLists{}, errors.New("it must hold either lists by role, or lists by role for each community, and not both")
	}
	by := map[int64]given{}
	for name, value := range top {
		id, err := strconv.ParseInt(strings.TrimPrefix(name, keyPrefix), 10, 64)
		if err != nil || id < 1 {
			return fileLists{}, fmt.Errorf("%.100q is no community: it must be its number, or %s with its number", name, keyPrefix)
		}
		if _, twice := by[id]; twice {
			return fileLists{}, fmt.Errorf("it has lists for community %d twice", id)
		}
		by[id] = givenIn(name, value)
	}
	return fileLists{by: by}, nil
}

// givenIn reads the lists of one community.
func givenIn(name string, text []byte) given {
	lists, err := roleLists(text)
	if err != nil {
		return given{refused: fmt.Sprintf("its lists of permissions, %s, cannot be read: %v", name, err)}
	}
	return given{lists: lists}
}

// roleLists reads the lists of one community. No role may be there twice, and none without a list.
func roleLists(text []byte) (map[string][]string, error) {
	var lists map[string][]string
	if err := json.Unmarshal(text, &lists); err != nil {
		return nil, fmt.Errorf("it must be a JSON object of roles, each with a list of permissions: %w", err)
	}
	if lists == nil {
		return nil, errors.New("it must be a JSON object of roles, each with a list of permissions, and is null")
	}
	for _, role := range slices.Sorted(maps.Keys(lists)) {
		if lists[role] == nil {
			return nil, fmt.Errorf("role %.100q must have a list of permissions, and has null", role)
		}
	}
	return lists, nil
}
