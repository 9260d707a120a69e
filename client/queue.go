package client

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/rbac"
)

// maxFlights is how many calls with questions are under way at once. More of them make the server answer the same with more work, fewer
// make a question wait for a call that has nothing to do with it.
const maxFlights = 4

// queue collects questions while calls are under way.
type queue struct {
	// settle answers all questions of a call.
	settle func([]*asked)

	mu sync.Mutex
	// waiting are those of no call yet, in their order; the same by question.
	waiting []*asked
	same    map[propusk.Question]*asked
	flights int
	flying  sync.WaitGroup
	closed  bool
}

// asked is a question, and who waits for it.
type asked struct {
	question propusk.Question
	// callers is how many wait; the queue's lock guards it.
	callers int
	// settled is closed once decision and err say what became of it.
	settled  chan struct{}
	decision rbac.Decision
	err      error
}

func (a *asked) settleWith(d rbac.Decision, err error) {
	a.decision, a.err = d, err
	close(a.settled)
}

// ask puts a question, and returns nil once the queue is closed. It joins the same question if that was not sent yet, and is sent at once
// when there is a call to spare.
func (q *queue) ask(question propusk.Question) *asked {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	a, known := q.same[question]
	if !known {
		a = &asked{question: question, settled: make(chan struct{})}
		if q.same == nil {
			q.same = make(map[propusk.Question]*asked)
		}
		q.same[question] = a
		q.waiting = append(q.waiting, a)
	}
	a.callers++
	if q.flights < maxFlights {
		q.flights++
		q.flying.Go(q.fly)
	}
	return a
}

// giveUp is a caller who waits no longer. A question for which nobody waits is not sent.
func (q *queue) giveUp(a *asked) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if a.callers--; a.callers > 0 || q.same[a.question] != a {
		return
	}
	delete(q.same, a.question)
	q.waiting = slices.DeleteFunc(q.waiting, func(other *asked) bool { return other == a })
}

// fly makes one call after the other, as long as there are questions.
func (q *queue) fly() {
	for {
		batch := q.take()
		if len(batch) == 0 {
			return
		}
		q.settle(batch)
	}
}

// take empties the queue into a call, or ends the flight. From here on nobody joins these questions.
func (q *queue) take() []*asked {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), maxBatch)
	if n == 0 {
		q.flights--
		return nil
	}
	batch := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	for _, a := range batch {
		delete(q.same, a.question)
	}
	return batch
}

// close takes no more questions, and returns when no call is under way.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.flying.Wait()
}

// settle asks the questions of several callers. When the server refuses the whole call for some of them, these get the refusal and the
// rest is asked again. All of it together has the time of one call.
func (c *Client) settle(batch []*asked) {
	ctx, cancel := context.WithTimeout(c.life, c.timeout)
	defer cancel()
	for len(batch) > 0 {
		decisions, err := c.batch(ctx, questionsOf(batch))
		if err == nil {
			for i, a := range batch {
				a.settleWith(decisions[i], nil)
			}
			return
		}
		batch = c.refuse(ctx, batch, err)
	}
}

func questionsOf(batch []*asked) []propusk.Question {
	questions := make([]propusk.Question, len(batch))
	for i, a := range batch {
		questions[i] = a.question
	}
	return questions
}

// refuse gives an error to the questions that it is about, and returns the others. An error that is about none is about all.
func (c *Client) refuse(ctx context.Context, batch []*asked, err error) (others []*asked) {
	var e *propusk.Error
	var whose map[int]error
	if errors.As(err, &e) && e.Kind == propusk.Invalid {
		whose = named(e, len(batch))
	}
	if e != nil && e.Kind == propusk.Forbidden {
		whose = c.aboutOthers(ctx, batch, e)
	}
	for i, a := range batch {
		switch its, is := whose[i]; {
		case is:
			a.settleWith(rbac.Decision{}, its)
		case len(whose) == 0:
			a.settleWith(rbac.Decision{}, err)
		default:
			others = append(others, a)
		}
	}
	return others
}

// named gives each question that an error names its own part of it.
func named(e *propusk.Error, n int) map[int]error {
	faults := make(map[int][]propusk.FieldError)
	for _, f := range e.Fields {
		if i, name, ok := placed(f.Field); ok && i < n {
			faults[i] = append(faults[i], propusk.FieldError{Field: name, Message: f.Message})
		}
	}
	whose := make(map[int]error, len(faults))
	for i, fields := range faults {
		whose[i] = &propusk.Error{Kind: e.Kind, Code: e.Code, Message: e.Message, Fields: fields}
	}
	return whose
}

// aboutOthers gives the refusal to the questions about other people, which may be why the server refused them all. Who the caller is the
// server tells, unless it does not matter.
func (c *Client) aboutOthers(ctx context.Context, batch []*asked, e *propusk.Error) map[int]error {
	people := make(map[string]bool)
	for _, a := range batch {
		people[strings.ToLower(a.question.UserID)] = true
	}
	if len(people) == 1 {
		return nil
	}
	me, err := c.Inspect(ctx, c.credentials, 0)
	whose := make(map[int]error)
	for i, a := range batch {
		myself := strings.EqualFold(a.question.UserID, me.User.UserID) && me.KeyID == ""
		switch {
		case a.question.UserID == "" || (err == nil && myself):
		case err != nil:
			whose[i] = err
		default:
			whose[i] = e
		}
	}
	return whose
}
