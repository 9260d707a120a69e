package equivalence

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	casbin "github.com/casbin/casbin/v2"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/importer"
	source "github.com/propusk/propusk/internal/importer/casbin"
)

// Both answer every request alike when all of a policy has words in Propusk.
func TestBothAnswerAlike(t *testing.T) {
	t.Parallel()
	allowed, asked := 0, 0
	for n := range uint64(policies) {
		w := newWorld(t, n, false)
		for range requests / policies {
			q := randomRequest(w.random)
			w.ask(q)
		}
		w.answer(func(q request, byCasbin, byPropusk bool) {
			asked++
			if byCasbin {
				allowed++
			}
			if byCasbin != byPropusk {
				t.Errorf("policy %d, %+v: Casbin says %v, Propusk %v", n, q, byCasbin, byPropusk)
			}
		})
	}
	t.Logf("%d requests of %d policies, %d allowed, no difference", asked, policies, allowed)
	if asked != requests || allowed < requests/20 || allowed > requests/2 {
		t.Errorf("%d of %d are allowed: that says little", allowed, asked)
	}
}

// What has no words in Propusk is left out, so that nobody may do after an import what Casbin denied them.
func TestNothingIsGivenThatCasbinDenies(t *testing.T) {
	t.Parallel()
	lost, allowed := 0, 0
	for n := range uint64(policies) {
		w := newWorld(t, n, true)
		for range requests / policies {
			w.ask(randomRequest(w.random))
		}
		w.answer(func(q request, byCasbin, byPropusk bool) {
			switch {
			case byPropusk && !byCasbin:
				t.Errorf("policy %d, %+v: Casbin denies it, and Propusk allows it", n, q)
			case byCasbin && !byPropusk:
				lost++
			case byPropusk:
				allowed++
			}
		})
	}
	t.Logf("%d policies with lines that were quarantined: %d allowed by both, %d by Casbin alone", policies, allowed, lost)
	if lost == 0 || allowed < requests/20 {
		t.Errorf("%d allowed by both, %d by Casbin alone: that says little", allowed, lost)
	}
}

// world is a policy in both programs.
type world struct {
	t           *testing.T
	random      *rand.Rand
	enforcer    *casbin.Enforcer
	app         *app.App
	people      map[string]string
	communities map[string]int64
	asked       []request
}

func newWorld(t *testing.T, seed uint64, spoilt bool) *world {
	t.Helper()
	w := &world{t: t, random: rand.New(rand.NewPCG(seed, 1)), people: map[string]string{}, communities: map[string]int64{}}
	dir := t.TempDir()
	c := source.Config{
		Model: filepath.Join(dir, "model.conf"), Policy: filepath.Join(dir, "policy.csv"), Rename: map[string]string{"admin": "boss"},
	}
	w.write(c.Model, model)
	w.write(c.Policy, randomPolicy(w.random, spoilt))
	enforcer, err := casbin.NewEnforcer(c.Model, c.Policy)
	w.must(err)
	w.enforcer = enforcer
	system, err := source.Open(t.Context(), c)
	w.must(err)
	policy, err := system.PolicyFile()
	w.must(err)
	file := filepath.Join(dir, "policy.yaml")
	w.write(file, string(policy))
	settings, err := app.Settings(func(to *config.Config) {
		to.Database, to.Policy = "sqlite:"+filepath.Join(dir, "propusk.db"), file
	})
	w.must(err)
	w.app, err = app.Open(t.Context(), settings, slog.New(slog.DiscardHandler))
	w.must(err)
	t.Cleanup(func() { w.must(w.app.Close()) })
	w.bring(system, spoilt)
	w.find()
	return w
}

func (w *world) write(file, text string) {
	w.t.Helper()
	w.must(os.WriteFile(file, []byte(text), 0o600))
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// bring imports twice.
func (w *world) bring(system importer.System, spoilt bool) {
	w.t.Helper()
	quarantined := 0
	options := importer.Options{Source: "casbin", Owner: user(0), Quarantine: func(f importer.Fault) {
		if beyond := len(f.Part) > 9 && f.Part[:9] == `role "lin`; f.Adjusted || beyond {
			return // the chain is longer than Casbin follows, which is told
		}
		if quarantined++; !spoilt {
			w.t.Errorf("quarantined: %s", f)
		}
	}}
	first, err := w.app.Importer().Run(w.t.Context(), w.app.Operator(), system, options)
	w.must(err)
	if first.Communities.Added != len(domains)-1 || first.Members.Added == 0 || spoilt && quarantined == 0 {
		w.t.Fatalf("imported was\n%s", first)
	}
	second, err := w.app.Importer().Run(w.t.Context(), w.app.Operator(), system, options)
	w.must(err)
	if second.Accounts.Added+second.Communities.Added+second.Members.Added > 0 {
		w.t.Errorf("the second run changed something:\n%s", second)
	}
}

// find looks up what Propusk calls the people and domains of the policy. Those it does not know get an id that nobody has.
func (w *world) find() {
	w.t.Helper()
	reader := w.app.Store.Now(w.t.Context())
	for n := range users + strangers {
		w.people[user(n)] = fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
		holders, err := reader.EmailHolders([]string{user(n)})
		w.must(err)
		if holders[0] == 0 {
			continue
		}
		found, err := reader.AccountsByID(0, holders)
		w.must(err)
		w.people[user(n)] = found[0].UserID
	}
	keys := slices.Clone(domains)
	ids, err := reader.Imported("casbin", "community", keys)
	w.must(err)
	for i, domain := range domains {
		if w.communities[domain] = ids[i]; ids[i] == 0 {
			w.communities[domain] = 1 << 30
		}
	}
}

func (w *world) ask(q request) { w.asked = append(w.asked, q) }

// answer asks both all that was asked.
func (w *world) answer(tell func(q request, byCasbin, byPropusk bool)) {
	w.t.Helper()
	for some := range slices.Chunk(w.asked, access.MaxChecks) {
		questions := make([]propusk.Question, len(some))
		for i, q := range some {
			questions[i] = propusk.Question{Permission: q.object + ":" + q.action, CommunityID: w.communities[q.domain], UserID: w.people[q.subject]}
		}
		decisions, err := w.app.Access.CheckAll(w.t.Context(), w.app.Operator(), questions)
		w.must(err)
		for i, q := range some {
			byCasbin, err := w.enforcer.Enforce(q.subject, q.domain, q.object, q.action)
			w.must(err)
			tell(q, byCasbin, decisions[i].Allowed)
		}
	}
}
