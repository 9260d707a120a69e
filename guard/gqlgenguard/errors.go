package gqlgenguard

import (
	"context"
	"errors"
	"maps"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/propusk/propusk"
)

// fieldError is one of extensions.fields.
type fieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// ErrorPresenter tells clients of errors: give it to SetErrorPresenter of the server. A *propusk.Error gets extensions:
//
//	code         UNAUTHENTICATED, FORBIDDEN, NOT_FOUND, INVALID, CONFLICT, RATE_LIMITED, UNAVAILABLE or INTERNAL
//	reason       the stable code of the error, such as missing_role
//	permission   the one that was missing
//	fields       what is wrong with the input, as [{field, message}]
//	retry_after  how many seconds to wait
//
// What gqlgen itself says of a query, and a *gqlerror.Error of a resolver's own making, is told as it is. Every other error is INTERNAL,
// and its text stays in Err of the result, which no client gets to see.
func ErrorPresenter(ctx context.Context, err error) *gqlerror.Error {
	if err == nil {
		return nil
	}
	var told *gqlerror.Error
	var refused *propusk.Error
	switch {
	case errors.As(err, &refused):
	case errors.As(err, &told) && told.Err == nil:
		return told
	default:
		refused = &propusk.Error{}
	}
	shown := &gqlerror.Error{Err: err, Path: graphql.GetPath(ctx), Extensions: map[string]any{}}
	if errors.As(err, &told) {
		shown.Locations = told.Locations
		maps.Copy(shown.Extensions, told.Extensions)
		if told.Path != nil {
			shown.Path = told.Path
		}
	}
	shown.Message = describe(refused, shown.Extensions)
	return shown
}

// describe fills the extensions, and returns the message.
func describe(e *propusk.Error, extensions map[string]any) string {
	extensions["code"] = Code(e.Kind)
	if e.Kind == propusk.Internal {
		extensions["reason"] = "internal"
		return "something went wrong on our side"
	}
	extensions["reason"] = e.Code
	if e.Permission != "" {
		extensions["permission"] = e.Permission
	}
	if len(e.Fields) > 0 {
		fields := make([]fieldError, len(e.Fields))
		for i, f := range e.Fields {
			fields[i] = fieldError(f)
		}
		extensions["fields"] = fields
	}
	if e.RetryAfter > 0 {
		extensions["retry_after"] = int(e.RetryAfter.Seconds() + 0.5)
	}
	return e.Error()
}

// Code is the extensions.code of a kind of error.
func Code(kind propusk.Kind) string {
	switch kind {
	case propusk.Invalid:
		return "INVALID"
	case propusk.Unauthenticated:
		return "UNAUTHENTICATED"
	case propusk.Forbidden:
		return "FORBIDDEN"
	case propusk.NotFound:
		return "NOT_FOUND"
	case propusk.Conflict:
		return "CONFLICT"
	case propusk.RateLimited:
		return "RATE_LIMITED"
	case propusk.Unavailable:
		return "UNAVAILABLE"
	case propusk.Internal:
	}
	return "INTERNAL"
}
