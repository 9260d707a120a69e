package community_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/community"
	"github.com/propusk/propusk/internal/pgtest"
	"github.com/propusk/propusk/internal/store"
)

// Every attack here got through once.

// hook is the store with something that happens once, at the worst moment.
type hook struct {
	store.Store
	afterCommunitiesWith, beforeBeside func()
}

func (h *hook) Update(ctx context.Context, fn func(store.Tx) error) error {
	return h.Store.Update(ctx, func(tx store.Tx) error { return fn(hookTx{tx, h}) })
}

func (h *hook) UpdateBeside(ctx context.Context, fn func(store.Tx) error) error {
	once(&h.beforeBeside)
	return h.Store.UpdateBeside(ctx, fn)
}

func once(do *func()) {
	if fn := *do; fn != nil {
		*do = nil
		fn()
	}
}

type hookTx struct {
	store.Tx
	h *hook
}

func (t hookTx) CommunitiesWith(userID int64, role string) ([]propusk.Community, error) {
	found, err := t.Tx.CommunitiesWith(userID, role)
	once(&t.h.afterCommunitiesWith)
	return found, err
}

// atTheWorstMoment is the service with something that happens between the planning of a bulk and its carrying out.
func (w *world) atTheWorstMoment(do func()) *community.Service {
	s := *w.Communities
	s.Store = &hook{Store: w.Store, beforeBeside: do}
	return &s
}

func assign(p propusk.Pass, roles ...string) propusk.Assignment {
	return propusk.Assignment{UserID: p.User.UserID, Roles: append([]string{}, roles...)}
}

// TestDeletingAnAccountBesideABulkLeavesAnAdmin: a reader deletes the account while a bulk makes it the only admin. SQLite lets nobody write beside.
func TestDeletingAnAccountBesideABulkLeavesAnAdmin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.Patient(t))
	anna, boris := w.person("Anna"), w.person("Boris")
	id := w.founds(anna, "owls")
	w.give(id, boris, "reader")
	w.Accounts.Store = &hook{Store: w.Store, afterCommunitiesWith: func() {
		_, err := w.Communities.Bulk(w.ctx(), anna, id, propusk.ModeReplace, []propusk.Assignment{assign(anna, "editor"), assign(boris, "admin")})
		w.must(err)
	}}
	w.refused(w.Accounts.Delete(w.ctx(), boris), "last_community_admin")
	admins, err := w.Store.Now(w.ctx()).ActiveHolders(id, "admin", 2)
	w.must(err)
	same(t, "admins", admins, 1)
}

func TestAKeyWithALimitComesAndGoesNowhere(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		root, anna := w.promoted("root", "admin"), w.person("Anna")
		id, other := w.founds(anna, "owls"), w.founds(anna, "larks")
		w.give(id, root, "reader")
		_, secret, err := w.Access.IssueKey(w.ctx(), root, access.NewKey{Name: "checks", Permissions: []string{"access:check"}})
		w.must(err)
		key, err := w.Access.Inspect(w.ctx(), secret)
		w.must(err)
		w.refused(w.Communities.Leave(w.ctx(), key, id), "session_required")
		_, err = w.Communities.Join(w.ctx(), key, other)
		w.refused(err, "session_required")
		_, err = w.Communities.Follow(w.ctx(), key, other, true)
		w.refused(err, "session_required")
		profile, err := w.Communities.Get(w.ctx(), key, other)
		w.must(err)
		if key.PlatformAdmin || profile.Settled {
			t.Errorf("a key for checks is a platform admin: %v, and knows the roles of a community: %v", key.PlatformAdmin, profile.Settled)
		}
		// About its issuer it learns what is true of the person, not of itself.
		about := propusk.Question{Permission: "shout:read", CommunityID: id, UserID: root.User.UserID}
		decision, err := w.Access.Check(w.ctx(), key, about)
		w.must(err)
		same(t, "about the issuer", string(decision.Reason), "role")
		about.UserID = ""
		explanation, err := w.Access.Explain(w.ctx(), key, about)
		w.must(err)
		if explanation.Allowed || !explanation.Limited || len(explanation.Via)+len(explanation.GivenBy) > 0 {
			t.Errorf("about itself: %+v", explanation)
		}
	})
}

