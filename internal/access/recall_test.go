package access_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/account"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/community"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/memory"
	"github.com/propusk/propusk/internal/session"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// lease holds as long as it is told to.
type lease struct {
	ends bool
	// endsAt, when set, is how many looks are left, of which the last finds that it has ended.
	endsAt int
}

func (l *lease) Holds() bool {
	if l.endsAt--; l.endsAt == 0 {
		l.ends = true
	}
	return !l.ends
}

func (l *lease) HoldsAt(time.Time) bool { return l.Holds() }

// counting counts who reads by single statements.
type counting struct {
	store.Store
	reads atomic.Int64
}

func (c *counting) Now(ctx context.Context) store.Reader {
	c.reads.Add(1)
	return c.Store.Now(ctx)
}

// town is people who are all members of all communities.
type town struct {
	*app.App
	// lease is the one that the node holds; nil is none.
	lease *lease
	// db is what access and sessions read.
	db *counting
	// now is what time it is; zero is the real one. tick, when set, runs whenever somebody wants to know.
	now         time.Time
	tick        func()
	tokens      []string
	users       []propusk.User
	communities []int64
}

// password is everybody's.
const password = "a perfectly ordinary sentence"

func settle(tb testing.TB, users, communities, bytes int) *town {
	tb.Helper()
	c := config.Default()
	c.Database = "sqlite:" + filepath.Join(tb.TempDir(), "propusk.db")
	apptest.Cheap(c)
	a, err := app.Open(tb.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = a.Close() })
	if err := a.Keys.Load(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	t := &town{App: a, lease: &lease{}, db: &counting{Store: a.Store}}
	a.Access.Store, a.Sessions.Store = t.db, t.db
	a.Access.Memory = access.NewMemory(&memory.Memory{}, bytes) // which nobody tells of changes
	a.Access.Lease = func() access.Lease {
		if t.lease == nil {
			return nil
		}
		return t.lease
	}
	clock := func() time.Time {
		if t.tick != nil {
			t.tick()
		}
		if t.now.IsZero() {
			return time.Now()
		}
		return t.now
	}
	a.Access.Now, a.Sessions.Now = clock, clock
	for i := range users {
		email := fmt.Sprintf("p%d@example.org", i)
		user, err := a.Accounts.Register(tb.Context(), propusk.Origin{}, account.Registration{Name: "P", Email: email, Password: password})
		if err != nil {
			tb.Fatal(err)
		}
		in, err := a.Sessions.Login(tb.Context(), session.Login{Email: email, Password: password})
		if err != nil {
			tb.Fatal(err)
		}
		t.users, t.tokens = append(t.users, user), append(t.tokens, in.Access)
	}
	for i := range communities {
		made, err := a.Communities.CreateFor(tb.Context(), a.Operator(), t.users[0].UserID, community.Founding{Name: fmt.Sprintf("Community %d", i)})
		if err != nil {
			tb.Fatal(err)
		}
		t.communities = append(t.communities, made.ID)
		err = a.Store.Update(tb.Context(), func(tx store.Tx) error {
			for _, user := range t.users[1:] {
				if err := tx.InsertMember(made.ID, user.ID, []string{"reader", "author"}, time.Now()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	return t
}

// reads is how many statements do takes.
func (t *town) reads(do func()) int64 {
	before := t.db.reads.Load()
	do()
	return t.db.reads.Load() - before
}

func (t *town) inspect(tb testing.TB) propusk.Pass {
	tb.Helper()
	pass, err := t.Access.InspectIn(tb.Context(), t.tokens[1], t.communities[0])
	if err != nil {
		tb.Fatal(err)
	}
	return pass
}

func TestWhatIsRememberedIsNotReadAgain(t *testing.T) {
	w := settle(t, 3, 2, 1<<24)
	first := w.inspect(t)
	var again propusk.Pass
	if n := w.reads(func() { again = w.inspect(t) }); n != 0 {
		t.Errorf("the second time takes %d statements", n)
	}
	if diff := cmp.Diff(first, again, cmp.Comparer(func(a, b *rbac.Grants) bool { return a == b })); diff != "" {
		t.Errorf("what was read and what is remembered (-read +remembered):\n%s", diff)
	}
	about := propusk.Question{Permission: "shout:create", CommunityID: w.communities[0], UserID: w.users[2].UserID}
	check := func() {
		if got, err := w.Access.Check(t.Context(), w.Operator(), about); err != nil || !got.Allowed {
			t.Errorf("%v %v", got, err)
		}
	}
	if n := w.reads(check); n != 2 {
		t.Errorf("a check about somebody else takes %d statements", n)
	}
	if n := w.reads(check); n != 0 {
		t.Errorf("the same check again takes %d statements", n)
	}
	other := propusk.Question{Permission: "shout:create", CommunityID: w.communities[1], UserID: w.users[2].UserID}
	if n := w.reads(func() { _, _ = w.Access.Check(t.Context(), w.Operator(), other) }); n != 1 {
		t.Errorf("the same person elsewhere takes %d statements", n)
	}
}

// Over HTTP too: whatever else a request needs, it is no statement.
func TestAWarmRequestSendsNoStatement(t *testing.T) {
	w := settle(t, 2, 1, 1<<24)
	handler, err := w.Handler(config.Default(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []struct{ method, path, body string }{
		{"GET", "/api/users/me", ""}, {"POST", "/api/check", fmt.Sprintf(`{"permission":"shout:create","community_id":%d}`, w.communities[0])},
		{"GET", fmt.Sprintf("/api/pass?community_id=%d", w.communities[0]), ""},
	} {
		send := func() {
			request := httptest.NewRequest(of.method, of.path, strings.NewReader(of.body))
			request.Header.Set("Authorization", "Bearer "+w.tokens[1])
			request.Header.Set("Content-Type", "application/json")
			answer := httptest.NewRecorder()
			if handler.ServeHTTP(answer, request); answer.Code != 200 {
				t.Errorf("%s: %d %s", of.path, answer.Code, answer.Body)
			}
		}
		send()
		if n := w.reads(send); n != 0 {
			t.Errorf("%s takes %d statements", of.path, n)
		}
	}
}

// Behind the memory's back the roles of somebody are taken. Only with a lease that holds may anybody not know.
func TestOnlyALeaseLetsMemoryAnswer(t *testing.T) {
	for name, of := range map[string]struct {
		after func(*town)
		fresh bool
	}{
		"a lease that holds":      {func(*town) {}, false},
		"no lease":                {func(w *town) { w.lease = nil }, true},
		"a lease that has ended":  {func(w *town) { w.lease.ends = true }, true},
		"a lease of another time": {func(w *town) { w.lease = &lease{} }, false},
	} {
		w := settle(t, 3, 1, 1<<24)
		w.inspect(t)
		err := w.db.Update(t.Context(), func(tx store.Tx) error { return tx.SetMemberRoles(w.communities[0], w.users[1].ID, []string{"reader"}) })
		if err != nil {
			t.Fatal(err)
		}
		of.after(w)
		if got := w.inspect(t); (len(got.Local.Roles) == 1) != of.fresh {
			t.Errorf("%s: the roles are %v", name, got.Local.Roles)
		}
	}
}

// However far a request has come when the lease ends, what memory has told it does not count.
func TestTheLeaseIsAskedLast(t *testing.T) {
	for _, manner := range []struct {
		name string
		may  func(*town) bool
	}{
		{"a pass", func(w *town) bool {
			pass, err := w.Access.InspectIn(t.Context(), w.tokens[1], w.communities[0])
			return err == nil && pass.May(mayWrite, rbac.OwnerUnknown).Allowed
		}},
		{"one call", func(w *town) bool {
			decision, err := w.Access.May(t.Context(), w.tokens[1], w.communities[0], mayWrite, rbac.OwnerUnknown)
			return err == nil && decision.Allowed
		}},
	} {
		w := settle(t, 3, 1, 1<<24)
		if !manner.may(w) {
			t.Fatal("nothing is allowed, so nothing can be taken away")
		}
		err := w.db.Update(t.Context(), func(tx store.Tx) error { return tx.SetMemberRoles(w.communities[0], w.users[1].ID, []string{"reader"}) })
		if err != nil {
			t.Fatal(err)
		}
		w.tick = func() { w.lease.ends = true } // an answer from memory looks at the clock before the lease
		if manner.may(w) {
			t.Errorf("%s, and the lease ends on the way: what was taken away is allowed", manner.name)
		}
		w.tick = nil
		for look := 1; ; look++ {
			w.lease = &lease{endsAt: look}
			allowed := manner.may(w)
			if !w.lease.ends { // it holds for longer than anybody looks
				if look == 1 || !allowed {
					t.Errorf("%s: nothing is told from memory", manner.name)
				}
				break
			}
			if allowed {
				t.Errorf("%s, and look %d finds that the lease has ended: what was taken away is allowed", manner.name, look)
			}
		}
	}
}

// And behind its back somebody is logged out, and somebody else is blocked.
func TestOnlyALeaseLetsASessionGoOn(t *testing.T) {
	w := settle(t, 3, 1, 1<<24)
	about := propusk.Question{Permission: "shout:create", CommunityID: w.communities[0], UserID: w.users[2].UserID}
	allowed := func() bool {
		got, err := w.Access.Check(t.Context(), w.Operator(), about)
		return err == nil && got.Allowed
	}
	w.inspect(t)
	allowed()
	err := w.db.Update(t.Context(), func(tx store.Tx) error {
		blocked := w.users[2]
		blocked.IsActive = false
		if err := tx.UpdateUser(blocked); err != nil {
			return err
		}
		_, err := tx.DeleteSessions(w.users[1].ID, "")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !allowed() {
		t.Error("nothing is remembered, so nothing is tested")
	}
	w.lease.ends = true
	if _, err := w.Access.Inspect(t.Context(), w.tokens[1]); propusk.KindOf(err) != propusk.Unauthenticated {
		t.Errorf("logged out: %v", err)
	}
	if allowed() {
		t.Error("blocked, and allowed")
	}
}

func TestWhatMemorySaysHasExpiredIsLookedAtAgain(t *testing.T) {
	w := settle(t, 2, 1, 1<<24)
	w.inspect(t)
	w.now = time.Now().Add(30 * time.Minute)
	if n := w.reads(func() { w.inspect(t) }); n != 0 {
		t.Errorf("in half an hour it takes %d statements", n)
	}
	w.now = time.Now().Add(2 * time.Hour)
	for range 2 {
		_, err := w.Access.Inspect(t.Context(), w.tokens[1])
		var refused *propusk.Error
		if !errors.As(err, &refused) || refused.Code != "token_expired" {
			t.Errorf("in two hours: %v", err)
		}
	}
	w.now = time.Time{}
	w.Sessions.Limits.Idle = time.Nanosecond // as if it had not been used for long
	if _, err := w.Access.Inspect(t.Context(), w.tokens[1]); propusk.KindOf(err) != propusk.Unauthenticated {
		t.Errorf("idle: %v", err)
	}
}

// A session that was used elsewhere is not idle, whatever this node remembers.
func TestASessionThatWasUsedElsewhereGoesOn(t *testing.T) {
	w := settle(t, 2, 1, 1<<24)
	w.Sessions.Limits.Token, w.Sessions.Limits.Idle = 100*time.Hour, time.Hour
	in, err := w.Sessions.Login(t.Context(), session.Login{Email: "p1@example.org", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	pass, err := w.Access.Inspect(t.Context(), in.Access)
	if err != nil {
		t.Fatal(err)
	}
	w.now = time.Now().Add(90 * time.Minute)
	err = w.db.Update(t.Context(), func(tx store.Tx) error {
		return tx.TouchSessions([]store.Seen{{SessionID: pass.Session.ID, At: w.now.Add(-time.Minute)}})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Access.Inspect(t.Context(), in.Access); err != nil {
		t.Errorf("after 90 minutes: %v", err)
	}
	if n := w.reads(func() { _, _ = w.Access.Inspect(t.Context(), in.Access) }); n != 0 {
		t.Errorf("and then it takes %d statements", n)
	}
}

var mayWrite = rbac.MustPermission("shout:create")

// may asks as a program does that has the engine inside: who shows this token, and may they do that there?
func (t *town) may(ctx context.Context, token string, community int64) bool {
	pass, err := t.Access.InspectIn(ctx, token, community)
	return err == nil && pass.May(mayWrite, rbac.OwnerUnknown).Allowed
}

// bare is the same over maps that nothing bounds and nobody changes: what it costs to look the three things up.
type bare struct {
	sessions map[string]int64
	roles    map[[2]int64]uint64
	grants   [64]uint64
}

func (t *town) bare() *bare {
	b := &bare{sessions: map[string]int64{}, roles: map[[2]int64]uint64{}}
	b.grants[1] = 1 << 7
	for i, user := range t.users {
		b.sessions[t.tokens[i]] = user.ID
		for _, community := range t.communities {
			b.roles[[2]int64{user.ID, community}] = 1 << 1
		}
	}
	return b
}

func (b *bare) may(token string, community int64) bool {
	user, known := b.sessions[token]
	if !known {
		return false
	}
	roles, member := b.roles[[2]int64{user, community}]
	return member && roles&(1<<1) != 0 && b.grants[1]&(1<<7) != 0
}

// Asked in one call, whoever is refused or expired is so as with a Pass, and a change that memory is told of counts at once.
func TestOneCallAnswersAsAPassDoes(t *testing.T) {
	changes := &memory.Memory{}
	w := settle(t, 3, 2, 1<<24)
	w.Access.Memory = access.NewMemory(changes, 1<<24)
	ask := func(bearer string, community int64) string {
		t.Helper()
		got, err := w.Access.May(t.Context(), bearer, community, mayWrite, rbac.OwnerUnknown)
		pass, passErr := w.Access.InspectIn(t.Context(), bearer, community)
		want := pass.May(mayWrite, rbac.OwnerUnknown)
		if passErr != nil {
			want = rbac.Decision{}
		}
		if got != want || propusk.KindOf(err) != propusk.KindOf(passErr) {
			t.Errorf("in one call %+v %v, and by a pass %+v %v", got, err, want, passErr)
		}
		return fmt.Sprint(got, err != nil)
	}
	for range 2 {
		for _, bearer := range append(w.tokens, "", "rubbish", w.tokens[1]+"x") {
			for _, community := range append(w.communities, 0, -1, 4711) {
				ask(bearer, community)
			}
		}
	}
	if n := w.reads(func() { ask(w.tokens[1], w.communities[0]) }); n != 0 {
		t.Errorf("the same again takes %d statements", n)
	}
	allowed := ask(w.tokens[1], w.communities[0])
	err := w.db.Update(t.Context(), func(tx store.Tx) error {
		return tx.SetMemberRoles(w.communities[0], w.users[1].ID, []string{"reader"})
	})
	if err != nil {
		t.Fatal(err)
	}
	changes.Drop(memory.Member(w.communities[0], w.users[1].ID))
	if ask(w.tokens[1], w.communities[0]) == allowed {
		t.Error("the role was taken, and what it permits is allowed")
	}
	w.now = time.Now().Add(48 * time.Hour)
	if _, err := w.Access.May(t.Context(), w.tokens[1], w.communities[1], mayWrite, rbac.OwnerUnknown); propusk.KindOf(err) != propusk.Unauthenticated {
		t.Errorf("in two days: %v", err)
	}
	w.now, w.lease.ends = time.Time{}, true
	if n := w.reads(func() { ask(w.tokens[1], w.communities[0]) }); n != 4 {
		t.Errorf("without a lease two questions take %d statements", n)
	}
}

// An expired lease lets nobody be told what a process remembered before: whoever then reads for himself reads all of it.
func TestWhoHasNoLeaseIsToldNothingThatIsRemembered(t *testing.T) {
	w := settle(t, 3, 1, 1<<24)
	ask := func() rbac.Decision {
		pass := w.inspect(t)
		return pass.May(mayWrite, rbac.OwnerUnknown)
	}
	ask()
	edit := community.RoleEdit{Permissions: &[]string{"shout:read"}}
	if _, err := w.Communities.EditRole(t.Context(), w.Operator(), w.communities[0], "author", edit); err != nil {
		t.Fatal(err)
	}
	w.lease.ends = true
	ended := ask()
	w.lease = nil
	if none := ask(); ended != none || none.Allowed {
		t.Errorf("with a lease that has ended %+v, and without one %+v", ended, none)
	}
}

func TestAZeroMemoryRemembersNothing(t *testing.T) {
	w := settle(t, 2, 1, 1<<24)
	w.Access.Memory = access.Memory{}
	for range 2 {
		if n := w.reads(func() { w.inspect(t) }); n != 2 {
			t.Errorf("it takes %d statements", n)
		}
	}
}

// Who was seen a moment ago is said to have been, although a note of that is no change.
func TestAPassSaysWhenSomebodyWasSeen(t *testing.T) {
	w := settle(t, 2, 1, 1<<24)
	w.inspect(t)
	w.now = time.Now().Add(50 * time.Minute)
	w.inspect(t)
	w.now = w.now.Add(30 * time.Second)
	pass := w.inspect(t)
	for of, seen := range map[string]time.Time{"account": pass.User.LastSeen, "session": pass.Session.LastSeen} {
		if late := w.now.Sub(seen); late > time.Minute {
			t.Errorf("the %s was seen %v ago", of, late)
		}
	}
}

// held is how many bytes are in use once everything that nobody needs is gone.
func held() uint64 {
	runtime.GC()
	runtime.GC() // what the first one found to be over
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// beside is what others in the process may come to hold.
const beside = 512 << 10

func within(t *testing.T, before uint64, bytes int64) {
	t.Helper()
	took := int64(held()) - int64(before)
	t.Logf("it takes %d bytes of %d", took, bytes)
	if took > bytes+beside {
		t.Error("that is too much")
	}
}

// What is remembered takes no more than it may, however much there is to remember.
func TestMemoryTakesNoMoreThanItMay(t *testing.T) {
	const bytes = 1 << 20
	w := settle(t, 150, 40, bytes)
	w.inspect(t)
	before := held()
	for _, community := range w.communities {
		for i, token := range w.tokens {
			if _, err := w.Access.InspectIn(t.Context(), token, community); err != nil {
				t.Fatal(err)
			}
			about := propusk.Question{Permission: "shout:create", CommunityID: community, UserID: w.users[i].UserID}
			if _, err := w.Access.Check(t.Context(), w.Operator(), about); err != nil {
				t.Fatal(err)
			}
		}
	}
	within(t, before, bytes)
	runtime.KeepAlive(w)
}

// Nor do a few people whose communities are as large as they may be: long descriptions, and lists of permissions of their own. A standing
// there is a few bytes, and must not keep all that alive.
func TestLargeCommunitiesTakeNoMoreThanTheyMay(t *testing.T) {
	const bytes = 1 << 20
	w := settle(t, 2, 40, bytes)
	all := w.Communities.Catalogue.Permissions()
	err := w.Store.Update(t.Context(), func(tx store.Tx) error {
		for n, id := range w.communities {
			c, err := tx.Community(id)
			if err != nil {
				return err
			}
			lists, err := rbac.Compile(w.Access.Policy)
			for role := 0; err == nil && role < 40; role++ {
				lists, err = lists.With(fmt.Sprintf("r%dx%d", n, role), all)
			}
			if err != nil {
				return err
			}
			text, err := lists.MarshalJSON()
			if err != nil {
				return err
			}
			c.Grants, c.Description = lists.Hash(), strings.Repeat("ü", 2000)
			if err := errors.Join(tx.KeepGrants(c.Grants, text), tx.UpdateCommunity(c)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, lease := range map[string]*lease{"with a lease": {}, "without": nil} {
		w.lease = lease
		before := held()
		for range 5 {
			for _, id := range w.communities {
				if _, err := w.Access.InspectIn(t.Context(), w.tokens[1], id); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Log(name)
		within(t, before, bytes+4<<20) // lists have as much in any case
	}
	runtime.KeepAlive(w)
}

func BenchmarkCheck(b *testing.B) {
	for _, size := range []struct{ users, communities int }{{100, 10}, {1000, 100}} {
		b.Run(fmt.Sprint(size.users*size.communities), func(b *testing.B) {
			t := settle(b, size.users, size.communities, 1<<30)
			maps := t.bare()
			each := func(may func(string, int64) bool) func(b *testing.B) {
				return func(b *testing.B) {
					b.ReportAllocs()
					for i := uint32(0); b.Loop(); i++ {
						n := i * 2654435761
						if !may(t.tokens[n%uint32(len(t.tokens))], t.communities[(n>>16)%uint32(len(t.communities))]) {
							b.Fatal("refused")
						}
					}
				}
			}
			parallel := func(may func(string, int64) bool) func(b *testing.B) {
				return func(b *testing.B) {
					b.RunParallel(func(pb *testing.PB) {
						for i := rand.Uint32(); pb.Next(); i++ {
							n := i * 2654435761
							if !may(t.tokens[n%uint32(len(t.tokens))], t.communities[(n>>16)%uint32(len(t.communities))]) {
								b.Fail()
							}
						}
					})
				}
			}
			ours := func(token string, community int64) bool { return t.may(context.Background(), token, community) }
			for _, token := range t.tokens {
				for _, community := range t.communities {
					ours(token, community)
				}
			}
			check := func(token string, community int64) bool {
				got, err := t.Access.May(context.Background(), token, community, mayWrite, rbac.OwnerUnknown)
				return err == nil && got.Allowed
			}
			b.Run("check", each(check))
			b.Run("check, parallel", parallel(check))
			b.Run("maps", each(maps.may))
			b.Run("pass", each(ours))
			b.Run("pass, parallel", parallel(ours))
			b.Run("maps, parallel", parallel(maps.may))
		})
	}
}
