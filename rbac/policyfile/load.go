package policyfile

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The parser recurses into whatever is nested and takes time that grows with
// the square of the number of keys. A policy stays far below these limits.
const (
	maxTokens = 40_000
	maxKeys   = 4_000
	maxColumn = 200 // of block structure, where one more column may be one more level
	maxFlow   = 4   // brackets and braces within one another
)

// load returns the one document in data.
func load(data []byte) (ast.Node, *Error) {
	if len(data) > MaxSize {
		return nil, fault(1, "is larger than %d bytes", MaxSize)
	}
	if !utf8.Valid(data) {
		return nil, fault(1, "is not UTF-8 text")
	}
	tokens := lexer.Tokenize(string(data))
	if err := checkTokens(tokens); err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxFault(err)
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, fault(1, "must be one YAML document")
	}
	return file.Docs[0].Body, nil
}

func fault(line int, format string, args ...any) *Error {
	return &Error{Line: line, Err: fmt.Errorf(format, args...)}
}

// syntaxFault drops the excerpt of the file the parser adds to its messages.
func syntaxFault(err error) *Error {
	line, message := 1, err.Error()
	if at, ok := errors.AsType[yaml.Error](err); ok && at.GetToken() != nil {
		line, message = at.GetToken().Position.Line, at.GetMessage()
	}
	return fault(line, "not valid YAML: %.200s", message)
}

// checkTokens refuses, before the parser sees it, what a policy has no use for
// and an attacker might.
func checkTokens(tokens token.Tokens) *Error {
	if len(tokens) > maxTokens {
		return fault(1, "has more than %d words and signs", maxTokens)
	}
	var open []token.Type
	keys := 0
	for _, t := range tokens {
		line, column := t.Position.Line, t.Position.Column
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			return fault(line, `anchors and aliases are not allowed; quote a pattern that begins with "*"`)
		case token.TagType, token.DirectiveType, token.MappingKeyType:
			return fault(line, "tags, directives and \"?\" keys are not allowed")
		case token.LiteralType, token.FoldedType:
			return fault(line, "block texts are not allowed, write the text on one line")
		case token.SequenceStartType:
			open = append(open, token.SequenceEndType)
		case token.MappingStartType:
			open = append(open, token.MappingEndType)
		case token.SequenceEndType, token.MappingEndType:
			if len(open) == 0 || open[len(open)-1] != t.Type {
				return fault(line, "%s closes nothing", t.Value)
			}
			open = open[:len(open)-1]
		case token.MappingValueType:
			keys++
		}
		if len(open) > maxFlow || len(open) == 0 && isStructure(t) && column > maxColumn {
			return fault(line, "is nested too deep")
		}
	}
	if keys > maxKeys {
		return fault(1, "has more than %d keys", maxKeys)
	}
	return nil
}

func isStructure(t *token.Token) bool {
	return t.Type == token.MappingValueType || t.Type == token.SequenceEntryType
}
