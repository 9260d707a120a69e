package discours

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// redisPatience bounds every command: a Redis that is frozen must not keep an import waiting for ever.
const redisPatience = 5 * time.Second

// redisLists are the keys community:roles:{id} of the Redis of Discours. The lists themselves are fetched one by one.
type redisLists struct {
	client rueidis.Client
	found  []int64
}

// openRedis does not pass an error about the URL on, which may repeat the password.
func openRedis(ctx context.Context, url string) (lists, error) {
	option, err := rueidis.ParseURL(url)
	if err != nil {
		return nil, errors.New("lists of permissions: the URL of Redis cannot be read: it must be redis://USER:PASSWORD@HOST:PORT/NUMBER, or rediss://…")
	}
	option.DisableCache, option.AlwaysRESP2, option.ForceSingleClient = true, true, true
	option.Dialer.Timeout, option.ConnWriteTimeout = redisPatience, redisPatience
	client, err := rueidis.NewClient(option)
	if err != nil {
		return nil, fmt.Errorf("lists of permissions: Redis: %w", err)
	}
	r := &redisLists{client: client}
	if err := r.scan(ctx); err != nil {
		client.Close()
		return nil, fmt.Errorf("lists of permissions: Redis: %w", err)
	}
	return r, nil
}

// scan notes which communities have lists.
func (r *redisLists) scan(ctx context.Context) error {
	for cursor := uint64(0); ; {
		page, err := r.page(ctx, cursor)
		if err != nil {
			return err
		}
		for _, key := range page.Elements {
			if id, err := strconv.ParseInt(strings.TrimPrefix(key, keyPrefix), 10, 64); err == nil && listKey(id) == key {
				r.found = append(r.found, id)
			}
		}
		if cursor = page.Cursor; cursor == 0 {
			break
		}
	}
	slices.Sort(r.found)
	r.found = slices.Compact(r.found) // SCAN may tell a key twice
	return nil
}

func (r *redisLists) page(ctx context.Context, cursor uint64) (rueidis.ScanEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, redisPatience)
	defer cancel()
	return r.client.Do(ctx, r.client.B().Scan().Cursor(cursor).Match(keyPrefix+"*").Count(1000).Build()).AsScanEntry()
}

func (r *redisLists) of(ctx context.Context, id int64) (given, error) {
	if _, is := slices.BinarySearch(r.found, id); !is {
		return given{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, redisPatience)
	defer cancel()
	text, err := r.client.Do(ctx, r.client.B().Getrange().Key(listKey(id)).Start(0).End(maxLists).Build()).AsBytes()
	if redisError, is := rueidis.IsRedisErr(err); is {
		return unreadable(id, redisError.Error()), nil // such as the wrong type of key
	}
	switch {
	case err != nil:
		return given{}, fmt.Errorf("lists of permissions: Redis: %w", err)
	case len(text) > maxLists:
		return unreadable(id, fmt.Sprintf("it is longer than %d bytes", maxLists)), nil
	case len(text) == 0:
		return unreadable(id, "it is empty, or was deleted meanwhile"), nil
	}
	return givenIn(listKey(id), text), nil
}

// maxLists bounds the lists of one community, in bytes.
const maxLists = 1 << 20

func unreadable(id int64, why string) given {
	return given{refused: fmt.Sprintf("its lists of permissions, %s, cannot be read: %s", listKey(id), why)}
}

func (r *redisLists) ids() []int64 { return r.found }

func (r *redisLists) close() error {
	r.client.Close()
	return nil
}
