// Package graph is what gqlgen makes of schema.graphql.
package graph

//go:generate go tool -modfile=../../../tools/go.mod gqlgen generate
