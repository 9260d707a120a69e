package decisions_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/decisions"
	"github.com/propusk/propusk/guard"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/redistest"
	"github.com/propusk/propusk/rbac"
)

// way is one way to ask Propusk.
type way struct {
	name string
	// asks are the manners in which it has to be asked, so that none is left out unnoticed.
	asks []string
	// open starts afresh over the database of a world, with nothing remembered.
	open func(t *testing.T, w *world, c *config.Config) doors
}

// doors are what a way offers. Whoever asks shows a bearer, a token or an API key.
type doors struct {
	// as is who answers questions of the bearer; nil where there is nobody.
	as func(ctx context.Context, bearer string) (propusk.Checker, error)
	// trusted answers questions without a bearer; nil where nobody does.
	trusted propusk.Checker
	// inspector makes the passes that guards look at; nil where a way has none.
	inspector propusk.Inspector
	// may answers about whoever shows a bearer in one call, without a pass; nil where a way has no such call.
	may func(ctx context.Context, bearer string, communityID int64, permission rbac.Permission, owner rbac.Ownership) (rbac.Decision, error)
	// ownMatters tells a way on which people ask about themselves only.
	ownMatters bool
	close      func()
}

// ways are all of them. To add one, say how to open it.
func ways() []way {
	return []way{
		{"access", []string{byThemselves, byService, byGuard, byPass, inRule}, openAccess},
		{"explanations", []string{byThemselves, byService}, openExplanations},
		{"rest", []string{byThemselves, byService}, openREST},
		{"graphql", []string{byThemselves}, openGraphQL},
		{"embedded", []string{byThemselves, byService, byProcess, byGuard, byPass, inRule, atOnce}, openEmbedded},
		{"client", []string{byThemselves, byService, byGuard, byPass, inRule}, openClient},
	}
}

// The manners in which a row is asked.
const (
	byThemselves = "asked by itself"
	byService    = "asked by a service"
	byProcess    = "asked by the process"
	byGuard      = "by a guard"
	byPass       = "by its pass"
	inRule       = "in a rule"
	atOnce       = "at once"
)

func TestEveryWayDecidesByTheTable(t *testing.T) {
	t.Parallel()
	for engine, fresh := range map[string]func(t *testing.T, c *config.Config){
		"sqlite":   func(*testing.T, *config.Config) {}, // is what a server has that is told nothing
		"postgres": func(t *testing.T, c *config.Config) { c.Database = pgtest.Patient(t) },
	} {
		for _, mirrored := range []bool{false, true} {
			t.Run(engine+map[bool]string{true: " with redis"}[mirrored], func(t *testing.T) {
				t.Parallel()
				replayAll(t, build(t, func(c *config.Config) {
					fresh(t, c)
					if mirrored {
						c.Redis = redistest.Start(t).URL()
					}
				}))
			})
		}
	}
}

// replayAll asks every row in every way.
func replayAll(t *testing.T, w *world) {
	t.Helper()
	for _, way := range ways() {
		for _, defaulted := range []bool{false, true} {
			name := way.name + map[bool]string{true: " with a default community"}[defaulted]
			t.Run(name, func(t *testing.T) {
				d := way.open(t, w, w.config(defaulted))
				defer d.close()
				r := replay{t: t, w: w, d: d, answers: map[string]int{}}
				r.themselves(w.rows(defaulted))
				r.byOthers(w.rows(defaulted))
				r.guarded(w.rows(defaulted))
				t.Logf("%v answers, %d differences", r.answers, r.differences)
				if want := r.askable(w.rows(defaulted), way.asks); !maps.Equal(want, r.answers) {
					t.Errorf("there should be %v answers", want)
				}
			})
		}
	}
}

// replay is one way in one world.
type replay struct {
	t *testing.T
	w *world
	d doors
	// answers are how many there were in each manner.
	answers     map[string]int
	differences int
}

