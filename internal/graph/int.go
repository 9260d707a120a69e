package graph

import (
	"encoding/json"
	"io"
	"math"
	"strconv"

	"github.com/99designs/gqlgen/graphql"

	"github.com/propusk/propusk"
)

// MarshalInt writes a number of our own. It is in range: ids are below 2³¹, and times until 2038.
func MarshalInt(n int64) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { _, _ = io.WriteString(w, strconv.FormatInt(n, 10)) })
}

// UnmarshalInt takes what GraphQL calls an Int: a whole number of 32 bits. Invalid.
func UnmarshalInt(v any) (int64, error) {
	n, err := int64(math.MinInt64), error(nil)
	switch v := v.(type) {
	case int64:
		n = v
	case int:
		n = int64(v)
	case json.Number:
		n, err = strconv.ParseInt(v.String(), 10, 64)
	}
	if err != nil || n < math.MinInt32 || n > math.MaxInt32 {
		return 0, &propusk.Error{Kind: propusk.Invalid, Code: "invalid_input", Message: "an Int must be a whole number of 32 bits"}
	}
	return n, nil
}
