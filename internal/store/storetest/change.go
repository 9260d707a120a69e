package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

// RunChanges tells the stories of the log of changes to databases that keep one. One that does not says so by a nil ChangeLog, and nobody
// remembers what it is read from: that is the only thing that Propusk does differently on it.
func RunChanges(t *testing.T, fresh Fresh) {
	for _, chapter := range [][]story{changes, registries} {
		for _, s := range chapter {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				s.tell(start(t, fresh(t)))
			})
		}
	}
}

// made are what an Update logged, as it says itself.
func (d *database) made(fn func(store.Tx) error) (made []store.Change) {
	d.t.Helper()
	d.update(func(tx store.Tx) (err error) {
		if err = fn(tx); err == nil {
			made, _, err = tx.Changes()
		}
		return err
	})
	return made
}

// scene is what the acts of this chapter are about: three people with two sessions and a key each, the first two in a community.
type scene struct {
	*database
	u []propusk.User
	c propusk.Community
}

func (d *database) scene() scene {
	s := scene{d, d.people(3), propusk.Community{}}
	for _, u := range s.u {
		logIn(d, u.ID, 1, 2)
	}
	d.issue(apiKey(s.u[0].ID, 1), apiKey(s.u[1].ID, 2))
	s.c = d.found(1, s.u[0].ID)
	d.join(s.c, []string{"reader"}, s.u[0], s.u[1])
	d.update(func(tx store.Tx) error {
		return tx.InsertSigningKey(store.SigningKey{KeyID: "k", Private: []byte{1}, CreatedAt: noon})
	})
	return s
}

func (s scene) user(n int) store.Change {
	return store.Change{Kind: store.ChangedUser, A: s.u[n].ID}
}

func (s scene) member(n int) store.Change {
	return store.Change{Kind: store.ChangedMember, A: s.c.ID, B: s.u[n].ID}
}

func (s scene) community() store.Change {
	return store.Change{Kind: store.ChangedCommunity, A: s.c.ID}
}

var everything = store.Change{Kind: store.ChangedAll}

// act is something that somebody does, and what is logged of it.
type act struct {
	name   string
	do     func(scene, store.Tx) error
	logged func(scene) []store.Change
}

func only(what ...func(scene) store.Change) func(scene) []store.Change {
	return func(s scene) (all []store.Change) {
		for _, one := range what {
			all = append(all, one(s))
		}
		return all
	}
}

func user(n int) func(scene) store.Change   { return func(s scene) store.Change { return s.user(n) } }
func member(n int) func(scene) store.Change { return func(s scene) store.Change { return s.member(n) } }
func thatCommunity(s scene) store.Change    { return s.community() }
func all(scene) store.Change                { return everything }
func discard[T any](_ T, err error) error   { return err }
func (s scene) session(user, n int) string  { return login(s.u[user].ID, n).ID }
func (s scene) changed(n int, how func(*propusk.User)) propusk.User {
	u := s.u[n]
	how(&u)
	return u
}