// TestAMalformedUserIDIsNobodys: a parser that returns what it read before an error must not find somebody by it.
func TestAMalformedUserIDIsNobodys(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna := w.person("Anna")
		id := w.founds(anna, "owls")
		const victim = "12345678-1234-4234-8234-123456789000"
		w.must(w.Store.Update(w.ctx(), func(tx store.Tx) error {
			_, err := tx.InsertUser(store.UserRow{
				User:     propusk.User{UserID: victim, Name: "V", Slug: "v", Email: "v@example.org", Role: "user", IsActive: true, CreatedAt: time.Now(), UpdatedAt: time.Now()},
				EmailKey: "v@example.org", PasswordHash: "x",
			})
			return err
		}))
		for _, bad := range []string{"12345678-1234-4234-8234-1234567890zz", "12345678-1234-4234-8234-123456789zzz", "urn:uuid:" + victim, "{" + victim + "}"} {
			_, err := w.Communities.Bulk(w.ctx(), anna, id, propusk.ModeReplace, []propusk.Assignment{{UserID: bad, Roles: []string{"admin"}}})
			w.refused(err, "invalid_input")
			_, err = w.Communities.SetRoles(w.ctx(), anna, id, bad, []string{"admin"})
			w.refused(err, "user_not_found")
		}
	})
}

func TestABulkIntoADeletedCommunity(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna, boris := w.person("Anna"), w.person("Boris")
		id := w.founds(anna, "owls")
		s := w.atTheWorstMoment(func() { w.must(w.Communities.Delete(w.ctx(), anna, id)) })
		_, err := s.Bulk(w.ctx(), anna, id, propusk.ModeReplace, []propusk.Assignment{assign(boris, "reader")})
		w.refused(err, "community_not_found")
	})
}

// TestABulkByWhoLostTheRightMeanwhile is refused, leaves nothing, and the audit does not tell of it.
func TestABulkByWhoLostTheRightMeanwhile(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna, boris, clara := w.person("Anna"), w.person("Boris"), w.person("Clara")
		id := w.founds(anna, "owls")
		w.give(id, boris, "admin")
		s := w.atTheWorstMoment(func() { w.give(id, boris, "reader") })
		_, err := s.Bulk(w.ctx(), boris, id, propusk.ModeReplace, []propusk.Assignment{assign(clara, "admin")})
		w.refused(err, "missing_permission")
		same(t, "Clara", w.rolesOf(id, clara), "-")
		_, _, err = w.Audit.Rows(w.ctx(), w.Operator(), 1, 0, 10)
		w.refused(err, "bulk_not_found")
	})
}

// TestABulkSeesWhatChangedMeanwhile: a member got other roles, a role permits more, a role is no longer available.
func TestABulkSeesWhatChangedMeanwhile(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna, boris := w.person("Anna"), w.person("Boris")
		id := w.founds(anna, "owls")
		w.give(id, boris, "reader")
		s := w.atTheWorstMoment(func() { w.give(id, boris, "reader", "expert") })
		results, err := s.Bulk(w.ctx(), anna, id, propusk.ModeAdd, []propusk.Assignment{assign(boris, "author")})
		w.must(err)
		same(t, "nothing is lost", results[0].Roles, []string{"reader", "expert", "author"})
		s = w.atTheWorstMoment(func() {
			_, err := w.Communities.SetRoleSettings(w.ctx(), anna, id, propusk.RoleSettings{AvailableRoles: []string{"reader", "admin"}, DefaultRoles: []string{}}, true)
			w.must(err)
		})
		_, err = s.Bulk(w.ctx(), anna, id, propusk.ModeReplace, []propusk.Assignment{assign(boris, "expert")})
		w.refused(err, "invalid_input")
	})
}

