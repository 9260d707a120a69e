package rest

import (
	"errors"
	"fmt"
	"io"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// strictJSON refuses what lenient parsers read in different ways, the stuff of privilege escalation between two programs: duplicate
// keys, keys in another case, keys nobody knows, invalid UTF-8, trailing data. Its errors name places, never values.
var strictJSON = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		return json.MarshalWrite(w, v, json.FormatNilSliceAsNull(false))
	},
	Unmarshal: func(data []byte, v any) error {
		err := json.Unmarshal(data, v, json.RejectUnknownMembers(true))
		var syntactic *jsontext.SyntacticError
		var semantic *json.SemanticError
		switch {
		case err == nil:
			return nil
		case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntactic):
			return fmt.Errorf("the key %q is given twice", string(syntactic.JSONPointer.LastToken()))
		case errors.As(err, &syntactic):
			return fmt.Errorf("not valid JSON at byte %d", syntactic.ByteOffset)
		case errors.As(err, &semantic):
			return fmt.Errorf("%s is not of the type that is described in /docs", semantic.JSONPointer)
		default:
			return errors.New("the body cannot be read as JSON")
		}
	},
}
