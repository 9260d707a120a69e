package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// ownChecks is how many of a hundred checks are about the account of one's own, whose roles are known.
const ownChecks = 10

// worker is one connection.
type worker struct {
	*run
	ctx  context.Context
	dice *rand.Rand
	// own is the account that only this connection uses; nil where the mix needs none.
	own *person
}

// send sends a request of a kind, whose time counts since then.
func (w *worker) send(kind Kind, since time.Time) {
	switch kind {
	case Login:
		w.login(since)
	case Roles:
		w.change(since)
	default:
		if w.own != nil && w.own.known && w.dice.IntN(100) < ownChecks {
			w.verify(since)
			return
		}
		w.check(since)
	}
}

// timed sends a request and measures it.
func (w *worker) timed(kind Kind, since time.Time, q request, into any) error {
	err := w.do(w.ctx, q, into)
	w.meters[kind].note(since, err)
	return err
}

// decision is the answer to a check.
type decision struct {
	Allowed *bool  `json:"allowed"`
	Reason  string `json:"reason"`
}

// check asks about anybody.
func (w *worker) check(since time.Time) {
	q := w.stage.questions[w.dice.IntN(len(w.stage.questions))]
	_ = w.ask(since, w.stage.token, q, &decision{}) // which the meter has counted
}

// ask sends a check. An answer that decides nothing is none.
func (w *worker) ask(since time.Time, token string, q question, into *decision) error {
	err := w.do(w.ctx, request{method: http.MethodPost, path: "/api/check", token: token, body: q}, into)
	if err == nil && into.Allowed == nil {
		err = errOdd
	}
	w.meters[Check].note(since, err)
	return err
}

// login logs the own account in. It goes on with the new token.
func (w *worker) login(since time.Time) {
	var t tokens
	if err := w.timed(Login, since, loginOf(w.own.email, w.own.password), &t); err == nil && t.AccessToken != "" {
		w.own.token = t.AccessToken
	}
}

// change gives the own account the role, or takes it, and asks at once whether that is so. After a change of which nobody knows whether it
// happened nothing is expected, until another one is acknowledged.
func (w *worker) change(since time.Time) {
	give := !w.own.has
	method := http.MethodPost
	if !give {
		method = http.MethodDelete
	}
	path := fmt.Sprintf("/api/communities/%d/members/%s/roles/%s", w.stage.community, w.own.userID, w.stage.role)
	w.own.known = false
	err := w.timed(Roles, since, w.request(method, path, nil), nil)
	if err != nil {
		return
	}
	w.own.known, w.own.has = true, give
	w.verify(time.Now())
}

// verify asks about the own account, as that account, and compares the answer with what was acknowledged last.
func (w *worker) verify(since time.Time) {
	var got decision
	err := w.ask(since, w.own.token, question{Permission: w.stage.proof, CommunityID: w.stage.community}, &got)
	if err != nil {
		return
	}
	w.stage.verified.Add(1)
	if *got.Allowed == w.own.has {
		return
	}
	if w.own.has {
		w.wrong.add("denied after the role had been given, reason " + got.Reason)
	} else {
		w.wrong.add("allowed after the role had been taken, reason " + got.Reason)
	}
}
