package app

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/propusk/propusk/internal/sqlstore"
)

const (
	// replicationPace is between two looks at the state of replication, replicationPatience how long one may take.
	replicationPace     = 5 * time.Second
	replicationPatience = time.Second
)

// The words of /readyz for whether a standby has what is answered.
const (
	// replicatesInStep is that each change is on the disk of a standby before it is answered.
	replicatesInStep = "synchronous"
	// replicatesLater is that nobody waits for a standby: a failover may undo what was answered.
	replicatesLater = "asynchronous"
	// replicatesToNobody is that changes wait for a standby, and none is there: they hang until one is.
	replicatesToNobody = "waiting"
	// replicationUnknown is that the primary does not say, or does not answer.
	replicationUnknown = "unknown"
)

// replication watches whether a standby has what is answered. It tells and never refuses: a standby that is away must not become servers that are.
type replication struct {
	ask   func(context.Context) (sqlstore.Replication, error)
	log   *slog.Logger
	state atomic.Pointer[string]
}

// String is the word for /readyz.
func (r *replication) String() string {
	if state := r.state.Load(); state != nil {
		return *state
	}
	return replicationUnknown
}

// Run looks again and again, until ctx ends.
func (r *replication) Run(ctx context.Context) {
	tick := time.NewTicker(replicationPace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.look(ctx)
		}
	}
}

// look asks once, and says so when something has changed.
func (r *replication) look(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, replicationPatience)
	defer cancel()
	state, advice := judge(r.ask(within))
	if before := r.state.Swap(&state); ctx.Err() != nil || before != nil && *before == state {
		return
	}
	if state == replicatesInStep {
		r.log.Info("a standby has each change before it is answered", "replication", state)
		return
	}
	r.log.Warn("--ha: "+advice, "replication", state)
}

// begin looks for the first time. What the command line itself makes impossible stops the start.
func (r *replication) begin(ctx context.Context) error {
	found, err := r.ask(ctx)
	if err == nil && !strictEnough(found.Commit) {
		return fmt.Errorf("--ha and synchronous_commit=%s in the URL of --database contradict each other: leave it out, or say on or remote_apply", found.Commit)
	}
	r.look(ctx)
	return nil
}

func strictEnough(commit string) bool {
	return sqlstore.Replication{Names: "*", Commit: commit}.Waits()
}

// judge puts what the primary says into one word, and says what to do about it.
func judge(r sqlstore.Replication, err error) (state, advice string) {
	switch {
	case err != nil:
		return replicationUnknown, "the primary does not tell how it replicates: " + err.Error()
	case !r.Waits():
		return replicatesLater, "no change waits for a standby, so a failover may undo what was answered: set synchronous_standby_names on the primary"
	case r.Synchronous >= standbysFor(r.Names):
		return replicatesInStep, ""
	case r.Hidden:
		return replicationUnknown, "this user of the database may not see the state of standbys: GRANT pg_monitor TO it"
	default:
		return replicatesToNobody, fmt.Sprintf("changes wait for a standby that is not there: synchronous_standby_names is %q, and of %d connected standbys %d of these follow", r.Names, r.Standbys, r.Synchronous)
	}
}

var severalStandbys = regexp.MustCompile(`(?i)^\s*(?:(?:FIRST|ANY)\s+)?(\d+)\s*\(`)

// standbysFor is for how many standbys a commit waits, as synchronous_standby_names says it: ANY 2 (a, b, c), FIRST 1 (a, b), 2 (a, b), or a list, for
// the first of which it waits.
func standbysFor(names string) int {
	if found := severalStandbys.FindStringSubmatch(names); found != nil {
		if n, err := strconv.Atoi(found[1]); err == nil {
			return max(n, 1)
		}
	}
	return 1
}
