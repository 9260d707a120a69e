package graph

import (
	"context"
	"errors"
	"math"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/guard/gqlgenguard"
	"github.com/propusk/propusk/internal/access"
)

// shown is a refusal that Refusal has judged already.
type shown struct{ refusal *propusk.Error }

// Error is what is shown.
func (s shown) Error() string { return s.refusal.Error() }

// payload is an object with success and error.
type payload interface {
	settle(success bool, message *string)
}

// settled is how every field with a payload ends: a refusal is told in the payload and under errors.
func settled[P any, R interface {
	*P
	payload
}](ctx context.Context, d *Door, p P, err error) (*P, error) {
	d.settle(ctx, R(&p), err)
	return &p, nil
}

func (d *Door) settle(ctx context.Context, p payload, err error) {
	if err == nil {
		p.settle(true, nil)
		return
	}
	e := d.Refusal(ctx, err)
	graphql.AddError(ctx, shown{e})
	p.settle(false, new(e.Error()))
}

// authenticated implements the directive: only holders of a live session, or of an API key where one will do, get to the field.
func (d *Door) authenticated(ctx context.Context, _ any, next graphql.Resolver, session bool) (any, error) {
	pass, err := requestOf(ctx).pass()
	if err == nil && session && pass.KeyID != "" {
		err = access.SessionRequired()
	}
	if err == nil {
		return next(ctx)
	}
	p := payloadOf(graphql.GetFieldContext(ctx).Field.Definition.Type.Name())
	if p == nil {
		return nil, err
	}
	d.settle(ctx, p, err)
	return p, nil
}

// present makes an error fit to be sent.
func (d *Door) present(ctx context.Context, err error) *gqlerror.Error {
	var at *gqlerror.Error
	out := &gqlerror.Error{Path: graphql.GetPath(ctx)}
	if errors.As(err, &at) {
		out.Path, out.Locations = at.Path, at.Locations
		if at.Err == nil {
			err = misread(at)
		}
	}
	var judged shown
	if !errors.As(err, &judged) {
		judged.refusal = d.Refusal(ctx, err)
	}
	out.Message, out.Extensions = judged.refusal.Message, extensions(judged.refusal)
	if id := d.Origin(ctx).RequestID; id != "" {
		out.Extensions["request_id"] = id
	}
	return out
}

func extensions(e *propusk.Error) map[string]any {
	out := map[string]any{"code": gqlgenguard.Code(e.Kind), "reason": e.Code}
	if e.Permission != "" {
		out["permission"] = e.Permission
	}
	if e.RetryAfter > 0 {
		out["retry_after"] = int(math.Ceil(e.RetryAfter.Seconds()))
	}
	if len(e.Fields) > 0 {
		fields := make([]map[string]string, len(e.Fields))
		for i, f := range e.Fields {
			fields[i] = map[string]string{"field": f.Field, "message": f.Message}
		}
		out["fields"] = fields
	}
	return out
}

// misread is what may be told of a document that could not be read: of the rules about names what they found, of all others only where, for
// they repeat values, and a value may be a password.
func misread(found *gqlerror.Error) error {
	e := &propusk.Error{
		Kind: propusk.Invalid, Code: "invalid_document", Message: "the document, or one of its variables, is not what the schema says",
	}
	switch found.Rule {
	case "FieldsOnCorrectType", "FieldsOnCorrectTypeWithoutSuggestions", "ScalarLeafs", "ScalarLeafsWithoutSuggestions", "KnownDirectives",
		"KnownFragmentNames", "KnownTypeNames", "KnownRootType", "NoUndefinedVariables", "NoUnusedFragments", "NoUnusedVariables",
		"NoFragmentCycles", "ProvidedRequiredArguments", "UniqueVariableNames", "UniqueArgumentNames", "VariablesInAllowedPosition",
		"MaxIntrospectionDepth", "LoneAnonymousOperation", "OverlappingFieldsCanBeMerged", "UniqueOperationNames":
		e.Message = brief(found.Message)
	case "KnownArgumentNames":
		e.Message = "an argument is unknown"
	case "":
		if found.Message == tokenLimitMessage {
			e.Code, e.Message = "document_too_long", "a document must have at most 2,000 tokens"
		}
	}
	return e
}

// maxMessage bounds what is told of one fault, in bytes: it repeats names, which may be as long as the document.
const maxMessage = 300

func brief(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + "…"
}
