package graph

import (
	"bytes"
	"context"
	stdjson "encoding/json"
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/propusk/propusk"
)

// answer reads one operation and writes what became of it. What was not even looked at has a status of 4xx; all else is 200, with errors
// in the body, as clients of GraphQL expect.
func (d *Door) answer(w http.ResponseWriter, r *http.Request, exec *executor.Executor) {
	params, refused := read(w, r)
	if refused != nil {
		d.write(w, refused.status, &graphql.Response{Errors: gqlerror.List{d.present(r.Context(), refused.refusal)}})
		return
	}
	ctx := graphql.StartOperationTrace(r.Context())
	operation, errs := exec.CreateOperationContext(ctx, params)
	if errs != nil {
		d.write(w, http.StatusOK, exec.DispatchError(graphql.WithOperationContext(ctx, operation), errs[:min(len(errs), maxErrors)]))
		return
	}
	responses, ctx := exec.DispatchOperation(ctx, operation)
	response := responses(ctx)
	if response == nil {
		response = &graphql.Response{Errors: gqlerror.List{d.present(ctx, context.Cause(ctx))}}
	}
	d.write(w, http.StatusOK, response)
}

func (d *Door) write(w http.ResponseWriter, status int, response *graphql.Response) {
	raw, err := stdjson.Marshal(response)
	if err != nil {
		panic("the answer is no JSON: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}

// unread refuses a body.
type unread struct {
	refusal *propusk.Error
	status  int
}

func unreadable(status int, code, message string) *unread {
	return &unread{status: status, refusal: &propusk.Error{Kind: propusk.Invalid, Code: code, Message: message}}
}

// body is a request of GraphQL over HTTP.
type body struct {
	Query         string         `json:"query"`
	OperationName string         `json:"operationName"`
	Variables     jsontext.Value `json:"variables"`
	// Extensions are allowed by the specification, and mean nothing here.
	Extensions jsontext.Value `json:"extensions"`
}

// read takes a body that only a program can have sent: browsers let a foreign page post forms and plain text without asking, but no JSON.
func read(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, *unread) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, unreadable(http.StatusUnsupportedMediaType, "unsupported_media_type",
			"send JSON, with the header Content-Type: application/json")
	}
	var in body
	err = json.UnmarshalRead(http.MaxBytesReader(w, r.Body, maxBodyBytes), &in, json.RejectUnknownMembers(true))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return nil, unreadable(http.StatusRequestEntityTooLarge, "request_entity_too_large", "a request must have at most 128 KiB")
	}
	variables, ok := object(in.Variables)
	if _, known := object(in.Extensions); err != nil || !ok || !known {
		return nil, unreadable(http.StatusBadRequest, "malformed_request",
			"send one JSON object with query and, if need be, operationName, variables and extensions; no key twice, and no list of requests")
	}
	if strings.TrimSpace(in.Query) == "" {
		return nil, unreadable(http.StatusBadRequest, "malformed_request", "query is missing: it holds the document")
	}
	return &graphql.RawParams{Query: in.Query, OperationName: in.OperationName, Variables: variables, Headers: r.Header}, nil
}

// object is a JSON object with its numbers as they were written, or null.
func object(raw jsontext.Value) (fields map[string]any, ok bool) {
	if len(raw) == 0 {
		return nil, true
	}
	in := stdjson.NewDecoder(bytes.NewReader(raw))
	in.UseNumber()
	return fields, in.Decode(&fields) == nil
}
