package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/propusk/propusk"
)

// problem is the body of an error (RFC 9457).
type problem struct {
	Code       string         `json:"code"`
	Detail     string         `json:"detail"`
	Permission string         `json:"permission,omitempty"`
	Errors     []problemField `json:"errors,omitempty"`
}

type problemField struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

// kindOf is the one table from HTTP to kinds.
func kindOf(status int) (kind propusk.Kind, known bool) {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return propusk.Invalid, true
	case http.StatusUnauthorized:
		return propusk.Unauthenticated, true
	case http.StatusForbidden:
		return propusk.Forbidden, true
	case http.StatusNotFound:
		return propusk.NotFound, true
	case http.StatusConflict:
		return propusk.Conflict, true
	case http.StatusTooManyRequests:
		return propusk.RateLimited, true
	case http.StatusServiceUnavailable:
		return propusk.Unavailable, true
	case http.StatusInternalServerError:
		return propusk.Internal, true
	default:
		return propusk.Unavailable, false
	}
}

// refusal is the server's own word.
func (out call) refusal(response *http.Response, raw []byte) error {
	var p problem
	kind, known := kindOf(response.StatusCode)
	if err := decode(raw, &p); err != nil || !known || p.Code == "" {
		return out.odd(cmp.Or(err, fmt.Errorf("an error that says nothing, with status %d", response.StatusCode)))
	}
	if p.Code == "no_such_route" || p.Code == "method_not_allowed" {
		// It is the address that is wrong, or the version: not to be taken for a community that is not there.
		kind = propusk.Unavailable
	}
	e := &propusk.Error{Kind: kind, Code: p.Code, Message: p.Detail, Permission: p.Permission, RetryAfter: retryAfter(response.Header)}
	for _, f := range p.Errors {
		e.Fields = append(e.Fields, propusk.FieldError{Field: fieldOf(f.Location), Message: f.Message})
	}
	return e
}

// fieldOf is where the caller knows the field: below the body, the query or the path.
func fieldOf(location string) string {
	for _, place := range []string{"body.", "query.", "path."} {
		if field, ok := strings.CutPrefix(location, place); ok {
			return field
		}
	}
	return location
}

func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 0 || seconds > int((24*time.Hour).Seconds()) {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// lost is a call that got no answer, or part of one.
func (out call) lost(err error) error {
	// The text of a *url.Error has the address in it, and with it what was searched for.
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	var dialling *net.OpError
	if out.changes && !(errors.As(err, &dialling) && dialling.Op == "dial") {
		return outcomeUnknown(err)
	}
	return unsent(err)
}

// odd is an answer that is none.
func (out call) odd(err error) error {
	if out.changes {
		return outcomeUnknown(err)
	}
	return &propusk.Error{
		Kind: propusk.Unavailable, Code: "odd_answer", Cause: err,
		Message: "what answered is not a Propusk server that this client understands: nothing is allowed",
	}
}

// unsent is a call that changed nothing.
func unsent(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &propusk.Error{
			Kind: propusk.Unavailable, Code: "timed_out", Cause: err, Message: "the call ended before it was answered: nothing is allowed",
		}
	}
	return &propusk.Error{
		Kind: propusk.Unavailable, Code: "unreachable", Cause: err, Message: "the Propusk server cannot be reached: nothing is allowed",
	}
}

func outcomeUnknown(err error) error {
	return &propusk.Error{
		Kind: propusk.Unavailable, Code: "outcome_unknown", Cause: err,
		Message: "no answer came to a change: whether it happened is to be looked at",
	}
}

func errClosed() error {
	return &propusk.Error{Kind: propusk.Unavailable, Code: "closed", Message: "the client was closed: nothing is allowed"}
}

// communityNotFound is what the server says of communities that cannot be.
func communityNotFound() error {
	return &propusk.Error{
		Kind: propusk.NotFound, Code: "community_not_found", Message: "there is no such community, or you are not one of its members",
	}
}
