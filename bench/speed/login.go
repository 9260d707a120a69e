package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/password"
)

// logins are how many a server takes in a second, beside how many passwords the same slots hash when nothing else is done.
type logins struct {
	logins, hashes rates
	slots          int
	params         password.Params
}

// timeLogins times logins at a cost of a password.
func timeLogins(ctx context.Context, program, self, dir string, cost password.Params, rounds int, round time.Duration, say func(string)) (logins, error) {
	say = prefixed(say, "logins: ")
	found := logins{
		logins: rates{name: "logins"}, hashes: rates{name: "hashes on the same slots"}, slots: config.Default().PasswordSlots, params: cost,
	}
	say("starting the server")
	server, err := serve(ctx, program, filepath.Join(dir, "logins"), "--access-log", "off",
		"--password-memory", fmt.Sprint(cost.MemoryKiB), "--password-iterations", fmt.Sprint(cost.Iterations))
	if err != nil {
		return found, err
	}
	defer func() { _ = server.stop() }()
	say("making accounts")
	clients, err := openLogins(ctx, server.url)
	if err != nil {
		return found, err
	}
	defer clients.close()
	for n := range rounds {
		say(fmt.Sprintf("round %d of %d", n+1, rounds))
		rate, err := clients.perSecond(ctx, round)
		if err != nil {
			return found, err
		}
		found.logins.rounds = append(found.logins.rounds, rate)
		if rate, err = hashApart(ctx, self, hashing{cost, found.slots, round}); err != nil {
			return found, err
		}
		found.hashes.rounds = append(found.hashes.rounds, rate)
	}
	return found, nil
}

// openLogins connects people who log in over and over, each with an account of their own.
func openLogins(ctx context.Context, url string) (load, error) {
	invited, err := invite(ctx, url, connections)
	if err != nil {
		return nil, err
	}
	var clients load
	for _, who := range invited.who {
		c, err := dial(url, "", sample{
			Method: http.MethodPost, Path: "/api/users/login", Status: http.StatusOK,
			Body: fmt.Sprintf(`{"email":%q,"password":%q}`, who.Email, who.Password),
		})
		if err != nil {
			return nil, err
		}
		clients = append(clients, c)
	}
	return clients, nil
}

// hashing is what a process is to do that does nothing else.
type hashing struct {
	Params password.Params
	Slots  int
	During time.Duration
}

// hashFlag makes this program such a process.
const hashFlag = "-hash"

// hashApart hashes in a process of its own: in this one, which holds the worlds of other parts, the collector would be in the way.
func hashApart(ctx context.Context, self string, what hashing) (perSecond float64, err error) {
	text, err := json.Marshal(what)
	if err != nil {
		return 0, err
	}
	told, err := exec.CommandContext(ctx, self, hashFlag, string(text)).Output()
	if err != nil {
		return 0, fmt.Errorf("hashing: %w", err)
	}
	return strconv.ParseFloat(strings.TrimSpace(string(told)), 64)
}

// hashOnly is that process. It prints how many it hashed in a second.
func hashOnly(text string) error {
	debug.SetGCPercent(70) // as propusk serve does, for the sake of the memory that each hash leaves behind
	var what hashing
	if err := json.Unmarshal([]byte(text), &what); err != nil {
		return err
	}
	hasher, err := password.New(password.Config{Params: what.Params, Slots: what.Slots})
	if err != nil {
		return err
	}
	rate, err := hashesPerSecond(context.Background(), hasher, what.Slots, what.During)
	if err == nil {
		fmt.Println(rate)
	}
	return err
}

// hashesPerSecond keeps the slots of the hasher busy with what a login asks of it.
func hashesPerSecond(ctx context.Context, hasher *password.Hasher, slots int, during time.Duration) (float64, error) {
	encoded, err := hasher.Hash(ctx, passphrase)
	if err != nil {
		return 0, err
	}
	counts, errs := make([]int, slots), make([]error, slots)
	var all sync.WaitGroup
	begin := time.Now()
	for i := range slots {
		all.Go(func() {
			for again := true; again; again = time.Since(begin) < during && errs[i] == nil { // at least once
				_, errs[i] = hasher.Verify(ctx, encoded, passphrase)
				counts[i]++
			}
		})
	}
	all.Wait()
	took, sum := time.Since(begin), 0
	for _, n := range counts {
		sum += n
	}
	return float64(sum) / took.Seconds(), errors.Join(errs...)
}