var acts = []act{
	{"a role above all communities", func(s scene, tx store.Tx) error {
		return tx.UpdateUser(s.changed(0, func(u *propusk.User) { u.Role = "admin" }))
	}, only(user(0))},
	{"a block", func(s scene, tx store.Tx) error {
		return tx.UpdateUser(s.changed(1, func(u *propusk.User) { u.IsActive = false }))
	}, only(user(1))},
	{"a name", func(s scene, tx store.Tx) error {
		return tx.UpdateUser(s.changed(0, func(u *propusk.User) { u.Name = "Анна" }))
	}, only(user(0))},
	{"an account as it is", func(s scene, tx store.Tx) error { return tx.UpdateUser(s.u[2]) }, only(user(2))},
	{"a logout", func(s scene, tx store.Tx) error { return discard(tx.DeleteSession(s.session(1, 2))) }, only(user(1))},
	{"a logout everywhere", func(s scene, tx store.Tx) error { return discard(tx.DeleteSessions(s.u[0].ID, "")) }, only(user(0), user(0))},
	{"sessions that are over", func(s scene, tx store.Tx) error {
		return discard(tx.DeleteOverSessions(noon.Add(1000*time.Hour), noon, 100))
	}, only(user(0), user(0), user(1), user(1), user(2), user(2))},
	{"a key withdrawn", func(s scene, tx store.Tx) error {
		return discard(tx.DeleteAPIKey(apiKey(s.u[1].ID, 2).ID))
	}, only(user(1))},
	{"all keys of somebody withdrawn", func(s scene, tx store.Tx) error { return discard(tx.DeleteAPIKeys(s.u[0].ID)) }, only(user(0))},
	{"signing keys retired", func(_ scene, tx store.Tx) error { return tx.RetireSigningKeys(noon) }, only(all)},
	{"somebody joins", func(s scene, tx store.Tx) error {
		return tx.InsertMember(s.c.ID, s.u[2].ID, []string{"reader"}, noon)
	}, only(member(2))},
	{"other roles", func(s scene, tx store.Tx) error { return tx.SetMemberRoles(s.c.ID, s.u[1].ID, []string{"author"}) }, only(member(1))},
	{"the roles that somebody has", func(s scene, tx store.Tx) error {
		return tx.SetMemberRoles(s.c.ID, s.u[1].ID, []string{"reader"})
	}, only(member(1))},
	{"somebody leaves", func(s scene, tx store.Tx) error { return tx.DeleteMember(s.c.ID, s.u[0].ID) }, only(member(0))},
	{"a role taken from all", func(s scene, tx store.Tx) error {
		_, _, err := replaceAll(tx, s.c.ID, []string{"reader"}, nil, true)
		return err
	}, only(member(0), member(1))},
	{"settings of a community", func(s scene, tx store.Tx) error {
		c := s.c
		c.AvailableRoles = []string{"reader", "admin"}
		return tx.UpdateCommunity(c)
	}, only(thatCommunity)},
	{"the end of a community", func(s scene, tx store.Tx) error { return tx.DeleteCommunity(s.c.ID, noon) }, only(thatCommunity)},

	{"a registration", func(_ scene, tx store.Tx) error { return insert(tx, 50) }, only()},
	{"a login", func(s scene, tx store.Tx) error { return tx.InsertSession(login(s.u[0].ID, 9)) }, only()},
	{"a refresh", func(s scene, tx store.Tx) error { return tx.RotateRefresh(s.session(0, 1), store.Refresh{}) }, only()},
	{"the use of a session", func(s scene, tx store.Tx) error {
		return tx.TouchSessions([]store.Seen{{SessionID: s.session(0, 1), At: noon.Add(time.Hour)}})
	}, only()},
	{"the use of a key", func(s scene, tx store.Tx) error { return tx.TouchAPIKey(apiKey(s.u[0].ID, 1).ID, noon.Add(time.Hour)) }, only()},
	{"a password hash", func(s scene, tx store.Tx) error { return tx.SetPasswordHash(s.u[0].ID, "another") }, only()},
	{"a key issued", func(s scene, tx store.Tx) error {
		return tx.InsertAPIKey(apiKey(s.u[0].ID, 9), store.SecretHash{99})
	}, only()},
	{"following", func(s scene, tx store.Tx) error { return tx.SetFollows(s.c.ID, s.u[2].ID, true, noon) }, only()},
	{"a community founded", func(s scene, tx store.Tx) error { return discard(tx.InsertCommunity(magazine(7, s.u[0].ID))) }, only()},
	{"a count of attempts", func(_ scene, tx store.Tx) error { return tx.SetCounter(store.CounterKey{1}, store.Counter{Count: 1}) }, only()},
	{"nobody's logout", func(_ scene, tx store.Tx) error { return discard(tx.DeleteSession("nobody's")) }, only()},
}

