package gqlgenguard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/guard/gqlgenguard"
)

// The signatures that gqlgen generates for Schema.
var (
	_ func(context.Context, any, graphql.Resolver, string) (any, error)         = directives().HasPermission
	_ func(context.Context, any, graphql.Resolver, []string) (any, error)       = directives().HasAnyPermission
	_ func(context.Context, any, graphql.Resolver, []string) (any, error)       = directives().HasAllPermissions
	_ func(context.Context, any, graphql.Resolver, string) (any, error)         = directives().HasRole
	_ func(context.Context, any, graphql.Resolver) (any, error)                 = directives().AdminOnly
	_ func(context.Context, any, graphql.Resolver) (any, error)                 = directives().Authenticated
	_ func(context.Context, any, graphql.Resolver, string, string) (any, error) = directives().Owns
	_ graphql.OperationMiddleware                                               = directives().Operation
	_ graphql.ErrorPresenterFunc                                                = gqlgenguard.ErrorPresenter
)

func schema(t *testing.T, text string, declarations ...string) *ast.Schema {
	t.Helper()
	declared := append(declarations, gqlgenguard.Schema)[0]
	s, err := gqlparser.LoadSchema(
		&ast.Source{Name: "directives.graphqls", Input: declared}, &ast.Source{Name: "site.graphqls", Input: text})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestUncovered(t *testing.T) {
	t.Parallel()
	s := schema(t, `
		directive @open on FIELD_DEFINITION
		schema { query: Reading mutation: Writing subscription: Hearing }
		type Reading { shouts: [String] me: String @authenticated about: String @open }
		type Writing {
			a: Int @hasPermission(name: "shout:create") b: Int @hasAnyPermission(names: ["shout:create"])
			c: Int @hasAllPermissions(names: ["shout:create"]) d: Int @hasRole(name: "editor") e: Int @adminOnly
			f(id: Int): Int @owns(permission: "shout:update", arg: "id") g: Int @deprecated h: Int
		}
		type Hearing { news: String }`)
	want := []string{"Reading.shouts", "Reading.about", "Writing.g", "Writing.h", "Hearing.news"}
	if got := gqlgenguard.Uncovered(s); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := gqlgenguard.Uncovered(s, "open"); slices.Contains(got, "Reading.about") {
		t.Errorf("%q", got)
	}
	if got := gqlgenguard.Uncovered(schema(t, `type Query { me: String @authenticated }`)); len(got) != 0 {
		t.Errorf("%q", got)
	}
	if err := directives().Validate(s); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ field, want string }{
		"a wildcard":                  {`a: Int @hasPermission(name: "shout:*")`, "site.graphqls:2:9: @hasPermission on Query.a: "},
		"one of several":              {`a: Int @hasAnyPermission(names: ["shout:create", "Shout"])`, `"Shout"`},
		"none of several":             {`a: Int @hasAllPermissions(names: [])`, "it lets nobody pass"},
		"a role in capitals":          {`a: Int @hasRole(name: "Editor")`, `"Editor" is no id of a role`},
		"an empty role":               {`a: Int @hasRole(name: "")`, `"" is no id of a role`},
		"an object nobody looks up":   {`a(id: Int): Int @owns(permission: "topic:update", arg: "id")`, `there is no Finder for "topic"`},
		"a missing argument":          {`a(id: Int): Int @owns(permission: "shout:update", arg: "x")`, `the field has no argument "x"`},
		"a malformed own":             {`a(id: Int): Int @owns(permission: "shout", arg: "id")`, `"shout"`},
		"a hidden community":          {`a(input: Hidden): Int @hasPermission(name: "shout:create")`, "the community in input.community_id"},
		"a deeply hidden community":   {`a(input: Deep): Int @adminOnly`, "the community in input.inner.community_id"},
		"a list of communities":       {`a(community_id: [Int!]): Int @adminOnly`, "must be one number"},
		"a community that is an enum": {`a(community_id: Which): Int @adminOnly`, "must be one number"},
		"a hidden one, and a plain":   {`a(input: Hidden, community_id: Int): Int @hasPermission(name: "shout:create")`, "the community in input.community_id"},
		"a community of another name": {`a(community: Int!): Int @hasPermission(name: "shout:create")`, "the community in community is not the one"},
		"one in another spelling":     {`a(communityId: Int!): Int @hasRole(name: "editor")`, "the community in communityId is not the one"},
		"one that nothing depends on": {`a(community: Int!): Int @authenticated`, ""},
		"a hidden one, owned":         {`a(input: Hidden): Int @owns(permission: "shout:update", arg: "input")`, ""},
		"all is well":                 {`a(community_id: ID!): Int @hasPermission(name: "reaction:PROOF:create") @hasRole(name: "editor")`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := directives().Validate(schema(t, "type Query {\n"+tt.field+"\n}\n"+`
				enum Which { ONE }
				input Hidden { community_id: Int! again: Hidden }
				input Deep { above: Deep inner: Hidden }`))
			switch {
			case tt.want == "" && err != nil, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// TestDirectivesThatGuardNothing: gqlgen runs them on fields of objects only, or where others' declarations put them.
func TestDirectivesThatGuardNothing(t *testing.T) {
	t.Parallel()
	err := directives().Validate(schema(t, `
		type Query @authenticated { a(id: Int @authenticated): Int }
		interface Named { name: String @authenticated }
		input Form { text: String @authenticated }
		enum Colour { RED @authenticated }
		scalar Time @authenticated`,
		"directive @authenticated on FIELD_DEFINITION | OBJECT | ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION | ENUM_VALUE | SCALAR"))
	for _, place := range []string{"Query", "Query.a(id)", "Named.name", "Form.text", "Colour.RED", "Time"} {
		if err == nil || !strings.Contains(err.Error(), "@authenticated on "+place+" guards nothing") {
			t.Errorf("%s is not reported: %v", place, err)
		}
	}
}

func TestCommunityArg(t *testing.T) {
	t.Parallel()
	g := gqlgenguard.New(gqlgenguard.CommunityArg("magazine"))
	newRegister(t).visit("author", func(ctx context.Context) {
		got, err := g.HasPermission(field(ctx, args{"magazine": 1, "community_id": 2}), nil, resolved, "shout:create")
		if err != nil || got != int64(1) {
			t.Errorf("%v %v", got, err)
		}
	})
	if g.Validate(schema(t, `type Query { a(magazine: [Int]): Int @adminOnly }`)) == nil {
		t.Error("a list of magazines")
	}
}

func TestErrorPresenter(t *testing.T) {
	t.Parallel()
	secret := errors.New("secret of the database")
	gone := &propusk.Error{Kind: propusk.NotFound, Code: "no_shout", Message: "none"}
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"a refusal": {
			&propusk.Error{Kind: propusk.Forbidden, Code: "missing_permission", Permission: "shout:create", Message: "no"},
			`{"message":"no","extensions":{"code":"FORBIDDEN","permission":"shout:create","reason":"missing_permission"}}`,
		},
		"a refusal within others": {
			fmt.Errorf("%w and %w", secret, gqlerror.WrapPath(ast.Path{ast.PathName("a")}, gone)),
			`{"message":"none","path":["a"],"extensions":{"code":"NOT_FOUND","reason":"no_shout"}}`,
		},
		"input": {
			propusk.InvalidField("title", "must not be empty"),
			`{"message":"the input was refused; title: must not be empty","extensions":{"code":"INVALID",` +
				`"fields":[{"field":"title","message":"must not be empty"}],"reason":"invalid_input"}}`,
		},
		"too many": {
			&propusk.Error{Kind: propusk.RateLimited, Code: "slow_down", Message: "wait", RetryAfter: 2e9},
			`{"message":"wait","extensions":{"code":"RATE_LIMITED","reason":"slow_down","retry_after":2}}`,
		},
		"a fault of ours": {
			&propusk.Error{Code: "secret", Message: "secret", Permission: "secret", Cause: secret},
			`{"message":"something went wrong on our side","extensions":{"code":"INTERNAL","reason":"internal"}}`,
		},
		"a resolver's fault": {secret, `{"message":"something went wrong on our side","extensions":{"code":"INTERNAL","reason":"internal"}}`},
		"a resolver's fault, as gqlgen hands it on": {
			gqlerror.WrapPath(ast.Path{ast.PathName("a")}, secret),
			`{"message":"something went wrong on our side","path":["a"],"extensions":{"code":"INTERNAL","reason":"internal"}}`,
		},
		"what gqlgen says": {&gqlerror.Error{Message: "unknown field"}, `{"message":"unknown field"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shown := gqlgenguard.ErrorPresenter(t.Context(), tt.err)
			if got, err := json.Marshal(shown); err != nil || string(got) != tt.want {
				t.Errorf("%s %v\nwant %s", got, err, tt.want)
			}
			if !errors.Is(shown, tt.err) {
				t.Error("the log does not get to see the error")
			}
		})
	}
	if gqlgenguard.ErrorPresenter(t.Context(), nil) != nil {
		t.Error("no error is one")
	}
	for kind, code := range map[propusk.Kind]string{
		propusk.Internal: "INTERNAL", propusk.Invalid: "INVALID", propusk.Unauthenticated: "UNAUTHENTICATED",
		propusk.Forbidden: "FORBIDDEN", propusk.NotFound: "NOT_FOUND", propusk.Conflict: "CONFLICT",
		propusk.RateLimited: "RATE_LIMITED", propusk.Unavailable: "UNAVAILABLE", 99: "INTERNAL",
	} {
		if got := gqlgenguard.Code(kind); got != code {
			t.Errorf("%v: %s", kind, got)
		}
	}
}