// TestABulkTakesTheLastActiveAdminFromNobodyElse: a bulk asks, as the single calls do, whether it takes the last active admin away, and not whether
// there is one. Who is active it asks when it writes.
func TestABulkTakesTheLastActiveAdminFromNobodyElse(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna, boris, root := w.person("Anna"), w.person("Boris"), w.promoted("root", "admin")
		id := w.founds(anna, "owls")
		w.give(id, boris, "admin")
		blocks := func(them propusk.Pass) {
			_, err := w.Accounts.Block(w.ctx(), root, them.User.UserID)
			w.must(err)
		}
		unblocks := func(them propusk.Pass) {
			_, err := w.Accounts.Unblock(w.ctx(), root, them.User.UserID)
			w.must(err)
		}
		demotes := func(s *community.Service, rows ...propusk.Assignment) error {
			_, err := s.Bulk(w.ctx(), root, id, propusk.ModeReplace, rows)
			return err
		}
		blocks(anna)
		blocks(boris)
		meanwhile := w.atTheWorstMoment(func() { unblocks(boris) })
		w.refused(demotes(meanwhile, assign(anna, "editor"), assign(boris, "editor")), "last_community_admin")
		w.refused(demotes(w.Communities, assign(boris, "editor")), "last_community_admin")
		same(t, "Boris, who is active", w.rolesOf(id, boris), "[admin]")
		blocks(boris)
		w.must(demotes(w.Communities, assign(boris, "editor")))
		same(t, "Boris, who is blocked", w.rolesOf(id, boris), "[editor]")
		w.must(demotes(w.Communities, assign(anna, "editor")))
		same(t, "Anna, who is blocked", w.rolesOf(id, anna), "[editor]")
	})
}

func TestAListOfRolesIsBounded(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna, boris := w.person("Anna"), w.person("Boris")
		id := w.founds(anna, "owls")
		var long []string
		for i := range 90 {
			role := fmt.Sprintf("r%d-%s", i, strings.Repeat("x", 32))[:32]
			_, err := w.Communities.CreateRole(w.ctx(), anna, id, community.NewRole{ID: role, Name: "x", Permissions: []string{"shout:read"}})
			w.must(err)
			long = append(long, role)
		}
		_, err := w.Communities.SetRoles(w.ctx(), anna, id, boris.User.UserID, long)
		w.refused(err, "invalid_input")
		_, err = w.Communities.Bulk(w.ctx(), anna, id, propusk.ModeReplace, []propusk.Assignment{assign(boris, long...)})
		w.refused(err, "invalid_input")
		_, err = w.Communities.SetRoles(w.ctx(), anna, id, boris.User.UserID, long[:75])
		w.must(err)
		// A hundred thousand names in one row are refused as fast as a hundred.
		endless := make([]string, 100_000)
		for i := range endless {
			endless[i] = fmt.Sprintf("r%x", i)
		}
		_, err = w.Communities.Bulk(w.ctx(), anna, id, propusk.ModeReplace, []propusk.Assignment{assign(boris, endless...)})
		w.refused(err, "invalid_input")
	})
}

// TestAListIsNotTakenForAnother: a role with a comma in it looks like two.
func TestAListIsNotTakenForAnother(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna, boris, clara := w.person("Anna"), w.person("Boris"), w.person("Clara")
		id := w.founds(anna, "owls")
		_, err := w.Communities.Bulk(w.ctx(), anna, id, propusk.ModeReplace, []propusk.Assignment{assign(boris, "reader", "author"), assign(clara, "reader,author")})
		w.refused(err, "invalid_input")
	})
}

// TestABarOutlivesTheDefaults: nobody gets a lost default role back because there were no defaults for a while, or because it was stripped from all.
func TestABarOutlivesTheDefaults(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna, boris, clara := w.person("Anna"), w.person("Boris"), w.person("Clara")
		id := w.founds(anna, "owls")
		w.give(id, boris, "reader", "author")
		_, err := w.Communities.Join(w.ctx(), clara, id)
		w.must(err)
		_, err = w.Communities.RemoveRole(w.ctx(), anna, id, boris.User.UserID, "reader")
		w.must(err)
		all := []string{"reader", "author", "artist", "expert", "editor", "admin"}
		settings := func(available []string, defaults ...string) {
			_, err := w.Communities.SetRoleSettings(w.ctx(), anna, id, propusk.RoleSettings{AvailableRoles: available, DefaultRoles: defaults}, true)
			w.must(err)
		}
		settings(all)
		w.give(id, boris, "author", "artist")
		settings(all, "reader")
		settings(all[1:]) // strips Clara of reader
		settings(all, "reader")
		for _, p := range []propusk.Pass{boris, clara} {
			w.must(w.Communities.Leave(w.ctx(), p, id))
			_, err := w.Communities.Join(w.ctx(), p, id)
			w.refused(err, "admission_required")
		}
	})
}

