package gqlgenguard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"

	"github.com/99designs/gqlgen/graphql"

	"github.com/propusk/propusk"
)

// community is where a field is decided; ok is false when nothing but the request says so.
func (d *Directives) community(ctx context.Context, obj any) (id int64, ok bool, err error) {
	field := graphql.GetFieldContext(ctx)
	if field == nil {
		return 0, false, nil
	}
	if id, ok, err = d.named(field); ok || err != nil {
		return id, ok, err
	}
	if d.communityOf != nil && obj != nil {
		if id, ok = d.communityOf(ctx, obj); ok {
			return id, true, nil
		}
	}
	// In { community(community_id: 5) { members } } the members are those of 5, whatever header the client sent.
	for field = field.Parent; field != nil; field = field.Parent {
		if id, ok, err = d.named(field); ok || err != nil {
			return id, ok, err
		}
	}
	return 0, false, nil
}

// named is the community that a field's argument names. One that is left out, or null, names none.
func (d *Directives) named(field *graphql.FieldContext) (id int64, ok bool, err error) {
	arg := d.arg()
	value, ok := field.Args[arg]
	if !ok || absent(value) {
		return 0, false, nil
	}
	if id, ok = integer(value); !ok || id < 1 {
		return 0, false, propusk.InvalidField(arg, "must be the id of a community")
	}
	return id, true, nil
}

// arg is never empty, so that the zero Directives look at the argument too.
func (d *Directives) arg() string {
	if d.communityArg == "" {
		return DefaultCommunityArg
	}
	return d.communityArg
}

// absent reports whether value is null.
func absent(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case int, int32, int64, string:
		return false
	case *int:
		return value == nil
	}
	v := reflect.ValueOf(value)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// integer reads what gqlgen makes of Int, of ID and of scalars of one's own.
func integer(value any) (int64, bool) {
	switch value := value.(type) {
	case int:
		return int64(value), true
	case int64:
		return value, true
	case *int:
		return int64(*value), true
	case json.Number:
		return decimal(value.String())
	}
	v := reflect.ValueOf(value)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	switch {
	case v.CanInt():
		return v.Int(), true
	case v.CanUint():
		return int64(v.Uint()), v.Uint() <= math.MaxInt64
	case v.Kind() == reflect.String:
		return decimal(v.String())
	}
	return 0, false
}

func decimal(text string) (int64, bool) {
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil
}

// argument is what @owns is about.
func argument(ctx context.Context, name string) (any, error) {
	field := graphql.GetFieldContext(ctx)
	if field == nil {
		return nil, mistake(errors.New("gqlgenguard: @owns outside of a field"))
	}
	value, ok := field.Args[name]
	if ok && !absent(value) {
		return value, nil
	}
	if !ok && !declared(field, name) {
		return nil, mistake(fmt.Errorf("gqlgenguard: @owns names the argument %q, which the field does not have", name))
	}
	return nil, propusk.InvalidField(name, "must name an object")
}

// declared reports whether the schema gives the field such an argument.
func declared(field *graphql.FieldContext, name string) bool {
	return field.Field.Field != nil && field.Field.Definition != nil && field.Field.Definition.Arguments.ForName(name) != nil
}
