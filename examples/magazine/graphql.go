package main

import (
	"context"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"

	"github.com/propusk/propusk/examples/magazine/graph"
	"github.com/propusk/propusk/guard"
	"github.com/propusk/propusk/guard/gqlgenguard"
)

// maxTokens is how long a query may be.
const maxTokens = 1000

// graphql answers POST /graphql. Who may do what is said in graph/schema.graphql, and only there.
func (m *magazine) graphql() (http.Handler, error) {
	g := gqlgenguard.New(gqlgenguard.Objects(map[string]gqlgenguard.Finder{"shout": m.finder("shout"), "topic": m.finder("topic")}))
	schema := graph.NewExecutableSchema(graph.Config{Resolvers: resolvers{m}, Directives: graph.DirectiveRoot{
		HasPermission: g.HasPermission, HasAnyPermission: g.HasAnyPermission, HasAllPermissions: g.HasAllPermissions,
		HasRole: g.HasRole, AdminOnly: g.AdminOnly, Authenticated: g.Authenticated, Owns: g.Owns,
	}})
	if err := g.Validate(schema.Schema()); err != nil {
		return nil, err
	}
	exec := executor.New(schema)
	exec.SetParserTokenLimit(maxTokens)
	exec.SetErrorPresenter(gqlgenguard.ErrorPresenter)
	exec.AroundFields(tell)
	return post(exec), nil
}

// finder looks up the object that an argument of the schema names.
func (m *magazine) finder(kind string) gqlgenguard.Finder {
	return func(_ context.Context, arg any) (guard.Object, error) {
		id, _ := arg.(int64) // else 0, which is no object's
		return m.whose(id, kind)
	}
}

// tell says a refusal of a mutation in the seed's way too: {"success": false, "error": "…"}.
func tell(ctx context.Context, next graphql.Resolver) (any, error) {
	result, err := next(ctx)
	if err == nil || graphql.GetFieldContext(ctx).Object != "Mutation" {
		return result, err
	}
	graphql.AddError(ctx, err)
	return &graph.Payload{Error: &gqlgenguard.ErrorPresenter(ctx, err).Message}, nil
}

// post runs one query or mutation. gqlgen's package handler does the same, and brings websockets and uploads along.
func post(exec *executor.Executor) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked graphql.RawParams
		if err := read(r, &asked); err != nil {
			guard.WriteProblem(w, r, err)
			return
		}
		ctx := graphql.StartOperationTrace(r.Context())
		op, errs := exec.CreateOperationContext(ctx, &asked)
		if errs != nil {
			answer(w, exec.DispatchError(graphql.WithOperationContext(ctx, op), errs))
			return
		}
		responses, ctx := exec.DispatchOperation(ctx, op)
		answer(w, responses(ctx))
	})
}

// resolvers do what the directives have allowed. They leave community_id alone: the directive has read it, and the operations ask the Pass.
type resolvers struct{ m *magazine }

// Query implements graph.ResolverRoot.
func (r resolvers) Query() graph.QueryResolver { return queries(r) }

// Mutation implements graph.ResolverRoot.
func (r resolvers) Mutation() graph.MutationResolver { return mutations(r) }

type (
	queries   struct{ m *magazine }
	mutations struct{ m *magazine }
)

func (queries) Me(ctx context.Context, _ *int64) (*graph.Person, error) {
	pass, err := guard.PassFrom(ctx)
	return &graph.Person{UserID: pass.User.UserID, Name: pass.User.Name, Roles: pass.Local.Roles}, err
}

func (q queries) Shout(ctx context.Context, _ *int64, id int64) (*graph.Shout, error) {
	found, err := q.m.change("shout", nil)(ctx, id, input{})
	return shout(found), err
}

func (mu mutations) CreateShout(ctx context.Context, _ *int64, title string) (*graph.Payload, error) {
	return payload(mu.m.create("shout")(ctx, 0, input{Title: title}))
}

func (mu mutations) UpdateShout(ctx context.Context, id int64, title string) (*graph.Payload, error) {
	return payload(mu.m.change("shout", rename)(ctx, id, input{Title: title}))
}

func (mu mutations) CreateTopic(ctx context.Context, _ *int64, in graph.TopicInput) (*graph.Payload, error) {
	return payload(mu.m.create("topic")(ctx, 0, input{Title: in.Title}))
}

func (mu mutations) UpdateTopic(ctx context.Context, id int64, in graph.TopicInput) (*graph.Payload, error) {
	return payload(mu.m.change("topic", rename)(ctx, id, input{Title: in.Title}))
}

func (mu mutations) DeleteTopic(ctx context.Context, id int64) (*graph.Payload, error) {
	return payload(mu.m.remove("topic")(ctx, id, input{}))
}

func (mu mutations) MergeTopics(ctx context.Context, _ *int64, in graph.MergeInput) (*graph.Payload, error) {
	return payload(mu.m.merge(ctx, in.TopicID, input{Into: in.Into}))
}

func (mu mutations) VerifyEvidence(ctx context.Context, _ *int64, id int64) (*graph.Payload, error) {
	return payload(mu.m.change("shout", verify)(ctx, id, input{}))
}

func (mu mutations) DeleteAnyContent(ctx context.Context, _ *int64, id int64) (*graph.Payload, error) {
	return payload(mu.m.remove("shout", "topic")(ctx, id, input{}))
}

func payload(o object, err error) (*graph.Payload, error) {
	if err != nil {
		return nil, err
	}
	if o.Kind == "topic" {
		return &graph.Payload{Success: true, Topic: topic(o)}, nil
	}
	return &graph.Payload{Success: true, Shout: shout(o)}, nil
}

func shout(o object) *graph.Shout {
	return &graph.Shout{ID: o.ID, CommunityID: o.Community, Owner: o.Owner, Title: o.Title, Verified: o.Verified}
}

func topic(o object) *graph.Topic {
	shown := &graph.Topic{ID: o.ID, CommunityID: o.Community, Owner: o.Owner, Title: o.Title}
	if o.MergedIn != 0 {
		shown.MergedIn = &o.MergedIn
	}
	return shown
}
