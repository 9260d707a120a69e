package decisions_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/client"
	"github.com/propusk/propusk/decisions"
	"github.com/propusk/propusk/embedded"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/rbac"
)

// openAccess asks the services, without a door.
func openAccess(t *testing.T, _ *world, c *config.Config) doors {
	t.Helper()
	a, err := app.Open(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Keys.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop := a.Start(t.Context())
	if a.Mirror != nil {
		connected(t, a)
	}
	return doors{
		inspector: inspector{a},
		as: func(ctx context.Context, bearer string) (propusk.Checker, error) {
			pass, err := a.Access.Inspect(ctx, bearer)
			return checker{
				one: func(ctx context.Context, q propusk.Question) (rbac.Decision, error) {
					return a.Access.Check(ctx, pass, q)
				},
				all: func(ctx context.Context, q []propusk.Question) ([]rbac.Decision, error) {
					return a.Access.CheckAll(ctx, pass, q)
				},
			}, err
		},
		close: func() {
			// On a slow machine Redis may be late for all of them, and lists then come from SQL.
			if a.Mirror != nil && a.Mirror.Stats().Hits+a.Mirror.Stats().Failures == 0 {
				t.Error("nothing was looked for in Redis")
			}
			stop()
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		},
	}
}

// connected waits until Redis is asked: else all lists would have been read by then, from SQL.
func connected(t *testing.T, a *app.App) {
	t.Helper()
	for start := time.Now(); !a.Mirror.Stats().Connected; time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatal("Redis is not reached")
		}
	}
}

// inspector is the services as a guard sees them.
type inspector struct{ *app.App }

func (i inspector) Inspect(ctx context.Context, bearer string, community int64) (propusk.Pass, error) {
	pass, err := i.Access.Inspect(ctx, bearer)
	if err != nil {
		return propusk.Pass{}, err
	}
	return i.Access.Visit(ctx, pass, community)
}

// openExplanations asks the services why, which must be why of the same decision.
func openExplanations(t *testing.T, w *world, c *config.Config) doors {
	t.Helper()
	d := openAccess(t, w, c)
	who := d.inspector.(inspector)
	d.inspector = nil
	d.as = func(ctx context.Context, bearer string) (propusk.Checker, error) {
		pass, err := who.Access.Inspect(ctx, bearer)
		one := func(ctx context.Context, q propusk.Question) (rbac.Decision, error) {
			explanation, err := who.Access.Explain(ctx, pass, q)
			return explanation.Decision, err
		}
		return checker{one: one, all: func(ctx context.Context, questions []propusk.Question) ([]rbac.Decision, error) {
			return oneByOne(ctx, one, questions)
		}}, err
	}
	return d
}

