package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/rbac"
)

// maxBatch is how many questions one call takes.
const maxBatch = 1000

// Check answers one question; it implements [propusk.Checker]. It asks the server every time, and never waits for a call that was sent
// before the question was put. While calls are under way, questions that are put meanwhile go together in the next one. What becomes of
// the others there is not this question's concern: neither a malformed question among them nor one that was given up.
func (c *Client) Check(ctx context.Context, q propusk.Question) (rbac.Decision, error) {
	if faults := faultsOf(q, ""); len(faults) > 0 {
		return rbac.Decision{}, invalid(faults)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return rbac.Decision{}, unsent(err)
	}
	asked := c.queue.ask(q)
	if asked == nil {
		return rbac.Decision{}, errClosed()
	}
	select {
	case <-asked.settled:
		return asked.decision, asked.err
	case <-ctx.Done():
		c.queue.giveUp(asked)
		return rbac.Decision{}, unsent(ctx.Err())
	}
}

// CheckAll answers questions in their order; it implements [propusk.Checker]. It makes calls of its own, one after the other, with up to a
// thousand questions each. An error names the question as in checks[7].permission, and then there are no decisions.
func (c *Client) CheckAll(ctx context.Context, questions []propusk.Question) ([]rbac.Decision, error) {
	var faults []propusk.FieldError
	for i, q := range questions {
		faults = append(faults, faultsOf(q, place(i)+".")...)
	}
	if len(faults) > 0 {
		return nil, invalid(faults)
	}
	decisions := make([]rbac.Decision, 0, len(questions))
	for start := 0; start < len(questions); start += maxBatch {
		some, err := c.batch(ctx, questions[start:min(start+maxBatch, len(questions))])
		if err != nil {
			return nil, shifted(err, start)
		}
		decisions = append(decisions, some...)
	}
	return decisions, nil
}

// shifted names the questions of a later call as the caller counts them.
func shifted(err error, by int) error {
	var e *propusk.Error
	if by == 0 || !errors.As(err, &e) {
		return err
	}
	moved := *e
	moved.Fields = nil
	for _, f := range e.Fields {
		if i, name, ok := placed(f.Field); ok {
			f.Field = strings.TrimSuffix(place(i+by)+"."+name, ".")
		}
		moved.Fields = append(moved.Fields, f)
	}
	return &moved
}

type questionBody struct {
	Permission  string `json:"permission"`
	CommunityID *int64 `json:"community_id,omitempty"`
	UserID      string `json:"user_id,omitempty"`
	OwnerID     string `json:"owner_id,omitempty"`
}

type batchBody struct {
	Checks []questionBody `json:"checks"`
}

type decisionAnswer struct {
	Allowed bool   `json:"allowed"`
	Reason  string `json:"reason"`
}

type batchAnswer struct {
	Results []decisionAnswer `json:"results"`
}

// batch asks up to a thousand questions in one call.
func (c *Client) batch(ctx context.Context, questions []propusk.Question) ([]rbac.Decision, error) {
	body := batchBody{Checks: make([]questionBody, len(questions))}
	for i, q := range questions {
		body.Checks[i] = questionBody{Permission: q.Permission, CommunityID: communityOf(q), UserID: q.UserID, OwnerID: q.OwnerID}
	}
	out := call{
		method: http.MethodPost, path: "/api/check/batch", bearer: c.credentials, body: encode(body), repeatable: true,
	}
	var answer batchAnswer
	if err := c.do(ctx, out, &answer); err != nil {
		return nil, err
	}
	if len(answer.Results) != len(questions) {
		return nil, out.odd(errors.New("there are not as many decisions as questions"))
	}
	decisions := make([]rbac.Decision, len(questions))
	for i, result := range answer.Results {
		var err error
		if decisions[i], err = result.decision(); err != nil {
			return nil, out.odd(err)
		}
	}
	return decisions, nil
}

// communityOf leaves out the default community, and sends what can be no community as such: a number too large for the database must not
// spoil the call for others.
func communityOf(q propusk.Question) *int64 {
	id := q.CommunityID
	if id == 0 {
		return nil
	}
	if id < 1 || id > maxID {
		id = -1
	}
	return &id
}

// decision allows only what is allowed for a reason that allows.
func (d decisionAnswer) decision() (rbac.Decision, error) {
	reason := rbac.Reason(d.Reason)
	allows := reason == rbac.ReasonRole || reason == rbac.ReasonOwn || reason == rbac.ReasonPlatformAdmin
	if d.Allowed != allows || reason == "" {
		return rbac.Decision{}, errors.New("a decision and its reason do not agree")
	}
	return rbac.Decision{Allowed: d.Allowed, Reason: reason}, nil
}

// faultsOf is what the server would refuse in a question, in its words; at comes before the names of fields.
func faultsOf(q propusk.Question, at string) (faults []propusk.FieldError) {
	if _, err := rbac.ParsePermission(q.Permission); err != nil {
		faults = append(faults, propusk.FieldError{
			Field: at + "permission", Message: fmt.Sprintf("must be a concrete permission such as shout:create: %v", err),
		})
	}
	if q.UserID != "" && !isUserID(q.UserID) {
		faults = append(faults, propusk.FieldError{Field: at + "user_id", Message: noUserID})
	}
	if q.OwnerID != "" && !isUserID(q.OwnerID) {
		faults = append(faults, propusk.FieldError{Field: at + "owner_id", Message: noUserID})
	}
	return faults
}

func invalid(faults []propusk.FieldError) error {
	return &propusk.Error{Kind: propusk.Invalid, Code: "invalid_input", Message: "the input was refused", Fields: faults}
}

const noUserID = "must be the user_id of an account, a UUID"

// isUserID takes the plain form of a UUID.
func isUserID(text string) bool {
	for i := range len(text) {
		c := text[i]
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (c == '-') || !dash && !hex {
			return false
		}
	}
	return len(text) == 36
}

func place(i int) string { return "checks[" + strconv.Itoa(i) + "]" }

// placed takes the name of a field apart: checks[7].permission is permission of question 7.
func placed(name string) (i int, rest string, ok bool) {
	after, ok := strings.CutPrefix(name, "checks[")
	number, rest, closed := strings.Cut(after, "]")
	i, err := strconv.Atoi(number)
	return i, strings.TrimPrefix(rest, "."), ok && closed && err == nil && i >= 0
}
