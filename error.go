package propusk

import (
	"errors"
	"time"
)

// Kind says what sort of failure an error is; each door has one table from kinds to its own status.
type Kind uint8

// The kinds of failure. The zero value is Internal, so an error that nobody classified is never shown to a client.
const (
	// Internal is a fault of ours or of something below us: it is logged with the request's id and never sent.
	Internal Kind = iota
	// Invalid is input that can never be accepted as it is; Fields say what is wrong and what is allowed.
	Invalid
	// Unauthenticated means that it is not known who asks.
	Unauthenticated
	// Forbidden means that the caller is known and may not.
	Forbidden
	// NotFound means that there is no such thing, or that the caller may not know of it.
	NotFound
	// Conflict means that the present state forbids the change.
	Conflict
	// RateLimited means too many attempts; RetryAfter says when the next one is looked at.
	RateLimited
	// Unavailable means that it cannot be answered now, and that nothing is allowed. RetryAfter says when to try again. Nothing was changed
	// either, but for the code outcome_unknown: the database was lost in the middle of a commit, and whether it happened is to be looked at.
	Unavailable
)

// Error is a refusal that may be shown to whoever asked. It never holds a password, a token or another secret.
type Error struct {
	Kind Kind
	// Code is stable, lower_snake_case, for programs.
	Code string
	// Message is for people: what is wrong and what to do next.
	Message string
	// Fields name the offending input, for Kind Invalid (and Conflict, where one field collides).
	Fields []FieldError
	// Permission is the one that was missing, for Kind Forbidden.
	Permission string
	// RetryAfter is how long to wait, for RateLimited and Unavailable; zero when unknown.
	RetryAfter time.Duration
	// Cause is for the log only.
	Cause error
}

// FieldError says what is wrong with one field of the input. It never repeats the value.
type FieldError struct {
	// Field is the path of the field as the client sent it, such as "email" or "members[3].roles".
	Field string
	// Message tells what is allowed.
	Message string
}

// Error is the message; fields follow it, so that a terminal shows the whole story.
func (e *Error) Error() string {
	text := e.Message
	for _, f := range e.Fields {
		text += "; " + f.Field + ": " + f.Message
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is compares codes, so that errors.Is(err, &Error{Code: "email_taken"}) works across a network.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Code != "" && t.Code == e.Code
}

// KindOf is the kind of the first *Error in err's chain, and Internal for every other error. A nil error has no kind; do not ask.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// InvalidField is a refusal of one field of the input.
func InvalidField(field, message string) *Error {
	return &Error{
		Kind: Invalid, Code: "invalid_input", Message: "the input was refused",
		Fields: []FieldError{{Field: field, Message: message}},
	}
}