func oneByOne(
	ctx context.Context, ask func(context.Context, propusk.Question) (rbac.Decision, error), questions []propusk.Question,
) ([]rbac.Decision, error) {
	found := make([]rbac.Decision, len(questions))
	for i, q := range questions {
		var err error
		if found[i], err = ask(ctx, q); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// openREST asks a server as any program would.
func openREST(t *testing.T, _ *world, c *config.Config) doors {
	t.Helper()
	s := apptest.Run(t, c)
	return doors{
		as: func(_ context.Context, bearer string) (propusk.Checker, error) {
			return checker{
				one: func(_ context.Context, q propusk.Question) (rbac.Decision, error) {
					got := s.Call(http.MethodPost, "/api/check", bearer, body(q))
					return decision(got.Body), refused(got)
				},
				all: func(_ context.Context, questions []propusk.Question) ([]rbac.Decision, error) {
					return batch(s, bearer, questions)
				},
			}, nil
		},
		close: s.Stop,
	}
}

func batch(s *apptest.Server, bearer string, questions []propusk.Question) ([]rbac.Decision, error) {
	bodies := make([]map[string]any, len(questions))
	for i, q := range questions {
		bodies[i] = body(q)
	}
	got := s.Call(http.MethodPost, "/api/check/batch", bearer, map[string]any{"checks": bodies})
	results, _ := got.Body["results"].([]any)
	found := make([]rbac.Decision, len(results))
	for i, result := range results {
		found[i] = decision(result.(map[string]any))
	}
	return found, refused(got)
}

func body(q propusk.Question) map[string]any {
	b := map[string]any{"permission": q.Permission}
	if q.CommunityID != 0 {
		b["community_id"] = q.CommunityID
	}
	if q.UserID != "" {
		b["user_id"] = q.UserID
	}
	if q.OwnerID != "" {
		b["owner_id"] = q.OwnerID
	}
	return b
}

func decision(from map[string]any) rbac.Decision {
	allowed, _ := from["allowed"].(bool)
	reason, _ := from["reason"].(string)
	return rbac.Decision{Allowed: allowed, Reason: rbac.Reason(reason)}
}

// refused is the error that an answer tells.
func refused(got apptest.Answer) error {
	kinds := map[int]propusk.Kind{
		http.StatusUnprocessableEntity: propusk.Invalid, http.StatusUnauthorized: propusk.Unauthenticated,
		http.StatusForbidden: propusk.Forbidden,
	}
	if got.Status == http.StatusOK {
		return nil
	}
	return &propusk.Error{Kind: kinds[got.Status], Code: got.Text("code"), Message: got.Raw}
}

// openGraphQL asks a server as pages do, about whoever asks. People are numbers there.
func openGraphQL(t *testing.T, w *world, c *config.Config) doors {
	t.Helper()
	s := apptest.Run(t, c)
	numbers := map[string]any{}
	list := s.Call(http.MethodGet, "/api/admin/users?limit=100", w.bearers["root"], nil)
	for _, user := range list.Body["users"].([]any) {
		user := user.(map[string]any)
		numbers[user["user_id"].(string)] = user["id"]
	}
	const document = `query ($permission: String!, $community: Int, $owner: Int) {
		can(permission: $permission, community_id: $community, owner_id: $owner) { allowed reason }
	}`
	return doors{
		ownMatters: true, close: s.Stop,
		as: func(_ context.Context, bearer string) (propusk.Checker, error) {
			return checker{one: func(_ context.Context, q propusk.Question) (rbac.Decision, error) {
				variables := map[string]any{"permission": q.Permission}
				if q.CommunityID != 0 {
					variables["community"] = q.CommunityID
				}
				if q.OwnerID != "" {
					variables["owner"] = numbers[q.OwnerID]
				}
				got := s.Call(http.MethodPost, "/graphql", bearer, map[string]any{"query": document, "variables": variables})
				data, _ := got.Body["data"].(map[string]any)
				can, _ := data["can"].(map[string]any)
				return decision(can), misspoken(got)
			}}, nil
		},
	}
}

// misspoken is the error that an answer of GraphQL tells.
func misspoken(got apptest.Answer) error {
	errs, _ := got.Body["errors"].([]any)
	if len(errs) == 0 {
		return nil
	}
	extensions, _ := errs[0].(map[string]any)["extensions"].(map[string]any)
	kind := map[any]propusk.Kind{"INVALID": propusk.Invalid, "UNAUTHENTICATED": propusk.Unauthenticated, "FORBIDDEN": propusk.Forbidden}[extensions["code"]]
	return &propusk.Error{Kind: kind, Message: got.Raw}
}

// openEmbedded asks the library within the process. Who asks has the pass of a request in owls, which no answer may depend on: a question
// says itself where.
func openEmbedded(t *testing.T, w *world, c *config.Config) doors {
	t.Helper()
	p, err := embedded.Open(t.Context(), embedded.Config{
		Database: c.Database, Redis: c.Redis, DefaultCommunity: c.DefaultCommunity,
		PasswordMemoryKiB: c.PasswordMemory, PasswordIterations: c.PasswordIterations,
	})
	if err != nil {
		t.Fatal(err)
	}
	return doors{
		inspector: p, trusted: p, may: p.May,
		as: func(ctx context.Context, bearer string) (propusk.Checker, error) {
			pass, err := p.Inspect(ctx, bearer, w.communities[decisions.Owls])
			return p.As(pass), err
		},
		close: func() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		},
	}
}

// openClient asks a server through the library over the network.
func openClient(t *testing.T, _ *world, c *config.Config) doors {
	t.Helper()
	s := apptest.Run(t, c)
	var clients []*client.Client
	open := func(credentials string) *client.Client {
		c, err := client.New(s.URL, credentials, client.Timeout(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
		return c
	}
	return doors{
		inspector: open(""),
		as:        func(_ context.Context, bearer string) (propusk.Checker, error) { return open(bearer), nil },
		close: func() {
			for _, c := range clients {
				c.Close()
			}
			s.Stop()
		},
	}
}
