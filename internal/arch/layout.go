package arch

// Layout is the import map of Propusk, from the engine outwards. Add a package to it in the change that adds the package,
// and a new arrow only with a reason that survives the question "could the other side take an interface instead?".
//
// The arrows: rbac → propusk → guard, client; propusk → ports → services → doors; adapters → ports; app → everything;
// embedded, propusktest, cmd → app. An arrow points from what is imported to who imports it.
func Layout() Map {
	core := []string{"rbac", "."}
	helpers := []string{"internal/email", "internal/field", "internal/password", "internal/token", "internal/throttle", "internal/memory"}
	ports := []string{"internal/store", "internal/importer/source"}
	inside := list(core, ports, helpers, "internal/audit")
	services := []string{"internal/session", "internal/access", "internal/account", "internal/community", "internal/importer", "internal/gen", "internal/transfer"}
	public := list(core, "rbac/policyfile", "guard", "guard/gqlgenguard", "client", "embedded", "propusktest")

	return Map{
		Module: "github.com/propusk/propusk",

		Places: []Place{
			// Public, and nothing but the standard library: whoever imports them gets no other module into the program.
			{Dir: "rbac", Group: Pure},
			{Dir: ".", Group: Pure, Imports: []string{"rbac"}},
			{Dir: "guard", Group: Pure, Imports: core},
			{Dir: "client", Group: Pure, Imports: core},

			// Public, each with the module it exists for.
			{Dir: "rbac/policyfile", Group: Public, Imports: []string{"rbac"}, Modules: []string{"github.com/goccy/go-yaml"}},
			{
				Dir: "guard/gqlgenguard", Group: Public, Imports: list(core, "guard"),
				Modules: []string{"github.com/99designs/gqlgen", "github.com/vektah/gqlparser/v2"},
			},

			// Public, and the whole program as a library: like the commands, a door of its own that goes through services.
			{Dir: "embedded", Group: Program, Imports: list(core, services, "internal/config", "internal/app")},
			{Dir: "propusktest", Group: Program, Imports: list(core, "rbac/policyfile", "embedded")},

			// Helpers: one skill each, and no knowledge of users or communities.
			{Dir: "internal/asset", Group: Helper},
			{Dir: "internal/email", Group: Helper, Imports: []string{"."}, Modules: []string{"golang.org/x/text"}},
			{Dir: "internal/field", Group: Helper, Imports: []string{"."}, Modules: []string{"github.com/gosimple/slug", "golang.org/x/text"}},
			{Dir: "internal/memory", Group: Helper},
			{Dir: "internal/password", Group: Helper, Imports: []string{"."}, Modules: []string{"golang.org/x/crypto", "golang.org/x/text"}},
			{
				Dir: "internal/token", Group: Helper, Imports: []string{"."},
				Modules: []string{"github.com/go-jose/go-jose/v4", "github.com/go-json-experiment/json", "github.com/google/uuid"},
			},
			// It speaks to a server over the network, as anybody can.
			{Dir: "internal/load", Group: Helper},
			// The limits on failed logins hold over restarts and nodes, so they are kept through the port.
			{Dir: "internal/throttle", Group: Helper, Imports: list(ports, ".")},

			// Ports, and the suite that every adapter of a port passes.
			{Dir: "internal/store", Group: Port, Imports: core},
			{Dir: "internal/importer/source", Group: Port},
			{Dir: "internal/store/storetest", Group: Port, Imports: list(core, ports), Modules: []string{"github.com/google/go-cmp", "pgregory.net/rapid"}},

			// Services: what Propusk does. The audit is written by all of them, a session is below access, and access below the rest.
			{Dir: "internal/audit", Group: Service, Imports: list(core, ports)},
			{Dir: "internal/session", Group: Service, Imports: inside, Modules: []string{"github.com/google/uuid"}},
			{Dir: "internal/access", Group: Service, Imports: list(inside, "internal/session"), Modules: []string{"github.com/google/uuid"}},
			{Dir: "internal/account", Group: Service, Imports: list(inside, "internal/session", "internal/access"), Modules: []string{"github.com/google/uuid"}},
			{Dir: "internal/community", Group: Service, Imports: list(inside, "internal/access"), Modules: []string{"github.com/google/uuid"}},
			{Dir: "internal/importer", Group: Service, Imports: list(inside, "internal/access", "internal/community")},
			{Dir: "internal/gen", Group: Service, Imports: list(core, ports, "internal/audit", "internal/password", "internal/community")},
			{Dir: "internal/transfer", Group: Service, Imports: list(core, ports), Modules: []string{"github.com/go-json-experiment/json"}},

			// Adapters: each knows one foreign thing, and none knows another adapter.
			{
				Dir: "internal/sqlstore", Group: Adapter, Imports: list(core, ports),
				Modules: []string{"modernc.org/sqlite", "github.com/jackc/pgx/v5", "github.com/pressly/goose/v3", "golang.org/x/sync", "golang.org/x/text"},
			},
			{Dir: "internal/mirror", Group: Adapter, Imports: list(core, ports), Modules: []string{"github.com/redis/rueidis"}},
			{Dir: "internal/lease", Group: Adapter, Imports: list(core, ports), Modules: []string{"golang.org/x/sys"}},
			// Each reads one system that people come from.
			{
				Dir: "internal/importer/discours", Group: Adapter, Imports: list(core, ports, "internal/password"),
				Modules: []string{
					"github.com/go-json-experiment/json", "github.com/jackc/pgx/v5", "github.com/redis/rueidis", "modernc.org/sqlite",
				},
			},
			{Dir: "internal/importer/backspeen", Group: Adapter, Imports: list(core, ports, "internal/password"), Modules: []string{"modernc.org/sqlite"}},
			{Dir: "internal/importer/casbin", Group: Adapter, Imports: list(core, ports, "internal/email")},
			{Dir: "internal/importer/csvfile", Group: Adapter, Imports: list(core, ports, "internal/email", "internal/password")},

			// Doors: they ask services, never a port, so that no call gets past the check, the audit and the transaction.
			{
				Dir: "internal/rest", Group: Door, Imports: list(core, services, "guard", "internal/audit", "internal/rest/docs", "internal/graph/graphiql"),
				Modules: []string{"github.com/danielgtaylor/huma/v2", "github.com/go-json-experiment/json", "github.com/prometheus/client_golang"},
			},
			{Dir: "internal/rest/docs", Group: Door, Imports: []string{"internal/asset"}},
			{
				Dir: "internal/graph", Group: Door, Imports: list(core, services, "guard", "guard/gqlgenguard", "internal/audit"),
				Modules: []string{
					"github.com/99designs/gqlgen", "github.com/vektah/gqlparser/v2", "github.com/go-json-experiment/json", "github.com/google/uuid",
				},
			},
			{Dir: "internal/graph/graphiql", Group: Door, Imports: []string{"internal/asset"}},
			{Dir: "internal/console", Group: Door, Imports: list(core, services, "guard", "internal/audit"), Modules: []string{"github.com/a-h/templ"}},

			// Settings and wiring.
			{Dir: "internal/config", Group: Wiring, Modules: []string{"github.com/spf13/pflag"}},
			{
				Dir: "internal/app", Group: Wiring, Imports: []string{Everything},
				Modules: []string{
					"github.com/lmittmann/tint", "github.com/prometheus/client_golang", "github.com/spf13/pflag", "golang.org/x/sync", "golang.org/x/term",
				},
			},
			// For this repository's own tests: a whole server, and the PostgreSQL and Redis below it.
			{Dir: "internal/apptest", Group: Wiring, Imports: list(core, "internal/config", "internal/app", "internal/pgtest")},
			// What every implementation of the library's interfaces passes, as internal/store/storetest is for the port.
			{Dir: "internal/librarytest", Group: Beside, Imports: core, Modules: []string{"github.com/google/go-cmp"}},
			// Properties of rbac that need other modules to be tested.
			{Dir: "internal/rbactest", Group: Beside, Imports: []string{"rbac"}},
			{Dir: "internal/busytest", Group: Beside},
			{Dir: "internal/pgtest", Group: Beside, Imports: []string{"internal/busytest"}, Modules: []string{"github.com/jackc/pgx/v5"}},
			{Dir: "internal/redistest", Group: Beside, Imports: []string{"internal/busytest"}},
			{Dir: "internal/browsertest", Group: Beside, Modules: []string{"github.com/chromedp/chromedp"}},
			// The commands are a door of their own, and like the others they go through services.
			{
				Dir: "cmd/propusk", Group: Program, Imports: list(core, services, "rbac/policyfile", "client", "internal/load", "internal/config", "internal/app"),
				Modules: []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/term"},
			},

			// Beside the product.
			{Dir: "api", Group: Beside},
			{Dir: "decisions", Group: Beside, Imports: core},
			{
				Dir: "e2e", Group: Beside, Imports: list(public, "decisions", "internal/config", "internal/app"),
				Modules: []string{"github.com/goccy/go-yaml"}, // for what deploy/ says in YAML
			},
			{Dir: "examples/magazine/graph", Group: Beside, Modules: []string{"github.com/99designs/gqlgen", "github.com/vektah/gqlparser/v2"}},
			{Dir: "examples/...", Group: Beside, Imports: list(public, "examples/magazine/graph"), Modules: []string{"github.com/99designs/gqlgen"}},
			{Dir: "internal/arch", Group: Beside},
		},

		// Test files link into no program, and stand on a real database or a whole server instead of a fake one: they may also
		// import the SQL adapter, what one needs to put a service together, and the wiring.
		Tests: Place{
			Imports: list(public, ports, helpers, "internal/store/storetest", "internal/sqlstore", "internal/audit", services,
				"internal/config", "internal/app", "internal/apptest", "internal/librarytest", "internal/pgtest", "internal/redistest", "internal/browsertest", "internal/busytest",
				"decisions"),
			Modules: []string{"github.com/google/go-cmp", "pgregory.net/rapid", "go.uber.org/goleak", "github.com/chromedp/chromedp", "github.com/golang-jwt/jwt/v5"},
		},
	}
}

// list joins lists of directories and single directories into one new list.
func list(parts ...any) []string {
	var all []string
	for _, part := range parts {
		switch part := part.(type) {
		case string:
			all = append(all, part)
		case []string:
			all = append(all, part...)
		}
	}
	return all
}
