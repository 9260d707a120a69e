package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/email"
	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// tie is somebody in a community: a member or a follower.
type tie struct {
	source.Row
	account, community source.Ref
	at                 time.Time
	// roles and defaults are a member's.
	roles    []string
	defaults bool
	refused  string
	// twice tells that a row before it has its key.
	twice  bool
	judged outcome
}

func (t *tie) key() string { return t.Key }

// tieKind is what differs between members and followers.
type tieKind struct {
	kind   store.ImportKind
	action string
	// is reports whether somebody is one already.
	is func(store.Standing) bool
	// insert adds those.
	insert func(ground, []store.MemberRow) error
}

func (r *run) members(ctx context.Context) error {
	kind := tieKind{
		kind: store.ImportedMember, action: "import.members", is: func(s store.Standing) bool { return s.Member },
		insert: func(g ground, rows []store.MemberRow) error { return g.InsertMembers(rows) },
	}
	return chunks(r.system.Members(ctx), r.chunk(), sizeOfMember, func(read []source.Member) error {
		rows := make([]*tie, len(read))
		for i, m := range read {
			rows[i] = r.judgeTie(kind.kind, &tie{
				Row: m.Row, account: m.Account, community: m.Community, at: m.JoinedAt, roles: m.Roles, defaults: m.Defaults,
			})
		}
		return r.tie(ctx, kind, rows, &r.report.Members, r.total.Members)
	})
}

func (r *run) followers(ctx context.Context) error {
	kind := tieKind{
		kind: store.ImportedFollower, action: "import.followers", is: func(s store.Standing) bool { return s.Follower }, insert: insertFollowers,
	}
	return chunks(r.system.Followers(ctx), r.chunk(), sizeOfFollower, func(read []source.Follower) error {
		rows := make([]*tie, len(read))
		for i, f := range read {
			rows[i] = r.judgeTie(kind.kind, &tie{Row: f.Row, account: f.Account, community: f.Community, at: f.FollowedAt})
		}
		return r.tie(ctx, kind, rows, &r.report.Followers, r.total.Followers)
	})
}

func insertFollowers(g ground, rows []store.MemberRow) error {
	followers := make([]store.FollowerRow, len(rows))
	for i, row := range rows {
		followers[i] = store.FollowerRow{CommunityID: row.CommunityID, AccountID: row.AccountID, FollowedAt: row.JoinedAt}
	}
	return g.InsertFollowers(followers)
}

func (r *run) judgeTie(kind store.ImportKind, t *tie) *tie {
	t.judged.ofRow = true
	if t.refused = refusal(t.Row); t.refused != "" {
		return t
	}
	if t.refused = r.again(t.Row); t.refused != "" {
		t.twice = true
		return t
	}
	t.judged.odd(kind, t.Row)
	t.at = moment(&t.judged, kind, t.Row, "time", t.at)
	return t
}

func (r *run) tie(ctx context.Context, kind tieKind, rows []*tie, count *Count, total int) error {
	err := r.change(ctx, kind.action, count, func(g ground, o *outcome) error { return r.writeTies(g, o, kind, rows) })
	count.Read += len(rows)
	r.tell(string(kind.kind)+"s", count.Read, total)
	return err
}

// writeTies adds those that are neither there nor in anybody's way.
func (r *run) writeTies(g ground, o *outcome, kind tieKind, rows []*tie) error {
	ids, err := known(g, r.Source, kind.kind, rows)
	if err != nil {
		return err
	}
	w := &tieWriter{run: r, g: g, o: o, tieKind: kind, here: map[store.StandingKey]bool{}, places: map[int64]*scope{}}
	if err := w.resolve(rows); err != nil {
		return err
	}
	for i, row := range rows {
		if err := w.take(i, row, ids[i] != 0 && !row.twice); err != nil {
			return err
		}
	}
	if len(w.keys) == 0 {
		return nil
	}
	if len(w.fresh) > 0 {
		if err := kind.insert(g, w.fresh); err != nil {
			return err
		}
		o.Added += len(w.fresh)
		o.note("count", len(w.fresh))
	}
	return g.SetImported(r.Source, kind.kind, w.keys, slices.Repeat([]int64{1}, len(w.keys)))
}