// compare prints a row that was answered otherwise.
func (r *replay) compare(how string, row decisions.Row, got, want string) {
	r.answers[how]++
	if got != want {
		r.differences++
		r.t.Errorf("line %d, %s, is not %s:\n    %s\n    %s", row.Line, how, want, row, got)
	}
}

// askable is how many answers there have to be, said once more and apart from what asks.
func (r *replay) askable(rows []decisions.Row, asks []string) map[string]int {
	all := map[string]int{}
	for _, row := range rows {
		_, isPerson := r.w.table.Person(row.Who)
		_, malformed := rbac.ParsePermission(row.Permission)
		shows := func(name string) bool { return r.w.bearers[name] != "" }
		for manner, asked := range map[string]bool{
			byThemselves: shows(row.Asker) && !(r.d.ownMatters && row.ByName),
			byService:    isPerson && !row.ByName,
			byProcess:    isPerson && !row.ByName,
			inRule:       malformed != nil,
			byGuard:      malformed == nil && !row.ByName && !row.Fails && shows(row.Who),
			byPass:       malformed == nil && !row.ByName && !row.Fails && shows(row.Who) && !r.w.inactive(row.Who),
		} {
			if asked && slices.Contains(asks, manner) {
				all[manner]++
			}
		}
	}
	if slices.Contains(asks, atOnce) { // and once more
		all[atOnce] = 2 * all[byGuard]
	}
	maps.DeleteFunc(all, func(_ string, n int) bool { return n == 0 })
	return all
}

// themselves has everybody ask their rows, one by one. Who is not active is turned away at the door.
func (r *replay) themselves(rows []decisions.Row) {
	askers := map[string]propusk.Checker{}
	for _, row := range rows {
		bearer := r.w.bearers[row.Asker]
		if r.d.as == nil || bearer == "" || (r.d.ownMatters && row.ByName) {
			continue
		}
		want := row.Outcome()
		if r.w.inactive(row.Asker) {
			want = "error unauthenticated"
		}
		asker, err := askers[row.Asker], error(nil)
		if asker == nil {
			asker, err = r.d.as(r.t.Context(), bearer)
		}
		var d rbac.Decision
		if err == nil {
			askers[row.Asker] = asker
			d, err = asker.Check(r.t.Context(), r.w.question(row))
		}
		r.compare(byThemselves, row, decisions.Outcome(d, err), want)
	}
}

// byOthers has a service ask about everybody in one batch, and the process itself where it may.
func (r *replay) byOthers(rows []decisions.Row) {
	others := map[string]propusk.Checker{}
	if r.d.as != nil && !r.d.ownMatters {
		service, err := r.d.as(r.t.Context(), r.w.bearers["site"])
		if err != nil {
			r.t.Fatal(err)
		}
		others[byService] = service
	}
	if r.d.trusted != nil {
		others[byProcess] = r.d.trusted
	}
	for how, other := range others {
		var batch []decisions.Row
		for _, row := range rows {
			_, isPerson := r.w.table.Person(row.Who)
			switch {
			case row.ByName || !isPerson:
			case row.Fails: // would spoil the batch
				d, err := other.Check(r.t.Context(), r.w.about(row))
				r.compare(how, row, decisions.Outcome(d, err), row.Outcome())
			default:
				batch = append(batch, row)
			}
		}
		r.batch(how, other, batch)
	}
}

// most is how many questions a call may ask.
const most = 1000

func (r *replay) batch(how string, asker propusk.Checker, rows []decisions.Row) {
	for len(rows) > 0 {
		some := rows[:min(most, len(rows))]
		rows = rows[len(some):]
		questions := make([]propusk.Question, len(some))
		for i, row := range some {
			questions[i] = r.w.about(row)
		}
		found, err := asker.CheckAll(r.t.Context(), questions)
		if err != nil || len(found) != len(some) {
			r.t.Fatalf("a batch of %d %s: %d decisions, %v", len(some), how, len(found), err)
		}
		for i, row := range some {
			r.compare(how, row, decisions.Outcome(found[i], nil), row.Outcome())
		}
	}
}