var changes = []story{
	{"every act is logged, and what nobody remembers is not", func(d *database) {
		s := d.scene()
		for _, act := range acts {
			err := d.Update(d.t.Context(), func(tx store.Tx) error {
				if err := act.do(s, tx); err != nil {
					return err
				}
				made, at, err := tx.Changes()
				d.must(err)
				slices.SortFunc(made, func(a, b store.Change) int { return cmp.Compare(a.A, b.A) })
				same(d, act.name, made, act.logged(s))
				if (at == nil) != (len(made) == 0) {
					d.t.Errorf("%s: %d changes are at %v", act.name, len(made), at)
				}
				return errRefused // the next act finds everything as it was
			})
			if !errors.Is(err, errRefused) {
				d.t.Errorf("%s: %v", act.name, err)
			}
		}
	}},

	{"a large change is one change of all members", func(d *database) {
		const many = 1001
		s := d.scene()
		crowd := make([]store.UserRow, many)
		rows := make([]store.BulkRow, many)
		for i := range crowd {
			crowd[i] = person(100 + i)
		}
		for i, u := range d.insert(crowd...) {
			rows[i] = store.BulkRow{AccountID: u.ID, After: []string{"author"}}
		}
		id := d.stage(s.c, rows...)
		members := []store.Change{{Kind: store.ChangedMembers, A: s.c.ID}}
		same(d, "a bulk", d.made(applying(id, noon)), members)
		same(d, "one of them afterwards", d.made(func(tx store.Tx) error {
			return tx.SetMemberRoles(s.c.ID, rows[0].AccountID, []string{"author"})
		}), []store.Change{{Kind: store.ChangedMember, A: s.c.ID, B: rows[0].AccountID}})
		same(d, "a role taken from all", d.made(func(tx store.Tx) error {
			_, _, err := replaceAll(tx, s.c.ID, []string{"author"}, []string{"reader"}, false)
			return err
		}), members)
		same(d, "one of them afterwards", d.made(func(tx store.Tx) error { return tx.DeleteMember(s.c.ID, rows[0].AccountID) }),
			[]store.Change{{Kind: store.ChangedMember, A: s.c.ID, B: rows[0].AccountID}})
		small := d.stage(s.c, store.BulkRow{AccountID: s.u[2].ID, After: []string{"reader"}})
		same(d, "a small bulk", d.made(applying(small, noon)), []store.Change{s.member(2)})
	}},

	{"everybody is told what is committed, and nobody what is not", func(d *database) {
		s, log, ctx := d.scene(), d.ChangeLog(), d.t.Context()
		d.must(log.Join(ctx, "reader", "here:1"))
		begin, err := log.News(ctx, "reader", nil)
		d.must(err)
		same(d, "at first", begin.Changes, nil)
		d.refuse(errRefused, func(tx store.Tx) error {
			d.must(tx.SetMemberRoles(s.c.ID, s.u[0].ID, nil))
			return errRefused
		})
		other := d.another()
		other.refuse(errRefused, func(tx store.Tx) error {
			d.must(tx.DeleteMember(s.c.ID, s.u[0].ID))
			return errRefused
		})
		other.update(func(tx store.Tx) error { return tx.SetMemberRoles(s.c.ID, s.u[1].ID, nil) })
		other.update(func(tx store.Tx) error { return discard(tx.DeleteSession(s.session(2, 1))) })
		news, err := log.News(ctx, "reader", begin.At)
		d.must(err)
		same(d, "news", news.Changes, []store.Change{s.member(1), s.user(2)})
		news, err = log.News(ctx, "reader", news.At)
		d.must(err)
		same(d, "no news", news.Changes, nil)
		same(d, "live", news.Live, true)
	}},

	{"each of many who change at once says what it changed, and readers miss nothing", func(d *database) {
		log, ctx := d.ChangeLog(), d.t.Context()
		u := d.people(crowd)
		other := d.another()
		d.must(log.Join(ctx, "reader", "here:1"))
		begin, err := log.News(ctx, "reader", nil)
		d.must(err)
		together(func(n int) {
			from := []*database{d, other}[n%2]
			made := from.made(func(tx store.Tx) error { return tx.UpdateUser(u[n]) })
			want, found := store.Change{Kind: store.ChangedUser, A: u[n].ID}, false
			for _, c := range made {
				found = found || c == want
			}
			if !found {
				d.t.Errorf("%d changed %v", n, made)
			}
		})
		news, err := log.News(ctx, "reader", begin.At)
		d.must(err)
		told := map[int64]bool{}
		for _, c := range news.Changes {
			told[c.A] = true
		}
		for n := 1; n < crowd; n += 2 { // own changes may be left out
			if !told[u[n].ID] {
				d.t.Errorf("nobody was told of %d", n)
			}
		}
	}},

	{"of very many changes it is told that there were", func(d *database) {
		log, ctx := d.ChangeLog(), d.t.Context()
		u := d.people(1)
		other := d.another()
		d.must(log.Join(ctx, "reader", "here:1"))
		begin, err := log.News(ctx, "reader", nil)
		d.must(err)
		made := other.made(func(tx store.Tx) error {
			for range 10_001 {
				if err := tx.UpdateUser(u[0]); err != nil {
					return err
				}
			}
			return nil
		})
		same(d, "as its maker says", made, []store.Change{everything})
		news, err := log.News(ctx, "reader", begin.At)
		d.must(err)
		same(d, "as others are told", news.Changes, []store.Change{everything})
		news, err = log.News(ctx, "reader", news.At)
		d.must(err)
		same(d, "and once", news.Changes, nil)
	}},
}