// tieWriter writes the ties of one transaction.
type tieWriter struct {
	*run
	g ground
	o *outcome
	tieKind
	// seats and standings are of the rows, in their order.
	seats     []store.StandingKey
	standings []store.Standing
	// here are those that this transaction adds.
	here map[store.StandingKey]bool
	// places are communities that were looked up; nil for those that are deleted.
	places map[int64]*scope
	fresh  []store.MemberRow
	keys   []string
	// already counts those of keys that were there without an import.
	already int
}

// resolve finds out whom and what the rows name, and what these are to each other.
func (w *tieWriter) resolve(rows []*tie) error {
	people, communities := make([]source.Ref, len(rows)), make([]source.Ref, len(rows))
	for i, row := range rows {
		people[i], communities[i] = row.account, row.community
	}
	accountIDs, err := w.accountsOf(w.g, people)
	if err != nil {
		return err
	}
	communityIDs, err := w.communitiesOf(w.g, communities)
	if err != nil {
		return err
	}
	w.seats = make([]store.StandingKey, len(rows))
	for i := range rows {
		w.seats[i] = store.StandingKey{CommunityID: communityIDs[i], AccountID: accountIDs[i]}
	}
	w.standings, err = w.g.Standings(w.seats)
	return err
}

// take decides about one row.
func (w *tieWriter) take(i int, row *tie, known bool) error {
	seat := w.seats[i]
	where, err := w.place(seat.CommunityID)
	if err != nil {
		return err
	}
	told := row.judged
	told.faults = slices.Clip(told.faults)
	roles := w.rolesFor(&told, row, where)
	w.o.add(told, known)
	if known {
		w.o.There++
		return nil
	}
	if why := w.obstacle(row, seat, where, w.standings[i]); why != "" {
		w.o.fault(w.kind, row.Row, "", why)
		return nil
	}
	w.keys = append(w.keys, row.Key)
	if w.is(w.standings[i]) || w.here[seat] {
		w.o.There++
		w.already++
		w.o.note("there", w.already)
		return nil
	}
	at, err := w.since(row, seat, where)
	w.here[seat] = true
	w.fresh = append(w.fresh, store.MemberRow{CommunityID: seat.CommunityID, AccountID: seat.AccountID, Roles: roles, JoinedAt: at})
	return err
}

// obstacle is why a row cannot be taken over.
func (w *tieWriter) obstacle(row *tie, seat store.StandingKey, where *scope, is store.Standing) string {
	switch {
	case row.refused != "":
		return row.refused
	case seat.AccountID == 0:
		return fmt.Sprintf("its account %s did not come over", named(row.account))
	case seat.CommunityID == 0:
		return fmt.Sprintf("its community %s did not come over", named(row.community))
	case where == nil:
		return fmt.Sprintf("its community %s was deleted in Propusk", named(row.community))
	case w.kind == store.ImportedMember && is.Barred && !is.Member:
		return "somebody removed this account from the community in Propusk: admit it by hand if it is to come back"
	}
	return ""
}

// named is what the row calls it, quoted where it would disturb a terminal.
func named(ref source.Ref) string {
	name := cmp.Or(ref.Key, ref.Name)
	if strconv.CanBackquote(name) {
		return name
	}
	return strconv.Quote(name)
}

// scope is what memberships hang on in a community.
type scope struct {
	available, defaults []string
	createdAt           time.Time
}

// rolesFor are those of a member's roles, or of the community's default ones, that can be given there; the others are quarantined.
func (w *tieWriter) rolesFor(told *outcome, row *tie, where *scope) (roles []string) {
	if where == nil || row.refused != "" {
		return nil
	}
	asked := row.roles
	if row.defaults {
		asked = where.defaults
	}
	for _, role := range asked {
		if why := unfit(role, roles, where.available); why != "" {
			told.fault(w.kind, row.Row, fmt.Sprintf("role %.100q", role), why)
		} else if !slices.Contains(roles, role) {
			roles = append(roles, role)
		}
	}
	return roles
}

// unfit is why somebody who has some roles cannot get another there.
func unfit(role string, has, available []string) string {
	switch {
	case !rbac.ValidRole(role):
		return "a role must begin with a letter a-z and have at most 32 letters a-z, digits, _ and -"
	case !slices.Contains(available, role):
		return "the community has no such role to give: " + strings.Join(available, ", ")
	case tooMany(role, has):
		return "nobody can have that many roles"
	}
	return ""
}

