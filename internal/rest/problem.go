package rest

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/guard"
)

// Problem is the body of every error answer (RFC 9457). It never repeats a value of the request.
type Problem struct {
	Title      string         `json:"title" doc:"The status in words" example:"Unprocessable Entity"`
	Status     int            `json:"status" doc:"The HTTP status" example:"422"`
	Code       string         `json:"code" doc:"Stable name of the error, for programs" example:"invalid_input"`
	Detail     string         `json:"detail" doc:"What is wrong and what to do" example:"the input was refused"`
	Permission string         `json:"permission,omitempty" doc:"The permission that was missing" example:"user:block"`
	RequestID  string         `json:"request_id,omitempty" doc:"Names this request in the server's log"`
	Errors     []ProblemField `json:"errors,omitempty" doc:"Which fields are wrong and what is allowed"`

	header http.Header
}

// ProblemField names one field of the request.
type ProblemField struct {
	Location string `json:"location" doc:"Where: body.…, query.…, path.… or header.…" example:"body.email"`
	Message  string `json:"message" doc:"What is allowed there"`
}

// Error is the detail.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders are headers that belong to the problem.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType is application/problem+json.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// problem turns what a service returned into an answer. What is not meant for clients is logged and said as an internal error.
func (d *Door) problem(ctx context.Context, err error) *Problem {
	e := d.classify(ctx, err)
	p := &Problem{
		Status: guard.Status(e), Code: e.Code, Detail: e.Message, Permission: e.Permission, header: http.Header{},
		RequestID: recordOf(ctx).requestID,
	}
	p.Title = http.StatusText(p.Status)
	for _, f := range e.Fields {
		p.Errors = append(p.Errors, ProblemField{Location: recordOf(ctx).fieldsIn + "." + f.Field, Message: f.Message})
	}
	if e.RetryAfter > 0 {
		p.header.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	if e.Kind == propusk.Unauthenticated {
		p.header.Set("WWW-Authenticate", challenge(e.Code))
	}
	return p
}

func (d *Door) classify(ctx context.Context, err error) *propusk.Error {
	var e *propusk.Error
	known := errors.As(err, &e) && e.Kind != propusk.Internal
	if known && e.Cause == nil {
		return e
	}
	level := slog.LevelError
	switch {
	case known:
		level = slog.LevelWarn
	case ctx.Err() != nil:
		e = &propusk.Error{Kind: propusk.Unavailable, Code: "timed_out", Message: "the request ended before it was answered: nothing was decided"}
		level = slog.LevelDebug
	default:
		e = &propusk.Error{Kind: propusk.Internal, Code: "internal", Message: "something went wrong on our side; the request_id names it in the server's log"}
	}
	about := []any{"error", err, "request_id", recordOf(ctx).requestID}
	if known {
		about = append(about, "cause", e.Cause)
	}
	d.Log.Log(ctx, level, "request failed", about...)
	return e
}

// challenge is RFC 6750's way to say which sort of 401 it is.
func challenge(code string) string {
	if code == "not_signed_in" || code == "invalid_credentials" {
		return `Bearer realm="propusk"`
	}
	return `Bearer realm="propusk", error="invalid_token"`
}

// newProblemOf makes a Problem of an error that huma found itself, in reading or validating the request.
func newProblemOf(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
	p := &Problem{Status: status, Title: http.StatusText(status), Code: codeOf(status), Detail: detailOf(status, message)}
	if ctx != nil {
		p.RequestID = recordOf(ctx.Context()).requestID
	}
	for _, err := range errs {
		var detail huma.ErrorDetailer
		if errors.As(err, &detail) {
			p.Errors = append(p.Errors, fieldOf(status, detail.ErrorDetail()))
		}
	}
	return p
}

// fieldOf says where the error is and what is allowed there; the value stays behind. Of a missing key huma names the object only.
func fieldOf(status int, d *huma.ErrorDetail) ProblemField {
	if status == http.StatusUnsupportedMediaType {
		return ProblemField{Location: "header.Content-Type", Message: "must be application/json"}
	}
	rest, isMissing := strings.CutPrefix(d.Message, "expected required property ")
	if name, ok := strings.CutSuffix(rest, " to be present"); isMissing && ok {
		return ProblemField{Location: d.Location + "." + name, Message: "is required"}
	}
	return ProblemField{Location: d.Location, Message: d.Message}
}

func codeOf(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "malformed_request"
	case http.StatusUnprocessableEntity:
		return "invalid_input"
	case http.StatusInternalServerError:
		return "internal"
	default:
		return strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
	}
}

func detailOf(status int, message string) string {
	switch status {
	case http.StatusUnprocessableEntity:
		return "the input was refused"
	case http.StatusBadRequest:
		return "the request could not be read"
	case http.StatusInternalServerError:
		return "something went wrong on our side; the request_id names it in the server's log"
	case http.StatusUnsupportedMediaType:
		return "send JSON, with the header Content-Type: application/json"
	default:
		return message
	}
}

// writeProblem answers outside huma.
func writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	p.Title, p.RequestID = http.StatusText(p.Status), recordOf(r.Context()).requestID
	maps.Copy(w.Header(), p.header)
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.MarshalWrite(w, p)
}
