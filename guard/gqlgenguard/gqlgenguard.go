// Package gqlgenguard is package guard for GraphQL servers that gqlgen generates: its rules as directives of the schema.
//
//	type Mutation {
//	  createShout(community_id: Int!, title: String!): Shout! @hasPermission(name: "shout:create")
//	  updateShout(shout_id: Int!, title: String!): Shout! @owns(permission: "shout:update", arg: "shout_id")
//	}
//
// Paste [Schema] into yours, stand guard.Guard's Middleware before the server, and let the generated DirectiveRoot have the methods of a
// [Directives]:
//
//	g := gqlgenguard.New(gqlgenguard.Objects(map[string]gqlgenguard.Finder{"shout": findShout}))
//	config.Directives.HasPermission = g.HasPermission
//	config.Directives.Owns = g.Owns // and so on
//	schema := generated.NewExecutableSchema(config)
//	if err := g.Validate(schema.Schema()); err != nil {
//		log.Fatal(err)
//	}
//	server := handler.New(schema)
//	server.AroundOperations(g.Operation)
//	server.SetErrorPresenter(gqlgenguard.ErrorPresenter)
//	http.ListenAndServe(":8080", guard.New(inspector).Middleware(server))
//
// Everything denies by default, as in package guard.
package gqlgenguard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"

	"github.com/99designs/gqlgen/graphql"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/guard"
	"github.com/propusk/propusk/rbac"
)

// Schema declares the directives.
const Schema = `"Lets those pass who hold a permission, such as shout:create, in the community of the field."
directive @hasPermission(name: String!) on FIELD_DEFINITION
"Lets those pass who hold one of the permissions or more. It does not ask whose an object is; see @owns."
directive @hasAnyPermission(names: [String!]!) on FIELD_DEFINITION
"Lets those pass who hold all of the permissions."
directive @hasAllPermissions(names: [String!]!) on FIELD_DEFINITION
"Lets those pass who have exactly that role in the community of the field, and platform admins."
directive @hasRole(name: String!) on FIELD_DEFINITION
"Lets admins of the community and of the platform pass."
directive @adminOnly on FIELD_DEFINITION
"Lets everybody pass who is known."
directive @authenticated on FIELD_DEFINITION
"Lets those pass who may do something to the object that the argument arg names: shout:update to its owner or whoever may update any."
directive @owns(permission: String!, arg: String!) on FIELD_DEFINITION
`

// DefaultCommunityArg is the argument of a field that names the community.
const DefaultCommunityArg = "community_id"

// Finder looks up the object that an argument names, where you keep it. arg is the value of the argument as gqlgen made it: an int, a
// string, an input object. Never take community or owner from the client. An error is the refusal: return a *propusk.Error of kind
// NotFound for what is not there. It must be safe for concurrent use.
type Finder func(ctx context.Context, arg any) (guard.Object, error)

// Directives are the functions behind the directives of [Schema]. Make them with [New]; they are safe for concurrent use.
//
// Each decides in the community of the field. That is, in this order: the one that the argument community_id of the field names; what
// [CommunityOf] says of the object that the field belongs to; the argument community_id of the nearest field around it; and where none
// is, the community of the request, as guard.PassFrom knows it. The resolver gets a context whose Pass is for that community. Refusals
// are *propusk.Error.
type Directives struct {
	communityArg string
	communityOf  func(ctx context.Context, obj any) (id int64, ok bool)
	finders      map[string]Finder
}

// Option changes how Directives work.
type Option func(*Directives)

// Objects tells [Directives.Owns] how to look things up. The keys are the entities of permissions: "shout" serves shout:update and
// shout:delete.
func Objects(finders map[string]Finder) Option {
	return func(d *Directives) {
		maps.Copy(d.finders, finders)
	}
}

// CommunityArg gives the argument that names the community another name than community_id.
func CommunityArg(name string) Option { return func(d *Directives) { d.communityArg = name } }

// CommunityOf finds the community of an object whose fields are guarded, so that a list of shouts of several communities is judged shout
// by shout. obj is the Go value of the object that the field belongs to. ok is false for objects in no community.
func CommunityOf(find func(ctx context.Context, obj any) (id int64, ok bool)) Option {
	return func(d *Directives) { d.communityOf = find }
}

// New makes Directives.
func New(options ...Option) *Directives {
	d := &Directives{communityArg: DefaultCommunityArg, finders: map[string]Finder{}}
	for _, option := range options {
		option(d)
	}
	return d
}

// HasPermission is @hasPermission; see guard.Permission.
func (d *Directives) HasPermission(ctx context.Context, obj any, next graphql.Resolver, name string) (any, error) {
	if err := wellFormed(name); err != nil {
		return nil, err
	}
	return d.let(ctx, obj, next, guard.Permission(name))
}