// tooMany reports whether a role is more than a membership can hold beside others.
func tooMany(role string, has []string) bool {
	return !slices.Contains(has, role) && (len(has) == rbac.MaxRoles || len(strings.Join(has, ","))+1+len(role) > rbac.MaxRolesLen)
}

// place is a community as it is now; nil for none, and for one that was deleted in Propusk.
func (w *tieWriter) place(id int64) (*scope, error) {
	if is, asked := w.places[id]; asked || id == 0 {
		return is, nil
	}
	is, err := w.g.Community(id)
	switch {
	case err == nil:
		w.places[id] = &scope{is.AvailableRoles, is.DefaultRoles, is.CreatedAt}
	case errors.Is(err, store.ErrNotFound):
		w.places[id] = w.deleted[id]
	default:
		return nil, err
	}
	return w.places[id], nil
}

// since is when somebody joined; where that is unknown, the first moment at which they can have.
func (w *tieWriter) since(row *tie, seat store.StandingKey, where *scope) (time.Time, error) {
	if !row.at.IsZero() || w.memory != nil {
		return row.at, nil
	}
	made, err := w.createdAt(w.g, seat.AccountID)
	if made.Before(where.createdAt) {
		made = where.createdAt
	}
	return made, err
}

// maxCreated bounds how many times of creation are remembered.
const maxCreated = 100_000

// createdAt is when an account was made.
func (r *run) createdAt(g store.Reader, id int64) (time.Time, error) {
	if at, asked := r.created[id]; asked {
		return at, nil
	}
	found, err := g.AccountsByID(0, []int64{id})
	if err != nil {
		return time.Time{}, err
	}
	user, err := g.UserByUserID(found[0].UserID)
	if err != nil {
		return time.Time{}, err
	}
	if len(r.created) >= maxCreated {
		clear(r.created)
	}
	r.created[id] = user.CreatedAt
	return user.CreatedAt, nil
}

// accountsOf are the accounts that are named; 0 for those that are not there. Whose address a row of the source has, who did not come over, is not
// there: somebody else may have the address in Propusk.
func (r *run) accountsOf(g ground, refs []source.Ref) ([]int64, error) {
	return lookUp(refs, func(keys []string) ([]int64, error) { return g.Imported(r.Source, store.ImportedAccount, keys) },
		func(names []string) ([]int64, error) {
			for i, name := range names {
				names[i] = email.Key(name)
			}
			ids, err := g.EmailHolders(names)
			for i := range ids {
				if met := r.addresses[digestOf(names[i])]; met != 0 && met != came {
					ids[i] = 0
				}
			}
			return ids, err
		})
}

// communitiesOf are the communities that are named; 0 for those that are not there.
func (r *run) communitiesOf(g ground, refs []source.Ref) ([]int64, error) {
	return lookUp(refs, func(keys []string) ([]int64, error) { return g.Imported(r.Source, store.ImportedCommunity, keys) }, g.CommunitiesBySlug)
}

// lookUp asks once for each key and each name.
func lookUp(refs []source.Ref, byKey, byName func([]string) ([]int64, error)) ([]int64, error) {
	var keys, names []string
	found := map[source.Ref]int64{}
	for _, ref := range refs {
		ref = oneOf(ref)
		if _, asked := found[ref]; asked {
			continue
		}
		found[ref] = 0
		switch {
		case ref.Key != "" && isText(ref.Key):
			keys = append(keys, ref.Key)
		case ref.Name != "" && isText(ref.Name):
			names = append(names, ref.Name)
		}
	}
	ids, err := byKey(keys)
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		found[source.Ref{Key: key}] = ids[i]
	}
	asked := slices.Clone(names)
	if ids, err = byName(asked); err != nil {
		return nil, err
	}
	for i, name := range names {
		found[source.Ref{Name: name}] = ids[i]
	}
	all := make([]int64, len(refs))
	for i, ref := range refs {
		all[i] = found[oneOf(ref)]
	}
	return all, nil
}

// oneOf is the reference by what counts: the key, if there is one.
func oneOf(ref source.Ref) source.Ref {
	if ref.Key != "" {
		return source.Ref{Key: ref.Key}
	}
	return source.Ref{Name: ref.Name}
}