// TestANewRoleLandsOnNobodyAbove: somebody wrote the name of a role into a column before there was such a role.
func TestANewRoleLandsOnNobodyAbove(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna, lead := w.person("Anna"), w.person("Lead")
		id := w.founds(anna, "studio")
		w.give(id, lead, "lead")
		w.must(w.Store.Update(w.ctx(), func(tx store.Tx) error { return tx.SetMemberRoles(id, anna.User.ID, []string{"admin", "ghost"}) }))
		_, err := w.Communities.CreateRole(w.ctx(), lead, id, community.NewRole{ID: "ghost", Name: "Ghost", Permissions: []string{"picture:read"}})
		w.refused(err, "above_own_rights")
		_, err = w.Communities.CreateRole(w.ctx(), anna, id, community.NewRole{ID: "ghost", Name: "Ghost", Permissions: []string{"picture:read"}})
		w.must(err)
	}, everybodyMayTry)
}

func TestAPolicyThatDoesNotFit(t *testing.T) {
	t.Parallel()
	database := sqliteFile(t)
	w := newWorld(t, database)
	anna := w.person("Anna")
	id := w.founds(anna, "owls")
	for i := range 94 {
		_, err := w.Communities.CreateRole(w.ctx(), anna, id, community.NewRole{ID: fmt.Sprintf("own%d", i), Name: "Own", Permissions: []string{"community:read"}})
		w.must(err)
	}
	_, err := w.Communities.CreateRole(w.ctx(), anna, id, community.NewRole{ID: "onemore", Name: "Own", Permissions: []string{"community:read"}})
	w.refused(err, "invalid_input")
	text := "version: 1\nscope: community\navailable_roles: [admin]\ncreator_role: admin\ncatalogue:\n  reserved:\n    community: [read]\nroles:\n"
	for i := range 10 {
		text += fmt.Sprintf("  extra%d: {name: E, permissions: []}\n", i)
	}
	next := newWorld(t, database, withPolicy(t, text+"  admin: {name: A, permissions: [\"*\"]}\n"))
	for _, dryRun := range []bool{true, false} {
		_, err := next.Communities.ApplyPolicy(w.ctx(), w.Operator(), id, dryRun, true)
		next.refused(err, "too_many_roles")
	}
}

// TestAQuestionSaysItselfWhereItIsAbout: a pass that was made for one community answers for no other, and for none that there is not.
func TestAQuestionSaysItselfWhereItIsAbout(t *testing.T) {
	t.Parallel()
	onEngines(t, func(w *world) {
		anna := w.person("Anna")
		owls, crows := w.founds(anna, "owls"), w.founds(anna, "crows")
		w.must(w.Communities.Delete(w.ctx(), anna, crows))
		placed, err := w.Access.Visit(w.ctx(), anna, owls)
		w.must(err)
		for community, want := range map[int64]string{0: "community_required", crows: "not_member", 99999: "not_member", owls: "role"} {
			decision, err := w.Access.Check(w.ctx(), placed, propusk.Question{Permission: "community:delete_own", CommunityID: community})
			w.must(err)
			same(t, fmt.Sprint("in ", community), string(decision.Reason), want)
		}
		again, err := w.Access.Visit(w.ctx(), placed, crows)
		w.must(err)
		if again.Community.ID != 0 || again.Member || len(again.Local.Roles) > 0 {
			t.Errorf("a visit to a community that is gone: %+v", again)
		}
	})
}