// HasAnyPermission is @hasAnyPermission; see guard.AnyPermission.
func (d *Directives) HasAnyPermission(ctx context.Context, obj any, next graphql.Resolver, names []string) (any, error) {
	if err := wellFormed(names...); err != nil {
		return nil, err
	}
	return d.let(ctx, obj, next, guard.AnyPermission(names...))
}

// HasAllPermissions is @hasAllPermissions; see guard.AllPermissions.
func (d *Directives) HasAllPermissions(ctx context.Context, obj any, next graphql.Resolver, names []string) (any, error) {
	if err := wellFormed(names...); err != nil {
		return nil, err
	}
	return d.let(ctx, obj, next, guard.AllPermissions(names...))
}

// HasRole is @hasRole; see guard.Role.
func (d *Directives) HasRole(ctx context.Context, obj any, next graphql.Resolver, name string) (any, error) {
	if !rbac.ValidRole(name) {
		return nil, mistake(fmt.Errorf("gqlgenguard: %q is no id of a role", name))
	}
	return d.let(ctx, obj, next, guard.Role(name))
}

// AdminOnly is @adminOnly; see guard.AdminOnly.
func (d *Directives) AdminOnly(ctx context.Context, obj any, next graphql.Resolver) (any, error) {
	return d.let(ctx, obj, next, guard.AdminOnly())
}

// Authenticated is @authenticated; see guard.Authenticated.
func (d *Directives) Authenticated(ctx context.Context, obj any, next graphql.Resolver) (any, error) {
	return d.let(ctx, obj, next, guard.Authenticated())
}

// Owns is @owns; see guard.Own. The community is that of the object, and the [Finder] for the entity of the permission tells it; the
// resolver gets the Pass for that one. Whoever is not known is told so before the object is looked up.
func (d *Directives) Owns(ctx context.Context, obj any, next graphql.Resolver, permission, arg string) (any, error) {
	find, err := d.finder(permission)
	if err != nil {
		return nil, err
	}
	var found guard.Object
	rule := guard.Own(permission, func(ctx context.Context, _ *http.Request) (guard.Object, error) {
		value, err := argument(ctx, arg)
		if err == nil {
			found, err = find(ctx, value)
		}
		return found, err
	})
	return d.let(ctx, obj, func(ctx context.Context) (any, error) {
		if ctx, err = within(ctx, found.CommunityID); err != nil {
			return nil, refusal(err)
		}
		return next(ctx)
	}, rule)
}

func (d *Directives) finder(permission string) (Finder, error) {
	p, err := rbac.ParsePermission(permission)
	if err != nil {
		return nil, mistake(err)
	}
	find := d.finders[p.Entity()]
	if find == nil {
		return nil, mistake(fmt.Errorf("gqlgenguard: there is no Finder for %q, which %s needs", p.Entity(), permission))
	}
	return find, nil
}

// within is ctx in the community of an object, which is most often the one that the Pass is for already.
func within(ctx context.Context, community int64) (context.Context, error) {
	pass, err := guard.PassFrom(ctx)
	if err != nil || pass.Community.ID == community {
		return ctx, err
	}
	return guard.In(ctx, community)
}

// let resolves the field if the Pass for its community passes the rule.
func (d *Directives) let(ctx context.Context, obj any, next graphql.Resolver, rule guard.Rule) (any, error) {
	ctx, err := d.enter(ctx, obj)
	if err == nil {
		err = rule.Check(ctx)
	}
	if err != nil {
		return nil, refusal(err)
	}
	return next(ctx)
}

// enter is ctx in the community of the field.
func (d *Directives) enter(ctx context.Context, obj any) (context.Context, error) {
	id, ok, err := d.community(ctx, obj)
	if err != nil || !ok {
		return ctx, err
	}
	return guard.In(ctx, id)
}

// Operation lets each operation ask anew who it is: give it to AroundOperations of the server. It matters where one request carries many
// operations, as a websocket does, which would otherwise be judged by what was true when it was opened. A subscription that runs already
// is not judged again.
func (d *Directives) Operation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	return next(guard.Anew(ctx))
}

// wellFormed refuses what guard's rules would panic at.
func wellFormed(permissions ...string) error {
	for _, name := range permissions {
		if _, err := rbac.ParsePermission(name); err != nil {
			return mistake(err)
		}
	}
	return nil
}

// mistake denies where the program is wrong; the client does not hear of it.
func mistake(cause error) error {
	return &propusk.Error{Kind: propusk.Internal, Code: "internal", Message: "something went wrong on our side", Cause: cause}
}

// refusal is the *propusk.Error in err. What was not meant for clients denies all the same.
func refusal(err error) error {
	var e *propusk.Error
	if errors.As(err, &e) {
		return e
	}
	return mistake(err)
}