// guarded has everybody come to a handler of their own behind a guard.
func (r *replay) guarded(rows []decisions.Row) {
	if r.d.inspector == nil {
		return
	}
	who := guard.New(r.d.inspector)
	for _, row := range rows {
		bearer := r.w.bearers[row.Who]
		switch permission, err := rbac.ParsePermission(row.Permission); {
		case err != nil:
			r.compare(inRule, row, panicked(func() { guard.Permission(row.Permission) }), "panic")
		case row.ByName || row.Fails || bearer == "":
			// Nobody asks a guard about others. Which community a request is in has no bearing on permissions of the platform, so naming
			// one is no error there.
		default:
			r.guard(who, row, permission, bearer)
			r.atOnce(row, permission, bearer)
		}
	}
}

func panicked(f func()) (what string) {
	defer func() {
		if recover() != nil {
			what = "panic"
		}
	}()
	f()
	return "no panic"
}

func (r *replay) guard(who *guard.Guard, row decisions.Row, permission rbac.Permission, bearer string) {
	var d rbac.Decision
	through := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	handler := who.Middleware(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if pass, err := guard.PassFrom(request.Context()); err == nil {
			d = pass.May(permission, row.Owner)
		}
		r.rule(row).Handler(through).ServeHTTP(w, request)
	}))
	request := httptest.NewRequestWithContext(r.t.Context(), http.MethodGet, "/", nil)
	request.Header.Set("Authorization", "Bearer "+bearer)
	if id := r.w.named(row.Where); id != 0 {
		request.Header.Set(guard.Header, strconv.FormatInt(id, 10))
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	r.compare(byGuard, row, told(answer), telling(row))
	if !r.w.inactive(row.Who) {
		r.compare(byPass, row, decisions.Outcome(d, nil), row.Outcome())
	}
}

// atOnce asks in one call, the second time of what is remembered.
func (r *replay) atOnce(row decisions.Row, permission rbac.Permission, bearer string) {
	want := row.Outcome()
	if r.w.inactive(row.Who) {
		want = "error unauthenticated"
	}
	for range 2 {
		if r.d.may != nil {
			d, err := r.d.may(r.t.Context(), bearer, r.w.named(row.Where), permission, row.Owner)
			r.compare(atOnce, row, decisions.Outcome(d, err), want)
		}
	}
}

// rule is the one that a handler for such things would stand behind.
func (r *replay) rule(row decisions.Row) guard.Rule {
	if row.Owner == rbac.OwnerUnknown {
		return guard.Permission(row.Permission)
	}
	where := row.Where
	if where == decisions.Default {
		where = decisions.Owls
	}
	return guard.Own(row.Permission, func(context.Context, *http.Request) (guard.Object, error) {
		return guard.Object{CommunityID: r.w.named(where), OwnerID: r.w.owner(row)}, nil
	})
}

// telling is what a guard says to a request that a row is about.
func telling(row decisions.Row) string {
	switch reason := row.Want.Reason; {
	case row.Want.Allowed:
		return "204"
	case reason == rbac.ReasonInactive:
		return "401"
	default:
		return "403 " + string(reason)
	}
}

// told is what a guard said; a 401 has a code of its own for each way in which somebody is unknown.
func told(answer *httptest.ResponseRecorder) string {
	status := strconv.Itoa(answer.Code)
	if answer.Code != http.StatusForbidden {
		return status
	}
	_, code, _ := strings.Cut(answer.Body.String(), `"code":"`)
	code, _, _ = strings.Cut(code, `"`)
	return status + " " + code
}

// checker makes a propusk.Checker of functions.
type checker struct {
	one func(context.Context, propusk.Question) (rbac.Decision, error)
	all func(context.Context, []propusk.Question) ([]rbac.Decision, error)
}

func (c checker) Check(ctx context.Context, q propusk.Question) (rbac.Decision, error) {
	return c.one(ctx, q)
}

func (c checker) CheckAll(ctx context.Context, q []propusk.Question) ([]rbac.Decision, error) {
	return c.all(ctx, q)
}