// another opens the database as another process would, until the test ends.
func (d *database) another() *database {
	d.t.Helper()
	s, err := d.open()
	d.must(err)
	d.t.Cleanup(func() { d.must(s.Close()) })
	return &database{s, d.t, d.open}
}

// nodes are the rows of the registry, as text.
func (d *database) nodes(at store.Position) (found []string) {
	d.t.Helper()
	census, err := d.ChangeLog().Nodes(d.t.Context(), at)
	d.must(err)
	for _, n := range census.Nodes {
		found = append(found, fmt.Sprintf("%s %s marked=%v seen=%v", n.ID, n.Name, n.Marked, n.Seen))
	}
	return found
}

var registries = []story{
	{"a node joins, says what it has seen, and leaves", func(d *database) {
		log, ctx := d.ChangeLog(), d.t.Context()
		d.must(log.Join(ctx, "a", "here:1"))
		same(d, "before its first word", d.nodes(nil), []string{"a here:1 marked=false seen=false"})
		begin, err := log.News(ctx, "a", nil)
		d.must(err)
		d.must(log.Seen(ctx, "a", begin.At))
		same(d, "after it", d.nodes(nil), []string{"a here:1 marked=false seen=true"})
		other := d.another()
		at, err := other.ChangeLog().Probe(ctx)
		d.must(err)
		same(d, "behind", other.nodes(at), []string{"a here:1 marked=false seen=false"})
		same(d, "behind the end", other.nodes(nil), []string{"a here:1 marked=false seen=false"})
		news, err := log.News(ctx, "a", begin.At)
		d.must(err)
		same(d, "news", news.Changes, []store.Change{{Kind: store.ChangedNothing}})
		d.must(log.Seen(ctx, "a", news.At))
		same(d, "level again", other.nodes(at), []string{"a here:1 marked=false seen=true"})
		d.must(log.Leave(ctx, "a"))
		d.must(log.Leave(ctx, "a"))
		d.must(log.Seen(ctx, "a", news.At))
		same(d, "gone", d.nodes(nil), nil)
	}},

	{"a node learns that it is marked, or gone", func(d *database) {
		log, ctx, other := d.ChangeLog(), d.t.Context(), d.another().ChangeLog()
		news := map[string]store.News{}
		for _, id := range []string{"a", "b"} {
			d.must(log.Join(ctx, id, "here:1"))
			first, err := log.News(ctx, id, nil)
			d.must(err)
			news[id] = first
		}
		live := func(id string, want bool) {
			d.t.Helper()
			n, err := log.News(ctx, id, news[id].At)
			d.must(err)
			same(d, id+" is live", n.Live, want)
		}
		live("a", true)
		d.must(other.Delete(ctx, []string{"a", "b"})) // marked rows only
		live("a", true)
		d.must(other.Mark(ctx, []string{"a", "nobody"}))
		live("a", false)
		live("b", true)
		same(d, "rows", d.nodes(nil), []string{"a here:1 marked=true seen=false", "b here:1 marked=false seen=false"})
		d.must(other.Delete(ctx, []string{"a", "b"}))
		live("a", false)
		same(d, "rows", d.nodes(nil), []string{"b here:1 marked=false seen=false"})
		if d.ChangeLog().Join(ctx, "b", "there:2") == nil {
			d.t.Error("an id was given twice")
		}
	}},

	{"whoever has not read what is removed from the log learns that there is a gap", func(d *database) {
		log, ctx := d.ChangeLog(), d.t.Context()
		d.must(log.Join(ctx, "a", "here:1"))
		early, err := log.News(ctx, "a", nil)
		d.must(err)
		other := d.another().ChangeLog()
		d.must(other.Prune(ctx, time.Now().Add(-time.Hour)))
		same(d, "old changes", told(d, early.At), 0)
		gap := func(since store.Position) bool {
			news, err := log.News(ctx, "a", since)
			d.must(err)
			return news.Gap
		}
		// Transactions that run meanwhile, of other databases too, may keep rows in the log and make late readers doubt.
		var late store.News
		for deadline := time.Now().Add(time.Minute); ; {
			_, err = other.Probe(ctx)
			d.must(err)
			late, err = log.News(ctx, "a", early.At)
			d.must(err)
			if len(late.Changes) == 0 && !late.Gap {
				d.t.Fatal("nobody was told of the change")
			}
			d.must(other.Prune(ctx, time.Now().Add(time.Hour)))
			if gap(early.At) && !gap(late.At) && told(d, late.At) == 0 {
				break
			}
			if time.Now().After(deadline) {
				d.t.Fatalf("a gap for who has read nothing: %v, for who has read all: %v", gap(early.At), gap(late.At))
			}
		}
		same(d, "a gap for who begins", gap(nil), false)
		d.must(other.Prune(ctx, time.Now().Add(time.Hour)))
		at, err := other.Probe(ctx)
		d.must(err)
		news, err := log.News(ctx, "a", late.At)
		d.must(err)
		same(d, "gap", news.Gap, false)
		same(d, "news", news.Changes, []store.Change{{Kind: store.ChangedNothing}})
		d.must(log.Seen(ctx, "a", news.At))
		same(d, "rows", d.nodes(at), []string{"a here:1 marked=false seen=true"})
	}},

	{"a caller that has gone is told nothing", func(d *database) {
		log := d.ChangeLog()
		_, err := log.News(cancelled(), "a", nil)
		_, err2 := log.Nodes(cancelled(), nil)
		if !errors.Is(err, context.Canceled) || !errors.Is(err2, context.Canceled) {
			d.t.Errorf("answered %v and %v", err, err2)
		}
	}},

	{"all agree how long a lease holds", func(d *database) {
		timing, err := d.ChangeLog().Timing(d.t.Context())
		d.must(err)
		same(d, "hold", timing.Hold, 700*time.Millisecond)
		same(d, "wait", timing.Wait, time.Second)
		if timing.Renew <= 0 || timing.Renew*3 > timing.Hold || timing.Reread <= 0 {
			d.t.Errorf("timing: %+v", timing)
		}
	}},
}

// told counts what node a is told of what came after a position.
func told(d *database, since store.Position) int {
	d.t.Helper()
	news, err := d.ChangeLog().News(d.t.Context(), "a", since)
	d.must(err)
	return len(news.Changes)
}
