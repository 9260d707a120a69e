package gqlgenguard_test

import (
	"fmt"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/propusk/propusk/guard/gqlgenguard"
)

// What a test of one's own looks at. @public is a directive of the site, for what is open to everybody.
func ExampleUncovered() {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: gqlgenguard.Schema}, &ast.Source{Input: `
		directive @public on FIELD_DEFINITION
		type Query {
			shouts(community_id: Int!): [String!]! @public
			drafts(community_id: Int!): [String!]! @authenticated
		}
		type Mutation {
			createShout(community_id: Int!, title: String!): String! @hasPermission(name: "shout:create")
			deleteShout(shout_id: Int!): Boolean!
		}`})
	fmt.Println(gqlgenguard.Uncovered(schema, "public"))
	// Output: [Mutation.deleteShout]
}

// A mistake is found when the program starts.
func ExampleDirectives_Validate() {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: gqlgenguard.Schema}, &ast.Source{Name: "shouts.graphqls", Input: `
		type Query { a: Int }
		type Mutation {
			deleteShout(shout_id: Int!): Boolean! @owns(permission: "shout:delete", arg: "id")
		}`})
	fmt.Println(gqlgenguard.New().Validate(schema))
	// Output:
	// shouts.graphqls:4:43: @owns on Mutation.deleteShout: there is no Finder for "shout": add one with gqlgenguard.Objects
	// shouts.graphqls:4:43: @owns on Mutation.deleteShout: the field has no argument "id"
}
