package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/pgtest"
)

// Whatever is taken from somebody on one of three nodes is gone on all of them for every request that is sent after the answer was read, while
// others ask all the time; and nobody is refused or put off for it.
func TestNodesForgetBeforeTheAnswer(t *testing.T) {
	besideOthers(t)
	t.Run("PostgreSQL", func(t *testing.T) {
		besideOthers(t)
		url := pgtest.Database(t)
		if hold {
			url = pgtest.StartDurable(t).Database(t) // what takes longest is what is written to the disk
		}
		healthy(t, newCluster(t, 3, directly(url)), nodeRounds)
	})
	t.Run("SQLite", func(t *testing.T) {
		besideOthers(t)
		healthy(t, newCluster(t, 3, oneFile(t)), nodeFileRounds)
	})
}

func healthy(t *testing.T, c *cluster, rounds int) {
	t.Helper()
	t.Logf("%d nodes, answers from memory: %t", len(c.nodes), c.remembers)
	for _, kind := range everyRevocation {
		var times []time.Duration
		wrong := int64(0)
		for i, s := range c.cast(t, []*revocation{kind}, rounds) {
			if err := c.round(s, c.nodes[i%len(c.nodes)]); err != nil {
				t.Fatalf("%s, round %d: %v", kind.name, i+1, err)
			}
			times = append(times, s.took)
			wrong += s.blame(t)
		}
		t.Logf("%-25s %d rounds, %d wrong answers; answered after %v (median), %v (p99) with everybody asking",
			kind.name, len(times), wrong, percentile(0.5, times), percentile(0.99, times))
		if wrong > 0 {
			t.Errorf("%s: %d requests that were sent after the answer were allowed", kind.name, wrong)
		}
	}
}

// round takes one thing from one subject while every node is asked about it.
func (c *cluster) round(s *subject, on *node) error {
	if err := c.warm(s); err != nil {
		return err
	}
	refused := make(chan struct{})
	problems := make(chan error, len(c.nodes))
	var asking sync.WaitGroup
	for _, n := range c.nodes {
		asking.Go(func() { problems <- c.askUntilDenied(s, n, refused) })
	}
	begun := c.clock()
	got, err := s.kind.revoke(on.server().client, s)
	for !hold && err == nil && got.text("code") == "database_unavailable" && c.clock()-begun < insistence { // nothing was done: the machine is busy
		got, err = s.kind.revoke(on.server().client, s)
	}
	if answered := c.clock(); err == nil && got.status < http.StatusMultipleChoices {
		s.took, s.on = answered-begun, on.name
		s.answered.Store(int64(answered))
	} else {
		close(refused)
	}
	asking.Wait()
	if s.answered.Load() == 0 {
		return fmt.Errorf("it was answered with %v, %v", got, err)
	}
	close(problems)
	for err := range problems {
		if err != nil {
			return err
		}
	}
	return nil
}

// warm asks everything on all nodes, so that they remember it.
func (c *cluster) warm(s *subject) error {
	for _, n := range c.nodes {
		for range 2 {
			for _, q := range s.kind.questions() {
				if v := q.put(n.server().client, s); v != allowed {
					return fmt.Errorf("%s on %s: verdict %d before anything was taken", q.name, n.name, v)
				}
			}
		}
	}
	return nil
}

// askedAfterwards is how often each question is put to each node after the answer.
const askedAfterwards = 2

// pace is between two questions before the answer: all nodes, their database and those who ask share one machine.
const pace = time.Millisecond

// askUntilDenied puts the questions in turn until each was sent often enough after the answer.
func (c *cluster) askUntilDenied(s *subject, n *node, refused <-chan struct{}) error {
	all := s.kind.questions()
	for i, after := 0, 0; after < askedAfterwards*len(all); i++ {
		select {
		case <-refused:
			return nil
		default:
		}
		sent := c.clock()
		v := all[i%len(all)].put(n.server().client, s)
		if v == failed {
			return fmt.Errorf("%s on %s failed while all was well", all[i%len(all)].name, n.name)
		}
		if answered := s.answered.Load(); answered != 0 && int64(sent) > answered {
			after++
			s.see(c, all[i%len(all)], n, sent, v)
			continue
		}
		<-time.After(pace)
	}
	return nil
}

// see takes note of the answer to a question that was sent after the answer to the revocation.
func (s *subject) see(c *cluster, q question, n *node, sent time.Duration, v verdict) {
	if v != allowed {
		return
	}
	s.wrong.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.details = append(s.details, fmt.Sprintf("%s on %s, sent %v after the answer and answered %v later",
		q.name, n.name, sent-time.Duration(s.answered.Load()), c.clock()-sent))
}
